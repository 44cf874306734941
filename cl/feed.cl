/* The feed: rows of a data set on the device, gathered into a tile, as in src/ops/feed.c.
 * E elements an example; row r of the tile is example order[at + r]. Work-items take RUN neighbours of an example each;
 * dimension 1 is r. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=256
#include "arith.h"

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_bytes(
    __global const uchar *restrict source, __global const uint *restrict order, __global float *restrict x, uint elements, uint at,
    float scale, float shift)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, elements), r = get_global_id(1);
    source += (size_t)order[at + r] * elements;
    x += (size_t)r * elements;
    for (uint i = from; i < to; i++) x[i] = arith_flush(fma((float)source[i], scale, shift));
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_floats(
    __global const float *restrict source, __global const uint *restrict order, __global float *restrict x, uint elements, uint at,
    float scale, float shift)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, elements), r = get_global_id(1);
    source += (size_t)order[at + r] * elements;
    x += (size_t)r * elements;
    for (uint i = from; i < to; i++) x[i] = arith_flush(fma(arith_flush(source[i]), scale, shift));
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_labels(
    __global const uint *restrict source, __global const uint *restrict order, __global uint *restrict label, uint n, uint at)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, n);
    for (uint r = from; r < to; r++) label[r] = source[order[at + r]];
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void one_hot(
    __global const uint *restrict label, __global float *restrict target, uint count, uint classes)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) target[i] = label[i / classes] == i % classes ? 1.0f : 0.0f;
}
