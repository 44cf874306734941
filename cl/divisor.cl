/* What an update divides the sum of gradients by, as in src/ops/divisor.c. */
#include "gradient_mean.h"

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void divisor(__global const float *restrict sum,
                                                                     __global float *restrict out, uint from_sum,
                                                                     float examples)
{
    const float count = from_sum ? sum[0] : examples;
    out[DIVISOR_COUNT] = count;
    out[DIVISOR_RECIPROCAL] = arith_div(1.0f, count);
    out[DIVISOR_FACTOR] = 1.0f;
}
