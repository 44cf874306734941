/* Measures a device: the rate of fma, and of copying. */
// lint: -D GROUP=64 -D VEC=1
// lint: -D GROUP=1 -D VEC=8
#include "work_group.h"

#pragma OPENCL FP_CONTRACT OFF

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if VEC == 1
typedef float vec;
#define load_vec(at, p) ((p)[at])
#define store_vec(x, at, p) ((p)[at] = (x))
#else
typedef JOIN(float, VEC) vec;
#define load_vec JOIN(vload, VEC)
#define store_vec JOIN(vstore, VEC)
#endif

#define KERNEL __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void

/* c = c scale + shift, repeatedly, in CHAINS = 8 independent chains: enough to hide the latency of an fma, and few
 * enough for the registers. The result is stored, so that no step can be optimized away. */
#define UNROLLED 8 /* steps of each chain per turn */

KERNEL fma_rate(__global float *restrict out, uint turns, float scale, float shift)
{
    const uint id = get_global_id(0);
    const vec a = (vec)(scale), b = (vec)(shift);
    vec c0 = (vec)((float)(id % 97u)), c1 = c0 + (vec)(1.0f), c2 = c0 + (vec)(2.0f), c3 = c0 + (vec)(3.0f);
    vec c4 = c0 + (vec)(4.0f), c5 = c0 + (vec)(5.0f), c6 = c0 + (vec)(6.0f), c7 = c0 + (vec)(7.0f);
    for (uint turn = 0; turn < turns; turn++) {
#pragma unroll
        for (uint step = 0; step < UNROLLED; step++) {
            c0 = fma(c0, a, b);
            c1 = fma(c1, a, b);
            c2 = fma(c2, a, b);
            c3 = fma(c3, a, b);
            c4 = fma(c4, a, b);
            c5 = fma(c5, a, b);
            c6 = fma(c6, a, b);
            c7 = fma(c7, a, b);
        }
    }
    store_vec(c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7, id, out);
}

/* Each work-item copies RUN vectors, interleaved with those of its neighbors. */
#define RUN 8

KERNEL copy_rate(__global const float *restrict from, __global float *restrict to, uint vectors)
{
    const uint first = work_group_id(0) * GROUP * RUN + get_local_id(0);
    for (uint k = 0; k < RUN; k++) {
        const uint at = first + k * GROUP;
        if (at < vectors) store_vec(load_vec(at, from), at, to);
    }
}
