/* The update of a dense layer's weights and bias from its inputs and the gradients of its outputs, for a few examples,
 * for processors: the gradients are never stored. dense.cl has the layouts; the sums are those of
 * dense_backward_weights, and the update is that of sgd. dense_update_near.cl computes the same for more examples.
 *
 * Options: VEC, PANEL  as in dense.cl
 *          EXAMPLES    of the tile, at most; those that are missing repeat the last one, and are not added
 */
// lint: -D VEC=16 -D PANEL=32 -D EXAMPLES=4
// lint: -D VEC=8 -D PANEL=16 -D EXAMPLES=1
// lint: -D VEC=4 -D PANEL=8 -D EXAMPLES=8
#include "dense_move.h"
#include "dense_outputs.h"

#pragma OPENCL FP_CONTRACT OFF

#define RUN 64 // inputs of a work-item

// The gradients of PANEL outputs to input i: one fma chain, n ascending.
INLINE void add_examples(const __global float *x, uint N, uint I, uint i, vec d[EXAMPLES][VECS], vec c[VECS])
{
    UNROLL for (int v = 0; v < VECS; v++)
        c[v] = (vec)(0.0f);
    UNROLL for (uint n = 0; n < EXAMPLES; n++) {
        const vec xi = x[min(n, N - 1) * I + i];
        UNROLL for (int v = 0; v < VECS; v++)
            c[v] = n < N ? fma(d[n][v], xi, c[v]) : c[v];
    }
}

/* Work-items: ceil(I / RUN), ceil(O / PANEL). */
KERNEL dense_sgd(const __global float *restrict x /* (N, I) */, const __global float *restrict dy,
                 __global float *restrict w /* panels */, __global float *restrict velocity /* panels */,
                 __global float *restrict bias /* (O) */, __global float *restrict bias_velocity /* (O) */,
                 const __global float *divisor, const __global uint *first_bad, uint N, uint I, uint O, uint no_bias,
                 uint nesterov, float lr, float momentum, float decay, float bias_decay)
{
    const uint begin = get_global_id(0) * RUN, end = min(begin + RUN, I), o0 = get_global_id(1) * PANEL;
    const float count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    vec d[EXAMPLES][VECS];
    float mean[PANEL];
    if (first_bad[0]) return;
    load_outputs(dy, N, O, o0, d);
    if (begin == 0 && !no_bias)
        move_biases(bias + o0, bias_velocity + o0, dy + o0, divisor, N, O, min((uint)PANEL, O - o0), nesterov, lr,
                    momentum, bias_decay);
    w += (ulong)o0 * I;
    velocity += (ulong)o0 * I;
    for (uint i = begin; i < end; i++) {
        vec c[VECS];
        add_examples(x, N, I, i, d, c);
        mean_vecs(c, VECS, mean, count, reciprocal, factor);
        move_row(w + i * PANEL, velocity + i * PANEL, c, nesterov, lr, momentum, decay);
    }
}
