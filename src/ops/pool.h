/* Pooling: args.size[] is window.h's. */
#ifndef OPS_POOL_H
#define OPS_POOL_H

#include "ops/window.h"

/* Of means: places in args.scalar[]. */
enum {
    POOL_COUNT,      /* KH KW */
    POOL_RECIPROCAL, /* 1 / count */
};

#endif
