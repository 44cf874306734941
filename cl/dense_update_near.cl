/* The update of dense_update.cl for more examples: each work-item copies some inputs of theirs, and the gradients of a
 * few panels of outputs, to private memory, and computes blocks of ROWS x PANEL sums, as in dense_near.cl.
 *
 * Options: VEC, PANEL, ROWS  as in dense.cl; ROWS may be 6 or 8
 */
// lint: -D VEC=16 -D PANEL=32 -D ROWS=8
// lint: -D VEC=8 -D PANEL=16 -D ROWS=6
// lint: -D VEC=4 -D PANEL=8 -D ROWS=6
#include "dense_move.h"
#include "dense_sums.h"

#pragma OPENCL FP_CONTRACT OFF

#define NEAR_DY 16384 // floats of dY that are copied at once

// near[p][n][lane] = dy(n, p PANEL + lane) of N examples and `panels` panels. From dy on there are `outputs` outputs,
// and `end` floats that may be read. Rows are read as far as they go: panel by panel, they would be far apart.
INLINE void copy_outputs(float *near, const __global float *dy, uint panels, uint outputs, uint N, uint O, uint end)
{
    for (uint n = 0; n < N; n++) {
        for (uint p = 0; p < panels; p++) {
            const uint at = n * O + p * PANEL;
            vec d[VECS];
            if (at + PANEL <= end) {
                UNROLL for (int v = 0; v < VECS; v++)
                    d[v] = load_vec(v, dy + at);
            } else {
                load_row(d, dy + at, outputs - p * PANEL);
            }
            UNROLL for (int v = 0; v < VECS; v++)
                store_vec(d[v], v, near + (p * N + n) * PANEL);
        }
    }
}

// c(r, lane) = fma(x[n][r], dy[n][lane], c(r, lane)) for `count` examples of copies; 0 in the lanes of outputs that are
// missing. It is one loop for all rows of dY: with another one for rows that have no PANEL floats, compilers run out of
// 16 registers and spill a sum in both.
INLINE void chain_examples(vec c[ROWS][VECS], const float *x, const float *dy, uint outputs, uint count)
{
#pragma unroll 1
    for (uint n = 0; n < count; n++, x += ROWS, dy += PANEL) {
        vec d[VECS];
        UNROLL for (int v = 0; v < VECS; v++)
            d[v] = load_vec(v, dy);
        UNROLL for (int r = 0; r < ROWS; r++) {
            UNROLL for (int v = 0; v < VECS; v++)
                c[r][v] = fma((vec)(x[r]), d[v], c[r][v]);
        }
    }
    if (outputs < PANEL)
        clear_lanes(c, ROWS, outputs);
}

/* For N examples, up to MOST. Work-items: ceil(I / INPUTS), ceil(panels / group). */
KERNEL dense_sgd_near(const __global float *restrict x /* (N, I) */, const __global float *restrict dy /* (N, O) */,
                      __global float *restrict w /* panels */, __global float *restrict velocity /* panels */,
                      __global float *restrict bias /* (O) */, __global float *restrict bias_velocity /* (O) */,
                      const __global float *divisor, const __global uint *first_bad, uint N, uint I, uint O,
                      uint no_bias, uint nesterov, float lr, float momentum, float decay, float bias_decay, uint group)
{
    const uint i0 = get_global_id(0) * INPUTS, wide = min((uint)INPUTS, I - i0);
    const uint p0 = get_global_id(1) * group, panels = min(group, (O + PANEL - 1) / PANEL - p0);
    const float count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    const uint copied = NEAR_DY / (N * PANEL); // panels of dY at once
    float near[NEAR_X], near_dy[NEAR_DY], mean[ROWS * PANEL];
    if (first_bad[0]) return;
    copy_inputs(near, x + i0, wide, N, I);
    for (uint p = 0; p < panels; p++) {
        const uint o0 = (p0 + p) * PANEL, outputs = min((uint)PANEL, O - o0);
        if (p % copied == 0)
            copy_outputs(near_dy, dy + o0, min(copied, panels - p), O - o0, N, O, N * O - o0);
        if (i0 == 0 && !no_bias)
            move_biases(bias + o0, bias_velocity + o0, dy + o0, divisor, N, O, outputs, nesterov, lr, momentum,
                        bias_decay);
        for (uint i = 0; i < wide; i += ROWS) {
            const ulong at = ((ulong)(p0 + p) * I + i0 + i) * PANEL;
            vec c[ROWS][VECS];
            UNROLL for (int r = 0; r < ROWS; r++) {
                UNROLL for (int v = 0; v < VECS; v++)
                    c[r][v] = (vec)(0.0f);
            }
            chain_examples(c, near + i / ROWS * BLOCK_X(N), near_dy + p % copied * N * PANEL, outputs, N);
            mean_vecs(c[0], ROWS * VECS, mean, count, reciprocal, factor);
            UNROLL for (int r = 0; r < ROWS; r++) {
                if (i + r < wide)
                    move_row(w + at + r * PANEL, velocity + at + r * PANEL, c[r], nesterov, lr, momentum, decay);
            }
        }
    }
}
