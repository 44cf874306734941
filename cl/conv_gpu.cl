/* Convolutions for GPUs. The kernels for processors are in conv.cl; both compute the same sums.
 *
 * N examples of the tile; C channels of H x W in, O of OH x OW out; KH x KW taps, SY and SX the strides, PY and PX the
 * padding, DY and DX the dilation (window.h); G groups. x, dx (N, C, H, W), y, dy (N, O, OH, OW), w and its gradient
 * (O, C/G, KH, KW), all row-major.
 *
 * Each kernel is a product whose right side is gathered from planes piece by piece, never as a whole, in blocks of sums
 * as in block_sums.h. Every sum is one fma chain in canonical order.
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
 * changes nothing, and none is guarded. If a weight (or dy) turns out not to be finite, the group begins anew, with a
 * guard at each fma.
 * Rows past the end repeat the last one; their sums are not stored.
 *
 * Options: BLOCK_ROWS         a multiple of ITEMS_Y and of ITEMS / STEP
 *          BLOCK_COLS         a multiple of ITEMS_X, and a divisor of ITEMS
 *          ITEMS_X, ITEMS_Y  the work-group; ITEMS is their product, a multiple of STEP, and of BLOCK_COLS at most STEP
 *                            times
 *          STEP
 */
// lint: -D BLOCK_ROWS=64 -D BLOCK_COLS=64 -D ITEMS_X=16 -D ITEMS_Y=16 -D STEP=8
// lint: -D BLOCK_ROWS=4 -D BLOCK_COLS=64 -D ITEMS_X=64 -D ITEMS_Y=1 -D STEP=16
#include "arith.h"
#include "block_sums.h"
#include "finish.h"
#include "granule_pass.h"

#pragma OPENCL FP_CONTRACT OFF

#define SKIPPED 0x80000000u
#define FAR 0x40000000u // a row past every plane, even if another such row is added

// The geometry, in the order of window.h.
#define WINDOW                                                                                                         \
    uint C, uint H, uint W, uint O, uint OH, uint OW, uint KH, uint KW, uint SY, uint SX, uint PY, uint PX, uint DY,   \
        uint DX, uint G

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

// Offsets in local memory: (y, x, at, 0), so that one is read at once.
typedef __local uint4 offsets;

INLINE void keep_offset(offsets *to, offset o) { *to = (uint4)(o.y, o.x, o.at, 0); }

INLINE offset read_offset(const offsets *from)
{
    uint4 u = *from;
    offset o = {u.x, u.y, u.z};
    return o;
}

// An item's loads of a step, into registers. Nothing is computed from them: that would wait for them.
typedef struct loads {
    float left[LEFT_LOADS], right[RIGHT_LOADS];
    bool is[RIGHT_LOADS]; // it is in the plane
    bool counts;          // the step is one of the chain; of sums over examples
} loads;

// Loads the value at the sum of two offsets into planes of H x W, if it is inside.
INLINE void load_right(loads *v, uint j, const __global float *s, offset a, offset b, uint H, uint W)
{
    v->is[j] = a.y + b.y < H && a.x + b.x < W;
    v->right[j] = s[v->is[j] ? a.at + b.at : 0];
}

// The value, or SKIPPED.
INLINE float right_of(const loads *v, uint j) { return v->is[j] ? v->right[j] : as_float(SKIPPED); }

// Stores the left side: load j is step ITEM % STEP of row ITEM / STEP + j ITEMS / STEP.
INLINE void keep_left(left_side *a, const loads *v)
{
    UNROLL for (uint j = 0; j < LEFT_LOADS; j++) a[ITEM % STEP][ITEM / STEP + j * (ITEMS / STEP)] = v->left[j];
}

// The largest magnitude of the left side's loads, and of `most`.
INLINE uint find_most(uint most, const loads *v)
{
    UNROLL for (uint j = 0; j < LEFT_LOADS; j++) most = max(most, arith_magnitude(v->left[j]));
    return most;
}

// Whether the largest magnitude of any item is not finite, for the whole group. *wild is 0 since an earlier barrier.
INLINE bool is_wild(uint most, __local uint *wild)
{
    if (most >= ARITH_INF) *wild = 1;
    barrier(CLK_LOCAL_MEM_FENCE);
    return *wild;
}

