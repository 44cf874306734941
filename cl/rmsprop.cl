/* RMSprop, RUN parameters per work-item, as in src/ops/rmsprop.c, which also defines the scalars.
 * w, sum (of gradients over the batch), v (times 2^40) and b have the same layout. Elements at .. at+count-1 are
 * updated; nothing is once first_bad is set. */
// lint: -D GROUP=256 -D RUN=4
// lint: -D GROUP=1 -D RUN=256
#include "update_run.h"

static float rmsprop_move(float w, float *v, float *b, float gradient, float lr, float alpha, float rest, float epsilon,
                          float momentum, float decay)
{
    const float g = arith_flush(fma(decay, w, gradient));
    const float squares = fma(alpha, *v, rest * (g * g));
    const float mean = arith_select(squares < 0x1p-80f, 0.0f, squares);
    const float ratio = g * 0x1p+20f * arith_near_reciprocal(arith_near_sqrt(mean) + epsilon);
    const float move = arith_select(mean <= 0x1p+118f, ratio, arith_float(ARITH_NAN));
    const float velocity = arith_flush_state(fma(momentum, *b, move));
    *v = mean;
    *b = velocity;
    return arith_flush(fma(-lr, velocity, w));
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
rmsprop(__global float *restrict w, __global const float *restrict sum, __global float *restrict v,
        __global float *restrict b, __global const float *restrict divisor, __global const uint *restrict first_bad,
        uint count, uint at, float lr, float alpha, float rest, float epsilon, float momentum, float decay)
{
    UPDATE_RUN_2(rmsprop_move, w, v, b, lr, alpha, rest, epsilon, momentum, decay);
}
