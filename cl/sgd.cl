/* Mini-batch SGD with momentum and LARS, RUN parameters per work-item (fours.h), as in src/ops/sgd.c and lars.c.
 * w, sum (of gradients over the batch) and v have the same layout. Elements at .. at+count-1 are updated; nothing is
 * once first_bad is set. */
// lint: -D GROUP=256 -D RUN=4
// lint: -D GROUP=1 -D RUN=256
#include "sgd_move.h"
#include "update_run.h"

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
sgd(__global float *restrict w, __global const float *restrict sum, __global float *restrict v,
    __global const float *restrict divisor, __global const uint *restrict first_bad, uint count, uint at, uint nesterov,
    float lr, float momentum, float decay)
{
    UPDATE_RUN(sgd_move, v, nesterov, lr, momentum, decay);
}

static float lars_move(float w, float *v, float mean, float rate, float momentum, float decay)
{
    const float g = arith_flush(fma(decay, w, mean));
    const float velocity = arith_flush_state(fma(momentum, *v, arith_flush_state(rate * g)));
    *v = velocity;
    return arith_flush(w - velocity);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
lars(__global float *restrict w, __global const float *restrict sum, __global float *restrict v,
     __global const float *restrict divisor, __global const uint *restrict first_bad, uint count, uint at, uint adapted,
     float lr, float momentum, float decay)
{
    const float rate = adapted ? arith_flush_state(lr * divisor[DIVISOR_RATIO]) : lr;
    UPDATE_RUN(lars_move, v, rate, momentum, decay);
}
