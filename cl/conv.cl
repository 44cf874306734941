/* Convolutions for processors: forward, and backward to the input. The kernels for GPUs are in conv_gpu.cl; both
 * compute the same sums.
 *
 * C channels of H x W in, O outputs of OH x OW, G groups of CG = C / G and OG = O / G; src/ops/window.h has the rest.
 * Values of a tile are stored in panels of PANEL examples, x[N / PANEL][C H W][PANEL], so that vectors run over
 * examples. The taps of a position are then the same for every lane, and taps in the padding, strides and dilation cost
 * nothing.
 *
 * Every sum is one fma chain, so speed comes from many sums at once: ROWS outputs (channels in the backward pass) of
 * one position, for all lanes of a panel. Each step reads the position's values and one weight per row. For this,
 * conv_pack.cl packs the weights in blocks of ROWS rows, [G][blocks][channels][taps][ROWS]. With PANEL 1 the vectors
 * run over the rows of a block instead, and PLACES positions are computed at once where they have the same taps.
 *
 * A work-item computes a block of rows (dimension 0), a line of positions (1) and a panel (2). Consecutive work-items
 * share the line's values, which stay in the caches meanwhile.
 *
 * Options: VEC    4, 8 or 16 floats: the device's native vector, or half of it
 *          PANEL  1, VEC or 2 VEC
 *          ROWS   such that all sums, a vector of values a VEC and one more fit in the registers; with PANEL 1 in
 *                 whole VECs
 *          TAPS   of a whole line of the window, if that is short: they are not counted then; 0: any number
 */
// lint: -D VEC=16 -D PANEL=32 -D ROWS=10 -D TAPS=0
// lint: -D VEC=16 -D PANEL=16 -D ROWS=16 -D TAPS=0
// lint: -D VEC=8 -D PANEL=16 -D ROWS=6 -D TAPS=3
// lint: -D VEC=8 -D PANEL=16 -D ROWS=5 -D TAPS=5
// lint: -D VEC=8 -D PANEL=8 -D ROWS=8 -D TAPS=0
// lint: -D VEC=4 -D PANEL=1 -D ROWS=8 -D TAPS=0
#include "arith.h"
#include "finish.h"
#include "unroll.h"
#include "vectors.h"

#pragma OPENCL FP_CONTRACT OFF

#define WINDOW                                                                                                        \
    uint C, uint H, uint W, uint O, uint OH, uint OW, uint KH, uint KW, uint SY, uint SX, uint PY, uint PX, uint DY,   \
        uint DX, uint G

#if PANEL > 1
#define SINGLES ROWS /* weights */
#define VECS (PANEL / VEC)
#else
#define VECS (ROWS / VEC)
#define PLACES (8 / VECS) /* neighbors at once, whose sums hide how long an fma takes */
#define SINGLES PLACES    /* values */
#endif

// `count` steps along one side of a window, or along channels, and how far values and weights are apart, in floats.
typedef struct steps {
    uint count;
    long values, weights;
} steps;

// c(s, lane) = fma(single s, vector lane, c(s, lane)) for one tap of one channel. `count` of the singles count; it is a
// constant wherever this is inlined.
INLINE void add_tap(const int count, vec c[SINGLES][VECS], const __global float *value, const __global float *weight)
{
    const __global float *vectors = PANEL > 1 ? value : weight, *singles = PANEL > 1 ? weight : value;
    vec b[VECS];
    UNROLL for (int v = 0; v < VECS; v++)
        b[v] = load_vec(v, vectors);
    UNROLL for (int s = 0; s < count; s++) {
        UNROLL for (int v = 0; v < VECS; v++)
            c[s][v] = fma((vec)(singles[s]), b[v], c[s][v]);
    }
}

