/* RMSprop: places in args.scalar[]. */
#ifndef OPS_RMSPROP_H
#define OPS_RMSPROP_H

#include "ops/adam.h" /* ADAM_SCALE and ADAM_ROOT */

enum {
    RMSPROP_LR,
    RMSPROP_ALPHA,
    RMSPROP_REST,    /* (1 - alpha) ADAM_SCALE */
    RMSPROP_EPSILON, /* times ADAM_ROOT */
    RMSPROP_MOMENTUM,
    RMSPROP_DECAY,
    RMSPROP_SCALARS
};

#endif
