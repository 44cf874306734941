/* Pooling over windows, as in src/ops/pool.c.
 *
 * P planes (examples x channels) of H x W inputs and OH x OW outputs. On processors PANEL examples are side by side,
 * x[P][H][W][PANEL]: P is then (panels of examples x channels), and every step handles them all. On GPUs PANEL is 1.
 * Along one side, output o sees those of the inputs o stride - padding + k, for the taps k = 0 .. taps-1, that are
 * inside. Each work-item handles RUN neighbors, of the outputs or of the inputs, through all planes. If `masked` is
 * set, a gradient is 0 where x is. */
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
typedef int choice; /* 0 or 1; in vectors 0 or -1 per lane */
typedef uint index;
#define load_vec(v, p) ((p)[v])
#define store_vec(value, v, p) ((p)[v] = (value))
#define chain arith_chain
#else
typedef JOIN(float, VEC) vec;
typedef JOIN(int, VEC) choice;
typedef JOIN(uint, VEC) index;
#define load_vec JOIN(vload, VEC)
#define store_vec JOIN(vstore, VEC)
#define chain(sum, x) ((sum) + (x))
#endif

#define KERNEL __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
#define INLINE static inline __attribute__((always_inline))
#define EACH_VECTOR UNROLL for (int v = 0; v < VECS; v++)
#define EACH_LANE UNROLL for (int lane = 0; lane < VEC; lane++)
#define VALUES __global const float *restrict
#define WINDOW uint H, uint W, uint OH, uint OW, uint KH, uint KW, uint SY, uint SX, uint PY, uint PX

typedef struct place { uint plane, y, x; } place;
typedef struct span { uint first, end; } span; /* first .. end-1 */

INLINE place find_place(uint i, uint height, uint width)
{
    const uint row = i / width, plane = row / height;
    const place at = {plane, row - plane * height, i - row * width};
    return at;
}

INLINE place next_place(place at, uint height, uint width)
{
    const bool row_ends = at.x + 1 == width, plane_ends = row_ends && at.y + 1 == height;
    const place next = {at.plane + plane_ends, plane_ends ? 0u : at.y + row_ends, row_ends ? 0u : at.x + 1};
    return next;
}

// The inputs that output o sees along one side.
INLINE span inputs_of(uint o, uint inputs, uint taps, uint stride, uint padding)
{
    const uint from = o * stride;
    const span seen = {max(from, padding) - padding, min(max(from + taps, padding) - padding, inputs)};
    return seen;
}

// The outputs that see input i along one side.
INLINE span outputs_of(uint i, uint outputs, uint taps, uint stride, uint padding)
{
    const uint at = i + padding;
    const span seeing = {at < taps ? 0u : (at - taps) / stride + 1, min(at / stride + 1, outputs)};
    return seeing;
}

INLINE vec flush_vec(vec x)
{
    vec y = x;
    EACH_LANE((float *)&y)[lane] = arith_flush(((float *)&x)[lane]);
    return y;
}

INLINE vec mean_vec(vec sum, float count, float reciprocal)
{
    vec y = sum;
    EACH_LANE((float *)&y)[lane] = arith_flush(arith_mean(arith_flush(((float *)&sum)[lane]), count, reciprocal));
    return y;
}

// A gradient to x, or the sum that it is made from, and through the relu that made x.
INLINE vec mask_vec(vec done, vec x) { return x == (vec)0.0f ? (vec)0.0f : done; }

// Whether x replaces the earlier `best`: only a greater value does, or the first NaN.
INLINE choice beats(vec x, vec best) { return (x > best) | ((x != x) & (best == best)); }

// The first maximum of a window of the plane x, and its place in the plane.
INLINE void find_best(VALUES x, uint W, span rows, span cols, vec best[VECS], index where[VECS])
{
    const uint first = rows.first * W + cols.first;
    EACH_VECTOR {
        best[v] = load_vec(v, x + (size_t)first * PANEL);
        where[v] = first;
    }
    for (uint y = rows.first; y < rows.end; y++) {
        for (uint at = y * W + cols.first; at < y * W + cols.end; at++) {
            EACH_VECTOR {
                const vec value = load_vec(v, x + (size_t)at * PANEL);
                const choice wins = beats(value, best[v]);
                best[v] = wins ? value : best[v];
                where[v] = wins ? (index)at : where[v];
            }
        }
    }
}

KERNEL max_pool_forward(VALUES x, __global float *restrict y, uint count /* P OH OW */, WINDOW)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    place at = find_place(from, OH, OW);
    for (uint i = from; i < to; i++) {
        const span rows = inputs_of(at.y, H, KH, SY, PY), cols = inputs_of(at.x, W, KW, SX, PX);
        vec best[VECS];
        index where[VECS];
        find_best(x + (size_t)at.plane * H * W * PANEL, W, rows, cols, best, where);
        EACH_VECTOR store_vec(best[v], v, y + (size_t)i * PANEL);
        at = next_place(at, OH, OW);
    }
}

