/* The mean gradient that an update goes by, from the sum over the batch. What the sum is divided by lies on the device,
 * written once the gradient is complete. */
#ifndef GRADIENT_MEAN_H
#define GRADIENT_MEAN_H

#include "arith.h"

enum {
    DIVISOR_COUNT,      /* examples really in the batch, or the sum of their weights: at least 2^-40 */
    DIVISOR_RECIPROCAL, /* 1 / count */
    DIVISOR_FACTOR,     /* 1, or less if the gradient is clipped */
    DIVISOR_RATIO,      /* LARS and LAMB: of the tensor that is updated next, what its rate is multiplied with */
    DIVISOR_VALUES
};

/* factor sum / count. The sum is raw: it was not flushed. */
static inline float gradient_mean(float sum, float count, float reciprocal, float factor)
{
    return arith_flush(factor * arith_mean(arith_flush(sum), count, reciprocal));
}

#endif