// The same for all channels, then the window's lines, then their taps; `whole` lines have TAPS taps. The loops test
// their condition at the end only; with 16 registers, compilers then leave the sums where they are.
INLINE void add_window(const int count, const bool whole, vec c[SINGLES][VECS], const __global float *values,
                       const __global float *weights, steps channels, steps lines, steps taps)
{
    uint k = channels.count;
    do {
        const __global float *line = values, *line_weights = weights;
        uint j = lines.count;
#pragma unroll 1
        do {
            const __global float *value = line, *weight = line_weights;
            if (whole) {
                UNROLL for (int t = 0; t < TAPS; t++)
                    add_tap(count, c, value + t * taps.values, weight + t * taps.weights);
            } else {
                uint i = taps.count;
#pragma unroll 1
                do {
                    add_tap(count, c, value, weight);
                    value += taps.values;
                    weight += taps.weights;
                } while (--i);
            }
            line += lines.values;
            line_weights += lines.weights;
        } while (--j);
        values += channels.values;
        weights += channels.weights;
    } while (--k);
}

INLINE void chain(const int count, vec c[SINGLES][VECS], const __global float *values, const __global float *weights,
                  steps channels, steps lines, steps taps)
{
    if (lines.count == 0 || taps.count == 0)
        return;
    if (TAPS > 0 && taps.count == TAPS)
        add_window(count, TAPS > 0, c, values, weights, channels, lines, taps);
    else
        add_window(count, false, c, values, weights, channels, lines, taps);
}

// Finished sums are added to z, which lies as what store() gets.
INLINE void add_sums(uint count, vec c[SINGLES][VECS], const __global float *z, uint rows, uint apart)
{
#if PANEL > 1
    UNROLL for (int r = 0; r < ROWS; r++) {
        const __global float *row = z + (size_t)min((uint)r, rows - 1) * apart * PANEL;
        UNROLL for (int v = 0; v < VECS; v++)
            c[r][v] = flush_vec(c[r][v]) + load_vec(v, row);
    }
#else
    for (uint s = 0; s < count; s++) {
        float *lanes = (float *)c[s];
        for (uint r = 0; r < min(rows, (uint)ROWS); r++)
            lanes[r] = arith_flush(lanes[r]) + z[(size_t)r * apart + s];
    }
#endif
}

// Sums become 0 where x is, which lies as what store() gets.
INLINE void mask_sums(uint count, vec c[SINGLES][VECS], const __global float *x, uint rows, uint apart)
{
#if PANEL > 1
    UNROLL for (int r = 0; r < ROWS; r++) {
        const __global float *row = x + (size_t)min((uint)r, rows - 1) * apart * PANEL;
        UNROLL for (int v = 0; v < VECS; v++)
            c[r][v] = mask_vec(c[r][v], load_vec(v, row));
    }
#else
    for (uint s = 0; s < count; s++) {
        float *lanes = (float *)c[s];
        for (uint r = 0; r < min(rows, (uint)ROWS); r++)
            lanes[r] = mask_value(lanes[r], x[(size_t)r * apart + s]);
    }
#endif
}

// Stores the finished sums to y, whose rows are `apart` positions apart; `rows` rows remain. With PANEL 1 those of
// `count` positions, side by side.
INLINE void store(uint count, const vec c[SINGLES][VECS], __global float *y, uint rows, uint apart, float least)
{
#if PANEL > 1
    UNROLL for (int r = 0; r < ROWS; r++) {
        if ((uint)r < rows) {
            UNROLL for (int v = 0; v < VECS; v++)
                store_vec(finish_vec(c[r][v], least), v, y + (size_t)r * apart * PANEL);
        }
    }
#else
    float lanes[PLACES][ROWS];
    UNROLL for (int s = 0; s < PLACES; s++) {
        UNROLL for (int v = 0; v < VECS; v++)
            store_vec(finish_vec(c[s][v], least), v, lanes[s]);
    }
    for (uint r = 0; r < min(rows, (uint)ROWS); r++) {
        for (uint s = 0; s < count; s++)
            y[(size_t)r * apart + s] = lanes[s][r];
    }
#endif
}

