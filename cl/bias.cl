/* A bias per channel, as in src/ops/bias.c. A plane has `elements` values of one channel: P, or P times the examples of
 * a panel. GROUP work-items per group, RUN neighbors per work-item, as in activation.cl. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "arith.h"
#include "work_group.h"

#pragma OPENCL FP_CONTRACT OFF

/* y += b. Work-groups: planes, each with as many groups as it takes. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void add_bias(
    __global float *restrict y, __global const float *restrict b /* (O) */, uint elements, uint O)
{
    const uint groups = (elements + GROUP * RUN - 1) / (GROUP * RUN), plane = work_group_id(0) / groups;
    const uint within = (work_group_id(0) - plane * groups) * GROUP + (uint)get_local_id(0);
    const uint from = within * RUN, to = min(from + RUN, elements);
    const float bias = b[plane % O];
    y += (size_t)plane * elements;
    for (uint i = from; i < to; i++) y[i] = arith_flush(y[i] + bias);
}
