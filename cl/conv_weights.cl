/* The gradient of a convolution's weights, for processors: sums of dy x over (example, oy, ox) by the rule of granules.
 *
 * Letters and the layout of a tile are those of conv.cl; P = OH OW, K = CG KH KW. There are two ways to fill the lanes
 * of a vector, each faster for some layers and batches:
 *   granules  SPREAD 0: each lane is a granule of its own. When all are done, their sums are added to the total, one
 *             lane after the other. x and dy are stored in panels, step after step of all granules of a pass.
 *   outputs   SPREAD 1: lanes are outputs, and granules are summed one after the other. dy is stored in vectors of
 *             outputs, x in rows; each number of x is spread over a vector.
 *
 * A block of sums is ROWS outputs (or vectors of outputs) x COLS taps. The taps are neighbors in a line of the window,
 * or channels if that line is a single tap. A work-item computes a few blocks of one row of blocks, and thus of the
 * same outputs. It processes the positions in strips: dy of a strip stays in a near cache while every block adds its
 * products.
 *
 * Options: VEC     4, 8 or 16 floats: the device's native vector, or half of it
 *          ROWS, COLS  such that ROWS COLS sums, COLS vectors of x and one of dy fit in the registers
 *          SPREAD  see above
 */
// lint: -D VEC=16 -D ROWS=8 -D COLS=3 -D SPREAD=0
// lint: -D VEC=8 -D ROWS=2 -D COLS=5 -D SPREAD=1
#include "arith.h"
#include "unroll.h"
#include "vectors.h"

#pragma OPENCL FP_CONTRACT OFF

#define WINDOW                                                                                                        \
    uint C, uint H, uint W, uint O, uint OH, uint OW, uint KH, uint KW, uint SY, uint SX, uint PY, uint PX, uint DY,   \
        uint DX, uint G

#define BLOCKS 12 // per work-item, at most

// A block's taps: the place of the first in x for output (0, 0), in floats, which may be outside; its weight (of the
// first output) and the number of taps; and the outputs for which each tap, all taps, any tap is inside.
typedef struct block {
    long x;
    uint weight, cols;
    int y_from, y_to;
    int from[COLS], to[COLS], all_from, all_to, any_from, any_to;
} block;

// What is the same for all blocks: distances in floats, in x, dy and weights.
typedef struct apart {
    long x_line, x_step, x_col; /* between lines of outputs, outputs, and taps of a block */
    uint dy_step, weight_col;
    size_t dy_row;
} apart;

// The outputs for which a tap is inside 0 .. size-1, given its place `at` for output 0.
INLINE int2 outputs_inside(int at, int size, int stride, int outputs)
{
    int from = at < 0 ? (stride - 1 - at) / stride : 0;
    int to = at < size ? min(outputs, (size - 1 - at) / stride + 1) : 0;
    return (int2)(from, max(from, to));
}

INLINE vec load_x(const __global float *x)
{
#if SPREAD
    return (vec)(*x);
#else
    return load_vec(0, x);
#endif
}

// c(row, col) += dy(row) x(col) for `count` outputs of a line; all columns are inside.
INLINE void add_inside(vec c[ROWS][COLS], const __global float *x, const __global float *dy, const long at_x[COLS],
                       const size_t at_dy[ROWS], long x_step, uint dy_step, int count)
{
#pragma unroll 1
    for (int i = 0; i < count; i++) {
        vec xs[COLS];
        UNROLL for (int t = 0; t < COLS; t++)
            xs[t] = load_x(x + at_x[t]);
        UNROLL for (int r = 0; r < ROWS; r++) {
            vec d = load_vec(0, dy + at_dy[r]);
            UNROLL for (int t = 0; t < COLS; t++)
                c[r][t] = fma(d, xs[t], c[r][t]);
        }
        x += x_step;
        dy += dy_step;
    }
}

// The same for the outputs from .. to-1, with a check for each column whether it is inside.
INLINE void add_edge(vec c[ROWS][COLS], const block *b, const __global float *x, const __global float *dy,
                     const long at_x[COLS], const size_t at_dy[ROWS], long x_step, uint dy_step, int from, int to)
{
#pragma unroll 1
    for (int i = from; i < to; i++) {
        UNROLL for (int t = 0; t < COLS; t++) {
            if (i >= b->from[t] && i < b->to[t]) {
                vec xt = load_x(x + i * x_step + at_x[t]);
                UNROLL for (int r = 0; r < ROWS; r++)
                    c[r][t] = fma(load_vec(0, dy + i * (size_t)dy_step + at_dy[r]), xt, c[r][t]);
            }
        }
    }
}

