/* Adam, AdamW and LAMB, RUN parameters per work-item, as in src/ops/adam.c and lamb.c, which also define the scalars.
 * w, sum (of gradients over the batch), m and v (v times 2^40) have the same layout. Elements at .. at+count-1 are
 * updated; nothing is once first_bad is set. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "adam_move.h"
#include "gradient_means.h"

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
adam(__global float *restrict w, __global const float *restrict sum, __global float *restrict m,
     __global float *restrict v, __global const float *restrict divisor, __global const uint *restrict first_bad,
     uint count, uint at, float lr, float beta1, float rest1, float beta2, float rest2, float unbias1, float unbias2,
     float epsilon, float decay, float decoupled)
{
    const uint from = at + get_global_id(0) * RUN, to = min(from + RUN, at + count);
    float mean[RUN];
    if (first_bad[0]) return;
    gradient_means(sum, divisor, from, to, mean);
    for (uint i = from; i < to; i++) {
        float first = m[i], second = v[i];
        const float g = arith_flush(fma(decay, w[i], mean[i - from]));
        const float move = adam_move(g, &first, &second, beta1, rest1, beta2, rest2, unbias1, unbias2, epsilon);
        m[i] = first;
        v[i] = second;
        w[i] = arith_flush(fma(-lr, arith_flush_state(fma(decoupled, w[i], move)), w[i]));
    }
}

/* The same, but what the weights would move by replaces the sum, which is of no use anymore. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
lamb_direction(__global const float *restrict w, __global float *restrict sum, __global float *restrict m,
               __global float *restrict v, __global const float *restrict divisor,
               __global const uint *restrict first_bad, uint count, uint at, float beta1, float rest1, float beta2,
               float rest2, float unbias1, float unbias2, float epsilon, float decay)
{
    const uint from = at + get_global_id(0) * RUN, to = min(from + RUN, at + count);
    float mean[RUN];
    if (first_bad[0]) return;
    gradient_means(sum, divisor, from, to, mean);
    for (uint i = from; i < to; i++) {
        float first = m[i], second = v[i];
        const float g = mean[i - from];
        const float move = adam_move(g, &first, &second, beta1, rest1, beta2, rest2, unbias1, unbias2, epsilon);
        m[i] = first;
        v[i] = second;
        sum[i] = arith_flush(fma(decay, w[i], move));
    }
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
lamb_step(__global float *restrict w, __global const float *restrict direction, __global const float *restrict divisor,
          __global const uint *restrict first_bad, uint count, uint at, uint adapted, float lr)
{
    const float rate = adapted ? arith_flush_state(lr * divisor[DIVISOR_RATIO]) : lr;
    const uint from = at + get_global_id(0) * RUN, to = min(from + RUN, at + count);
    if (first_bad[0]) return;
    for (uint i = from; i < to; i++) w[i] = arith_flush(fma(-rate, direction[i], w[i]));
}
