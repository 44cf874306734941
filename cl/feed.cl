/* The feed: rows of a data set on the device, gathered into a tile, as in src/ops/feed.c.
 * E elements an example; row r of the tile is example order[at + r]. Groups run along an example; dimension 1 is r. */
// lint: -D GROUP=64
#include "arith.h"

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_bytes(
    __global const uchar *restrict source, __global const uint *restrict order, __global float *restrict x, uint elements, uint at,
    float scale, float shift)
{
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i < elements)
        x[r * elements + i] = arith_flush(fma((float)source[(size_t)order[at + r] * elements + i], scale, shift));
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_floats(
    __global const float *restrict source, __global const uint *restrict order, __global float *restrict x, uint elements, uint at,
    float scale, float shift)
{
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i < elements)
        x[r * elements + i] = arith_flush(fma(arith_flush(source[(size_t)order[at + r] * elements + i]), scale, shift));
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_labels(
    __global const uint *restrict source, __global const uint *restrict order, __global uint *restrict label, uint n, uint at)
{
    const uint r = get_global_id(0);
    if (r < n) label[r] = source[order[at + r]];
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void one_hot(
    __global const uint *restrict label, __global float *restrict target, uint count, uint classes)
{
    const uint i = get_global_id(0);
    if (i < count) target[i] = label[i / classes] == i % classes ? 1.0f : 0.0f;
}
