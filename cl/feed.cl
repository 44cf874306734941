/* The feed: rows of a data set on the device, gathered into a tile with their labels, as in src/ops/feed.c.
 * E elements per example. Row r of the tile is row order[at + r] of the source, or row r if `direct` is 1.
 * Each work-item handles RUN neighbors of an example: 4 on GPUs, read and written at once if they are aligned, or 1 of
 * an image. Dimension 1 is r, or the panel of PANEL examples if x is stored in panels. */
// lint: -D GROUP=64 -D RUN=1 -D PANEL=1
// lint: -D GROUP=64 -D RUN=4 -D PANEL=1
// lint: -D GROUP=1 -D RUN=256 -D PANEL=1
// lint: -D GROUP=1 -D RUN=256 -D PANEL=16
#include "arith.h"
#include "philox.h"

#ifndef PANEL
#define PANEL 1
#endif

static uint row_of(__global const uint *order, uint at, uint direct, uint r)
{
    const uint row = order[direct ? 0u : at + r];
    return direct ? r : row;
}

static float cast(float source, float scale, float shift) { return arith_flush(fma(source, scale, shift)); }

// labels: those of the source; label: those of the tile; labelled: n, or 0 if there are none
#define ROWS(type)                                                                                                     \
    __global const type *restrict source, __global const uint *restrict order, __global const uint *restrict labels,   \
        __global uint *restrict label, __global float *restrict x, uint elements, uint at, uint direct, uint n,        \
        uint labelled

// What a work-item gathers: elements `from` to `to` of the panel that begins with r, the first one its labels as well.
#define PLACE                                                                                                          \
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, elements), r = get_global_id(1) * PANEL;            \
    for (uint i = r; !from && i < min(r + PANEL, labelled); i++) label[i] = labels[row_of(order, at, direct, i)];

#if RUN == 4
#define GATHER_FOUR(type, read)                                                                                        \
    if (to - from == 4 && (size_t)source % sizeof(type##4) == 0 && (size_t)x % sizeof(float4) == 0) {                  \
        const type##4 s = *(const __global type##4 *)(source + from);                                                  \
        *(__global float4 *)(x + from) = (float4)(cast(read(s.x), scale, shift), cast(read(s.y), scale, shift),        \
                                                  cast(read(s.z), scale, shift), cast(read(s.w), scale, shift));       \
        return;                                                                                                        \
    }
#else
#define GATHER_FOUR(type, read)
#endif

#if PANEL == 1
#define GATHER(type, read)                                                                                             \
    PLACE                                                                                                              \
    source += (size_t)row_of(order, at, direct, r) * elements;                                                         \
    x += (size_t)r * elements;                                                                                         \
    GATHER_FOUR(type, read)                                                                                            \
    for (uint i = from; i < to; i++) x[i] = cast(read(source[i]), scale, shift);
#else
// x (panels, elements, PANEL); lanes past the tile's end hold 0.
#define GATHER(type, read)                                                                                             \
    PLACE                                                                                                              \
    const __global type *row[PANEL];                                                                                   \
    for (uint lane = 0; lane < PANEL; lane++)                                                                          \
        row[lane] = source + (size_t)row_of(order, at, direct, min(r + lane, n - 1)) * elements;                       \
    x += (size_t)r * elements;                                                                                         \
    for (uint i = from; i < to; i++) {                                                                                 \
        float value[PANEL];                                                                                            \
        for (uint lane = 0; lane < PANEL; lane++) value[lane] = read(row[lane][i]);                                    \
        for (uint lane = 0; lane < PANEL; lane++)                                                                      \
            x[i * PANEL + lane] = r + lane < n ? cast(value[lane], scale, shift) : 0.0f;                               \
    }
#endif

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_bytes(ROWS(uchar), float scale,
                                                                              float shift){GATHER(uchar, (float))}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_floats(ROWS(float), float scale, float shift)
{
    GATHER(float, arith_flush)
}

/* What becomes of one image: (y, x) is (y + dy, x + dx) of the image that may be mirrored, and 0 in the hole. Numbers
 * wrap, so that one comparison finds what is outside. */
typedef struct augmentation {
    uint mirrored, dy, dx, top, left;
} augmentation;

static augmentation draw_augmentation(ulong seed, uint epoch, uint example, uint height, uint width, uint flip,
                                      uint shift, uint cutout)
{
    augmentation a = {0, 0, 0, 0, 0};
    if (flip | shift) {
        const philox_block word = philox(seed, PHILOX_AUGMENT, epoch, example, 0);
        a.mirrored = flip && word.v[0] >> 31;
        a.dy = mul_hi(word.v[1], 2 * shift + 1) - shift;
        a.dx = mul_hi(word.v[2], 2 * shift + 1) - shift;
    }
    if (cutout) {
        const philox_block word = philox(seed, PHILOX_AUGMENT, epoch, example, 1);
        a.top = mul_hi(word.v[0], height) - cutout / 2;
        a.left = mul_hi(word.v[1], width) - cutout / 2;
    }
    return a;
}

// scales (channels, 3): the factor of bytes, that of floats, and what is added
#define IMAGES                                                                                                         \
    __global const float *restrict scales, uint height, uint width, uint flip, uint shift, uint cutout, uint epoch,    \
        uint seed_low, uint seed_high

#define GATHER_IMAGE(type, read, factor)                                                                               \
    PLACE                                                                                                              \
    const uint plane = height * width;                                                                                 \
    const __global type *image[PANEL];                                                                                 \
    augmentation a[PANEL];                                                                                             \
    for (uint lane = 0; lane < PANEL; lane++) {                                                                        \
        const uint row = min(r + lane, n - 1), example = order[at + row];                                              \
        image[lane] = source + (size_t)(direct ? row : example) * elements;                                            \
        a[lane] =                                                                                                      \
            draw_augmentation((ulong)seed_high << 32 | seed_low, epoch, example, height, width, flip, shift, cutout);  \
    }                                                                                                                  \
    x += (size_t)r * elements;                                                                                         \
    uint channel = from / plane, row = from % plane / width, column = from % width;                                    \
    for (uint i = from; i < to; i++) {                                                                                 \
        const float scale = scales[3 * channel + factor], offset = scales[3 * channel + 2];                            \
        for (uint lane = 0; lane < PANEL; lane++) {                                                                    \
            const uint y = row + a[lane].dy, u = column + a[lane].dx;                                                  \
            const int inside = y < height && u < width && r + lane < n;                                                \
            const uint place = channel * plane + y * width + (a[lane].mirrored ? width - 1 - u : u);                   \
            const float value = inside ? read(image[lane][inside ? place : 0]) : 0.0f;                                 \
            const int hole = row - a[lane].top < cutout && column - a[lane].left < cutout;                             \
            x[i * PANEL + lane] = hole || r + lane >= n ? 0.0f : cast(value, scale, offset);                           \
        }                                                                                                              \
        if (++column == width) {                                                                                       \
            column = 0;                                                                                                \
            if (++row == height) row = 0, channel++;                                                                   \
        }                                                                                                              \
    }

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_image_bytes(ROWS(uchar), IMAGES){
    GATHER_IMAGE(uchar, (float), 0)}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gather_image_floats(ROWS(float), IMAGES){
    GATHER_IMAGE(float, arith_flush, 1)}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void one_hot(__global const uint *restrict label,
                                                                         __global float *restrict target, uint count,
                                                                         uint classes, uint first)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) target[i] = label[i / classes] == first + i % classes ? 1.0f : 0.0f;
}
