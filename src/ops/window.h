/* A window that slides over planes: size[] of conv.c and pool.c.
 *
 * C channels of H x W in, O channels of OH x OW out. A window has KH x KW taps; at output (oy, ox) the tap (ky, kx) is
 * at input (oy SY + ky DY - PY, ox SX + kx DX - PX), which is in the padding if it is outside 0 .. H-1, 0 .. W-1.
 * Pooling has O = C, DY = DX = 1, GROUPS = 1. */
#ifndef WINDOW_H
#define WINDOW_H

#include "ops/op.h"

enum {
    WINDOW_C,
    WINDOW_H_IN,
    WINDOW_W_IN,
    WINDOW_O,
    WINDOW_OH,
    WINDOW_OW,
    WINDOW_KH,
    WINDOW_KW,
    WINDOW_SY,
    WINDOW_SX,
    WINDOW_PY,
    WINDOW_PX,
    WINDOW_DY,
    WINDOW_DX,
    WINDOW_GROUPS,  /* output channels o of group g see only the input channels of group g */
    WINDOW_GRANULE, /* examples of a granule, of the sums over examples; 0: one chain */
};

/* The outputs along one side; 0 if the window does not fit. */
static inline uint32_t window_out(uint64_t in, uint32_t taps, uint32_t stride, uint32_t padding, uint32_t dilation)
{
    const uint64_t padded = in + 2 * (uint64_t)padding, span = (uint64_t)dilation * (taps - 1) + 1;
    return padded < span ? 0 : (uint32_t)((padded - span) / stride + 1);
}

/* Sets the outputs by the other sizes; false if one of those must not be 0. */
static inline bool window_fit(op_args *a)
{
    uint32_t *s = a->size;
    const bool some = s[WINDOW_C] && s[WINDOW_H_IN] && s[WINDOW_W_IN] && s[WINDOW_KH] && s[WINDOW_KW] && s[WINDOW_SY] &&
                      s[WINDOW_SX] && s[WINDOW_DY] && s[WINDOW_DX] && s[WINDOW_GROUPS];
    if (!some) return false;
    s[WINDOW_OH] = window_out(s[WINDOW_H_IN], s[WINDOW_KH], s[WINDOW_SY], s[WINDOW_PY], s[WINDOW_DY]);
    s[WINDOW_OW] = window_out(s[WINDOW_W_IN], s[WINDOW_KW], s[WINDOW_SX], s[WINDOW_PX], s[WINDOW_DX]);
    return true;
}

/* Canonical elements: of x, of y, and of the weights (O, C / GROUPS, KH, KW). */
static inline uint64_t window_in_elements(const op_args *a)
{
    return (uint64_t)a->size[WINDOW_C] * a->size[WINDOW_H_IN] * a->size[WINDOW_W_IN];
}
static inline uint64_t window_out_elements(const op_args *a)
{
    return (uint64_t)a->size[WINDOW_O] * a->size[WINDOW_OH] * a->size[WINDOW_OW];
}
static inline uint64_t window_chain(const op_args *a) /* fmas of one output */
{
    return (uint64_t)(a->size[WINDOW_C] / a->size[WINDOW_GROUPS]) * a->size[WINDOW_KH] * a->size[WINDOW_KW];
}
static inline uint64_t window_weights(const op_args *a) { return a->size[WINDOW_O] * window_chain(a); }

/* Whether each group has one input channel. */
static inline bool window_is_depthwise(const op_args *a)
{
    return a->size[WINDOW_GROUPS] > 1 && a->size[WINDOW_GROUPS] == a->size[WINDOW_C];
}

#endif
