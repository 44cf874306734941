/* Convolutions for GPUs. The kernels for processors are in conv.cl; both compute the same sums.
 *
 * N examples of the tile; C channels of H x W in, O of OH x OW out; KH x KW taps, SY and SX the strides, PY and PX the
 * padding, DY and DX the dilation (window.h); G groups. x, dx (N, C, H, W), y, dy (N, O, OH, OW), w and its gradient
 * (O, C/G, KH, KW), all row-major.
 *
 * Each kernel is a product whose right side is gathered from planes piece by piece, never as a whole. A work-group
 * computes a block of BLOCK_ROWS x BLOCK_COLS sums. It loads STEP steps of both sides into local memory; from there
 * each of its ITEMS_X x ITEMS_Y items reads what its own ROWS x COLS sums need. Every sum is one fma chain in canonical
 * order.
 *
 *     kernel                 rows                 columns                   steps of the chain
 *     conv_forward           outputs of a group   positions (n, oy, ox)     (c, ky, kx)
 *     conv_backward_input    inputs of a group    positions (n, iy, ix)     (o, ky, kx)
 *     conv_backward_weights  outputs of a group   (c, ky, kx)               (n, oy, ox) of a granule
 *
 * Dimension 2 of a launch counts the matrices of such blocks, starting at `depth`: GPUs allow at most 65535 groups in
 * that dimension.
 *
 * A tap in the padding is skipped, since the other factor may be infinite. In local memory it is -0, a value that no
 * operand has (rule 8), and so are columns and steps past the end. As long as the left side is finite, an fma with -0
 * changes nothing, and none is guarded. Once a weight (or dy) is not finite, the group guards every fma.
 *
 * Options: BLOCK_ROWS         a multiple of ITEMS_Y and of ITEMS / STEP
 *          BLOCK_COLS         a multiple of ITEMS_X, and a divisor of ITEMS
 *          ITEMS_X, ITEMS_Y  the work-group; ITEMS is their product, a multiple of STEP, and of BLOCK_COLS at most STEP
 *                            times
 *          STEP
 */
// lint: -D BLOCK_ROWS=64 -D BLOCK_COLS=64 -D ITEMS_X=16 -D ITEMS_Y=16 -D STEP=16
// lint: -D BLOCK_ROWS=4 -D BLOCK_COLS=64 -D ITEMS_X=64 -D ITEMS_Y=1 -D STEP=16
#include "arith.h"
#include "granule_pass.h"
#include "unroll.h"
#include "work_group.h"

#pragma OPENCL FP_CONTRACT OFF

#define ITEMS (ITEMS_X * ITEMS_Y)
#define ROWS (BLOCK_ROWS / ITEMS_Y)
#define COLS (BLOCK_COLS / ITEMS_X)
#define SKIPPED 0x80000000u
#define FAR 0x40000000u // a row past every plane, even if another such row is added

#define KERNEL __kernel __attribute__((reqd_work_group_size(ITEMS_X, ITEMS_Y, 1))) void
#define INLINE static inline __attribute__((always_inline))

// The geometry, in the order of window.h.
#define WINDOW                                                                                                        \
    uint C, uint H, uint W, uint O, uint OH, uint OW, uint KH, uint KW, uint SY, uint SX, uint PY, uint PX, uint DY,   \
        uint DX, uint G

// The STEP steps of a block's sides. Rows are one longer than the block, so that transposed writes do not all hit the
// same bank.
typedef __local float left_side[BLOCK_ROWS + 1];
typedef __local float right_side[BLOCK_COLS + 1];

#define ITEM ((uint)get_local_id(1) * ITEMS_X + (uint)get_local_id(0))
// The row and the column of an item's sum. Sums are ITEMS_Y and ITEMS_X apart, so that neighbors write neighbors.
#define ROW(r) (work_group_id(1) * BLOCK_ROWS + (uint)get_local_id(1) + (uint)(r) * ITEMS_Y)
#define COL(q) (work_group_id(0) * BLOCK_COLS + (uint)get_local_id(0) + (uint)(q) * ITEMS_X)

// (c Y + y) X + x: a step of a chain, or a position.
typedef struct triple {
    uint c, y, x;
} triple;

INLINE triple split(uint k, uint Y, uint X)
{
    uint row = k / X, c = row / Y;
    triple t = {c, row - c * Y, k - row * X};
    return t;
}

