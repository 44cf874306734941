/* Lion, RUN parameters per work-item, as in src/ops/lion.c, which also defines the scalars.
 * w, sum (of gradients over the batch) and m have the same layout. Elements at .. at+count-1 are updated; nothing is
 * once first_bad is set. */
// lint: -D GROUP=256 -D RUN=4
// lint: -D GROUP=1 -D RUN=256
#include "update_run.h"

static float lion_move(float w, float *m, float g, float lr, float beta1, float rest1, float beta2, float rest2,
                       float decay)
{
    const float c = arith_flush_state(fma(beta1, *m, rest1 * g));
    const float sign = arith_select(c > 0.0f, 1.0f, arith_select(c < 0.0f, -1.0f, c)); /* 0 and NaN stay */
    *m = arith_flush_state(fma(beta2, *m, rest2 * g));
    return arith_flush(fma(-lr, fma(decay, w, sign), w));
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
lion(__global float *restrict w, __global const float *restrict sum, __global float *restrict m,
     __global const float *restrict divisor, __global const uint *restrict first_bad, uint count, uint at, float lr,
     float beta1, float rest1, float beta2, float rest2, float decay)
{
    UPDATE_RUN(lion_move, m, lr, beta1, rest1, beta2, rest2, decay);
}