// As multiply(), with a guard at each fma. Rare, so it need not be fast.
INLINE void multiply_guarded(float c[ROWS][COLS], const left_side *a, const right_side *b)
{
#pragma unroll 1
    for (uint k = 0; k < STEP; k++) {
        float ak[ROWS], bk[COLS];
        read_step(ak, bk, a, b, k);
        UNROLL for (uint r = 0; r < ROWS; r++)
        {
            UNROLL for (uint q = 0; q < COLS; q++)
            {
                float sum = fma(ak[r], bk[q], c[r][q]);
                c[r][q] = as_uint(bk[q]) == SKIPPED ? c[r][q] : sum;
            }
        }
    }
}

// `guarded` is a constant wherever this is inlined.
INLINE void multiply_steps(float c[ROWS][COLS], const left_side *a, const right_side *b, const bool guarded)
{
    if (guarded)
        multiply_guarded(c, a, b);
    else
        multiply(c, a, b);
}

// The offset of a step: of channel t.c and tap (t.y, t.x).
INLINE offset find_step(triple t, bool is, uint dy, uint dx, uint H, uint W)
{
    uint y = t.y * dy, x = t.x * dx;
    offset o = {is ? y : FAR, x, (t.c * H + y) * W + x};
    return o;
}

// The left side of a product: s[row w_row + c w_c + j w_j + i w_i] of `rows` rows.
typedef struct weights {
    const __global float *s;
    uint rows, row, c, j, i;
} weights;

// The right side: channel c at start + (j dy, i dx) of planes of H x W, TY x TX taps of each channel; K steps in all.
typedef struct planes {
    const __global float *s;
    offset start; // of column ITEM % BLOCK_COLS
    uint dy, dx, H, W, TY, TX, K;
} planes;

// Loads step k of both sides; t is split(k + ITEM % STEP), `step` has the offsets of the steps.
INLINE void load_steps(loads *v, const weights w, const planes p, const offsets *step, triple t, uint k)
{
    uint row = work_group_id(1) * BLOCK_ROWS + ITEM / STEP;
    uint from = k + ITEM % STEP < p.K ? t.c * w.c + t.y * w.j + t.x * w.i : 0;
    UNROLL for (uint j = 0; j < LEFT_LOADS; j++) v->left[j] =
        w.s[min(row + j * (ITEMS / STEP), w.rows - 1) * w.row + from];
    UNROLL for (uint j = 0; j < RIGHT_LOADS; j++)
        load_right(v, j, p.s, p.start, read_offset(step + ITEM / BLOCK_COLS + j * (ITEMS / BLOCK_COLS)), p.H, p.W);
}

INLINE void keep_steps(left_side *a, right_side *b, const loads *v)
{
    keep_left(a, v);
    UNROLL for (uint j = 0; j < RIGHT_LOADS; j++) b[ITEM / BLOCK_COLS + j * (ITEMS / BLOCK_COLS)][ITEM % BLOCK_COLS] =
        right_of(v, j);
}

// The first STEP items write the offsets of the steps from k on; t is split(k + ITEM % STEP).
INLINE void keep_offsets(offsets *step, const planes p, triple t, uint k)
{
    if (ITEM < STEP) keep_offset(step + ITEM, find_step(t, k + ITEM < p.K, p.dy, p.dx, p.H, p.W));
}

/* c(row, position) += fma over k = (c, j, i) ascending of both sides. Returns whether it must be done again, guarded.
 */
