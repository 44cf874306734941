/* Values that are joined, as in src/ops/join.c: a value has E elements for each of N examples, count = N E.
 * GROUP work-items per group, RUN neighbors per work-item, as in fours.h. */
// lint: -D GROUP=256 -D RUN=4
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "arith.h"
#include "each_alone.h"
#include "finish.h"
#include "fours.h"

#pragma OPENCL FP_CONTRACT OFF

/* The sum, or 0 where x is if `masked` is set. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void add(
    __global const float *a, __global const float *b, __global float *y /* may be x */, uint count,
    __global const float *x, float least, uint masked)
{
    PLACE_RUN(0u, count);
    if (is_four(from, to, (size_t)a | (size_t)b | (size_t)x | (size_t)y)) {
        float sum[4], other[4], mask[4];
        load_four(sum, a + from);
        load_four(other, b + from);
        UNROLL for (uint k = 0; k < 4; k++) sum[k] = finish_value(sum[k] + other[k], least);
        if (masked) {
            load_four(mask, x + from);
            UNROLL for (uint k = 0; k < 4; k++) sum[k] = mask_value(sum[k], mask[k]);
        }
        store_four(sum, y + from);
        return;
    }
    if (masked)
        EACH_ALONE for (uint i = from; i < to; i++) y[i] = mask_value(finish_value(a[i] + b[i], least), x[i]);
    else
        EACH_ALONE for (uint i = from; i < to; i++) y[i] = finish_value(a[i] + b[i], least);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void multiply(
    __global const float *a, __global const float *b, __global float *restrict y, uint count)
{
    PLACE_RUN(0u, count);
    if (is_four(from, to, (size_t)a | (size_t)b | (size_t)y)) {
        float u[4], v[4];
        load_four(u, a + from);
        load_four(v, b + from);
        UNROLL for (uint k = 0; k < 4; k++) u[k] = arith_flush(u[k] * v[k]);
        store_four(u, y + from);
        return;
    }
    for (uint i = from; i < to; i++) y[i] = arith_flush(a[i] * b[i]);
}

/* Copies `elements` neighbors of each row: from element from_at of rows of from_width, to to_at of rows of to_width.
 * A row is an example, or a panel of examples. Work-groups: runs of a row, rows. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void copy_part(
    __global const float *restrict from, __global float *restrict to, uint elements, uint from_width, uint from_at,
    uint to_width, uint to_at)
{
    const uint first = get_global_id(0) * RUN, end = min(first + RUN, elements);
    __global const float *x = from + get_global_id(1) * (size_t)from_width + from_at;
    __global float *y = to + get_global_id(1) * (size_t)to_width + to_at;
    for (uint i = first; i < end; i++) y[i] = x[i];
}
