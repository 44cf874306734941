/* The taps of a window that are inside the plane, for convolutions and pooling. */
#ifndef TAPS_H
#define TAPS_H

#include "ops/window.h"

/* A tap, ky KW + kx, and the place that it joins to in the other plane: y W + x, or oy OW + ox. */
typedef struct tap {
    uint32_t number, at;
} tap;

static inline uint32_t taps_most(const op_args *a) { return a->size[WINDOW_KH] * a->size[WINDOW_KW]; }

/* The taps of output (oy, ox) that are inside the input's plane, in order; returns how many. */
static inline uint32_t taps_of_output(const op_args *a, uint32_t oy, uint32_t ox, tap *list)
{
    const uint32_t *s = a->size;
    uint32_t count = 0;
    for (uint32_t ky = 0; ky < s[WINDOW_KH]; ky++)
        for (uint32_t kx = 0; kx < s[WINDOW_KW]; kx++) {
            const int64_t y = (int64_t)oy * s[WINDOW_SY] + (int64_t)ky * s[WINDOW_DY] - s[WINDOW_PY];
            const int64_t x = (int64_t)ox * s[WINDOW_SX] + (int64_t)kx * s[WINDOW_DX] - s[WINDOW_PX];
            if (y < 0 || y >= s[WINDOW_H_IN] || x < 0 || x >= s[WINDOW_W_IN]) continue;
            list[count++] = (tap){ky * s[WINDOW_KW] + kx, (uint32_t)(y * s[WINDOW_W_IN] + x)};
        }
    return count;
}

/* The output of which tap k is at input i, along one side; -1: none. */
static inline int64_t tap_output(uint32_t i, uint32_t k, uint32_t stride, uint32_t padding, uint32_t dilation,
                                 uint32_t outputs)
{
    const int64_t from = (int64_t)i + padding - (int64_t)k * dilation;
    return from < 0 || from % stride || from / stride >= outputs ? -1 : from / stride;
}

/* The taps that join input (y, x) to an output, in order; returns how many. */
static inline uint32_t taps_of_input(const op_args *a, uint32_t y, uint32_t x, tap *list)
{
    const uint32_t *s = a->size;
    uint32_t count = 0;
    for (uint32_t ky = 0; ky < s[WINDOW_KH]; ky++) {
        const int64_t oy = tap_output(y, ky, s[WINDOW_SY], s[WINDOW_PY], s[WINDOW_DY], s[WINDOW_OH]);
        for (uint32_t kx = 0; oy >= 0 && kx < s[WINDOW_KW]; kx++) {
            const int64_t ox = tap_output(x, kx, s[WINDOW_SX], s[WINDOW_PX], s[WINDOW_DX], s[WINDOW_OW]);
            if (ox >= 0) list[count++] = (tap){ky * s[WINDOW_KW] + kx, (uint32_t)(oy * s[WINDOW_OW] + ox)};
        }
    }
    return count;
}

#endif
