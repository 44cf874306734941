/* The tree over the sums of a batch's leaves and shards, as in src/ops/tree.c. Sums are stored raw.
 * GROUP work-items per group, RUN neighbors per work-item, as in activation.cl. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "binary_tree.h"

/* to = from if `keeps` is set, else to + from. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
add_node(__global float *restrict to, __global const float *restrict from, uint first, uint count, uint keeps)
{
    const uint begin = first + get_global_id(0) * RUN, end = min(begin + RUN, first + count);
    if (keeps)
        for (uint i = begin; i < end; i++) to[i] = from[i];
    else
        for (uint i = begin; i < end; i++) to[i] += from[i];
}

/* out (E) = the tree over rows (R, E). */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
add_tree(__global const float *restrict rows, __global float *restrict out, uint R, uint E)
{
    const uint begin = get_global_id(0) * RUN, end = min(begin + RUN, E);
    for (uint e = begin; e < end; e++) {
        float node[TREE_DEPTH];
        for (uint r = 0; r < R; r++) tree_add(node, r, rows[(size_t)r * E + e]);
        out[e] = tree_total(node, R);
    }
}
