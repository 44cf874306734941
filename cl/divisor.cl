/* What an update divides the sum of gradients by, and what it is made of, as in src/ops/divisor.c. */
// lint: -D GROUP=64
// lint: -D GROUP=1
#include "first_bad.h"
#include "gradient_mean.h"

#define LANES 256

/* The sum of count floats by one group of work-items: lane l of 256 sums l, l + 256, ..., lanes fold 128, 64, ..., 1.
 */
static float sum_lanes(__global const float *restrict x, uint count, __local float *lane)
{
    const uint item = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE); /* an earlier sum was read */
    for (uint l = item; l < LANES; l += GROUP) {
        float sum = x[l < count ? l : count - 1];
        for (uint i = l + LANES; i < count; i += LANES) sum = arith_chain(sum, x[i]);
        lane[l] = l < count ? sum : 0.0f;
    }
    for (uint fold = LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint l = item; l < fold; l += GROUP) lane[l] += lane[l + fold];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return lane[0];
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
gradient_clip(__global const float *restrict squares, __global float *restrict divisor,
              volatile __global uint *restrict first_bad, uint count, uint step, uint what, float most)
{
    __local float lane[LANES];
    const float root = arith_sqrt(sum_lanes(squares, count, lane));
    if (get_local_id(0)) return;
    const float norm = arith_div(root, divisor[DIVISOR_COUNT]);
    const float factor = arith_flush_state(arith_div(most, norm + 1e-6f));
    divisor[DIVISOR_FACTOR] = factor < 1.0f ? factor : 1.0f;
    if (!arith_is_finite(norm)) set_first_bad(first_bad, step, what);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void trust_ratio(__global const float *restrict squares,
                                                                             __global float *restrict divisor,
                                                                             uint weights, uint others, uint of_sum,
                                                                             float coefficient, float decay)
{
    __local float lane[LANES];
    const float w = arith_sqrt(sum_lanes(squares, weights, lane));
    const float root = arith_sqrt(sum_lanes(squares + weights, others, lane));
    if (get_local_id(0)) return;
    const float mean = divisor[DIVISOR_FACTOR] * arith_div(root, divisor[DIVISOR_COUNT]);
    const float other = of_sum ? arith_flush_state(mean) : root, whole = fma(decay, w, other);
    const float ratio = arith_is_finite(whole) ? arith_div(coefficient * w, whole) : arith_float(ARITH_NAN);
    divisor[DIVISOR_RATIO] = arith_is_zero(w) || arith_is_zero(other) ? 1.0f : ratio;
}
