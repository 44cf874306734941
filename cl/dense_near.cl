/* The gradients of a dense layer for many examples, for processors: what is read once per sum is copied where a near
 * cache holds it. dense.cl has the layouts, and computes the same sums.
 *
 * A work-item computes a few blocks of ROWS inputs, for a group of panels. It processes the terms of the sums in
 * strips: those of its inputs are copied to private memory, and every panel of the group adds its products. Read in
 * place, they would be far apart: x by I floats from one example to the next, w by I PANEL from one panel to the next.
 *
 * Options: VEC, PANEL, ROWS  as in dense.cl; ROWS may be 4, 6 or 8
 */
// lint: -D VEC=16 -D PANEL=32 -D ROWS=8
// lint: -D VEC=8 -D PANEL=16 -D ROWS=6
// lint: -D VEC=4 -D PANEL=8 -D ROWS=4
#include "arith.h"
#include "dense_bias.h"
#include "dense_sums.h"
#include "finish.h"
#include "unroll.h"
#include "vectors.h"

#pragma OPENCL FP_CONTRACT OFF

// ---- To the inputs ----

#define BLOCKS 8
#define WIDE (BLOCKS * ROWS)
#define STRIP 128          // outputs at most
#define LINE (STRIP + VEC) // between the lines of two inputs, so that those of a block are not in one set of a cache
#define GROUP 8            // panels at most

// near[i][o] = w(i, o) of `count` outputs, from a panel's begin on.
INLINE void copy_weights(float *near, const __global float *w, uint wide, uint count, uint I)
{
    for (uint o = 0; o < count; o += PANEL, w += (ulong)I * PANEL) {
        for (uint i = 0; i < WIDE; i++) {
            UNROLL for (int v = 0; v < VECS; v++)
                store_vec(load_vec(v, w + min(i, wide - 1) * PANEL), v, near + i * LINE + o);
        }
    }
}

INLINE void add_outputs(vec sums[ROWS][VECS], const float *near, const __global float *dyt, uint count)
{
    vec c[ROWS][VECS];
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int v = 0; v < VECS; v++)
            c[r][v] = sums[r][v];
    }
    chain_near(c, ROWS, near, LINE, 1, dyt, PANEL, count);
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int v = 0; v < VECS; v++)
            sums[r][v] = c[r][v];
    }
}

// dx[n][i] = sums[i][n], or 0 where x is, if it masks (else it is 0 here).
INLINE void store_inputs(__global float *dx, const __global float *x, const float sums[WIDE * PANEL], uint examples,
                         uint inputs, uint I)
{
    if (examples == PANEL && inputs == WIDE) {
        for (uint n = 0; n < PANEL; n += 4) {
            for (uint i = 0; i < WIDE; i += 4) {
                float4 t[4];
                UNROLL for (int j = 0; j < 4; j++) {
                    const float4 sum = vload4(0, sums + (i + j) * PANEL + n);
                    t[j] = (as_int4(sum) & 0x7fffffff) < as_int(0x1p-40f) ? (float4)(0.0f) : sum;
                }
                transpose_fours(t);
                UNROLL for (int j = 0; j < 4; j++) {
                    const ulong at = (ulong)(n + j) * I + i;
                    vstore4(x ? mask_fours(t[j], vload4(0, x + at)) : t[j], 0, dx + at);
                }
            }
        }
    } else {
        for (uint n = 0; n < examples; n++) {
            for (uint i = 0; i < inputs; i++) {
                const ulong at = (ulong)n * I + i;
                const float done = arith_flush(sums[i * PANEL + n]);
                dx[at] = x ? mask_value(done, x[at]) : done;
            }
        }
    }
}

/* dX = dY W, or 0 where X is if `masked` is set; lanes are examples. `strip` outputs at a time, a multiple of PANEL,
 * and `group` panels per work-item. Work-items: ceil(I / WIDE), ceil(panels / group). */
