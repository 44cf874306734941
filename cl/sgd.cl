/* Mini-batch SGD with momentum, RUN parameters per work-item, as in src/ops/sgd.c.
 * w, sum (of gradients over the batch) and v have the same layout. Nothing is updated once first_bad is set. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "gradient_mean.h"

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void sgd(
    __global float *restrict w, __global const float *restrict sum, __global float *restrict v,
    __global const float *restrict divisor, __global const uint *restrict first_bad, uint count, uint nesterov,
    float lr, float momentum, float decay)
{
    const float examples = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    if (first_bad[0]) return;
    for (uint i = from; i < to; i++) {
        const float mean = gradient_mean(sum[i], examples, reciprocal, factor);
        const float g = arith_flush(fma(decay, w[i], mean));
        const float velocity = arith_flush_state(fma(momentum, v[i], g));
        const float move = nesterov ? arith_flush_state(fma(momentum, velocity, g)) : velocity;
        v[i] = velocity;
        w[i] = arith_flush(fma(-lr, move, w[i]));
    }
}
