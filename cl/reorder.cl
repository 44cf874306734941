/* Conversion between rows (n, elements) and panels of PANEL examples [n / PANEL][elements][PANEL], as in
 * src/ops/reorder.c.
 * On processors a work-item handles RUN elements of one panel. On other devices PANEL is 1, and both kernels are a
 * copy. Dimension 1 is the panel. */
// lint: -D GROUP=64 -D RUN=1 -D PANEL=1
// lint: -D GROUP=1 -D RUN=64 -D PANEL=16
#include "arith.h"

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void to_rows(
    __global const float *restrict x /* panels */, __global float *restrict y /* rows */, uint n, uint elements)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, elements), r = get_global_id(1) * PANEL;
    x += (size_t)r * elements;
    y += (size_t)r * elements;
    for (uint lane = 0; lane < min((uint)PANEL, n - r); lane++) {
        for (uint i = from; i < to; i++) y[(size_t)lane * elements + i] = x[i * PANEL + lane];
    }
}

/* Lanes past the tile's end hold 0. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void to_panels(
    __global const float *restrict x /* rows */, __global float *restrict y /* panels */, uint n, uint elements)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, elements), r = get_global_id(1) * PANEL;
    x += (size_t)r * elements;
    y += (size_t)r * elements;
    for (uint lane = 0; lane < PANEL; lane++) {
        const uint row = min(lane, n - 1 - r);
        for (uint i = from; i < to; i++) {
            const float value = x[(size_t)row * elements + i];
            y[i * PANEL + lane] = row == lane ? value : 0.0f;
        }
    }
}
