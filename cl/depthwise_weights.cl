/* The gradient of a depthwise convolution's weights, for processors: sums of dy x over (example, oy, ox) by the rule of
 * granules. Letters and layouts are those of depthwise.cl; P = OH OW and T = KH KW.
 *
 * The lanes of a vector are
 *   examples  SPREAD 0, for granules of one example: x and dy are the tile's panels. Lanes are added to the total one
 *             after the other.
 *   outputs   SPREAD 1: x and dy are packed, and granules are summed one after the other.
 *
 * A work-item computes a block of LINES x COLS taps, in as many independent chains, of one output or vector of outputs.
 *
 * Options: VEC     4, 8 or 16 floats: the device's native vector, or half of it
 *          LINES, COLS  such that LINES COLS sums and two more vectors fit in the registers
 *          SPREAD  see above
 */
// lint: -D VEC=16 -D LINES=3 -D COLS=3 -D SPREAD=0
// lint: -D VEC=8 -D LINES=2 -D COLS=5 -D SPREAD=1
#include "arith.h"
#include "unroll.h"
#include "vectors.h"

#pragma OPENCL FP_CONTRACT OFF

#define WINDOW                                                                                                        \
    uint C, uint H, uint W, uint O, uint OH, uint OW, uint KH, uint KW, uint SY, uint SX, uint PY, uint PX, uint DY,   \
        uint DX, uint G

// A block's taps: how many, the distances between them in x, and the outputs for which each is inside, in each line.
typedef struct block {
    uint lines, cols;
    long line, col;
    int y_from[LINES], y_to[LINES], from[COLS], to[COLS], all_from, all_to, any_from, any_to;
} block;

// The outputs for which a tap is inside 0 .. size-1, given its place `at` for output 0.
INLINE int2 outputs_inside(int at, int size, int stride, int outputs)
{
    int from = at < 0 ? (stride - 1 - at) / stride : 0;
    int to = at < size ? min(outputs, (size - 1 - at) / stride + 1) : 0;
    return (int2)(from, max(from, to));
}

// c(line, col) += dy x(line, col) for `count` outputs, for the `lines` lines from `first` on, all columns inside.
// `lines` is a constant wherever this is inlined.
INLINE void add_inside(vec c[LINES][COLS], const int first, const int lines, const block *b, const __global float *x,
                       const __global float *dy, long x_step, uint dy_step, int count)
{
    long at[COLS];
    UNROLL for (int t = 0; t < COLS; t++)
        at[t] = min((uint)t, b->cols - 1) * b->col;
#pragma unroll 1
    for (int i = 0; i < count; i++) {
        const vec d = load_vec(0, dy);
        UNROLL for (int l = first; l < first + lines; l++) {
            const __global float *line = x + min((uint)l, b->lines - 1) * b->line;
            UNROLL for (int t = 0; t < COLS; t++)
                c[l][t] = fma(d, load_vec(0, line + at[t]), c[l][t]);
        }
        x += x_step;
        dy += dy_step;
    }
}

// The same for the outputs from .. to-1 of a line, with a check for each tap whether it is inside.
INLINE void add_edge(vec c[LINES][COLS], const block *b, int y, const __global float *x, const __global float *dy,
                     long x_step, uint dy_step, int from, int to)
{
#pragma unroll 1
    for (int i = from; i < to; i++) {
        const vec d = load_vec(0, dy + i * (size_t)dy_step);
        UNROLL for (int l = 0; l < LINES; l++) {
            UNROLL for (int t = 0; t < COLS; t++) {
                if (y >= b->y_from[l] && y < b->y_to[l] && i >= b->from[t] && i < b->to[t])
                    c[l][t] = fma(d, load_vec(0, x + i * x_step + l * b->line + t * b->col), c[l][t]);
            }
        }
    }
}

// All products of one example, or of one vector of them. x is the place of the first tap for output (0, 0).
INLINE void add_example(vec sums[LINES][COLS], const block *b, const __global float *x, const __global float *dy,
                        long x_line, long x_step, uint dy_step, int OH, int OW)
{
    const int inside = b->all_to - b->all_from;
    vec c[LINES][COLS];
    UNROLL for (int l = 0; l < LINES; l++) {
        UNROLL for (int t = 0; t < COLS; t++)
            c[l][t] = sums[l][t];
    }
    for (int y = 0; y < OH; y++) {
        const __global float *xy = x + y * x_line, *dyy = dy + (size_t)y * OW * dy_step;
        const __global float *x_all = xy + b->all_from * x_step, *dy_all = dyy + (size_t)b->all_from * dy_step;
        bool all = true;
        UNROLL for (int l = 0; l < LINES; l++)
            all = all && (l >= (int)b->lines || (y >= b->y_from[l] && y < b->y_to[l]));
        add_edge(c, b, y, xy, dyy, x_step, dy_step, b->any_from, b->all_from);
        if (all) {
            add_inside(c, 0, LINES, b, x_all, dy_all, x_step, dy_step, inside);
        } else {
            UNROLL for (int l = 0; l < LINES; l++) {
                if (y >= b->y_from[l] && y < b->y_to[l])
                    add_inside(c, l, 1, b, x_all, dy_all, x_step, dy_step, inside);
            }
        }
        add_edge(c, b, y, xy, dyy, x_step, dy_step, b->all_to, b->any_to);
    }
    UNROLL for (int l = 0; l < LINES; l++) {
        UNROLL for (int t = 0; t < COLS; t++)
            sums[l][t] = c[l][t];
    }
}

