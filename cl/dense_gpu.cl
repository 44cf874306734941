/* The matrix products of a dense layer, for GPUs. The kernels for processors are in dense.cl; both compute the same
 * sums.
 *
 * N examples of the tile, I inputs, O outputs. X (N, I), Y (N, O), dY (N, O), dX (N, I), W and dW (O, I), all
 * row-major.
 *
 * Blocks of sums as in block_sums.h. Beyond the edge of a matrix, rows and columns repeat the last one; such sums are
 * not stored. Beyond the last k, both operands are 0: fma(0, 0, c) is c. (A -0 that llvmpipe left in a chain may become
 * +0; no -0 is stored either way.)
 *
 * Options: BLOCK_ROWS, BLOCK_COLS  multiples of ITEMS_Y and of ITEMS_X
 *          ITEMS_X, ITEMS_Y        the work-group; both sides of a step, BLOCK STEP, are multiples of it
 *          STEP
 */
// lint: -D BLOCK_ROWS=64 -D BLOCK_COLS=64 -D ITEMS_X=16 -D ITEMS_Y=16 -D STEP=16
// lint: -D BLOCK_ROWS=32 -D BLOCK_COLS=32 -D ITEMS_X=8 -D ITEMS_Y=4 -D STEP=8
#include "arith.h"
#include "block_sums.h"
#include "finish.h"
#include "granule_pass.h"

#pragma OPENCL FP_CONTRACT OFF

// One operand of a product: s(t, k) = s[t * row + k] if `along_k`, else s[k * row + t]; t < T. Its block begins at t0.
typedef struct operand {
    const __global float *s;
    bool along_k;
    uint row, t0, T;
    uint one; // ITEM + j ITEMS, less ITEM and within a block, of an item's loads that are 1: of the biases; NONE: none
} operand;

#define NONE UINT_MAX

// Where an item's load j belongs: step k and place t of a side with `block` places. Neighbors load neighbors.
INLINE uint step_of(const operand from, uint j, const uint block)
{
    uint e = ITEM + j * ITEMS;
    return from.along_k ? e % STEP : e / block;
}

INLINE uint side_of(const operand from, uint j, const uint block)
{
    uint e = ITEM + j * ITEMS;
    return from.along_k ? e / STEP : e % block;
}

/* load_SIDE: v[j] = s(t, k0 + k), or of the last t and k. Nothing is computed from it: that would wait for the load.
 * keep_SIDE: to(k, t) = v[j], or 1 in the column of ones, or 0 if k0 + k >= K. */
#define DEFINE_SIDE(SIDE, LOADS, BLOCK)                                                                                \
    INLINE void load_##SIDE(float v[LOADS], const operand from, uint k0, uint K)                                       \
    {                                                                                                                  \
        UNROLL for (uint j = 0; j < LOADS; j++)                                                                        \
        {                                                                                                              \
            uint t = min(from.t0 + side_of(from, j, BLOCK), from.T - 1), k = min(k0 + step_of(from, j, BLOCK), K - 1); \
            v[j] = from.s[from.along_k ? t * from.row + k : k * from.row + t];                                         \
        }                                                                                                              \
    }                                                                                                                  \
    INLINE void keep_##SIDE(SIDE##_side *to, const float v[LOADS], const operand from, uint k0, uint K)                \
    {                                                                                                                  \
        UNROLL for (uint j = 0; j < LOADS; j++)                                                                        \
        {                                                                                                              \
            uint k = step_of(from, j, BLOCK);                                                                          \
            float value = j * ITEMS % BLOCK == from.one ? 1.0f : v[j];                                                 \
            to[k][side_of(from, j, BLOCK)] = k0 + k < K ? value : 0.0f;                                                \
        }                                                                                                              \
    }
DEFINE_SIDE(left, LEFT_LOADS, BLOCK_ROWS)
DEFINE_SIDE(right, RIGHT_LOADS, BLOCK_COLS)

