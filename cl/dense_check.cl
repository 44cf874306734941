/* Whether the gradient of a dense layer's weights and bias is finite, which are not stored, or of two layers'.
 *
 * No sum of at most 256 products overflows if all factors are below 2^58. So the factors are looked at, each once: a
 * work-item has RUN columns of X or of dY. Only if one of them is larger are the sums made that it is in. */
// lint: -D GROUP=64 -D RUN=1
// lint: -D GROUP=1 -D RUN=64
#include "first_bad.h"

#include "arith.h"

#pragma OPENCL FP_CONTRACT OFF

// Whether the gradient of weight (o, i) is finite: one fma chain, n ascending.
static inline bool is_weight_finite(const __global float *x, const __global float *dy, uint N, uint I, uint O, uint i,
                                    uint o)
{
    float c = 0.0f;
    for (uint n = 0; n < N; n++) c = fma(dy[n * O + o], x[n * I + i], c);
    return arith_is_finite(c);
}

// And that of a bias, to which dY is added, n ascending.
static inline bool is_bias_finite(const __global float *dy, uint N, uint O, uint o)
{
    float c = 0.0f;
    for (uint n = 0; n < N; n++) c = arith_chain(c, dy[n * O + o]);
    return arith_is_finite(c);
}

/* Sets the record if a gradient of the layer, or of the second one if I2 is not 0, is not finite. Work-items:
 * ceil(I / RUN) + ceil(O / RUN), and as many of the second layer. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
dense_check(const __global float *x /* (N, I) */, const __global float *dy /* (N, O) */,
            const __global float *x2 /* (N, I2) */, const __global float *dy2 /* (N, O2) */,
            volatile __global uint *first_bad, uint N, uint I, uint O, uint no_bias, uint I2, uint O2, uint no_bias2,
            uint step, uint what)
{
    const uint items = (I + RUN - 1) / RUN + (O + RUN - 1) / RUN;
    uint id = get_global_id(0), most = 0u;
    if (id >= items) {
        id -= items;
        x = x2;
        dy = dy2;
        I = I2;
        O = O2;
        no_bias = no_bias2;
    }
    const uint runs = (I + RUN - 1) / RUN, width = id < runs ? I : O;
    const uint from = (id < runs ? id : id - runs) * RUN, to = min(from + RUN, width);
    const __global float *factors = id < runs ? x : dy;
    for (uint n = 0; n < N && from < width; n++, factors += width) {
        for (uint k = from; k < to; k++) most = max(most, arith_bits(factors[k]) & 0x7fffffffu);
    }
    if (most < arith_bits(0x1p+58f)) return;
    const uint o0 = id < runs ? 0u : from, o1 = id < runs ? O : to, i0 = id < runs ? from : 0u, i1 = id < runs ? to : I;
    bool finite = true;
    for (uint o = o0; o < o1; o++) {
        for (uint i = i0; i < i1 && finite; i++) finite = is_weight_finite(x, dy, N, I, O, i, o);
        if (id >= runs && !no_bias) finite = finite && is_bias_finite(dy, N, O, o);
    }
    if (!finite) set_first_bad(first_bad, step, what);
}
