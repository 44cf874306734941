/* Sums over whole tensors, and the check for values that are not finite, as in src/ops/sum.c. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=256 -D RUN=4
#include "arith.h"
#include "first_bad.h"
#include "fours.h"
#include "work_group.h"

#define LANES 256

/* out[at + b] = the sum of block b of 256 elements: one per lane, lanes fold 128, 64, ..., 1. Of `count` elements from
 * `from` on, in rows of `row`, each of which is cut into blocks of its own. One group of GROUP work-items per block. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
sum_blocks(__global const float *restrict in, __global float *restrict out, uint count, uint at, uint from, uint row)
{
    __local float lane[LANES];
    const uint item = get_local_id(0), block = work_group_id(0), blocks = (row + LANES - 1) / LANES;
    const uint above = block / blocks, begin = above * row + (block - above * blocks) * LANES;
    const uint some = min(min(row - (block - above * blocks) * LANES, count - begin), (uint)LANES);
    for (uint l = item; l < LANES; l += GROUP) {
        const float x = in[from + begin + (l < some ? l : some - 1)];
        lane[l] = l < some ? x : 0.0f;
    }
    for (uint fold = LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint l = item; l < fold; l += GROUP) lane[l] += lane[l + fold];
    }
    if (item == 0) out[at + block] = lane[0];
}

/* Each work-item checks RUN neighbors. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
check_finite(__global const uint *restrict x, volatile __global uint *restrict first_bad, uint count, uint step,
             uint what)
{
    PLACE_RUN(0u, count);
    if (find_largest(x, from, to) >= ARITH_INF) set_first_bad(first_bad, step, what);
}