// All products of one block with a strip: `lines` lines of outputs from y0 on, `across` outputs of each from x0 on.
INLINE void add_strip(vec sums[ROWS][COLS], const block *b, apart a, const __global float *x, const __global float *dy,
                      const size_t at_dy[ROWS], int OW, int y0, int x0, int lines, int across)
{
    const int from = max(x0, b->any_from), to = min(x0 + across, b->any_to);
    const int all_from = min(max(b->all_from, from), max(from, to));
    const int all_to = min(max(b->all_to, all_from), max(all_from, to));
    const int y_to = min(y0 + lines, b->y_to);
    vec c[ROWS][COLS];
    long at_x[COLS];
    UNROLL for (int t = 0; t < COLS; t++) {
        at_x[t] = min((uint)t, b->cols - 1) * a.x_col;
        UNROLL for (int r = 0; r < ROWS; r++)
            c[r][t] = sums[r][t];
    }
    for (int y = max(y0, b->y_from); y < y_to; y++) {
        const __global float *xy = x + b->x + y * a.x_line, *dyy = dy + (size_t)y * OW * a.dy_step;
        add_edge(c, b, xy, dyy, at_x, at_dy, a.x_step, a.dy_step, from, all_from);
        add_inside(c, xy + all_from * a.x_step, dyy + (size_t)all_from * a.dy_step, at_x, at_dy, a.x_step, a.dy_step,
                   all_to - all_from);
        add_edge(c, b, xy, dyy, at_x, at_dy, a.x_step, a.dy_step, all_to, to);
    }
    UNROLL for (int t = 0; t < COLS; t++) {
        UNROLL for (int r = 0; r < ROWS; r++)
            sums[r][t] = c[r][t];
    }
}

// All products of one example, or of one step of a pass of granules: strip after strip.
INLINE void add_example(vec sums[BLOCKS][ROWS][COLS], const block *blocks, uint count, apart a, const __global float *x,
                        const __global float *dy, const size_t at_dy[ROWS], int OH, int OW, int lines, int across)
{
    for (int y0 = 0; y0 < OH; y0 += lines) {
        for (int x0 = 0; x0 < OW; x0 += across) {
            for (uint k = 0; k < count; k++)
                add_strip(sums[k], &blocks[k], a, x, dy, at_dy, OW, y0, x0, lines, across);
        }
    }
}

// The blocks of a group are numbered over channels (or COLS of them), lines of the window, and COLS taps of a line.
INLINE void find_blocks(block *blocks, uint first, uint count, uint x_pitch, uint channels, uint H, uint W, uint OH,
                        uint OW, uint KH, uint KW, uint SY, uint SX, uint PY, uint PX, uint DY, uint DX)
{
    const uint by_channel = KW == 1, across = by_channel ? 1 : (KW + COLS - 1) / COLS;
    for (uint k = 0; k < count; k++) {
        block *b = &blocks[k];
        const uint line = (first + k) / across, kx = (first + k - line * across) * COLS;
        const uint c = line / KH * (by_channel ? COLS : 1), ky = line % KH;
        const int y = (int)(ky * DY) - (int)PY, x = (int)(kx * DX) - (int)PX;
        const int2 inside = outputs_inside(y, H, SY, OH);
        b->x = (((long)c * H + y) * W + x) * x_pitch;
        b->weight = (c * KH + ky) * KW + kx;
        b->cols = min((uint)COLS, by_channel ? channels - c : KW - kx);
        b->y_from = inside.x;
        b->y_to = inside.y;
        b->all_from = b->any_to = 0;
        b->all_to = b->any_from = OW;
        for (uint t = 0; t < COLS; t++) {
            const int2 cols = outputs_inside(x + (by_channel ? 0 : (int)(t * DX)), W, SX, OW);
            const bool is = t < b->cols;
            b->from[t] = is ? cols.x : 0;
            b->to[t] = is ? cols.y : 0;
            b->all_from = is ? max(b->all_from, cols.x) : b->all_from;
            b->all_to = is ? min(b->all_to, cols.y) : b->all_to;
            b->any_from = is && cols.y > cols.x ? min(b->any_from, cols.x) : b->any_from;
            b->any_to = is && cols.y > cols.x ? max(b->any_to, cols.y) : b->any_to;
        }
    }
}

INLINE float positive_zero(float x) { return x == 0.0f ? 0.0f : x; }

#if SPREAD
// The lanes of a sum are outputs, K weights apart; `outputs` remain. These load and store them.
INLINE void load_outputs(vec sums[BLOCKS][ROWS][COLS], const block *blocks, uint count, const __global float *from,
                         uint outputs, uint K, uint weight_col)
{
    for (uint k = 0; k < count; k++) {
        for (uint t = 0; t < blocks[k].cols; t++) {
            for (uint o = 0; o < min(outputs, (uint)(ROWS * VEC)); o++)
                ((float *)&sums[k][o / VEC][t])[o % VEC] = from[(size_t)o * K + blocks[k].weight + t * weight_col];
        }
    }
}

