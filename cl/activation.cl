/* Activations, as in src/ops/activation.c. Built once a function: -D RELU, LEAKY, TANH, SIGMOID, GELU.
 * x, y, s, dy, dx are (N, E), count = N E; s is y (relu, tanh, sigmoid) or x (leaky, gelu).
 * GROUP work-items a group, each with RUN neighbours: 1 on GPUs, so that neighbours read neighbours; many on
 * processors, whose compilers vectorise the loop. */
// lint: -D GROUP=64 -D RUN=1 -D RELU
// lint: -D GROUP=64 -D RUN=1 -D LEAKY
// lint: -D GROUP=64 -D RUN=1 -D TANH
// lint: -D GROUP=64 -D RUN=1 -D SIGMOID
// lint: -D GROUP=64 -D RUN=1 -D GELU
#include "arith.h"

static float forward(float x, float slope)
{
#if defined(RELU)
    return arith_flush(x < 0.0f ? 0.0f : x); /* NaN stays: it is not below 0 */
#elif defined(LEAKY)
    return arith_flush(x > 0.0f ? x : slope * x);
#elif defined(TANH)
    return arith_flush(arith_tanh(x));
#elif defined(SIGMOID)
    return arith_flush(arith_sigmoid(x));
#elif defined(GELU)
    return arith_flush(x * arith_normal_cdf(x));
#endif
}

static float backward(float s, float dy, float slope)
{
#if defined(RELU)
    return s == 0.0f ? 0.0f : dy;
#elif defined(LEAKY)
    return arith_flush(s > 0.0f ? dy : slope * dy);
#elif defined(TANH)
    return arith_flush(dy * fma(-s, s, 1.0f));
#elif defined(SIGMOID)
    return arith_flush(dy * fma(-s, s, s));
#elif defined(GELU)
    return arith_flush(dy * arith_flush_state(fma(s, arith_normal_pdf(s), arith_normal_cdf(s))));
#endif
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void activation_forward(
    __global const float *restrict x, __global float *restrict y, uint count, float slope)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) y[i] = forward(x[i], slope);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void activation_backward(
    __global const float *restrict s, __global const float *restrict dy, __global float *restrict dx, uint count, float slope)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) dx[i] = backward(s[i], dy[i], slope);
}