// split(k + STEP) from split(k) and by = split(STEP), without a division.
INLINE triple advance(triple t, triple by, uint Y, uint X)
{
    t.x += by.x;
    bool over = t.x >= X;
    t.x -= over ? X : 0;
    t.y += by.y + (over ? 1 : 0);
    over = t.y >= Y;
    t.y -= over ? Y : 0;
    t.c += by.c + (over ? 1 : 0);
    return t;
}

// What a column of the right side, or a step of it, adds to the place where the other begins: the row and the column in
// the plane (unsigned; wrapped numbers stand for negative ones), and the place of both in memory.
typedef struct offset {
    uint y, x, at;
} offset;
typedef __local offset steps[STEP];

// The value at the sum of two offsets into planes of H x W, or SKIPPED if that is outside.
INLINE float load_right(const __global float *s, offset a, offset b, uint H, uint W)
{
    bool is = a.y + b.y < H && a.x + b.x < W;
    float value = s[is ? a.at + b.at : 0];
    return is ? value : as_float(SKIPPED);
}

// s[at] if `is`, else 0. Sets *wild if the value read is not finite.
INLINE float load_left(const __global float *s, bool is, uint at, __local uint *wild)
{
    float value = s[is ? at : 0];
    if (!arith_is_finite(value))
        *wild = 1;
    return is ? value : 0.0f;
}

// c(r, q) = fma(a(k, r), b(k, q), c(r, q)) for the STEP steps in local memory. `guarded` is a constant wherever this is
// inlined.
INLINE void multiply_steps(float c[ROWS][COLS], const left_side *a, const right_side *b, const bool guarded)
{
    uint x = get_local_id(0), y = get_local_id(1);
    // More at once costs registers: gfx1100 spills.
#pragma unroll 4
    for (int k = 0; k < STEP; k++) {
        float ak[ROWS], bk[COLS];
        UNROLL for (int r = 0; r < ROWS; r++)
            ak[r] = a[k][y + r * ITEMS_Y];
        UNROLL for (int q = 0; q < COLS; q++)
            bk[q] = b[k][x + q * ITEMS_X];
        UNROLL for (int r = 0; r < ROWS; r++) {
            UNROLL for (int q = 0; q < COLS; q++) {
                float sum = fma(ak[r], bk[q], c[r][q]);
                c[r][q] = guarded && as_uint(bk[q]) == SKIPPED ? c[r][q] : sum;
            }
        }
    }
}

// The same for the whole group; *wild was written before the last barrier.
INLINE void multiply(float c[ROWS][COLS], const left_side *a, const right_side *b, const __local uint *wild)
{
    if (*wild)
        multiply_steps(c, a, b, true);
    else
        multiply_steps(c, a, b, false);
}

// The offset of a step: of channel t.c and tap (t.y, t.x).
INLINE offset find_step(triple t, bool is, uint dy, uint dx, uint H, uint W)
{
    uint y = t.y * dy, x = t.x * dx;
    offset o = {is ? y : FAR, x, (t.c * H + y) * W + x};
    return o;
}

/* c(row, position) += fma over k = (c, j, i) ascending of w[row w_row + c w_c + j w_j + i w_i] and the source's channel
 * c at `start` + (j dy, i dx), TY x TX taps of `channels` channels. `start` is for the position of column
 * ITEM % BLOCK_COLS. */