// The block whose first tap is (ky, kx), at (y, x) for output (0, 0).
INLINE void find_block(block *b, uint ky, uint kx, int y, int x, long pitch, uint H, uint W, uint OH, uint OW, uint KH,
                       uint KW, uint SY, uint SX, uint DY, uint DX)
{
    b->lines = min((uint)LINES, KH - ky);
    b->cols = min((uint)COLS, KW - kx);
    b->line = (long)DY * W * pitch;
    b->col = (long)DX * pitch;
    b->all_from = b->any_to = 0;
    b->all_to = b->any_from = OW;
    UNROLL for (uint l = 0; l < LINES; l++) {
        const int2 rows = outputs_inside(y + (int)(l * DY), H, SY, OH);
        b->y_from[l] = rows.x;
        b->y_to[l] = l < b->lines ? rows.y : 0;
    }
    UNROLL for (uint t = 0; t < COLS; t++) {
        const int2 cols = outputs_inside(x + (int)(t * DX), W, SX, OW);
        const bool is = t < b->cols;
        b->from[t] = cols.x;
        b->to[t] = is ? cols.y : 0;
        b->all_from = is ? max(b->all_from, cols.x) : b->all_from;
        b->all_to = is ? min(b->all_to, cols.y) : b->all_to;
        b->any_from = is && cols.y > cols.x ? min(b->any_from, cols.x) : b->any_from;
        b->any_to = is && cols.y > cols.x ? max(b->any_to, cols.y) : b->any_to;
    }
    // no output with all taps: everything is edge
    b->all_from = min(b->all_from, max(b->any_from, b->any_to));
    b->all_to = max(b->all_to, b->all_from);
    b->any_from = min(b->any_from, b->all_from);
    b->any_to = max(b->any_to, b->all_to);
}

INLINE float positive_zero(float x) { return x == 0.0f ? 0.0f : x; }

INLINE void clear(vec sums[LINES][COLS])
{
    UNROLL for (int l = 0; l < LINES; l++) {
        UNROLL for (int t = 0; t < COLS; t++)
            sums[l][t] = (vec)(0.0f);
    }
}

/* SPREAD 0: N granules of one example; the first has number `first` in the batch. x and dy are panels of `pitch`
 * examples. `granule` and `partial` are not used.
 * SPREAD 1: N examples, x[N][ceil(O / VEC)][H W][VEC] and dy[N][ceil(O / VEC)][P][VEC], the latter at dy_at.
 * Work-items: ceil(KW / COLS), ceil(KH / LINES), O or vectors of outputs. */
KERNEL depthwise_backward_weights(const __global float *x, const __global float *dy, __global float *total /* (O, T) */,
                                  __global float *partial /* (O, T), or unused if granule is 0 */, uint dy_at, WINDOW,
                                  uint granule, uint N, uint first, uint batch, uint pitch)
{
    const uint kx = get_global_id(0) * COLS, ky = get_global_id(1) * LINES, row = get_global_id(2);
    const uint vectors = (O + VEC - 1) / VEC, T = KH * KW, weight = ky * KW + kx;
    const int y0 = (int)(ky * DY) - (int)PY, x0 = (int)(kx * DX) - (int)PX;
    const long x_line = (long)SY * W * pitch, x_step = (long)SX * pitch;
    const size_t x_example = (size_t)(SPREAD ? vectors : C) * H * W * pitch;
    const size_t dy_example = (size_t)(SPREAD ? vectors : O) * OH * OW * pitch;
    vec sums[LINES][COLS];
    block b;
    find_block(&b, ky, kx, y0, x0, pitch, H, W, OH, OW, KH, KW, SY, SX, DY, DX);
    x += (size_t)(SPREAD ? row : row / (O / G)) * H * W * pitch + ((long)y0 * W + x0) * pitch;
    dy += dy_at + (size_t)row * OH * OW * pitch;
    total += (size_t)row * (SPREAD ? VEC : 1) * T + weight;
#if SPREAD
    const uint outputs = min((uint)VEC, O - row * VEC);
    partial += (size_t)row * VEC * T + weight;
    if (granule == 0) {
        granule = batch;
        partial = total;
    }
    for (uint n = 0, run; n < N; n += run) {
        const uint j = first + n, within = j % granule;
        run = min(N - n, granule - within);
        clear(sums);
        for (uint l = 0; l < b.lines && within; l++) {
            for (uint t = 0; t < b.cols; t++) {
                for (uint o = 0; o < outputs; o++)
                    ((float *)&sums[l][t])[o] = partial[(size_t)o * T + l * KW + t];
            }
        }
        for (uint s = n; s < n + run; s++)
            add_example(sums, &b, x + s * x_example, dy + s * dy_example, x_line, x_step, pitch, OH, OW);
        const bool closed = within + run == granule || j + run == batch, add = closed && j >= granule;
        __global float *to = closed ? total : partial;
        for (uint l = 0; l < b.lines; l++) {
            for (uint t = 0; t < b.cols; t++) {
                for (uint o = 0; o < outputs; o++) {
                    __global float *at = to + (size_t)o * T + l * KW + t;
                    const float sum = ((const float *)&sums[l][t])[o];
                    *at = positive_zero(add ? *at + sum : sum);
                }
            }
        }
    }
#else
    for (uint n = 0; n < N; n += VEC) {
        const uint panel = n / pitch, lane = n - panel * pitch, lanes = min((uint)VEC, N - n);
        clear(sums);
        add_example(sums, &b, x + panel * x_example + lane, dy + panel * dy_example + lane, x_line, x_step, pitch, OH,
                    OW);
        for (uint l = 0; l < b.lines; l++) {
            for (uint t = 0; t < b.cols; t++) {
                const float *part = (const float *)&sums[l][t];
                __global float *to = total + l * KW + t;
                float sum = first + n == 0 ? part[0] : *to + part[0];
                for (uint k = 1; k < lanes; k++)
                    sum = arith_chain(sum, part[k]);
                *to = positive_zero(sum);
            }
        }
    }
#endif
}
