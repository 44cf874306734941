/* Pooling: args.size[] is window.h's. */
#ifndef OPS_POOL_H
#define OPS_POOL_H

#include "ops/window.h"

/* Of means: places in args.scalar[]. */
enum {
    POOL_COUNT,      /* KH KW */
    POOL_RECIPROCAL, /* 1 / count */
};

/* Whether no input is in two windows. */
static inline bool pool_is_apart(const op_args *a)
{
    return (a->size[WINDOW_OH] == 1 || a->size[WINDOW_SY] >= a->size[WINDOW_KH]) &&
           (a->size[WINDOW_OW] == 1 || a->size[WINDOW_SX] >= a->size[WINDOW_KW]);
}

#endif
