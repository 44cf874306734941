/* Activations, built once per function: -D FUNCTION=activation_relu, ..., one of activation_functions.h.
 * x, y, s, dy, dx are (N, E), count = N E.
 * GROUP work-items per group, RUN neighbors per work-item: 4 on GPUs, read and written at once if they are aligned;
 * many on processors, whose compilers vectorize the loop. */
// lint: -D GROUP=256 -D RUN=4 -D FUNCTION=activation_relu
// lint: -D GROUP=256 -D RUN=4 -D FUNCTION=activation_leaky
// lint: -D GROUP=256 -D RUN=4 -D FUNCTION=activation_tanh
// lint: -D GROUP=256 -D RUN=4 -D FUNCTION=activation_sigmoid
// lint: -D GROUP=256 -D RUN=4 -D FUNCTION=activation_gelu
// lint: -D GROUP=256 -D RUN=4 -D FUNCTION=activation_silu
// lint: -D GROUP=256 -D RUN=4 -D FUNCTION=activation_hard_swish
// lint: -D GROUP=256 -D RUN=4 -D FUNCTION=activation_softplus
#include "activation_functions.h"
#include "each_alone.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define forward FUNCTION
#define backward JOIN(FUNCTION, _gradient)

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void activation_forward(
    __global const float *restrict x, __global float *restrict y, uint count, float slope)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
#if RUN == 4
    if (to - from == 4 && (((size_t)x | (size_t)y) & 15) == 0) {
        const float4 u = *(__global const float4 *)(x + from);
        *(__global float4 *)(y + from) =
            (float4)(forward(u.x, slope), forward(u.y, slope), forward(u.z, slope), forward(u.w, slope));
        return;
    }
#endif
    for (uint i = from; i < to; i++) y[i] = forward(x[i], slope);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void activation_backward(
    __global const float *restrict s, __global const float *dy, __global float *dx /* may be dy */, uint count,
    float slope)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
#if RUN == 4
    if (to - from == 4 && (((size_t)s | (size_t)dy | (size_t)dx) & 15) == 0) {
        const float4 u = *(__global const float4 *)(s + from), g = *(__global const float4 *)(dy + from);
        *(__global float4 *)(dx + from) = (float4)(backward(u.x, g.x, slope), backward(u.y, g.y, slope),
                                                   backward(u.z, g.z, slope), backward(u.w, g.w, slope));
        return;
    }
#endif
    EACH_ALONE for (uint i = from; i < to; i++) dx[i] = backward(s[i], dy[i], slope);
}
