/* The matrix products of a dense layer, for GPUs. The kernels for processors are in dense.cl; both compute the same
 * sums.
 *
 * N examples of the tile, I inputs, O outputs. X (N, I), Y (N, O), dY (N, O), dX (N, I), W and dW (O, I), all
 * row-major.
 *
 * A work-group computes a square of BLOCK x BLOCK sums. It loads STEP steps of both operands into local memory; from
 * there each of its ITEMS_X x ITEMS_Y items reads what its own ROWS x COLS sums need. An item's sums are ITEMS_X and
 * ITEMS_Y apart, so that neighbors read and write neighbors. Every sum is one fma chain with k ascending.
 *
 * Beyond the edge of a matrix, and beyond the last k, both operands are 0: fma(0, 0, c) is c. (A -0 that llvmpipe left
 * in a chain may become +0; no -0 is stored either way.)
 *
 * Options: BLOCK_ROWS, BLOCK_COLS  equal, a multiple of ITEMS_X and ITEMS_Y
 *          ITEMS_X, ITEMS_Y        the work-group
 *          STEP
 */
// lint: -D BLOCK_ROWS=64 -D BLOCK_COLS=64 -D ITEMS_X=16 -D ITEMS_Y=16 -D STEP=16
// lint: -D BLOCK_ROWS=32 -D BLOCK_COLS=32 -D ITEMS_X=8 -D ITEMS_Y=4 -D STEP=16
#include "arith.h"
#include "granule_pass.h"
#include "unroll.h"
#include "work_group.h"

#pragma OPENCL FP_CONTRACT OFF

#define BLOCK BLOCK_ROWS
#define ITEMS (ITEMS_X * ITEMS_Y)
#define ROWS (BLOCK / ITEMS_Y)
#define COLS (BLOCK / ITEMS_X)

#define KERNEL __kernel __attribute__((reqd_work_group_size(ITEMS_X, ITEMS_Y, 1))) void
#define INLINE static inline __attribute__((always_inline))

// One operand's STEP steps. Rows are one longer than BLOCK, so that transposed writes do not all hit the same bank.
typedef __local float side[BLOCK + 1];

// to[k][t] = s(t0 + t, k0 + k), or 0 if t0 + t >= T or k0 + k >= K; s(t, k) = s[t * K_row + k] if `along_k`, else
// s[k * T_row + t].
INLINE void fetch(side *to, const __global float *s, const bool along_k, uint row, uint t0, uint T, uint k0, uint K)
{
    uint item = get_local_id(1) * ITEMS_X + get_local_id(0);
    for (uint e = item; e < BLOCK * STEP; e += ITEMS) {
        uint t = along_k ? e / STEP : e % BLOCK;
        uint k = along_k ? e % STEP : e / BLOCK;
        ulong st = min(t0 + t, T - 1), sk = min(k0 + k, K - 1);
        float value = along_k ? s[st * row + sk] : s[sk * row + st];
        to[k][t] = t0 + t < T && k0 + k < K ? value : 0.0f;
    }
}

// c(r, q) = fma(a(r, k), b(q, k), c(r, q)) for the STEP steps in local memory.
INLINE void multiply(float c[ROWS][COLS], const side *a, const side *b)
{
    uint x = get_local_id(0), y = get_local_id(1);
    UNROLL for (int k = 0; k < STEP; k++) {
        float ak[ROWS], bk[COLS];
        UNROLL for (int r = 0; r < ROWS; r++)
            ak[r] = a[k][y + r * ITEMS_Y];
        UNROLL for (int q = 0; q < COLS; q++)
            bk[q] = b[k][x + q * ITEMS_X];
        UNROLL for (int r = 0; r < ROWS; r++) {
            UNROLL for (int q = 0; q < COLS; q++)
                c[r][q] = fma(ak[r], bk[q], c[r][q]);
        }
    }
}

// The row and the column of an item's sum.
#define ROW(r) (work_group_id(1) * BLOCK + (uint)get_local_id(1) + (uint)(r) * ITEMS_Y)
#define COL(q) (work_group_id(0) * BLOCK + (uint)get_local_id(0) + (uint)(q) * ITEMS_X)

