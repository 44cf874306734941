/* RMSprop, RUN parameters per work-item, as in src/ops/rmsprop.c, which also defines the scalars.
 * w, sum (of gradients over the batch), v (times 2^40) and b have the same layout. Elements at .. at+count-1 are
 * updated; nothing is once first_bad is set. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "gradient_means.h"

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
rmsprop(__global float *restrict w, __global const float *restrict sum, __global float *restrict v,
        __global float *restrict b, __global const float *restrict divisor, __global const uint *restrict first_bad,
        uint count, uint at, float lr, float alpha, float rest, float epsilon, float momentum, float decay)
{
    const uint from = at + get_global_id(0) * RUN, to = min(from + RUN, at + count);
    float means[RUN];
    if (first_bad[0]) return;
    gradient_means(sum, divisor, from, to, means);
    for (uint i = from; i < to; i++) {
        const float g = arith_flush(fma(decay, w[i], means[i - from]));
        const float squares = fma(alpha, v[i], rest * (g * g));
        const float mean = arith_select(squares < 0x1p-80f, 0.0f, squares);
        const float ratio = g * 0x1p+20f * arith_near_reciprocal(arith_near_sqrt(mean) + epsilon);
        const float move = arith_select(mean <= 0x1p+118f, ratio, arith_float(ARITH_NAN));
        const float velocity = arith_flush_state(fma(momentum, b[i], move));
        v[i] = mean;
        b[i] = velocity;
        w[i] = arith_flush(fma(-lr, velocity, w[i]));
    }
}