INLINE void store_outputs(vec sums[BLOCKS][ROWS][COLS], const block *blocks, uint count, __global float *to,
                          uint outputs, uint K, uint weight_col)
{
    for (uint k = 0; k < count; k++) {
        for (uint o = 0; o < min(outputs, (uint)(ROWS * VEC)); o++) {
            for (uint t = 0; t < blocks[k].cols; t++)
                to[(size_t)o * K + blocks[k].weight + t * weight_col] =
                    positive_zero(((const float *)&sums[k][o / VEC][t])[o % VEC]);
        }
    }
}

// Adds a granule's sums to the totals, or begins with them.
INLINE void add_granule(vec totals[BLOCKS][ROWS][COLS], vec sums[BLOCKS][ROWS][COLS], uint count, bool begins)
{
    for (uint k = 0; k < count; k++) {
        UNROLL for (int r = 0; r < ROWS; r++) {
            UNROLL for (int t = 0; t < COLS; t++)
                totals[k][r][t] = begins ? sums[k][r][t] : totals[k][r][t] + sums[k][r][t];
        }
    }
}

// The gradient of the bias of the same outputs, by the same rule, of P positions.
INLINE void add_biases(const __global float *dy, const size_t at_dy[ROWS], size_t example, uint P, uint outputs,
                       __global float *total, __global float *partial, uint N, uint first, uint batch, uint granule)
{
    const uint most = min(outputs, (uint)(ROWS * VEC));
    for (uint n = 0, run; n < N; n += run) {
        const uint j = first + n, within = j % granule;
        run = min(N - n, granule - within);
        vec c[ROWS];
        UNROLL for (int r = 0; r < ROWS; r++)
            c[r] = (vec)(0.0f);
        for (uint o = 0; o < most && within; o++)
            ((float *)&c[o / VEC])[o % VEC] = partial[o];
        for (uint s = n; s < n + run; s++) {
            for (uint p = 0; p < P; p++) {
                UNROLL for (int r = 0; r < ROWS; r++)
                    c[r] = c[r] + load_vec(p, dy + s * example + at_dy[r]);
            }
        }
        const bool closed = within + run == granule || j + run == batch;
        for (uint o = 0; o < most; o++) {
            const float sum = ((const float *)&c[o / VEC])[o % VEC];
            if (closed)
                total[o] = j < granule ? sum : total[o] + sum;
            else
                partial[o] = sum;
        }
    }
}
#else
// Adds each sum's lanes, in the order of their granules, to the total of `rows` outputs K weights apart: four sums at
// once, lane after lane.
INLINE void add_granules(vec sums[BLOCKS][ROWS][COLS], const block *blocks, uint count, __global float *total,
                         uint rows, uint K, uint weight_col, uint lanes, bool fresh)
{
    for (uint k = 0; k < count; k++) {
        const uint cols = blocks[k].cols, all = rows * cols;
        for (uint i = 0, r = 0, t = 0; i < all; i += 4) {
            const float *parts[4];
            __global float *to[4];
            UNROLL for (uint j = 0; j < 4; j++) { // at the end the last one again
                parts[j] = (const float *)&sums[k][r][t];
                to[j] = total + (size_t)r * K + blocks[k].weight + t * weight_col;
                const bool wraps = t + 1 == cols, more = i + j + 1 < all;
                r += more && wraps;
                t = !more ? t : wraps ? 0 : t + 1;
            }
            float4 sum = fresh ? (float4)(0.0f) : (float4)(*to[0], *to[1], *to[2], *to[3]);
            for (uint lane = 0; lane < lanes; lane += 4) {
                float4 v[4];
                UNROLL for (int j = 0; j < 4; j++)
                    v[j] = vload4(0, parts[j] + lane);
                transpose_fours(v);
                UNROLL for (uint j = 0; j < 4; j++) {
                    if (lane + j < lanes)
                        sum = sum + v[j];
                }
            }
            UNROLL for (int j = 0; j < 4; j++)
                *to[j] = positive_zero(((const float *)&sum)[j]);
        }
    }
}
#endif

INLINE void clear(vec sums[BLOCKS][ROWS][COLS], uint count)
{
    for (uint k = 0; k < count; k++) {
        UNROLL for (int r = 0; r < ROWS; r++) {
            UNROLL for (int t = 0; t < COLS; t++)
                sums[k][r][t] = (vec)(0.0f);
        }
    }
}

