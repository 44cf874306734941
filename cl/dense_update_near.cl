/* The update of dense_update.cl for more examples, up to MOST: each work-item copies its inputs to private memory once
 * for a group of panels, and computes blocks of ROWS x PANEL sums, as in dense_near.cl.
 *
 * Options: VEC, PANEL, ROWS  as in dense.cl; ROWS may be 6 or 8
 */
// lint: -D VEC=16 -D PANEL=32 -D ROWS=8
// lint: -D VEC=8 -D PANEL=16 -D ROWS=6
// lint: -D VEC=4 -D PANEL=8 -D ROWS=6
#include "dense_move.h"
#include "dense_sums.h"

#pragma OPENCL FP_CONTRACT OFF

#define BLOCKS 8
#define WIDE (BLOCKS * ROWS) // inputs of a work-item
#define MOST 256             // examples

/* Work-items: ceil(I / WIDE), ceil(panels / group). */
KERNEL dense_sgd_near(const __global float *restrict x /* (N, I) */, const __global float *restrict dy /* (N, O) */,
                      __global float *restrict w /* panels */, __global float *restrict velocity /* panels */,
                      __global float *restrict bias /* (O) */, __global float *restrict bias_velocity /* (O) */,
                      const __global float *divisor, const __global uint *first_bad, uint N, uint I, uint O,
                      uint no_bias, uint nesterov, float lr, float momentum, float decay, float bias_decay, uint group)
{
    const uint i0 = get_global_id(0) * WIDE, wide = min((uint)WIDE, I - i0);
    const uint p0 = get_global_id(1) * group, end = min(p0 + group, (O + PANEL - 1) / PANEL);
    const float count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    float near[MOST * WIDE], near_dy[MOST * PANEL], mean[ROWS * PANEL];
    if (first_bad[0]) return;
    copy_inputs(near, WIDE, x + i0, wide, N, I);
    for (uint p = p0; p < end; p++) {
        const uint o0 = p * PANEL, outputs = min((uint)PANEL, O - o0);
        copy_outputs(near_dy, dy + o0, O, whole_rows(o0, O, N * O, outputs, N), outputs, N);
        if (i0 == 0 && !no_bias)
            move_biases(bias + o0, bias_velocity + o0, dy + o0, divisor, N, O, outputs, nesterov, lr, momentum,
                        bias_decay);
        for (uint i = 0; i < wide; i += ROWS) {
            const ulong at = ((ulong)p * I + i0 + i) * PANEL;
            vec c[ROWS][VECS];
            UNROLL for (int r = 0; r < ROWS; r++) {
                UNROLL for (int v = 0; v < VECS; v++)
                    c[r][v] = (vec)(0.0f);
            }
            chain_examples(c, near + i, WIDE, near_dy, outputs, N);
            mean_vecs(c[0], ROWS * VECS, mean, count, reciprocal, factor);
            UNROLL for (int r = 0; r < ROWS; r++) {
                if (i + r < wide)
                    move_row(w + at + r * PANEL, velocity + at + r * PANEL, c[r], nesterov, lr, momentum, decay);
            }
        }
    }
}