INLINE bool gather(float c[ROWS][COLS], left_side (*a)[STEP], right_side (*b)[STEP], offsets (*step)[STEP],
                   __local uint *wild, const weights w, const planes p, const bool guarded)
{
    uint now = 0, most = 0;
    loads v;
    if (p.K == 0) // no tap reaches these inputs, and w.s may be past the end
        return false;
    triple t = split(ITEM % STEP, p.TY, p.TX), by = split(STEP, p.TY, p.TX);
    keep_offsets(step[0], p, t, 0);
    if (!guarded && ITEM == 0) *wild = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    load_steps(&v, w, p, step[0], t, 0);
    keep_steps(a[0], b[0], &v);
    t = advance(t, by, p.TY, p.TX);
    keep_offsets(step[1], p, t, STEP);
    barrier(CLK_LOCAL_MEM_FENCE);
    // In a round, step k is loaded, the one before is multiplied, and the offsets of the next are found. The last
    // round loads and keeps what nobody reads: see dense_gpu.cl.
    for (uint k = 0; k < p.K;) {
        most = find_most(most, &v);
        k += STEP;
        load_steps(&v, w, p, step[now ^ 1], t, k);
        t = advance(t, by, p.TY, p.TX);
        keep_offsets(step[now], p, t, k + STEP);
        multiply_steps(c, a[now], b[now], guarded);
        now ^= 1;
        keep_steps(a[now], b[now], &v);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return !guarded && is_wild(most, wild);
}

/* Stores the finished sums to channels from .. from+rows-1 of y (N, channels, H, W): position (n, v, u) of the N QY QX
 * is at (y0 + v sy, x0 + u sx). They are 0 where `mask` is, which lies as y does, if there is one. It is read between
 * the stores, which it might overlap with for all that compilers know: so they do not load all of it at once. */
INLINE void store(float c[ROWS][COLS], __global float *y, const __global float *mask, const __global float *addend,
                  uint rows, uint channels, uint from, uint positions, uint QY, uint QX, uint H, uint W, uint y0,
                  uint x0, uint sy, uint sx, float least)
{
    // Runs of 4 positions are stored at once if they are neighbors in one plane, and aligned.
    const bool whole = COL_RUN == 4 && QY == H && QX == W && H * W % 4 == 0 && ((size_t)y & 15) == 0;
    UNROLL for (uint q = 0; q < COLS; q++)
    {
        triple p = split(COL(q), QY, QX);
        uint at = (p.c * channels * H + y0 + p.y * sy) * W + x0 + p.x * sx;
        UNROLL for (uint r = 0; r < ROWS; r++)
        {
            __global float *to = y + at + (from + ROW(r)) * H * W;
            c[r][q] = finish_value(c[r][q], least);
            if (addend && ROW(r) < rows && COL(q) < positions)
                c[r][q] = arith_flush(arith_chain(c[r][q], addend[at + (from + ROW(r)) * H * W]));
            if (mask && ROW(r) < rows && COL(q) < positions)
                c[r][q] = mask_value(c[r][q], mask[at + (from + ROW(r)) * H * W]);
            if (!whole && ROW(r) < rows && COL(q) < positions) *to = c[r][q];
            if (q % COL_RUN == COL_RUN - 1 && whole && ROW(r) < rows && COL(q) < positions)
                *(__global float4 *)(to - 3) = (float4)(c[r][q - 3], c[r][q - 2], c[r][q - 1], c[r][q]);
        }
    }
}

// c(r, q) = value of the row, or 0 without values.
INLINE void set_rows(float c[ROWS][COLS], const __global float *value, uint rows)
{
    UNROLL for (uint r = 0; r < ROWS; r++)
    {
        float start = value ? value[min(ROW(r), rows - 1)] : 0.0f;
        UNROLL for (uint q = 0; q < COLS; q++) c[r][q] = start;
    }
}

/* Without bias if `biased` is 0. Work-groups: ceil(N OH OW / BLOCK_COLS), ceil(O/G / BLOCK_ROWS), G. */
KERNEL conv_forward(const __global float *x, const __global float *w, const __global float *bias /* (O) */,
                    __global float *y, uint N, WINDOW, uint biased, float least, uint depth)
{
    SIDES(a, b);
    __local uint4 step[2][STEP];
    __local uint wild;
    uint outputs = O / G, channels = C / G, group = depth + work_group_id(2), positions = N * OH * OW;
    uint column = work_group_id(0) * BLOCK_COLS + ITEM % BLOCK_COLS, K = channels * KH * KW;
    triple p = split(column, OH, OW);
    uint y0 = p.y * SY - PY, x0 = p.x * SX - PX;
    offset start = {column < positions ? y0 : FAR, x0, ((p.c * C + group * channels) * H + y0) * W + x0};
    float c[ROWS][COLS];
    const weights left = {w + (size_t)group * outputs * K, outputs, K, KH * KW, KW, 1};
    const planes right = {x, start, DY, DX, H, W, KH, KW, K};
    set_rows(c, biased ? bias + group * outputs : 0, outputs);
    if (gather(c, a, b, step, &wild, left, right, false)) {
        set_rows(c, biased ? bias + group * outputs : 0, outputs);
        gather(c, a, b, step, &wild, left, right, true);
    }
    store(c, y, 0, 0, outputs, O, group * outputs, positions, OH, OW, OH, OW, 0, 0, 1, 1, least);
}

// The first of `taps` taps that reaches inputs at `from`, from + stride, ...; `taps` if none does.
INLINE uint first_tap(uint taps, uint from, uint stride, uint dilation)
{
    uint k = 0;
    while (k < taps && k < stride && k * dilation % stride != from % stride) k++;
    return k < stride ? k : taps;
}

/* dX, plus Z if `adds` is set, or 0 where X is if `masked` is set.
 * Inputs that are strides apart are reached by the same taps, whose outputs are neighbors. Each such class is computed
 * separately, so that no step is lost to a stride. Successive taps of a class are SY/gcd(SY, DY) taps and
 * DY/gcd(SY, DY) outputs apart.
 * Work-groups: ceil(N ceil(H/SY) ceil(W/SX) / BLOCK_COLS), ceil(C/G / BLOCK_ROWS), G min(SY, H) min(SX, W). */
KERNEL conv_backward_input(const __global float *dy, const __global float *w, __global float *dx,
                           const __global float *x, const __global float *z, uint N, WINDOW, uint gcd_y, uint gcd_x,
                           uint masked, uint adds, uint depth)
{
    SIDES(a, b);
    __local uint4 step[2][STEP];
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
    const weights left = {
        w + (size_t)group * outputs * K + ky * KW + kx, channels, KH * KW, K, SY / gcd_y * KW, SX / gcd_x};
    const planes right = {dy, start, -(DY / gcd_y), -(DX / gcd_x), OH, OW, max(TY, 1u), max(TX, 1u), outputs * TY * TX};
    set_rows(c, 0, channels);
    if (gather(c, a, b, step, &wild, left, right, false)) {
        set_rows(c, 0, channels);
        gather(c, a, b, step, &wild, left, right, true);
    }
    store(c, dx, masked ? x : 0, adds ? z : 0, channels, C, group * channels, positions, QY, QX, H, W, iy, ix, SY, SX,
          -INFINITY);
}

// What the sums over examples read: the outputs from .. from+outputs-1 of dy, and x.
typedef struct examples {
    const __global float *dy, *x;
    uint C, H, W, O, OH, OW, SY, SX, from, outputs;
    uint one; // the load of the item that is 1: of the column of the biases
} examples;

// Loads a step of positions; p is that of the item's, which counts if `is`.
INLINE void load_positions(loads *v, const examples e, const offsets *tap, triple p, bool is)
{
    uint y0 = p.y * e.SY, x0 = p.x * e.SX, row = work_group_id(1) * BLOCK_ROWS + ITEM / STEP;
    uint at = is ? (p.c * e.O + e.from) * e.OH * e.OW + p.y * e.OW + p.x : 0;
    offset start = {is ? y0 : FAR, x0, (p.c * e.C * e.H + y0) * e.W + x0};
    v->counts = is;
    UNROLL for (uint j = 0; j < LEFT_LOADS; j++) v->left[j] =
        e.dy[at + min(row + j * (ITEMS / STEP), e.outputs - 1) * e.OH * e.OW];
    UNROLL for (uint j = 0; j < RIGHT_LOADS; j++)
        load_right(v, j, e.x, start, read_offset(tap + ITEM / STEP + j * (ITEMS / STEP)), e.H, e.W);
}

INLINE void keep_positions(left_side *a, right_side *b, const loads *v, const examples e)
{
    keep_left(a, v);
    UNROLL for (uint j = 0; j < RIGHT_LOADS; j++) b[ITEM % STEP][ITEM / STEP + j * (ITEMS / STEP)] =
        j == e.one && v->counts ? 1.0f : right_of(v, j);
}

// c(r, q) = s[row K + column] of `rows` rows, and in the column of the biases bias[row]; or 0 without s.
INLINE void set_sums(float c[ROWS][COLS], const __global float *s, const __global float *bias, uint rows, uint K,
                     uint ones)
{
    UNROLL for (uint r = 0; r < ROWS; r++) { UNROLL for (uint q = 0; q < COLS; q++) c[r][q] = 0.0f; }
    if (s) {
        UNROLL for (uint r = 0; r < ROWS; r++)
        {
            UNROLL for (uint q = 0; q < COLS; q++)
            {
                if (ROW(r) < rows && COL(q) < K) // not clamped: others may write there
                    c[r][q] = s[ROW(r) * K + COL(q)];
                if (ROW(r) < rows && COL(q) == ones) c[r][q] = bias[ROW(r)];
            }
        }
    }
}

/* c(output, tap) += fma over the positions run.x .. run.y-1 ascending. Returns whether it must be done again, guarded.
 */
INLINE bool add_positions(float c[ROWS][COLS], left_side (*a)[STEP], right_side (*b)[STEP], const offsets *tap,
                          __local uint *wild, const examples e, uint2 run, const bool guarded)
{
    uint now = 0, most = 0;
    triple p = split(run.x + ITEM % STEP, e.OH, e.OW), by = split(STEP, e.OH, e.OW);
    loads v;
    load_positions(&v, e, tap, p, run.x + ITEM % STEP < run.y);
    keep_positions(a[0], b[0], &v, e);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint step = run.x; step < run.y;) {
        most = find_most(most, &v);
        step += STEP;
        p = advance(p, by, e.OH, e.OW);
        load_positions(&v, e, tap, p, step + ITEM % STEP < run.y);
        multiply_steps(c, a[now], b[now], guarded);
        now ^= 1;
        keep_positions(a[now], b[now], &v, e);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return !guarded && is_wild(most, wild);
}

/* The sums over the granules of a pass, raw: (O, C/G, KH, KW) of a granule are `stride` behind those of the one before
 * it. The first continues from `partial` if `begun` is set. If `biased` is set, a tap that always reaches a 1 stands
 * for the biases: fma(dy, 1, c) is c + dy. Their sums of a granule are at bias_at + granule stride of bias_to.
 * Work-groups: ceil((C/G KH KW + biased) / BLOCK_COLS), ceil(O/G / BLOCK_ROWS), G granules of the pass. */
KERNEL conv_backward_weights(const __global float *dy, const __global float *x,
                             const __global float *partial /* as w */, __global float *to, uint N, WINDOW, uint from,
                             uint within, uint granule, uint begun, const __global float *bias_partial /* (O) */,
                             __global float *bias_to, uint biased, uint bias_at, uint stride, uint depth)
{
    SIDES(a, b);
    __local uint4 tap[BLOCK_COLS];
    __local uint wild;
    uint matrix = depth + work_group_id(2), group = matrix % G, r0 = matrix / G;
    uint outputs = O / G, channels = C / G, K = channels * KH * KW, column = work_group_id(0) * BLOCK_COLS;
    uint2 run = find_granule(r0, N, from, within, granule) * OH * OW;
    const __global float *before = begun && r0 == 0 ? partial + group * outputs * K : 0;
    const __global float *bias = bias_partial + group * outputs;
    const uint ones = biased ? K : UINT_MAX, loaded = ones - column - ITEM / STEP;
    float c[ROWS][COLS];
    if (ITEM < BLOCK_COLS) {
        triple t = split(column + ITEM, KH, KW);
        uint y = t.y * DY - PY, x0 = t.x * DX - PX;
        offset o = {column + ITEM < K ? y : FAR, x0, ((group * channels + t.c) * H + y) * W + x0};
        keep_offset(tap + ITEM, o);
    }
    if (ITEM == 0) wild = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    const uint one = biased && loaded % (ITEMS / STEP) == 0 ? loaded / (ITEMS / STEP) : UINT_MAX;
    const examples e = {dy, x, C, H, W, O, OH, OW, SY, SX, group * outputs, outputs, one};
    set_sums(c, before, bias, outputs, K, ones);
    if (add_positions(c, a, b, tap, &wild, e, run, false)) {
        set_sums(c, before, bias, outputs, K, ones);
        add_positions(c, a, b, tap, &wild, e, run, true);
    }
    UNROLL for (uint r = 0; r < ROWS; r++)
    {
        UNROLL for (uint q = 0; q < COLS; q++)
        {
            float sum = c[r][q] == 0.0f ? 0.0f : c[r][q]; // llvmpipe's chain from +0 is -0 if each product is -0
            if (ROW(r) < outputs && COL(q) < K) to[(size_t)r0 * stride + (group * outputs + ROW(r)) * K + COL(q)] = sum;
            if (ROW(r) < outputs && COL(q) == ones)
                bias_to[bias_at + (size_t)r0 * stride + group * outputs + ROW(r)] = sum;
        }
    }
}