/* SPREAD 0: of N whole granules of `granule` examples those from `begin` on, a multiple of VEC; the first of the N has
 * number `first` in the batch. Lane `lane` of step s of pass v is example s of granule v VEC + lane. x and dy are
 * stored in panels of `pitch`, either the tile's (granules of one example) or those of conv_pack_granules. dy begins at
 * dy_at.
 * SPREAD 1: N examples; the first has number `first` in the batch. x is stored in rows (pitch 1), dy in vectors of
 * outputs. `begin` is not used. The first blocks of a row have the gradient of the bias, too, if `biased` is set.
 * Work-items: ceil(blocks / count), G ceil(rows / ROWS); rows are outputs of a group, or vectors of them. */
KERNEL conv_backward_weights(const __global float *x, const __global float *dy, __global float *total /* (O, K) */,
                             __global float *partial /* (O, K), or unused if granule is 0 */,
                             __global float *bias_total /* (O) */, __global float *bias_partial /* (O), likewise */,
                             uint dy_at, WINDOW, uint granule, uint begin, uint N, uint first, uint batch, uint biased,
                             uint pitch, uint count, uint lines, uint across)
{
    const uint outputs = O / G, channels = C / G, K = channels * KH * KW, lanes = SPREAD ? VEC : 1;
    const uint rows = (outputs + lanes - 1) / lanes, row_blocks = (rows + ROWS - 1) / ROWS;
    const uint group = get_global_id(1) / row_blocks, r0 = (get_global_id(1) - group * row_blocks) * ROWS;
    const uint all = KW == 1 ? (channels + COLS - 1) / COLS * KH : channels * KH * ((KW + COLS - 1) / COLS);
    const uint k0 = get_global_id(0) * count, x_pitch = SPREAD ? 1 : pitch, dy_pitch = SPREAD ? VEC : pitch;
    const size_t x_example = (size_t)C * H * W * x_pitch, dy_example = (size_t)G * rows * OH * OW * dy_pitch;
    const apart a = {(long)SY * W * x_pitch, (long)SX * x_pitch, KW == 1 ? (long)H * W * x_pitch : (long)DX * x_pitch,
                     dy_pitch, KW == 1 ? KH : 1, (size_t)OH * OW * dy_pitch};
    vec sums[BLOCKS][ROWS][COLS];
    block blocks[BLOCKS];
    size_t at_dy[ROWS];

    count = min(count, all - k0);
    find_blocks(blocks, k0, count, x_pitch, channels, H, W, OH, OW, KH, KW, SY, SX, PY, PX, DY, DX);
    UNROLL for (int r = 0; r < ROWS; r++)
        at_dy[r] = min((uint)r, rows - 1 - r0) * a.dy_row;
    x += (size_t)group * channels * H * W * x_pitch;
    dy += dy_at + ((size_t)group * rows + r0) * a.dy_row;
    total += ((size_t)group * outputs + r0 * lanes) * K;

#if SPREAD
    const uint o0 = r0 * lanes;
    partial += ((size_t)group * outputs + o0) * K;
    if (granule == 0) {
        granule = batch;
        partial = total;
        bias_partial = bias_total;
    }
    if (biased && k0 == 0)
        add_biases(dy, at_dy, dy_example, OH * OW, outputs - o0, bias_total + group * outputs + o0,
                   bias_partial + group * outputs + o0, N, first, batch, granule);
    // totals of the granules that end here
    vec totals[BLOCKS][ROWS][COLS];
    bool any = false;
    for (uint n = 0, run; n < N; n += run) {
        const uint j = first + n, within = j % granule;
        run = min(N - n, granule - within);
        clear(sums, count);
        if (within)
            load_outputs(sums, blocks, count, partial, outputs - o0, K, a.weight_col);
        for (uint s = n; s < n + run; s++)
            add_example(sums, blocks, count, a, x + s * x_example, dy + s * dy_example, at_dy, OH, OW, lines, across);
        if (within + run < granule && j + run < batch) {
            store_outputs(sums, blocks, count, partial, outputs - o0, K, a.weight_col);
            continue;
        }
        if (!any && j >= granule)
            load_outputs(totals, blocks, count, total, outputs - o0, K, a.weight_col);
        add_granule(totals, sums, count, j < granule);
        any = true;
    }
    if (any)
        store_outputs(totals, blocks, count, total, outputs - o0, K, a.weight_col);
#else
    for (uint n = begin; n < N; n += VEC) {
        clear(sums, count);
        for (uint s = 0; s < granule; s++) {
            const uint step = n / VEC * granule + s, panel = step * VEC / pitch, lane = step * VEC - panel * pitch;
            add_example(sums, blocks, count, a, x + panel * x_example + lane, dy + panel * dy_example + lane, at_dy, OH,
                        OW, lines, across);
        }
        add_granules(sums, blocks, count, total, min((uint)ROWS, rows - r0), K, a.weight_col, min((uint)VEC, N - n),
                     first + n == 0);
    }
#endif
}
