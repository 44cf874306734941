/* The update of a dense layer's weights and bias from its inputs and the gradients of its outputs, for a few examples,
 * for processors: the gradients are never stored. dense.cl has the layouts; the sums are those of
 * dense_backward_weights, and the update is that of sgd.
 *
 * Options: VEC, PANEL  as in dense.cl
 *          EXAMPLES    of the tile, at most; those that are missing repeat the last one, and are not added
 */
// lint: -D VEC=16 -D PANEL=32 -D EXAMPLES=4
// lint: -D VEC=8 -D PANEL=16 -D EXAMPLES=1
// lint: -D VEC=4 -D PANEL=8 -D EXAMPLES=8
#include "dense_outputs.h"
#include "first_bad.h"
#include "gradient_means.h"
#include "sgd_move.h"

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

// The gradients of PANEL outputs' biases: dY is added, n ascending.
INLINE void add_biases(const __global float *dy, uint N, uint O, uint o0, float sum[PANEL])
{
    for (uint lane = 0; lane < PANEL; lane++) sum[lane] = 0.0f;
    for (uint n = 0; n < N; n++) {
        for (uint lane = 0; lane < min((uint)PANEL, O - o0); lane++)
            sum[lane] = arith_chain(sum[lane], dy[n * O + o0 + lane]);
    }
}

/* Sets the record if one of the gradients is not finite, of a layer or, if I2 is not 0, of two. None of at most 16
 * products is infinite, and no sum of them, if the largest factors multiply to less than 2^120; only where they may be
 * are the sums made. Work-items: ceil(I / RUN) * ceil(O / PANEL), and as many of the second layer. */
KERNEL dense_check(const __global float *x /* (N, I) */, const __global float *dy /* (N, O) */,
                   const __global float *x2 /* (N, I2) */, const __global float *dy2 /* (N, O2) */,
                   volatile __global uint *first_bad, uint N, uint I, uint O, uint no_bias, uint I2, uint O2,
                   uint no_bias2, uint step, uint what)
{
    const uint items = (I + RUN - 1) / RUN * ((O + PANEL - 1) / PANEL);
    uint id = get_global_id(0), of_x = 0u, of_dy = 0u, most = 0u;
    if (id >= items) {
        id -= items;
        x = x2;
        dy = dy2;
        I = I2;
        O = O2;
        no_bias = no_bias2;
    }
    const uint runs = (I + RUN - 1) / RUN, begin = id % runs * RUN, end = min(begin + RUN, I), o0 = id / runs * PANEL;
    for (uint n = 0; n < N; n++) {
        for (uint i = begin; i < end; i++)
            of_x = max(of_x, arith_bits(x[n * I + i]) & 0x7fffffffu);
        for (uint o = o0; o < min(o0 + PANEL, O); o++)
            of_dy = max(of_dy, arith_bits(dy[n * O + o]) & 0x7fffffffu);
    }
    if (of_x < ARITH_INF && of_dy < ARITH_INF && arith_float(of_x) * arith_float(of_dy) < 0x1p+120f &&
        arith_float(of_dy) < 0x1p+120f)
        return;
    vec d[EXAMPLES][VECS];
    load_outputs(dy, N, O, o0, d);
    for (uint i = begin; i < end; i++) {
        float sum[PANEL];
        vec c[VECS];
        add_examples(x, N, I, i, d, c);
        UNROLL for (int v = 0; v < VECS; v++)
            store_vec(c[v], v, sum);
        for (uint lane = 0; lane < PANEL; lane++)
            most = max(most, arith_bits(sum[lane]) & 0x7fffffffu);
    }
    if (!no_bias) {
        float sum[PANEL];
        add_biases(dy, N, O, o0, sum);
        for (uint lane = 0; lane < PANEL; lane++)
            most = max(most, arith_bits(sum[lane]) & 0x7fffffffu);
    }
    if (most >= ARITH_INF) set_first_bad(first_bad, step, what);
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
    const bool exact = count >= 1.0f && (arith_bits(count) & ARITH_FRACTION) == 0u && factor == 1.0f;
    vec d[EXAMPLES][VECS];
    if (first_bad[0]) return;
    load_outputs(dy, N, O, o0, d);
    if (begin == 0 && !no_bias) {
        float sum[PANEL], mean[PANEL];
        add_biases(dy, N, O, o0, sum);
        for (uint lane = 0; lane < PANEL; lane++) mean[lane] = sum[lane];
        make_means(mean, divisor, PANEL);
        sgd_move(bias, bias_velocity, mean, o0, min(o0 + PANEL, O), nesterov, lr, momentum, bias_decay);
    }
    w += (ulong)o0 * I;
    velocity += (ulong)o0 * I;
    for (uint i = begin; i < end; i++) {
        vec c[VECS];
        add_examples(x, N, I, i, d, c);
        if (exact) {
            UNROLL for (int k = 0; k < VECS; k++)
                c[k] = flush_vec(c[k] * reciprocal);
        } else {
            float mean[PANEL];
            UNROLL for (int k = 0; k < VECS; k++)
                store_vec(c[k], k, mean);
            for (uint lane = 0; lane < PANEL; lane++)
                mean[lane] = gradient_mean(mean[lane], count, reciprocal, factor);
            UNROLL for (int k = 0; k < VECS; k++)
                c[k] = load_vec(k, mean);
        }
        UNROLL for (int k = 0; k < VECS; k++) {
            const vec before = load_vec(k, w + i * PANEL);
            const vec g = flush_vec(fma((vec)(decay), before, c[k]));
            const vec v = flush_state_vec(fma((vec)(momentum), load_vec(k, velocity + i * PANEL), g));
            const vec move = nesterov ? flush_state_vec(fma((vec)(momentum), v, g)) : v;
            store_vec(v, k, velocity + i * PANEL);
            store_vec(flush_vec(fma((vec)(-lr), move, before)), k, w + i * PANEL);
        }
    }
}
