/* Mini-batch SGD with momentum and LARS, RUN parameters per work-item, as in src/ops/sgd.c and lars.c.
 * w, sum (of gradients over the batch) and v have the same layout. Elements at .. at+count-1 are updated; nothing is
 * once first_bad is set. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "gradient_means.h"
#include "sgd_move.h"

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
sgd(__global float *restrict w, __global const float *restrict sum, __global float *restrict v,
    __global const float *restrict divisor, __global const uint *restrict first_bad, uint count, uint at, uint nesterov,
    float lr, float momentum, float decay)
{
    const uint from = at + get_global_id(0) * RUN, to = min(from + RUN, at + count);
    float mean[RUN];
    if (first_bad[0]) return;
    gradient_means(sum, divisor, from, to, mean);
    sgd_move(w, v, mean, from, to, nesterov, lr, momentum, decay);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
lars(__global float *restrict w, __global const float *restrict sum, __global float *restrict v,
     __global const float *restrict divisor, __global const uint *restrict first_bad, uint count, uint at, uint adapted,
     float lr, float momentum, float decay)
{
    const float rate = adapted ? arith_flush_state(lr * divisor[DIVISOR_RATIO]) : lr;
    const uint from = at + get_global_id(0) * RUN, to = min(from + RUN, at + count);
    float mean[RUN];
    if (first_bad[0]) return;
    gradient_means(sum, divisor, from, to, mean);
    for (uint i = from; i < to; i++) {
        const float g = arith_flush(fma(decay, w[i], mean[i - from]));
        const float velocity = arith_flush_state(fma(momentum, v[i], arith_flush_state(rate * g)));
        v[i] = velocity;
        w[i] = arith_flush(w[i] - velocity);
    }
}
