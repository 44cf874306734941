/* SGD's update of a dense layer from the sums of its gradients, for processors. Options: VEC, PANEL, as in dense.cl. */
#ifndef DENSE_MOVE_H
#define DENSE_MOVE_H

#include "gradient_means.h"
#include "sgd_move.h"
#include "unroll.h"
#include "vectors.h"

#define VECS (PANEL / VEC)

// The mean gradients of `vecs` vectors of sums, which is a constant wherever this is inlined. The code that divides is
// there once; it has `mean` for as many floats.
INLINE void mean_vecs(vec *c, const int vecs, float *mean, float count, float reciprocal, float factor)
{
    if (count >= 1.0f && (arith_bits(count) & ARITH_FRACTION) == 0u && factor == 1.0f) {
        UNROLL for (int v = 0; v < vecs; v++)
            c[v] = flush_vec(c[v] * reciprocal);
    } else {
        UNROLL for (int v = 0; v < vecs; v++)
            store_vec(c[v], v, mean);
        for (uint i = 0; i < (uint)vecs * VEC; i++) mean[i] = gradient_mean(mean[i], count, reciprocal, factor);
        UNROLL for (int v = 0; v < vecs; v++)
            c[v] = load_vec(v, mean);
    }
}

// The update of a row, as that of sgd_move().
INLINE void move_row(__global float *w, __global float *velocity, const vec mean[VECS], uint nesterov, float lr,
                     float momentum, float decay)
{
    UNROLL for (int k = 0; k < VECS; k++) {
        const vec before = load_vec(k, w);
        const vec g = flush_vec(fma((vec)(decay), before, mean[k]));
        const vec v = flush_state_vec(fma((vec)(momentum), load_vec(k, velocity), g));
        const vec move = nesterov ? flush_state_vec(fma((vec)(momentum), v, g)) : v;
        store_vec(v, k, velocity);
        store_vec(flush_vec(fma((vec)(-lr), move, before)), k, w);
    }
}

// The update of `outputs` biases, at most PANEL; to the sum of their gradients dY is added, n ascending. All begin with
// the first of them.
INLINE void move_biases(__global float *bias, __global float *velocity, const __global float *dy,
                        __global const float *divisor, uint N, uint O, uint outputs, uint nesterov, float lr,
                        float momentum, float decay)
{
    float sum[PANEL], mean[PANEL];
    for (uint lane = 0; lane < PANEL; lane++) sum[lane] = 0.0f;
    for (uint n = 0; n < N; n++) {
        for (uint lane = 0; lane < outputs; lane++) sum[lane] = arith_chain(sum[lane], dy[n * O + lane]);
    }
    for (uint lane = 0; lane < PANEL; lane++) mean[lane] = sum[lane];
    make_means(mean, divisor, PANEL);
    for (uint o = 0; o < outputs; o++)
        sgd_move_at(bias, velocity, o, mean[o], nesterov, lr, momentum, decay);
}

#endif
