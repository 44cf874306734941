/* The gradient of a depthwise convolution's weights, for processors, in granules of several examples that begin and end
 * with the tile's: sums of dy x over (example, oy, ox). Letters and layouts are those of depthwise.cl; P = OH OW and
 * T = KH KW.
 *
 * A granule is one chain, and its examples are neighboring lanes of a panel. So a work-item takes VEC examples of SPLIT
 * outputs and exchanges their lanes: lane (q, r) of vector k is example r SPLIT + k of output q, r < VEC / SPLIT. Turn
 * k, the whole plane of vector k, continues all these chains at once. A longer granule than VEC, where SPLIT is VEC,
 * goes on with the next VEC examples. The planes are in local memory, which stays in the cache from one to the next;
 * x has a border of zeros, so that all taps are inside. A product with them leaves a sum as it is, except for the sign
 * of 0, which does not reach the result, and if dy is not finite: then each tap is checked.
 *
 * Options: VEC          4, 8 or 16 floats: the device's native vector, or half of it
 *          SPLIT        the examples of a granule, at most VEC: a power of two from 2 on
 *          LINES, COLS  taps of a block, such that LINES COLS sums and two more vectors fit in the registers
 */
// lint: -D VEC=16 -D SPLIT=8 -D LINES=3 -D COLS=3
// lint: -D VEC=8 -D SPLIT=8 -D LINES=2 -D COLS=5
// lint: -D VEC=4 -D SPLIT=2 -D LINES=1 -D COLS=3
#include "arith.h"
#include "unroll.h"
#include "vectors.h"

#pragma OPENCL FP_CONTRACT OFF

#define WINDOW                                                                                                        \
    uint C, uint H, uint W, uint O, uint OH, uint OW, uint KH, uint KW, uint SY, uint SX, uint PY, uint PX, uint DY,   \
        uint DX, uint G

// The last bit of a lane's number and bit `stage` of a vector's change places; the other bits of the lane's move down,
// and what is new becomes the first.
INLINE void exchange_stage(vec v[SPLIT], const int stage)
{
    UNROLL for (int q = 0; q < SPLIT; q++) {
        if (!(q & stage)) {
            const vec a = v[q], b = v[q | stage];
            v[q] = (vec)(a.even, b.even);
            v[q | stage] = (vec)(a.odd, b.odd);
        }
    }
}

// Lane r SPLIT + k of vector q becomes lane q VEC / SPLIT + r of vector k.
INLINE void exchange(vec v[SPLIT])
{
    exchange_stage(v, 1);
    if (SPLIT > 2)
        exchange_stage(v, 2);
    if (SPLIT > 4)
        exchange_stage(v, 4);
    if (SPLIT > 8)
        exchange_stage(v, 8);
}

// Stores `count` neighboring positions of SPLIT planes, `apart` floats apart for k. Returns zero + 0 times each value:
// NaN if one is not finite.
INLINE vec pack(__local float *to, uint apart, const __global float *from, const size_t at[SPLIT], uint pitch,
                uint count, vec zero)
{
    for (uint p = 0; p < count; p++) {
        vec v[SPLIT];
        UNROLL for (int q = 0; q < SPLIT; q++) {
            v[q] = load_vec(0, from + at[q] + (size_t)p * pitch);
            zero = fma(v[q], (vec)(0.0f), zero);
        }
        exchange(v);
        UNROLL for (int k = 0; k < SPLIT; k++)
            store_vec(v[k], 0, to + (size_t)k * apart + (size_t)p * VEC);
    }
    return zero;
}

// A block of taps, and the geometry, in floats of a vector's planes.
typedef struct block {
    uint lines, cols, line, col, x_line, x_step, OH, OW;
} block;

// c(line, col) += dy x(line, col) for all outputs of a plane; x is the place of the first tap for output (0, 0).
INLINE void add_plane(vec sums[LINES][COLS], const block b, const __local float *x, const __local float *dy)
{
    vec c[LINES][COLS];
    UNROLL for (int l = 0; l < LINES; l++) {
        UNROLL for (int t = 0; t < COLS; t++)
            c[l][t] = sums[l][t];
    }
    for (uint oy = 0; oy < b.OH; oy++) {
#pragma unroll 1
        for (uint ox = 0; ox < b.OW; ox++) {
            const vec d = load_vec(0, dy);
            const __local float *at = x + ox * b.x_step;
            UNROLL for (int l = 0; l < LINES; l++) {
                UNROLL for (int t = 0; t < COLS; t++)
                    c[l][t] = fma(
                        d, load_vec(0, at + min((uint)l, b.lines - 1) * b.line + min((uint)t, b.cols - 1) * b.col),
                        c[l][t]);
            }
            dy += VEC;
        }
        x += b.x_line;
    }
    UNROLL for (int l = 0; l < LINES; l++) {
        UNROLL for (int t = 0; t < COLS; t++)
            sums[l][t] = c[l][t];
    }
}

// The same with a check for each tap whether it is inside; the first is at (y, x) for output (0, 0).
INLINE void add_checked(vec c[LINES][COLS], const block b, const __local float *from, const __local float *dy, int y,
                        int x, int H, int W, int SY, int SX, int DY, int DX)
{
    for (int i = 0; i < (int)(b.OH * b.OW); i++) {
        const int oy = i / (int)b.OW, ox = i % (int)b.OW;
        const vec d = load_vec(i, dy);
        UNROLL for (int l = 0; l < LINES; l++) {
            UNROLL for (int t = 0; t < COLS; t++) {
                const int iy = y + oy * SY + l * DY, ix = x + ox * SX + t * DX;
                if (l < (int)b.lines && t < (int)b.cols && iy >= 0 && iy < H && ix >= 0 && ix < W)
                    c[l][t] = fma(d, load_vec(0, from + oy * b.x_line + ox * b.x_step + l * b.line + t * b.col),
                                  c[l][t]);
            }
        }
    }
}