INLINE void gather(float c[ROWS][COLS], left_side *a, right_side *b, steps *step, __local uint *wild,
                   const __global float *w, uint rows, uint w_row, uint w_c, uint w_j, uint w_i,
                   const __global float *source, offset start, uint dy, uint dx, uint H, uint W, uint channels, uint TY,
                   uint TX)
{
    uint item = ITEM, row = work_group_id(1) * BLOCK_ROWS + item / STEP, K = channels * TY * TX;
    TY = max(TY, 1u);
    TX = max(TX, 1u);
    triple t = split(item % STEP, TY, TX), by = split(STEP, TY, TX);
    if (item == 0)
        *wild = 0;
    if (item < STEP)
        step[0][item] = find_step(t, item < K, dy, dx, H, W);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint k = 0, now = 0; k < K; k += STEP, now ^= 1) {
        uint from = t.c * w_c + t.y * w_j + t.x * w_i;
        UNROLL for (uint r = 0; r < BLOCK_ROWS; r += ITEMS / STEP) {
            bool is = row + r < rows && k + item % STEP < K;
            a[item % STEP][item / STEP + r] = load_left(w, is, (row + r) * w_row + from, wild);
        }
        UNROLL for (uint j = 0; j < STEP; j += ITEMS / BLOCK_COLS)
            b[item / BLOCK_COLS + j][item % BLOCK_COLS] =
                load_right(source, start, step[now][item / BLOCK_COLS + j], H, W);
        t = advance(t, by, TY, TX);
        if (item < STEP) // for the next round, read after the barriers
            step[now ^ 1][item] = find_step(t, k + STEP + item < K, dy, dx, H, W);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(c, a, b, wild);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* Stores the finished sums to channels from .. from+rows-1 of y (N, channels, H, W): position (n, v, u) of the N QY QX
 * is at (y0 + v sy, x0 + u sx). */
INLINE void store(float c[ROWS][COLS], __global float *y, uint rows, uint channels, uint from, uint positions, uint QY,
                  uint QX, uint H, uint W, uint y0, uint x0, uint sy, uint sx, float least)
{
    UNROLL for (int q = 0; q < COLS; q++) {
        triple p = split(COL(q), QY, QX);
        uint at = (p.c * channels * H + y0 + p.y * sy) * W + x0 + p.x * sx;
        UNROLL for (int r = 0; r < ROWS; r++) {
            const float done = arith_flush(c[r][q]);
            if (ROW(r) < rows && COL(q) < positions)
                y[at + (from + ROW(r)) * H * W] = arith_select(done < least, 0.0f, done);
        }
    }
}

/* Without bias if `biased` is 0. Work-groups: ceil(N OH OW / BLOCK_COLS), ceil(O/G / BLOCK_ROWS), G. */
KERNEL conv_forward(const __global float *x, const __global float *w, const __global float *bias /* (O) */,
                    __global float *y, uint N, WINDOW, uint biased, float least, uint depth)
{
    __local float a[STEP][BLOCK_ROWS + 1], b[STEP][BLOCK_COLS + 1];
    __local offset step[2][STEP];
    __local uint wild;
    uint outputs = O / G, channels = C / G, group = depth + work_group_id(2), positions = N * OH * OW;
    uint column = work_group_id(0) * BLOCK_COLS + ITEM % BLOCK_COLS, K = channels * KH * KW;
    triple p = split(column, OH, OW);
    uint y0 = p.y * SY - PY, x0 = p.x * SX - PX;
    offset start = {column < positions ? y0 : FAR, x0, ((p.c * C + group * channels) * H + y0) * W + x0};
    float c[ROWS][COLS];
    UNROLL for (int r = 0; r < ROWS; r++) {
        float start = biased ? bias[group * outputs + min(ROW(r), outputs - 1)] : 0.0f;
        UNROLL for (int q = 0; q < COLS; q++)
            c[r][q] = start;
    }
    gather(c, a, b, step, &wild, w + (size_t)group * outputs * K, outputs, K, KH * KW, KW, 1, x, start, DY, DX, H, W,
           channels, KH, KW);
    store(c, y, outputs, O, group * outputs, positions, OH, OW, OH, OW, 0, 0, 1, 1, least);
}

// The first of `taps` taps that reaches inputs at `from`, from + stride, ...; `taps` if none does.
INLINE uint first_tap(uint taps, uint from, uint stride, uint dilation)
{
    uint k = 0;
    while (k < taps && k < stride && k * dilation % stride != from % stride)
        k++;
    return k < stride ? k : taps;
}

/* Inputs that are strides apart are reached by the same taps, whose outputs are neighbors. Each such class is computed
 * separately, so that no step is lost to a stride. Successive taps of a class are SY/gcd(SY, DY) taps and
 * DY/gcd(SY, DY) outputs apart.
 * Work-groups: ceil(N ceil(H/SY) ceil(W/SX) / BLOCK_COLS), ceil(C/G / BLOCK_ROWS), G min(SY, H) min(SX, W). */
KERNEL conv_backward_input(const __global float *dy, const __global float *w, __global float *dx, uint N, WINDOW,
                           uint gcd_y, uint gcd_x, uint depth)
{
    __local float a[STEP][BLOCK_ROWS + 1], b[STEP][BLOCK_COLS + 1];
    __local offset step[2][STEP];
    __local uint wild;
    uint matrix = depth + work_group_id(2), group = matrix % G, residue = matrix / G;
    uint outputs = O / G, channels = C / G;
    uint iy = residue / min(SX, W), ix = residue - iy * min(SX, W); // the first input of the class
    uint QY = (H - iy + SY - 1) / SY, QX = (W - ix + SX - 1) / SX, positions = N * QY * QX;
    uint ky = first_tap(KH, iy + PY, SY, DY), TY = (KH - ky + SY / gcd_y - 1) / (SY / gcd_y);
    uint kx = first_tap(KW, ix + PX, SX, DX), TX = (KW - kx + SX / gcd_x - 1) / (SX / gcd_x);
    uint column = work_group_id(0) * BLOCK_COLS + ITEM % BLOCK_COLS, K = channels * KH * KW;
    triple p = split(column, QY, QX);
    uint y0 = p.y + (uint)((int)(iy + PY - ky * DY) / (int)SY), x0 = p.x + (uint)((int)(ix + PX - kx * DX) / (int)SX);
    offset start = {column < positions ? y0 : FAR, x0, ((p.c * O + group * outputs) * OH + y0) * OW + x0};
    float c[ROWS][COLS];
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int q = 0; q < COLS; q++)
            c[r][q] = 0.0f;
    }
    gather(c, a, b, step, &wild, w + (size_t)group * outputs * K + ky * KW + kx, channels, KH * KW, K, SY / gcd_y * KW,
           SX / gcd_x, dy, start, -(DY / gcd_y), -(DX / gcd_x), OH, OW, outputs, TY, TX);
    store(c, dx, channels, C, group * channels, positions, QY, QX, H, W, iy, ix, SY, SX,
          -INFINITY);
}

