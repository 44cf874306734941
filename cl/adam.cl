/* Adam and AdamW, RUN parameters per work-item, as in src/ops/adam.c, which also defines the scalars.
 * w, sum (of gradients over the batch), m and v (v times 2^40) have the same layout. Nothing is updated once first_bad
 * is set. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "gradient_mean.h"

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void adam(
    __global float *restrict w, __global const float *restrict sum, __global float *restrict m,
    __global float *restrict v, __global const float *restrict divisor, __global const uint *restrict first_bad,
    uint count, float lr, float beta1, float rest1, float beta2, float rest2, float unbias1, float unbias2,
    float epsilon, float decay, float decoupled)
{
    const float examples = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    if (first_bad[0]) return;
    for (uint i = from; i < to; i++) {
        const float mean = gradient_mean(sum[i], examples, reciprocal, factor);
        const float g = arith_flush(fma(decay, w[i], mean));
        const float first = arith_flush_state(fma(beta1, m[i], rest1 * g));
        const float squares = fma(beta2, v[i], rest2 * (g * g));
        const float second = arith_select(squares < 0x1p-80f, 0.0f, squares);
        const float seen = second * unbias2, root = arith_near_sqrt(seen) + epsilon;
        const float ratio = arith_flush_state(first * unbias1 * arith_near_reciprocal(root));
        const float move = arith_select(seen <= 0x1p+118f, ratio, arith_float(ARITH_NAN));
        m[i] = first;
        v[i] = second;
        w[i] = arith_flush(fma(-lr, arith_flush_state(fma(decoupled, w[i], move)), w[i]));
    }
}