INLINE float positive_zero(float x) { return x == 0.0f ? 0.0f : x; }

/* Granules of the examples first .. first+N-1 of the batch: whole ones, but for the last of the batch. x and dy are
 * panels of `pitch` examples. Work-items: ceil(O / SPLIT). */
KERNEL depthwise_weights_turns(const __global float *x, const __global float *dy, __global float *total /* (O, T) */,
                               __local float *planes /* ((SPLIT (XH XW + P) + T) VEC) */, WINDOW, uint granule, uint N,
                               uint first, uint pitch)
{
    const uint o0 = get_global_id(0) * SPLIT, outputs = min((uint)SPLIT, O - o0), T = KH * KW, P = OH * OW;
    const uint XH = (OH - 1) * SY + (KH - 1) * DY + 1, XW = (OW - 1) * SX + (KW - 1) * DX + 1; // with borders
    const uint x_plane = XH * XW * VEC, dy_plane = P * VEC;
    const uint used_lines = XH > PY ? min(H, XH - PY) : 0, used_cols = XW > PX ? min(W, XW - PX) : 0;
    __local float *xs = planes, *dys = xs + SPLIT * x_plane, *open = dys + SPLIT * dy_plane;
    size_t x_at[SPLIT], dy_at[SPLIT];
    UNROLL for (uint q = 0; q < SPLIT; q++) {
        const uint o = o0 + min(q, outputs - 1);
        x_at[q] = (size_t)(o / (O / G)) * H * W * pitch;
        dy_at[q] = (size_t)o * P * pitch;
    }
    for (uint i = 0; i < SPLIT * XH * XW; i++)
        store_vec((vec)(0.0f), i, xs);
    for (uint n = 0; n < N; n += VEC) {
        const uint panel = n / pitch, lane = n - panel * pitch, lanes = min((uint)VEC, N - n);
        const bool begins = (first + n) % granule == 0, closes = (first + n + VEC) % granule == 0 || n + VEC >= N;
        const __global float *x_panel = x + (size_t)panel * C * H * W * pitch + lane;
        const __global float *dy_panel = dy + (size_t)panel * O * P * pitch + lane;
        for (uint y = 0; y < used_lines; y++)
            pack(xs + ((y + PY) * XW + PX) * VEC, x_plane, x_panel + (size_t)y * W * pitch, x_at, pitch, used_cols,
                 (vec)(0.0f));
        const vec zero = pack(dys, dy_plane, dy_panel, dy_at, pitch, P, (vec)(0.0f));
        const bool finite = all(zero == 0.0f);
        for (uint weight = 0; weight < T;) {
            const uint ky = weight / KW, kx = weight % KW;
            const block b = {min((uint)LINES, KH - ky), min((uint)COLS, KW - kx), DY * XW * VEC, DX * VEC,
                             SY * XW * VEC,             SX * VEC,                 OH,            OW};
            const __local float *tap = xs + (ky * DY * XW + kx * DX) * VEC;
            const block same = {LINES, COLS, b.line, VEC, b.x_line, VEC, OH, OW}; // with constants
            vec c[LINES][COLS];
            UNROLL for (int l = 0; l < LINES; l++) {
                UNROLL for (int t = 0; t < COLS; t++)
                    c[l][t] = begins || l >= (int)b.lines || t >= (int)b.cols
                                  ? (vec)(0.0f)
                                  : load_vec(weight + l * KW + t, open);
            }
            for (uint k = 0; k < min((uint)SPLIT, lanes); k++) {
                vec before[LINES][COLS];
                UNROLL for (int l = 0; l < LINES; l++) {
                    UNROLL for (int t = 0; t < COLS; t++)
                        before[l][t] = c[l][t];
                }
                if (!finite)
                    add_checked(c, b, tap + k * x_plane, dys + k * dy_plane, (int)(ky * DY) - (int)PY,
                                (int)(kx * DX) - (int)PX, H, W, SY, SX, DY, DX);
                else if (b.lines == LINES && b.cols == COLS && SX == 1 && DX == 1)
                    add_plane(c, same, tap + k * x_plane, dys + k * dy_plane);
                else
                    add_plane(c, b, tap + k * x_plane, dys + k * dy_plane);
                if (lanes == VEC)
                    continue;
                UNROLL for (int l = 0; l < LINES; l++) { // keep the sums of lanes without an example
                    UNROLL for (int t = 0; t < COLS; t++) {
                        for (uint i = 0; i < VEC; i++) {
                            if (i % (VEC / SPLIT) * SPLIT + k >= lanes)
                                ((float *)&c[l][t])[i] = ((const float *)&before[l][t])[i];
                        }
                    }
                }
            }
            for (uint l = 0; l < b.lines; l++) {
                for (uint t = 0; t < b.cols; t++) {
                    const float *part = (const float *)&c[l][t];
                    if (!closes) {
                        store_vec(c[l][t], weight + l * KW + t, open);
                        continue;
                    }
                    for (uint q = 0; q < outputs; q++) {
                        __global float *to = total + (size_t)(o0 + q) * T + weight + l * KW + t;
                        float sum = first + n < granule ? part[q * (VEC / SPLIT)] : *to + part[q * (VEC / SPLIT)];
                        for (uint r = 1; r < VEC / SPLIT && r * SPLIT < lanes; r++)
                            sum = arith_chain(sum, part[q * (VEC / SPLIT) + r]);
                        *to = positive_zero(sum);
                    }
                }
            }
            weight += kx + COLS < KW ? COLS : KW - kx + (LINES - 1) * KW; // the next block
        }
    }
}