/* Y = X Wt + b, or without b if `biased` is 0. Groups: ceil(O / BLOCK), ceil(N / BLOCK). */
KERNEL dense_forward(const __global float *x /* (N, I) */, const __global float *w /* (O, I) */,
                     const __global float *bias /* (O) */, __global float *y /* (N, O) */, uint N, uint I, uint O,
                     uint biased, float least)
{
    __local float a[STEP][BLOCK + 1], b[STEP][BLOCK + 1];
    uint n0 = work_group_id(1) * BLOCK, o0 = work_group_id(0) * BLOCK;
    float c[ROWS][COLS];
    UNROLL for (int q = 0; q < COLS; q++) {
        float start = biased ? bias[min(COL(q), O - 1)] : 0.0f;
        UNROLL for (int r = 0; r < ROWS; r++)
            c[r][q] = start;
    }
    for (uint i = 0; i < I; i += STEP) {
        fetch(a, x, true, I, n0, N, i, I);
        fetch(b, w, true, I, o0, O, i, I);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(c, a, b);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int q = 0; q < COLS; q++) {
            const float done = arith_flush(c[r][q]);
            if (ROW(r) < N && COL(q) < O)
                y[(ulong)ROW(r) * O + COL(q)] = arith_select(done < least, 0.0f, done);
        }
    }
}

/* dX = dY W. Groups: ceil(I / BLOCK), ceil(N / BLOCK). */
KERNEL dense_backward_input(const __global float *dy /* (N, O) */, const __global float *w /* (O, I) */,
                            __global float *dx /* (N, I) */, uint N, uint I, uint O)
{
    __local float a[STEP][BLOCK + 1], b[STEP][BLOCK + 1];
    uint n0 = work_group_id(1) * BLOCK, i0 = work_group_id(0) * BLOCK;
    float c[ROWS][COLS];
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int q = 0; q < COLS; q++)
            c[r][q] = 0.0f;
    }
    for (uint o = 0; o < O; o += STEP) {
        fetch(a, dy, true, O, n0, N, o, O);
        fetch(b, w, false, I, i0, I, o, O);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(c, a, b);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int q = 0; q < COLS; q++) {
            if (ROW(r) < N && COL(q) < I)
                dx[(ulong)ROW(r) * I + COL(q)] = arith_flush(c[r][q]);
        }
    }
}

/* dW = dYt X: the sums over the granules of a pass, raw: to[granule][O][I]. The first continues from `partial` if
 * `begun` is set. Groups: ceil(I / BLOCK), ceil(O / BLOCK), granules of the pass. */
KERNEL dense_backward_weights(const __global float *dy /* (N, O) */, const __global float *x /* (N, I) */,
                              const __global float *partial /* (O, I) */, __global float *to, uint N, uint I, uint O,
                              uint from, uint within, uint granule, uint begun)
{
    __local float a[STEP][BLOCK + 1], b[STEP][BLOCK + 1];
    uint o0 = work_group_id(1) * BLOCK, i0 = work_group_id(0) * BLOCK, granule_at = work_group_id(2) * O;
    uint2 run = find_granule(work_group_id(2), N, from, within, granule);
    float c[ROWS][COLS];
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int q = 0; q < COLS; q++) {
            float before = 0.0f;
            if (begun && work_group_id(2) == 0 && ROW(r) < O && COL(q) < I) // not clamped: `to` may be `partial`
                before = partial[(ulong)ROW(r) * I + COL(q)];
            c[r][q] = before;
        }
    }
    // n is the same for the whole group, so all items reach the barriers together.
    for (uint n = run.x; n < run.y; n += STEP) {
        fetch(a, dy, false, O, o0, O, n, run.y);
        fetch(b, x, false, I, i0, I, n, run.y);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(c, a, b);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int q = 0; q < COLS; q++) {
            if (ROW(r) < O && COL(q) < I) // llvmpipe's chain from +0 is -0 if each product is -0
                to[(ulong)(granule_at + ROW(r)) * I + COL(q)] = c[r][q] == 0.0f ? 0.0f : c[r][q];
        }
    }
}
