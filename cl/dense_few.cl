/* The gradients of a dense layer for a few examples, for processors: there a step is bound by the traffic over the
 * weights, so each is loaded, or its gradient stored, once for all examples, and dY is not packed. dense.cl has the
 * layouts, and computes the same sums.
 *
 * Options: VEC, PANEL  as in dense.cl
 *          EXAMPLES    of the tile, at most; those that are missing repeat the last one, and are not stored
 */
// lint: -D VEC=16 -D PANEL=32 -D EXAMPLES=4
// lint: -D VEC=16 -D PANEL=32 -D EXAMPLES=8
// lint: -D VEC=8 -D PANEL=16 -D EXAMPLES=1
// lint: -D VEC=4 -D PANEL=8 -D EXAMPLES=4
#include "arith.h"
#include "dense_bias.h"
#include "dense_outputs.h"
#include "finish.h"

#pragma OPENCL FP_CONTRACT OFF

// t[j] lane k becomes t[k] lane j: each round interleaves the first half of the vectors with the second.
INLINE void transpose(vec t[VEC])
{
    UNROLL for (int round = VEC; round > 1; round /= 2) {
        vec from[VEC];
        UNROLL for (int j = 0; j < VEC; j++)
            from[j] = t[j];
        UNROLL for (int j = 0; j < VEC / 2; j++) {
            t[2 * j].even = from[j].lo;
            t[2 * j].odd = from[j + VEC / 2].lo;
            t[2 * j + 1].even = from[j].hi;
            t[2 * j + 1].odd = from[j + VEC / 2].hi;
        }
    }
}

/* dX = dY W, or 0 where X is if `masked` is set; lanes are inputs. Work-items: ceil(I / VEC). Outputs beyond the last
 * enter as fma(0, 0, c). */
KERNEL dense_backward_input_few(const __global float *dy /* (N, O) */, const __global float *w /* panels */,
                                __global float *dx /* (N, I) */, const __global float *x /* (N, I) */, uint N, uint I,
                                uint O, uint masked)
{
    const uint i0 = get_global_id(0) * VEC, inputs = min((uint)VEC, I - i0);
    float done[EXAMPLES][VEC];
    vec c[EXAMPLES];
    UNROLL for (int n = 0; n < EXAMPLES; n++)
        c[n] = (vec)(0.0f);
#pragma unroll 1
    for (uint o = 0; o < O; o += VEC) {
        const __global float *from = w + (ulong)(o / PANEL) * I * PANEL + o % PANEL;
        float d[EXAMPLES][VEC];
        vec t[VEC];
        for (uint n = 0; n < EXAMPLES; n++) {
            const __global float *row = dy + min(n, N - 1) * O;
            if (o + VEC <= O)
                store_vec(load_vec(0, row + o), 0, d[n]);
            for (uint k = 0; k < VEC && o + VEC > O; k++)
                d[n][k] = o + k < O ? row[min(o + k, O - 1)] : 0.0f;
        }
        UNROLL for (int j = 0; j < VEC; j++)
            t[j] = load_vec(0, from + (ulong)min(i0 + j, I - 1) * PANEL);
        transpose(t);
        UNROLL for (int k = 0; k < VEC; k++) {
            UNROLL for (int n = 0; n < EXAMPLES; n++)
                c[n] = fma((vec)(d[n][k]), t[k], c[n]);
        }
    }
    UNROLL for (int n = 0; n < EXAMPLES; n++)
        store_vec(c[n], 0, done[n]);
    for (uint n = 0; n < min((uint)EXAMPLES, N); n++) {
        for (uint j = 0; j < inputs; j++) {
            if (masked)
                done[n][j] = mask_value(done[n][j], x[(ulong)n * I + i0 + j]);
            dx[(ulong)n * I + i0 + j] = arith_flush(done[n][j]);
        }
    }
}

// Inputs of a work-item of dense_backward_weights_few.
#define RUN 64

/* dW = dYt X, as in dense.cl. Work-items: ceil(I / RUN), ceil(O / PANEL). */
KERNEL dense_backward_weights_few(const __global float *dy /* (N, O) */, const __global float *x /* (N, I) */,
                                  __global float *total /* panels */,
                                  __global float *partial /* panels, or unused if granule is 0 */,
                                  __global float *bias_total /* (O) */,
                                  __global float *bias_partial /* (O), likewise */, uint N, uint I, uint O, uint first,
                                  uint batch, uint granule, uint no_bias)
{
    const uint begin = get_global_id(0) * RUN, end = min(begin + RUN, I), o0 = get_global_id(1) * PANEL;
    vec d[EXAMPLES][VECS];
    load_outputs(dy, N, O, o0, d);
    if (begin == 0 && !no_bias)
        add_biases(dy + o0, O, min((uint)PANEL, O - o0), bias_total + o0, bias_partial + o0, N, first, batch, granule);
    if (granule == 0) {
        granule = batch;
        partial = total;
    }
    total += (ulong)o0 * I;
    partial += (ulong)o0 * I;
    for (uint n = 0, run; n < N; n += run) {
        const uint j = first + n, within = j % granule;
        run = min(N - n, granule - within);
        const bool closed = within + run == granule || j + run == batch, add = closed && j >= granule;
        __global float *to = closed ? total : partial;
        for (uint i = begin; i < end; i++) {
            vec c[VECS];
            UNROLL for (int v = 0; v < VECS; v++)
                c[v] = within == 0 ? (vec)(0.0f) : load_vec(v, partial + i * PANEL);
            UNROLL for (uint k = 0; k < EXAMPLES; k++) {
                const vec xi = x[min(k, N - 1) * I + i];
                UNROLL for (int v = 0; v < VECS; v++)
                    c[v] = k >= n && k < n + run ? fma(d[k][v], xi, c[v]) : c[v];
            }
            UNROLL for (int v = 0; v < VECS; v++) {
                if (add)
                    c[v] = load_vec(v, total + i * PANEL) + c[v];
                store_vec(c[v] == 0.0f ? (vec)(0.0f) : c[v], v, to + i * PANEL);
            }
        }
    }
}
