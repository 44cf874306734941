/* Depthwise convolutions for GPUs: each group has one input channel, so that there are no sums that share what they
 * read, and nothing is gained from local memory. The sums are those of conv_gpu.cl, and so are the letters and layouts;
 * M = O / G.
 *
 * A work-item computes one sum, and its neighbors those beside it.
 *
 * Options: GROUP  work-items per group
 */
// lint: -D GROUP=64 -D RUN=1
#include "arith.h"
#include "finish.h"
#include "granule_pass.h"

#pragma OPENCL FP_CONTRACT OFF

#define KERNEL __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void

// The geometry, in the order of window.h.
#define WINDOW                                                                                                        \
    uint C, uint H, uint W, uint O, uint OH, uint OW, uint KH, uint KW, uint SY, uint SX, uint PY, uint PX, uint DY,   \
        uint DX, uint G

/* One work-item per output: count = N O OH OW. `bias` is not used if `biased` is 0. */
KERNEL depthwise_forward(const __global float *x, const __global float *w, const __global float *bias /* (O) */,
                         __global float *y, uint count, WINDOW, uint biased, float least)
{
    const uint i = get_global_id(0);
    if (i >= count)
        return;
    const uint line = i / OW, plane = line / OH, n = plane / O, o = plane - n * O;
    const uint y0 = (line - plane * OH) * SY - PY, x0 = (i - line * OW) * SX - PX; // wrapped where negative
    x += ((size_t)n * C + o / (O / G)) * H * W;
    w += (size_t)o * KH * KW;
    float c = biased ? bias[o] : 0.0f;
    for (uint ky = 0; ky < KH; ky++) {
        const uint iy = y0 + ky * DY;
        for (uint kx = 0; kx < KW && iy < H; kx++) {
            const uint ix = x0 + kx * DX;
            if (ix < W)
                c = fma(x[iy * W + ix], w[ky * KW + kx], c);
        }
    }
    y[i] = finish_value(c, least);
}

// The output of which tap k is at `at`, an input's place and the padding; `outputs` if there is none.
static inline uint output_at(uint at, uint k, uint dilation, uint stride, uint outputs)
{
    const uint from = at - k * dilation, o = from / stride;
    return k * dilation <= at && o * stride == from && o < outputs ? o : outputs;
}

/* One work-item per input: count = N C H W. z is added if `adds` is set; the result is 0 where x is if `masked` is set.
 */
KERNEL depthwise_backward_input(const __global float *dy, const __global float *w, __global float *dx,
                                const __global float *x, const __global float *z, uint count, WINDOW, uint masked,
                                uint adds)
{
    const uint i = get_global_id(0);
    if (i >= count)
        return;
    const uint line = i / W, plane = line / H, n = plane / C, channel = plane - n * C, M = O / G;
    const uint iy = line - plane * H + PY, ix = i - line * W + PX;
    dy += ((size_t)n * O + channel * M) * OH * OW;
    w += (size_t)channel * M * KH * KW;
    float c = 0.0f;
    for (uint m = 0; m < M; m++, dy += OH * OW, w += KH * KW) {
        for (uint ky = 0; ky < KH; ky++) {
            const uint oy = output_at(iy, ky, DY, SY, OH);
            for (uint kx = 0; kx < KW && oy < OH; kx++) {
                const uint ox = output_at(ix, kx, DX, SX, OW);
                if (ox < OW)
                    c = fma(dy[oy * OW + ox], w[ky * KW + kx], c);
            }
        }
    }
    if (adds) c = arith_chain(arith_flush(c), z[i]);
    if (masked) c = mask_value(c, x[i]);
    dx[i] = arith_flush(c);
}

// The outputs x .. y-1 for which a tap is inside 0 .. size-1, given its place for output 0.
static inline uint2 outputs_inside(int at, uint size, uint stride, uint outputs)
{
    const uint from = at < 0 ? ((uint)-at + stride - 1) / stride : 0;
    const uint to = at < (int)size ? min(outputs, (uint)((int)size - 1 - at) / stride + 1) : 0;
    return (uint2)(from, max(from, to));
}

/* The sums over the granules of a pass, raw: to[granule][O][KH][KW]. The first continues from `partial` if `begun` is
 * set. Work-items: O KH KW, granules of the pass. */
KERNEL depthwise_backward_weights(const __global float *dy, const __global float *x,
                                  const __global float *partial /* as w */, __global float *to, uint N, WINDOW,
                                  uint from, uint within, uint granule, uint begun)
{
    const uint i = get_global_id(0), T = KH * KW, r = get_global_id(1);
    if (i >= O * T)
        return;
    const uint o = i / T, ky = (i - o * T) / KW, kx = i - o * T - ky * KW;
    const int y0 = (int)(ky * DY) - (int)PY, x0 = (int)(kx * DX) - (int)PX;
    const uint2 run = find_granule(r, N, from, within, granule);
    const uint2 rows = outputs_inside(y0, H, SY, OH), cols = outputs_inside(x0, W, SX, OW);
    float c = 0.0f;
    if (begun && r == 0)
        c = partial[i];
    for (uint n = run.x; n < run.y; n++) {
        const __global float *xn = x + ((size_t)n * C + o / (O / G)) * H * W;
        const __global float *dyn = dy + ((size_t)n * O + o) * OH * OW;
        for (uint oy = rows.x; oy < rows.y; oy++) {
            const uint line = (uint)((int)(oy * SY) + y0) * W + (uint)x0;
            for (uint ox = cols.x; ox < cols.y; ox++)
                c = fma(dyn[oy * OW + ox], xn[line + ox * SX], c);
        }
    }
    to[(size_t)r * O * T + i] = c == 0.0f ? 0.0f : c; // llvmpipe's chain from +0 is -0 if each product is -0
}
