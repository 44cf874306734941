/* Adam, AdamW and LAMB, RUN parameters per work-item, as in src/ops/adam.c and lamb.c, which also define the scalars.
 * w, sum (of gradients over the batch), m and v (v times 2^40) have the same layout. Elements at .. at+count-1 are
 * updated; nothing is once first_bad is set. */
// lint: -D GROUP=256 -D RUN=4
// lint: -D GROUP=1 -D RUN=256
#include "adam_move.h"
#include "update_run.h"

static float adam_update(float w, float *m, float *v, float mean, float lr, float beta1, float rest1, float beta2,
                         float rest2, float unbias1, float unbias2, float epsilon, float decay, float decoupled)
{
    const float g = arith_flush(fma(decay, w, mean));
    const float move = adam_move(g, m, v, beta1, rest1, beta2, rest2, unbias1, unbias2, epsilon);
    return arith_flush(fma(-lr, arith_flush_state(fma(decoupled, w, move)), w));
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
adam(__global float *restrict w, __global const float *restrict sum, __global float *restrict m,
     __global float *restrict v, __global const float *restrict divisor, __global const uint *restrict first_bad,
     uint count, uint at, float lr, float beta1, float rest1, float beta2, float rest2, float unbias1, float unbias2,
     float epsilon, float decay, float decoupled)
{
    UPDATE_RUN_2(adam_update, w, m, v, lr, beta1, rest1, beta2, rest2, unbias1, unbias2, epsilon, decay, decoupled);
}

static float lamb_move(float w, float *m, float *v, float g, float beta1, float rest1, float beta2, float rest2,
                       float unbias1, float unbias2, float epsilon, float decay)
{
    return arith_flush(fma(decay, w, adam_move(g, m, v, beta1, rest1, beta2, rest2, unbias1, unbias2, epsilon)));
}

/* The same, but what the weights would move by replaces the sum, which is of no use anymore. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
lamb_direction(__global const float *restrict w, __global float *restrict sum, __global float *restrict m,
               __global float *restrict v, __global const float *restrict divisor,
               __global const uint *restrict first_bad, uint count, uint at, float beta1, float rest1, float beta2,
               float rest2, float unbias1, float unbias2, float epsilon, float decay)
{
    UPDATE_RUN_2(lamb_move, sum, m, v, beta1, rest1, beta2, rest2, unbias1, unbias2, epsilon, decay);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
lamb_step(__global float *restrict w, __global const float *restrict direction, __global const float *restrict divisor,
          __global const uint *restrict first_bad, uint count, uint at, uint adapted, float lr)
{
    const float rate = adapted ? arith_flush_state(lr * divisor[DIVISOR_RATIO]) : lr;
    PLACE_RUN(at, count);
    if (first_bad[0]) return;
    if (is_four(from, to, (size_t)w | (size_t)direction)) {
        float x[4], move[4];
        load_four(x, w + from);
        load_four(move, direction + from);
        UNROLL for (uint k = 0; k < 4; k++) x[k] = arith_flush(fma(-rate, move[k], x[k]));
        store_four(x, w + from);
        return;
    }
    for (uint i = from; i < to; i++) w[i] = arith_flush(fma(-rate, direction[i], w[i]));
}