// A run of taps along one side: the first tap, the number of taps, and the distance from each to the next, in taps and
// in places.
typedef struct run {
    uint first, count;
    int taps, places;
} run;

// The taps of an output that are inside 0 .. size-1: tap k is at `at` + k dilation.
INLINE run taps_inside(int at, int size, int taps, int dilation)
{
    int first = at < 0 ? (dilation - 1 - at) / dilation : 0;
    int end = at < size ? min(taps, (size - 1 - at) / dilation + 1) : 0;
    return (run){first, max(end - first, 0), 1, dilation};
}

// The taps of an input that reach an output: tap k does if at - k dilation is a multiple of the stride and that output
// is inside.
INLINE run taps_reaching(int at, int size, int taps, int dilation, int stride)
{
    run r = {0, 0, 1, 0};
    for (int k = 0; k < taps && k * dilation <= at; k++) {
        int from = (at - k * dilation) / stride;
        if (from * stride != at - k * dilation || from >= size)
            continue;
        if (r.count == 0)
            r.first = k;
        if (r.count == 1) {
            r.taps = k - r.first;
            r.places = -(r.taps * dilation / stride);
        }
        r.count++;
    }
    return r;
}

// Whether two positions have the same taps, and so have those between them if their stride is 1.
INLINE bool are_same(run a, run b) { return a.first == b.first && a.count == b.count; }

/* Y = X * W + b, or without b if `biased` is 0. Work-items: G ceil(OG / ROWS), OH, panels. */
KERNEL conv_forward(const __global float *x /* panels (C, H, W) */, const __global float *w /* packed */,
                    const __global float *bias /* (O) */, __global float *y /* panels (O, OH, OW) */, WINDOW,
                    uint biased, float least)
{
    const uint outputs = O / G, channels = C / G, blocks = (outputs + ROWS - 1) / ROWS, block = get_global_id(0);
    const uint group = block / blocks, o0 = (block - group * blocks) * ROWS, oy = get_global_id(1);
    const uint panel = get_global_id(2);
    const int y0 = (int)(oy * SY) - (int)PY;
    const run lines = taps_inside(y0, H, KH, DY);
    x += ((size_t)panel * C + group * channels) * H * W * PANEL;
    y += (((size_t)panel * O + group * outputs + o0) * OH + oy) * OW * PANEL;
    w += ((size_t)block * channels * KH + lines.first) * KW * ROWS;
    bias += biased ? group * outputs + o0 : 0;

    vec start[SINGLES][VECS];
    UNROLL for (int s = 0; s < SINGLES; s++) {
        UNROLL for (int v = 0; v < VECS; v++) {
#if PANEL > 1
            start[s][v] = biased ? bias[min((uint)s, outputs - 1 - o0)] : 0.0f;
#else
            UNROLL for (int lane = 0; lane < VEC; lane++)
                ((float *)&start[s][v])[lane] =
                    biased ? bias[min((uint)(v * VEC + lane), outputs - 1 - o0)] : 0.0f;
#endif
        }
    }
    for (uint ox = 0, some; ox < OW; ox += some) {
        const int x0 = (int)(ox * SX) - (int)PX;
        const run taps = taps_inside(x0, W, KW, DX);
        const long at = (y0 + (long)lines.first * DY) * W + x0 + (long)taps.first * DX;
        vec c[SINGLES][VECS];
        UNROLL for (int s = 0; s < SINGLES; s++) {
            UNROLL for (int v = 0; v < VECS; v++)
                c[s][v] = start[s][v];
        }
        const steps down = {channels, (long)H * W * PANEL, (long)KH * KW * ROWS};
        const steps lines_of = {lines.count, (long)DY * W * PANEL, (long)KW * ROWS};
        const steps taps_of = {taps.count, (long)DX * PANEL, ROWS};
        some = 1;
#if PANEL > 1
        chain(ROWS, c, x + at * PANEL, w + taps.first * ROWS, down, lines_of, taps_of);
#else
        if (SX == 1 && ox + PLACES <= OW && are_same(taps, taps_inside(x0 + PLACES - 1, W, KW, DX)))
            some = PLACES;
        if (some > 1)
            chain(PLACES, c, x + at, w + taps.first * ROWS, down, lines_of, taps_of);
        else
            chain(1, c, x + at, w + taps.first * ROWS, down, lines_of, taps_of);
#endif
        store(some, c, y + ox * PANEL, outputs - o0, OH * OW, least);
    }
}