#if PANEL == 1
/* For GPUs, if windows overlap, by inputs: an input is the first maximum of a window if it beats all before it and none
 * after it beats it. */
KERNEL max_pool_backward(VALUES x, VALUES dy, __global float *restrict dx, uint count /* P H W */, WINDOW, uint masked)
{
    const uint i = get_global_id(0);
    if (i >= count) return;
    const place at = find_place(i, H, W);
    const span down = outputs_of(at.y, OH, KH, SY, PY), along = outputs_of(at.x, OW, KW, SX, PX);
    const uint start = i - (at.y * W + at.x);
    const float self = x[i];
    float sum = 0.0f;
    for (uint oy = down.first; oy < down.end; oy++) {
        for (uint ox = along.first; ox < along.end; ox++) {
            const span rows = inputs_of(oy, H, KH, SY, PY), cols = inputs_of(ox, W, KW, SX, PX);
            int loses = 0;
            for (uint y = rows.first; y < rows.end; y++) {
                for (uint j = start + y * W + cols.first; j < start + y * W + cols.end; j++)
                    loses |= j < i ? !beats(self, x[j]) : beats(x[j], self);
            }
            sum = loses ? sum : arith_chain(sum, dy[(at.plane * OH + oy) * OW + ox]);
        }
    }
    if (masked) sum = mask_vec(sum, self);
    dx[i] = arith_flush(sum);
}
#endif

#if PANEL == 1
/* For processors and single examples, if windows are squares of 2 x 2 side by side that cover their planes, and a line
 * has FOUR of them: vectors then run over outputs. The last vector of a line ends with it, and computes some again. */
#define FOUR 4

// Of the windows whose upper halves are at `upper`: each one's first maximum, and its place, 0 to 3.
INLINE float4 find_pairs(VALUES upper, uint W, int4 *where)
{
    const float8 above = vload8(0, upper), below = vload8(0, upper + W);
    const float4 value[4] = {above.even, above.odd, below.even, below.odd};
    float4 best = value[0];
    *where = (int4)(0);
    UNROLL for (int k = 1; k < 4; k++) {
        const int4 wins = (value[k] > best) | ((value[k] != value[k]) & (best == best));
        best = wins ? value[k] : best;
        *where = wins ? (int4)(k) : *where;
    }
    return best;
}

/* RUN lines of outputs per work-item, of lines = P OH. */
KERNEL max_pool_forward_pairs(VALUES x, __global float *restrict y, uint lines, uint W, uint OW)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, lines);
    for (uint line = from; line < to; line++) {
        for (uint i = 0; i < OW; i += FOUR) {
            const uint at = min(i, OW - FOUR);
            int4 where;
            vstore4(find_pairs(x + (size_t)line * 2 * W + 2 * at, W, &where), 0, y + (size_t)line * OW + at);
        }
    }
}

/* dx may be x: a vector is read before the one ahead of it is written, with which it may overlap. */
KERNEL max_pool_backward_pairs(__global const float *x, VALUES dy, __global float *dx, uint lines, uint W, uint OW,
                               uint masked)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, lines);
    for (uint line = from; line < to; line++) {
        const size_t first = (size_t)line * 2 * W;
        int4 next; // the places of the maxima that are written next, which are `most`
        float4 most = find_pairs(x + first, W, &next);
        for (uint i = 0; i < OW; i += FOUR) {
            const uint at = min(i, OW - FOUR);
            const size_t upper = first + 2 * at;
            const int4 where = next;
            float4 d = vload4(0, dy + (size_t)line * OW + at); // is passed on as it is: it was flushed
            float8 above, below;
            if (masked) d = most == (float4)(0.0f) ? (float4)(0.0f) : d;
            if (i + FOUR < OW) most = find_pairs(x + first + 2 * min(i + FOUR, OW - FOUR), W, &next);
            above.even = where == 0 ? d : (float4)(0.0f);
            above.odd = where == 1 ? d : (float4)(0.0f);
            below.even = where == 2 ? d : (float4)(0.0f);
            below.odd = where == 3 ? d : (float4)(0.0f);
            vstore8(above, 0, dx + upper);
            vstore8(below, 0, dx + upper + W);
        }
    }
}
#endif

/* If windows do not overlap: by windows. Each writes its own inputs, and those up to the next window. dx may be x. */
KERNEL max_pool_backward_apart(__global const float *x, VALUES dy, __global float *dx, uint count /* P OH OW */, WINDOW,
                               uint masked)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    place at = find_place(from, OH, OW);
    for (uint i = from; i < to; i++) {
        const span rows = inputs_of(at.y, H, KH, SY, PY), cols = inputs_of(at.x, W, KW, SX, PX);
        const span down = {at.y ? rows.first : 0u, at.y + 1 < OH ? (at.y + 1) * SY - PY : H};
        const span along = {at.x ? cols.first : 0u, at.x + 1 < OW ? (at.x + 1) * SX - PX : W};
        const size_t plane = (size_t)at.plane * H * W * PANEL;
        vec best[VECS], d[VECS];
        index where[VECS];
        find_best(x + plane, W, rows, cols, best, where);
        EACH_VECTOR d[v] = flush_vec(load_vec(v, dy + (size_t)i * PANEL));
        if (masked) EACH_VECTOR d[v] = mask_vec(d[v], best[v]);
        for (uint y = down.first; y < down.end; y++) {
            for (uint j = y * W + along.first; j < y * W + along.end; j++)
                EACH_VECTOR store_vec(where[v] == (index)j ? d[v] : (vec)0.0f, v, dx + plane + (size_t)j * PANEL);
        }
        at = next_place(at, OH, OW);
    }
}

