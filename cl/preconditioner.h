/* What Adam's second moment divides a gradient by (stats/noise_scale.h). v is kept times 2^40, and is 0 or 2^-80 at
 * least (src/ops/adam.c); epsilon comes times 2^20. */
#ifndef PRECONDITIONER_H
#define PRECONDITIONER_H

#include "arith.h"

/* 1 / (sqrt(v unbias) + epsilon), from 2^-39 to 2^60. 0 if nothing is known: v is 0, or too large for an update. */
static inline float preconditioner_weight(float v, float unbias, float epsilon)
{
    const float seen = v * unbias, root = arith_near_sqrt(seen) + epsilon;
    const float weight = 0x1p+20f * arith_near_reciprocal(root);
    return arith_select((seen >= 0x1p-80f) & (seen <= 0x1p+118f), weight, 0.0f);
}

/* sum + weight x^2. x is 0 or 2^-40 at least, so that no product is denormal. */
static inline float preconditioner_add(float sum, float x, float v, float unbias, float epsilon)
{
    return ARITH_FMA(x * preconditioner_weight(v, unbias, epsilon), x, sum);
}

/* A finished sum, such that a scale of 2^-24 leaves no denormal. */
static inline float preconditioner_flush(float sum) { return arith_select(sum < 0x1p-80f, 0.0f, sum); }

#endif