// c(r, q) = fma(a(r, k), b(q, k), c(r, q)) for k = from .. K-1, from < K.
INLINE void add_products(float c[ROWS][COLS], left_side (*a)[STEP], right_side (*b)[STEP], const operand left,
                         const operand right, uint from, uint K)
{
    float va[LEFT_LOADS], vb[RIGHT_LOADS];
    uint now = 0;
    load_left(va, left, from, K);
    load_right(vb, right, from, K);
    keep_left(a[now], va, left, from, K);
    keep_right(b[now], vb, right, from, K);
    barrier(CLK_LOCAL_MEM_FENCE);
    // k is the same for the whole group, so all items reach the barriers together. The last round loads and keeps what
    // nobody reads, since compilers move a load past the products if it is in a branch, or if the next round alone uses
    // what it gives.
    for (uint k = from; k < K;) {
        k += STEP;
        load_left(va, left, k, K);
        load_right(vb, right, k, K);
        multiply(c, a[now], b[now]);
        now ^= 1;
        keep_left(a[now], va, left, k, K);
        keep_right(b[now], vb, right, k, K);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

// A sum that is stored: raw, or finished.
INLINE float finish(float sum, const bool raw, float least)
{
    if (raw) return sum == 0.0f ? 0.0f : sum; // llvmpipe's chain from +0 is -0 if each product is -0
    return finish_value(sum, least);
}

/* to(row, column) = c, of the R x Q sums of a matrix. */
INLINE void store(float c[ROWS][COLS], __global float *to, uint R, uint Q, const bool raw, float least)
{
    // Runs of 4 are stored at once if none reaches past an edge, and all are aligned.
    const bool whole = COL_RUN == 4 && Q % 4 == 0 && ((size_t)to & 15) == 0;
    UNROLL for (uint r = 0; r < ROWS; r++)
    {
        UNROLL for (uint q = 0; q < COLS; q++) { c[r][q] = finish(c[r][q], raw, least); }
        UNROLL for (uint q = 0; q < COLS; q += COL_RUN)
        {
            __global float *at = to + (ulong)ROW(r) * Q + COL(q);
            if (whole && ROW(r) < R && COL(q) < Q)
                *(__global float4 *)at = (float4)(c[r][q], c[r][q + 1], c[r][q + 2], c[r][q + 3]);
            UNROLL for (uint i = 0; i < COL_RUN; i++)
            {
                if (!whole && ROW(r) < R && COL(q + i) < Q) at[i] = c[r][q + i];
            }
        }
    }
}

// A finished sum, or 0 where x is.
INLINE float finish_masked(float sum, float x) { return mask_value(finish_value(sum, -INFINITY), x); }

/* The same of finished sums, 0 where x is. A row of x is read behind the stores of the one before, with which it might
 * overlap for all that compilers know: so they do not load all of it at once. */
INLINE void store_masked(float c[ROWS][COLS], __global float *to, const __global float *x, uint R, uint Q)
{
    const bool fours = COL_RUN == 4 && Q % 4 == 0 && (((size_t)to | (size_t)x) & 15) == 0;
    // Not in small groups: Intel's compiler has no registers for this with 8 rows of 4 sums.
    if (ITEMS >= 64 && fours) {
        UNROLL for (uint r = 0; r < ROWS; r++)
        {
            if (ROW(r) >= R) return;
            const ulong at = (ulong)ROW(r) * Q;
            float4 u[(COLS + 3) / 4];
            UNROLL for (uint q = 0; q < COLS; q += 4)
            {
                if (COL(q) < Q) u[q / 4] = *(const __global float4 *)(x + at + COL(q));
            }
            UNROLL for (uint q = 0; q < COLS; q += 4)
            {
                const float4 mask = u[q / 4];
                if (COL(q) < Q)
                    *(__global float4 *)(to + at + COL(q)) =
                        (float4)(finish_masked(c[r][q], mask.x), finish_masked(c[r][q + 1], mask.y),
                                 finish_masked(c[r][q + 2], mask.z), finish_masked(c[r][q + 3], mask.w));
            }
        }
        return;
    }
    UNROLL for (uint r = 0; r < ROWS; r++)
    {
        const ulong at = (ulong)ROW(r) * Q;
        UNROLL for (uint q = 0; q < COLS; q++)
        {
            if (ROW(r) < R && COL(q) < Q) c[r][q] = finish_masked(c[r][q], x[at + COL(q)]);
        }
        UNROLL for (uint q = 0; q < COLS; q++)
        {
            if (ROW(r) < R && COL(q) < Q) to[at + COL(q)] = c[r][q];
        }
    }
}

/* Y = X Wt + b, or without b if `biased` is 0. Groups: ceil(O / BLOCK_COLS), ceil(N / BLOCK_ROWS). */
KERNEL dense_forward(const __global float *x /* (N, I) */, const __global float *w /* (O, I) */,
                     const __global float *bias /* (O) */, __global float *y /* (N, O) */, uint N, uint I, uint O,
                     uint biased, float least)
{
    SIDES(a, b);
    const operand left = {x, true, I, work_group_id(1) * BLOCK_ROWS, N, NONE};
    const operand right = {w, true, I, work_group_id(0) * BLOCK_COLS, O, NONE};
    float c[ROWS][COLS];
    UNROLL for (uint q = 0; q < COLS; q++)
    {
        float start = biased ? bias[min(COL(q), O - 1)] : 0.0f;
        UNROLL for (uint r = 0; r < ROWS; r++) c[r][q] = start;
    }
    add_products(c, a, b, left, right, 0, I);
    store(c, y, N, O, false, least);
}

/* dX = dY W, or 0 where X is if `masked` is set. Groups: ceil(I / BLOCK_COLS), ceil(N / BLOCK_ROWS). */
KERNEL dense_backward_input(const __global float *dy /* (N, O) */, const __global float *w /* (O, I) */,
                            __global float *dx /* (N, I) */, const __global float *x /* (N, I) */, uint N, uint I,
                            uint O, uint masked)
{
    SIDES(a, b);
    const operand left = {dy, true, O, work_group_id(1) * BLOCK_ROWS, N, NONE};
    const operand right = {w, false, I, work_group_id(0) * BLOCK_COLS, I, NONE};
    float c[ROWS][COLS];
    UNROLL for (uint r = 0; r < ROWS; r++) { UNROLL for (uint q = 0; q < COLS; q++) c[r][q] = 0.0f; }
    add_products(c, a, b, left, right, 0, O);
    if (masked)
        store_masked(c, dx, x, N, I);
    else
        store(c, dx, N, I, false, -INFINITY);
}

/* dW = dYt X: the sums over the granules of a pass, raw: (O, I) of a granule are `stride` behind those of the one
 * before it. The first continues from `partial` if `begun` is set. If `biased` is set, the gradient of the biases is
 * that of weights of an input I that is always 1: fma(dy, 1, c) is c + dy. Those of a granule are at bias_at + granule
 * stride of bias_to. Groups: ceil((I + biased) / BLOCK_COLS), ceil(O / BLOCK_ROWS), granules of the pass. */
KERNEL dense_backward_weights(const __global float *dy /* (N, O) */, const __global float *x /* (N, I) */,
                              const __global float *partial /* (O, I) */, __global float *to, uint N, uint I, uint O,
                              uint from, uint within, uint granule, uint begun,
                              const __global float *bias_partial /* (O) */, __global float *bias_to, uint biased,
                              uint bias_at, uint stride)
{
    SIDES(a, b);
    const uint ones = biased ? I : NONE;
    const operand left = {dy, false, O, work_group_id(1) * BLOCK_ROWS, O, NONE};
    const uint column = ones - work_group_id(0) * BLOCK_COLS; // within the block, or past it
    const uint one = column < BLOCK_COLS ? (column + BLOCK_COLS - ITEM % BLOCK_COLS) % BLOCK_COLS : NONE;
    const operand right = {x, false, I, work_group_id(0) * BLOCK_COLS, I, one};
    uint2 run = find_granule(work_group_id(2), N, from, within, granule);
    float c[ROWS][COLS];
    UNROLL for (uint r = 0; r < ROWS; r++)
    {
        UNROLL for (uint q = 0; q < COLS; q++) { c[r][q] = 0.0f; }
    }
    if (begun && work_group_id(2) == 0) {
        UNROLL for (uint r = 0; r < ROWS; r++)
        {
            UNROLL for (uint q = 0; q < COLS; q++)
            {
                if (ROW(r) < O && COL(q) < I) // not clamped: `to` may be `partial`
                    c[r][q] = partial[(ulong)ROW(r) * I + COL(q)];
                if (ROW(r) < O && COL(q) == ones) c[r][q] = bias_partial[ROW(r)];
            }
        }
    }
    add_products(c, a, b, left, right, run.x, run.y);
    store(c, to + (ulong)work_group_id(2) * stride, O, I, true, 0.0f);
    UNROLL for (uint q = 0; q < COLS; q++)
    {
        UNROLL for (uint r = 0; r < ROWS; r++)
        {
            if (COL(q) == ones && ROW(r) < O) bias_to[bias_at + (ulong)work_group_id(2) * stride + ROW(r)] = c[r][q];
        }
    }
}
