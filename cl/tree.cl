/* The tree over the sums of a batch's leaves and shards, as in src/ops/tree.c. Sums are stored raw.
 * GROUP work-items per group, RUN neighbors per work-item, as in fours.h. */
// lint: -D GROUP=256 -D RUN=4
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "binary_tree.h"
#include "fours.h"

/* node = other if `keeps` is set, else node + other: of elements at .. at+count-1. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
add_node(__global float *restrict node, __global const float *restrict other, uint at, uint count, uint keeps)
{
    PLACE_RUN(at, count);
    if (is_four(from, to, (size_t)node | (size_t)other)) {
        const float4 u = *(const __global float4 *)(other + from);
        __global float4 *to4 = (__global float4 *)(node + from);
        if (keeps)
            *to4 = u;
        else
            *to4 += u;
    } else if (keeps)
        for (uint i = from; i < to; i++) node[i] = other[i];
    else
        for (uint i = from; i < to; i++) node[i] += other[i];
}

/* out (E) = the tree over rows (R, E). */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
add_tree(__global const float *restrict rows, __global float *restrict out, uint R, uint E)
{
    PLACE_RUN(0u, E);
    for (uint e = from; e < to; e++) {
        float node[TREE_DEPTH];
        for (uint r = 0; r < R; r++) tree_add(node, r, rows[(size_t)r * E + e]);
        out[e] = tree_total(node, R);
    }
}
