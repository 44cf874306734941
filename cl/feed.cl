/* The feed: rows of a data set on the device, gathered into a tile, as in src/ops/feed.c.
 * E elements per example. Row r of the tile is row order[at + r] of the source, or row r if `direct` is 1.
 * Each work-item handles RUN neighbors of an example. Dimension 1 is r, or the panel of PANEL examples if x is stored
 * in panels. */
// lint: -D GROUP=64 -D RUN=1 -D PANEL=1
// lint: -D GROUP=1 -D RUN=256 -D PANEL=1
// lint: -D GROUP=1 -D RUN=256 -D PANEL=16
#include "arith.h"

#ifndef PANEL
#define PANEL 1
#endif

static uint row_of(__global const uint *order, uint at, uint direct, uint r)
{
    const uint row = order[direct ? 0u : at + r];
    return direct ? r : row;
}

static float cast(float source, float scale, float shift) { return arith_flush(fma(source, scale, shift)); }

#if PANEL == 1
#define GATHER(type, read)                                                                        \
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, elements), r = get_global_id(1); \
    source += (size_t)row_of(order, at, direct, r) * elements;                                      \
    x += (size_t)r * elements;                                                                      \
    for (uint i = from; i < to; i++) x[i] = cast(read(source[i]), scale, shift);
#else
// x (panels, elements, PANEL); lanes past the tile's end hold 0.
#define GATHER(type, read)                                                                             \
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, elements), r = get_global_id(1) * PANEL; \
    const __global type *row[PANEL];                                                                        \
    for (uint lane = 0; lane < PANEL; lane++)                                                               \
        row[lane] = source + (size_t)row_of(order, at, direct, min(r + lane, n - 1)) * elements;            \
    x += (size_t)r * elements;                                                                              \
    for (uint i = from; i < to; i++) {                                                                      \
        float value[PANEL];                                                                                 \
        for (uint lane = 0; lane < PANEL; lane++) value[lane] = read(row[lane][i]);                         \
        for (uint lane = 0; lane < PANEL; lane++)                                                           \
            x[i * PANEL + lane] = r + lane < n ? cast(value[lane], scale, shift) : 0.0f;                    \
    }
#endif

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_bytes(
    __global const uchar *restrict source, __global const uint *restrict order, __global float *restrict x,
    uint elements, uint at, uint direct, uint n, float scale, float shift)
{
    GATHER(uchar, (float))
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_floats(
    __global const float *restrict source, __global const uint *restrict order, __global float *restrict x,
    uint elements, uint at, uint direct, uint n, float scale, float shift)
{
    GATHER(float, arith_flush)
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_labels(
    __global const uint *restrict source, __global const uint *restrict order, __global uint *restrict label, uint n,
    uint at, uint direct)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, n);
    for (uint r = from; r < to; r++) label[r] = source[row_of(order, at, direct, r)];
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void one_hot(
    __global const uint *restrict label, __global float *restrict target, uint count, uint classes)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) target[i] = label[i / classes] == i % classes ? 1.0f : 0.0f;
}
