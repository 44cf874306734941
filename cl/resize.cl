/* Planes that are enlarged, as in src/ops/resize.c: upsample and pad.
 *
 * P planes (examples x channels) of H x W become OH x OW. On processors PANEL examples are side by side,
 * x[P][H][W][PANEL]: P is then (panels of examples x channels), and every step handles them all. On GPUs PANEL is 1.
 * Each work-item handles RUN neighbors of what it writes, through all planes. */
// lint: -D GROUP=64 -D RUN=1 -D PANEL=1
// lint: -D GROUP=1 -D RUN=64 -D PANEL=8
// lint: -D GROUP=1 -D RUN=64 -D PANEL=32
#include "arith.h"
#include "unroll.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if PANEL > 16
#define VEC 16
#else
#define VEC PANEL
#endif
#define VECS (PANEL / VEC)

#if PANEL == 1
typedef float vec;
#define load_vec(v, p) ((p)[v])
#define store_vec(value, v, p) ((p)[v] = (value))
#define chain arith_chain
#else
typedef JOIN(float, VEC) vec;
#define load_vec JOIN(vload, VEC)
#define store_vec JOIN(vstore, VEC)
#define chain(sum, x) ((sum) + (x))
#endif

#define KERNEL __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
#define INLINE static inline __attribute__((always_inline))
#define EACH_VECTOR UNROLL for (int v = 0; v < VECS; v++)
#define EACH_LANE UNROLL for (int lane = 0; lane < VEC; lane++)
#define VALUES __global const float *restrict

typedef struct place { uint plane, y, x; } place;

INLINE place find_place(uint i, uint height, uint width)
{
    const uint row = i / width, plane = row / height;
    const place at = {plane, row - plane * height, i - row * width};
    return at;
}

INLINE vec flush_vec(vec x)
{
    vec y = x;
    EACH_LANE((float *)&y)[lane] = arith_flush(((float *)&x)[lane]);
    return y;
}

// Without restrict, which Oclgrind does not know in functions that are inlined.
INLINE void copy(const __global float *from, __global float *to) { EACH_VECTOR store_vec(load_vec(v, from), v, to); }

KERNEL upsample_forward(VALUES x, __global float *restrict y, uint count /* P OH OW */, uint H, uint W, uint OH,
                        uint OW, uint Y, uint X)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) {
        const place at = find_place(i, OH, OW);
        copy(x + (((size_t)at.plane * H + at.y / Y) * W + at.x / X) * PANEL, y + (size_t)i * PANEL);
    }
}

KERNEL upsample_backward(VALUES dy, __global float *restrict dx, uint count /* P H W */, uint H, uint W, uint OH,
                         uint OW, uint Y, uint X)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) {
        const place at = find_place(i, H, W);
        VALUES block = dy + (((size_t)at.plane * OH + at.y * Y) * OW + at.x * X) * PANEL;
        vec sum[VECS];
        EACH_VECTOR sum[v] = 0.0f;
        for (uint j = 0; j < Y; j++) {
            for (uint k = 0; k < X; k++)
                EACH_VECTOR sum[v] = chain(sum[v], load_vec(v, block + ((size_t)j * OW + k) * PANEL));
        }
        EACH_VECTOR store_vec(flush_vec(sum[v]), v, dx + (size_t)i * PANEL);
    }
}

KERNEL pad_forward(VALUES x, __global float *restrict y, uint count /* P OH OW */, uint H, uint W, uint OH, uint OW,
                   uint Y, uint X)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) {
        const place at = find_place(i, OH, OW);
        const uint iy = at.y - Y, ix = at.x - X; // wrapped before the plane
        if (iy < H && ix < W)
            copy(x + (((size_t)at.plane * H + iy) * W + ix) * PANEL, y + (size_t)i * PANEL);
        else
            EACH_VECTOR store_vec((vec)0.0f, v, y + (size_t)i * PANEL);
    }
}

KERNEL pad_backward(VALUES dy, __global float *restrict dx, uint count /* P H W */, uint H, uint W, uint OH, uint OW,
                    uint Y, uint X)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) {
        const place at = find_place(i, H, W);
        copy(dy + (((size_t)at.plane * OH + at.y + Y) * OW + at.x + X) * PANEL, dx + (size_t)i * PANEL);
    }
}