/* For processors, if windows overlap: by planes, since windows that share inputs must add to them in order. */
KERNEL max_pool_backward_planes(VALUES x, VALUES dy, __global float *restrict dx, uint planes, WINDOW, uint masked)
{
    const uint plane = get_global_id(0);
    if (plane >= planes) return;
    x += (size_t)plane * H * W * PANEL;
    dy += (size_t)plane * OH * OW * PANEL;
    dx += (size_t)plane * H * W * PANEL;
    for (uint j = 0; j < H * W * VECS; j++) store_vec((vec)0.0f, j, dx);
    place at = {0u, 0u, 0u};
    for (uint i = 0; i < OH * OW; i++) {
        const span rows = inputs_of(at.y, H, KH, SY, PY), cols = inputs_of(at.x, W, KW, SX, PX);
        vec best[VECS];
        index where[VECS];
        find_best(x, W, rows, cols, best, where);
        for (uint y = rows.first; y < rows.end; y++) {
            for (uint j = y * W + cols.first; j < y * W + cols.end; j++) {
                EACH_VECTOR {
                    __global float *to = dx + (size_t)j * PANEL;
                    const vec sum = load_vec(v, to);
                    store_vec(where[v] == (index)j ? sum + load_vec(v, dy + (size_t)i * PANEL) : sum, v, to);
                }
            }
        }
        at = next_place(at, OH, OW);
    }
    for (uint j = 0; j < H * W * VECS; j++) {
        const vec done = flush_vec(load_vec(j, dx));
        store_vec(masked ? mask_vec(done, load_vec(j, x)) : done, j, dx);
    }
}

/* Tap t adds to lane t % 16; lanes fold 8, 4, 2, 1, without those beyond the last tap, which would be 0. Taps are
 * counted from the first that is within x: that turns the ring of lanes, and folding meets the same ones. Lanes are in
 * local memory, since a GPU does not keep private arrays with such an index in registers. No work-item reads another's.
 */
KERNEL average_pool_forward(VALUES x, __global float *restrict y, uint count /* P OH OW */, float taps,
                            float reciprocal, WINDOW)
{
    __local vec lanes[16][GROUP];
    const uint item = get_local_id(0), used = min(KH * KW, 16u);
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    place at = find_place(from, OH, OW);
    for (uint i = from; i < to; i++) {
        const span rows = inputs_of(at.y, H, KH, SY, PY), cols = inputs_of(at.x, W, KW, SX, PX);
        EACH_VECTOR {
            for (uint l = 0; l < used; l++) lanes[l][item] = 0.0f;
            for (uint iy = rows.first; iy < rows.end; iy++) {
                VALUES row = x + (((size_t)at.plane * H + iy) * W + cols.first) * PANEL;
                const uint t = (iy - rows.first) * KW;
                for (uint k = 0; k < cols.end - cols.first; k++)
                    lanes[(t + k) % 16][item] += load_vec(k * VECS + v, row);
            }
            for (uint fold = 8; fold > 0; fold /= 2)
                for (uint l = 0; l < fold && l + fold < used; l++) lanes[l][item] += lanes[l + fold][item];
            store_vec(mean_vec(lanes[0][item], taps, reciprocal), v, y + (size_t)i * PANEL);
        }
        at = next_place(at, OH, OW);
    }
}

KERNEL average_pool_backward(VALUES dy, __global float *restrict dx, VALUES x, uint count /* P H W */, float taps,
                             float reciprocal, WINDOW, uint masked)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    place at = find_place(from, H, W);
    span down = outputs_of(at.y, OH, KH, SY, PY);
    for (uint i = from; i < to; i++) {
        const span along = outputs_of(at.x, OW, KW, SX, PX);
        vec sum[VECS];
        EACH_VECTOR sum[v] = 0.0f;
        for (uint oy = down.first; oy < down.end; oy++) {
            for (uint ox = along.first; ox < along.end; ox++) {
                const size_t from_output = (((size_t)at.plane * OH + oy) * OW + ox) * PANEL;
                EACH_VECTOR sum[v] = chain(sum[v], load_vec(v, dy + from_output));
            }
        }
        EACH_VECTOR {
            const vec done = mean_vec(sum[v], taps, reciprocal);
            store_vec(masked ? mask_vec(done, load_vec(v, x + (size_t)i * PANEL)) : done, v, dx + (size_t)i * PANEL);
        }
        at = next_place(at, H, W);
        if (at.x == 0) down = outputs_of(at.y, OH, KH, SY, PY);
    }
}