KERNEL dense_backward_input_near(const __global float *dyt /* dense_pack_rows of dY */,
                                 const __global float *w /* panels */, __global float *dx /* (N, I) */,
                                 const __global float *x /* (N, I) */, uint N, uint I, uint O, uint masked, uint strip,
                                 uint group)
{
    const uint i0 = get_global_id(0) * WIDE, wide = min((uint)WIDE, I - i0);
    const uint p0 = get_global_id(1) * group, count = min(group, (N + PANEL - 1) / PANEL - p0);
    float near[WIDE * LINE];
    vec sums[GROUP][BLOCKS][ROWS][VECS];
    for (uint p = 0; p < count; p++) {
        for (uint b = 0; b < BLOCKS; b++) {
            UNROLL for (int r = 0; r < ROWS; r++) {
                UNROLL for (int v = 0; v < VECS; v++)
                    sums[p][b][r][v] = (vec)(0.0f);
            }
        }
    }
    dyt += (ulong)p0 * PANEL * O;
    w += (ulong)i0 * PANEL;
    for (uint o = 0, run; o < O; o += run) {
        run = min(O - o, strip);
        copy_weights(near, w + (ulong)o * I, wide, run, I);
        for (uint p = 0; p < count; p++) {
            for (uint b = 0; b * ROWS < wide; b++)
                add_outputs(sums[p][b], near + b * ROWS * LINE, dyt + ((ulong)p * O + o) * PANEL, run);
        }
    }
    for (uint p = 0; p < count; p++) {
        const uint n0 = (p0 + p) * PANEL;
        store_inputs(dx + (ulong)n0 * I + i0, masked ? x + (ulong)n0 * I + i0 : 0, (const float *)sums[p],
                     min((uint)PANEL, N - n0), wide, I);
    }
}

// ---- To the weights ----

// Adds `count` examples to the sums of a block, which begin, or continue those in `partial`.
INLINE void add_examples(const float *x, const __global float *dy, uint outputs, uint count, uint inputs, bool begins,
                         bool closed, bool add, __global float *total, __global float *partial)
{
    vec c[ROWS][VECS];
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int v = 0; v < VECS; v++)
            c[r][v] = begins ? (vec)(0.0f) : load_vec(v, partial + min((uint)r, inputs - 1) * PANEL);
    }
    chain_near(c, ROWS, x, 1, ROWS, dy, PANEL, count);
    if (outputs < PANEL)
        clear_lanes(c, ROWS, outputs);
    store_sums(c, ROWS, inputs, closed, add, total, partial);
}

/* dW = dYt X, by the rule of granules: as dense_backward_weights in dense.cl. `strip` examples at a time, up to MOST
 * and a whole granule unless the batch is one, and `group` panels per work-item. Work-items: ceil(I / INPUTS),
 * ceil(panels / group). */
KERNEL dense_backward_weights_near(const __global float *dyp /* dense_pack_columns of dY */,
                                   const __global float *x /* (N, I) */, __global float *total /* panels */,
                                   __global float *partial /* panels, or unused if granule is 0 */,
                                   __global float *bias_total /* (O) */,
                                   __global float *bias_partial /* (O), likewise */, uint from, uint N, uint I, uint O,
                                   uint first, uint batch, uint granule, uint no_bias, uint strip, uint group)
{
    const uint i0 = get_global_id(0) * INPUTS, wide = min((uint)INPUTS, I - i0);
    const uint p0 = get_global_id(1) * group, count = min(group, (O + PANEL - 1) / PANEL - p0);
    float near[NEAR_X];
    dyp += (ulong)p0 * N * PANEL;
    for (uint p = 0, o0 = p0 * PANEL; p < count && i0 == 0 && !no_bias; p++, o0 += PANEL)
        add_biases(dyp + (ulong)p * N * PANEL, PANEL, min((uint)PANEL, O - o0), bias_total + o0, bias_partial + o0, N,
                   first, batch, granule);
    if (granule == 0) {
        granule = batch;
        partial = total;
    }
    x += (ulong)from * I + i0;
    total += ((ulong)p0 * I + i0) * PANEL;
    partial += ((ulong)p0 * I + i0) * PANEL;
    for (uint n = 0, run; n < N; n += run) {
        const uint j = first + n, within = j % granule;
        run = min(min(N - n, granule - within), strip);
        const bool closed = within + run == granule || j + run == batch;
        copy_inputs(near, x + (ulong)n * I, wide, run, I);
        for (uint p = 0; p < count; p++) {
            const __global float *dy = dyp + ((ulong)p * N + n) * PANEL;
            for (uint b = 0; b * ROWS < wide; b++) {
                const ulong at = ((ulong)p * I + b * ROWS) * PANEL;
                add_examples(near + b * BLOCK_X(run), dy, O - (p0 + p) * PANEL, run, wide - b * ROWS, within == 0,
                             closed, closed && j >= granule, total + at, partial + at);
            }
        }
    }
}