/* dX, plus Z if `adds` is set, or 0 where X is if `masked` is set. Lines and positions run backwards, as taps do: the
 * values that a position adds are then where prefetchers expect them, which halves the time. Work-items:
 * G ceil(CG / ROWS), H, panels. */
KERNEL conv_backward_input(const __global float *dy /* panels (O, OH, OW) */, const __global float *w /* packed */,
                           __global float *dx /* panels (C, H, W) */, const __global float *x /* likewise */,
                           const __global float *z /* likewise */, WINDOW, uint masked, uint adds)
{
    const uint outputs = O / G, channels = C / G, blocks = (channels + ROWS - 1) / ROWS, block = get_global_id(0);
    const uint group = block / blocks, c0 = (block - group * blocks) * ROWS, iy = H - 1 - get_global_id(1);
    const uint panel = get_global_id(2);
    const run lines = taps_reaching(iy + PY, OH, KH, DY, SY);
    const uint oy = (iy + PY - lines.first * DY) / SY;
    dy += ((size_t)panel * O + group * outputs) * OH * OW * PANEL;
    const size_t line = (((size_t)panel * C + group * channels + c0) * H + iy) * W * PANEL;
    dx += line;
    x += masked ? line : 0;
    z += adds ? line : 0;
    w += ((size_t)block * outputs * KH + lines.first) * KW * ROWS;

    for (uint left = W, some; left > 0; left -= some) {
        some = 1;
#if PANEL == 1
        if (SX == 1 && left >= PLACES && are_same(taps_reaching(left - 1 + PX, OW, KW, DX, SX),
                                                  taps_reaching(left - PLACES + PX, OW, KW, DX, SX)))
            some = PLACES;
#endif
        const uint ix = left - some;
        const run taps = taps_reaching(ix + PX, OW, KW, DX, SX);
        const uint ox = (ix + PX - taps.first * DX) / SX;
        vec c[SINGLES][VECS];
        UNROLL for (int s = 0; s < SINGLES; s++) {
            UNROLL for (int v = 0; v < VECS; v++)
                c[s][v] = (vec)(0.0f);
        }
        const __global float *from = dy + ((size_t)oy * OW + ox) * PANEL;
        const steps across = {outputs, (long)OH * OW * PANEL, (long)KH * KW * ROWS};
        const steps lines_of = {lines.count, lines.places * (long)OW * PANEL, lines.taps * (long)KW * ROWS};
        const steps taps_of = {taps.count, taps.places * (long)PANEL, taps.taps * (long)ROWS};
#if PANEL > 1
        chain(ROWS, c, from, w + taps.first * ROWS, across, lines_of, taps_of);
#else
        if (some > 1)
            chain(PLACES, c, from, w + taps.first * ROWS, across, lines_of, taps_of);
        else
            chain(1, c, from, w + taps.first * ROWS, across, lines_of, taps_of);
#endif
        if (adds)
            add_sums(some, c, z + ix * PANEL, channels - c0, H * W);
        if (masked)
            mask_sums(some, c, x + ix * PANEL, channels - c0, H * W);
        store(some, c, dx + ix * PANEL, channels - c0, H * W, -INFINITY);
    }
}
