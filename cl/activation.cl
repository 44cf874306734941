/* Activations, built once per function: -D FUNCTION=activation_relu, ..., one of activation_functions.h.
 * x, y, s, dy, dx are (N, E), count = N E.
 * GROUP work-items per group, RUN neighbors per work-item: 1 on GPUs, so that neighbors read neighbors; many on
 * processors, whose compilers vectorize the loop. */
// lint: -D GROUP=64 -D RUN=1 -D FUNCTION=activation_relu
// lint: -D GROUP=64 -D RUN=1 -D FUNCTION=activation_leaky
// lint: -D GROUP=64 -D RUN=1 -D FUNCTION=activation_tanh
// lint: -D GROUP=64 -D RUN=1 -D FUNCTION=activation_sigmoid
// lint: -D GROUP=64 -D RUN=1 -D FUNCTION=activation_gelu
// lint: -D GROUP=64 -D RUN=1 -D FUNCTION=activation_silu
// lint: -D GROUP=64 -D RUN=1 -D FUNCTION=activation_hard_swish
// lint: -D GROUP=64 -D RUN=1 -D FUNCTION=activation_softplus
#include "activation_functions.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define forward FUNCTION
#define backward JOIN(FUNCTION, _gradient)

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void activation_forward(
    __global const float *restrict x, __global float *restrict y, uint count, float slope)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) y[i] = forward(x[i], slope);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void activation_backward(
    __global const float *restrict s, __global const float *restrict dy, __global float *restrict dx, uint count,
    float slope)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) dx[i] = backward(s[i], dy[i], slope);
}
