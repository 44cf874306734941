/* The update of a dense layer's weights and bias from its inputs and the gradients of its outputs, for a few examples,
 * for GPUs: the gradients are never stored. dense_update.cl, for processors, computes the same. A work-item has one
 * weight, so that neighbors read and write neighbors; GROUP of them share an output, whose first one has the bias. */
// lint: -D GROUP=64
#include "gradient_mean.h"
#include "sgd_move.h"

#pragma OPENCL FP_CONTRACT OFF

#define KERNEL __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void

// One fma chain, n ascending.
static inline float add_examples(const __global float *x, const __global float *dy, uint N, uint I, uint O, uint i,
                                 uint o)
{
    float c = 0.0f;
    for (uint n = 0; n < N; n++) c = fma(dy[n * O + o], x[n * I + i], c);
    return c;
}

// dY is added, n ascending.
static inline float add_outputs(const __global float *dy, uint N, uint O, uint o)
{
    float c = 0.0f;
    for (uint n = 0; n < N; n++) c = arith_chain(c, dy[n * O + o]);
    return c;
}

/* Work-items: I, O. */
KERNEL dense_sgd(const __global float *x /* (N, I) */, const __global float *dy /* (N, O) */,
                 __global float *w /* (O, I) */, __global float *velocity /* (O, I) */,
                 __global float *bias /* (O) */, __global float *bias_velocity /* (O) */, const __global float *divisor,
                 const __global uint *first_bad, uint N, uint I, uint O, uint no_bias, uint nesterov, float lr,
                 float momentum, float decay, float bias_decay)
{
    const uint i = get_global_id(0), o = get_global_id(1);
    const float count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    if (first_bad[0] || i >= I) return;
    const float mean = gradient_mean(add_examples(x, dy, N, I, O, i, o), count, reciprocal, factor);
    sgd_move_at(w + (ulong)o * I, velocity + (ulong)o * I, i, mean, nesterov, lr, momentum, decay);
    if (i || no_bias) return;
    const float bias_mean = gradient_mean(add_outputs(dy, N, O, o), count, reciprocal, factor);
    sgd_move_at(bias, bias_velocity, o, bias_mean, nesterov, lr, momentum, bias_decay);
}
