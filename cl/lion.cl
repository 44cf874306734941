/* Lion, RUN parameters per work-item, as in src/ops/lion.c, which also defines the scalars.
 * w, sum (of gradients over the batch) and m have the same layout. Elements at .. at+count-1 are updated; nothing is
 * once first_bad is set. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "gradient_means.h"

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
lion(__global float *restrict w, __global const float *restrict sum, __global float *restrict m,
     __global const float *restrict divisor, __global const uint *restrict first_bad, uint count, uint at, float lr,
     float beta1, float rest1, float beta2, float rest2, float decay)
{
    const uint from = at + get_global_id(0) * RUN, to = min(from + RUN, at + count);
    float mean[RUN];
    if (first_bad[0]) return;
    gradient_means(sum, divisor, from, to, mean);
    for (uint i = from; i < to; i++) {
        const float g = mean[i - from];
        const float c = arith_flush_state(fma(beta1, m[i], rest1 * g));
        const float sign = arith_select(c > 0.0f, 1.0f, arith_select(c < 0.0f, -1.0f, c)); /* 0 and NaN stay */
        m[i] = arith_flush_state(fma(beta2, m[i], rest2 * g));
        w[i] = arith_flush(fma(-lr, fma(decay, w[i], sign), w[i]));
    }
}
