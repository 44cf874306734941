/* What a step leaves once its losses and its gradient are complete, as in src/ops/watch.c. Each work-item checks RUN
 * neighbors of the gradient; the first work-group adds the losses, too. */
// lint: -D GROUP=256 -D RUN=4
// lint: -D GROUP=1 -D RUN=256
#include "first_bad.h"
#include "fours.h"
#include "gradient_mean.h"
#include "work_group.h"

#define LANES 256

/* Without weights, any other buffer of as many values stands in their place. Sums are of 1 to 256 values: one per lane,
 * lanes fold 128, 64, ..., 1. All groups pass the barriers, since PoCL gets those wrong that only some groups reach. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
watch(__global const float *restrict losses, __global const float *restrict weights,
      __global const uint *restrict gradient, __global float *restrict divisor, __global float *restrict ring,
      volatile __global uint *restrict first_bad, uint sums, uint weighted, uint elements, uint step, uint places,
      uint what, float examples)
{
    __local float loss_lane[LANES], weight_lane[LANES];
    const uint item = get_local_id(0), lanes = work_group_id(0) ? 0u : LANES;
    PLACE_RUN(0u, elements);
    if (find_largest(gradient, from, to) >= ARITH_INF) set_first_bad(first_bad, step, what);
    for (uint l = item; l < lanes; l += GROUP) {
        const uint at = l < sums ? l : sums - 1;
        const float loss = losses[at], weight = weights[at];
        loss_lane[l] = l < sums ? loss : 0.0f;
        weight_lane[l] = l < sums ? weight : 0.0f;
    }
    for (uint fold = LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint l = item; l < min(fold, lanes); l += GROUP) {
            loss_lane[l] += loss_lane[l + fold];
            weight_lane[l] += weight_lane[l + fold];
        }
    }
    if (item || !lanes) return;
    const float weight = weighted ? weight_lane[0] : examples, count = weight == 0.0f ? 1.0f : weight;
    const float loss = arith_flush(arith_div(loss_lane[0], count));
    divisor[DIVISOR_COUNT] = count;
    divisor[DIVISOR_RECIPROCAL] = arith_div(1.0f, count);
    divisor[DIVISOR_FACTOR] = 1.0f;
    divisor[DIVISOR_RATIO] = 1.0f;
    ring[step % places] = loss;
    if (!arith_is_finite(loss)) set_first_bad(first_bad, step, what);
}