/* The sums over the granules of a pass, raw: to[granule][O][C/G][KH][KW]. The first continues from `partial` if `begun`
 * is set.
 * Work-groups: ceil(C/G KH KW / BLOCK_COLS), ceil(O/G / BLOCK_ROWS), G granules of the pass. */
KERNEL conv_backward_weights(const __global float *dy, const __global float *x,
                             const __global float *partial /* as w */, __global float *to, uint N, WINDOW, uint from,
                             uint within, uint granule, uint begun, uint depth)
{
    __local float a[STEP][BLOCK_ROWS + 1], b[STEP][BLOCK_COLS + 1];
    __local offset tap[BLOCK_COLS];
    __local uint wild;
    uint matrix = depth + work_group_id(2), group = matrix % G, r0 = matrix / G;
    uint outputs = O / G, channels = C / G, K = channels * KH * KW;
    uint item = ITEM, row = work_group_id(1) * BLOCK_ROWS + item / STEP, column = work_group_id(0) * BLOCK_COLS;
    uint2 run = find_granule(r0, N, from, within, granule) * OH * OW;
    float c[ROWS][COLS];
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int q = 0; q < COLS; q++) {
            float before = 0.0f;
            if (begun && r0 == 0 && ROW(r) < outputs && COL(q) < K) // not clamped: `to` may be `partial`
                before = partial[(group * outputs + ROW(r)) * K + COL(q)];
            c[r][q] = before;
        }
    }
    if (item < BLOCK_COLS) {
        triple t = split(column + item, KH, KW);
        uint y = t.y * DY - PY, x0 = t.x * DX - PX;
        offset o = {column + item < K ? y : FAR, x0, ((group * channels + t.c) * H + y) * W + x0};
        tap[item] = o;
    }
    if (item == 0)
        wild = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    triple p = split(run.x + item % STEP, OH, OW), by = split(STEP, OH, OW);
    for (uint step = run.x; step < run.y; step += STEP) {
        bool is = step + item % STEP < run.y;
        uint y0 = p.y * SY, x0 = p.x * SX, at = (p.c * O + group * outputs + row) * OH * OW + p.y * OW + p.x;
        offset start = {is ? y0 : FAR, x0, (p.c * C * H + y0) * W + x0};
        UNROLL for (uint r = 0; r < BLOCK_ROWS; r += ITEMS / STEP)
            a[item % STEP][item / STEP + r] = load_left(dy, is && row + r < outputs, at + r * OH * OW, &wild);
        UNROLL for (uint q = 0; q < BLOCK_COLS; q += ITEMS / STEP)
            b[item % STEP][item / STEP + q] = load_right(x, start, tap[item / STEP + q], H, W);
        p = advance(p, by, OH, OW);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(c, a, b, &wild);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int q = 0; q < COLS; q++) {
            if (ROW(r) < outputs && COL(q) < K) // llvmpipe's chain from +0 is -0 if each product is -0
                to[(size_t)(r0 * O + group * outputs + ROW(r)) * K + COL(q)] = c[r][q] == 0.0f ? 0.0f : c[r][q];
        }
    }
}
