/* The mean gradients of a work-item's elements, for the kernels of optimizers. */
#ifndef GRADIENT_MEANS_H
#define GRADIENT_MEANS_H

#include "gradient_mean.h"

/* sum[k], for k < elements, becomes the mean of it. A division by a power of two is exact; that such a product never
 * overflows needs a count of 1 at least. These are loops of their own, as it is up to the compiler whether a choice
 * leaves the loop around it. Without restrict, which in a function that is inlined becomes what Oclgrind 21.10 does not
 * know. */
static inline void make_means(float *sum, __global const float *divisor, uint elements)
{
    const float count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    if (count >= 1.0f && (arith_bits(count) & ARITH_FRACTION) == 0u && factor == 1.0f) {
        for (uint k = 0; k < elements; k++) sum[k] = arith_flush(sum[k] * reciprocal);
    } else {
        for (uint k = 0; k < elements; k++) sum[k] = gradient_mean(sum[k], count, reciprocal, factor);
    }
}

/* Of one sum. */
static inline float one_mean(float sum, __global const float *divisor)
{
    make_means(&sum, divisor, 1);
    return sum;
}

/* mean[k]: of element from + k, for those before `to`. */
static inline void gradient_means(__global const float *sum, __global const float *divisor, uint from, uint to,
                                  float *mean)
{
    for (uint i = from; i < to; i++) mean[i - from] = sum[i];
    make_means(mean, divisor, max(from, to) - from); /* none past the end */
}

#endif
