/* Depthwise convolutions for processors: each group has one input channel. The sums are those of conv.cl, whose blocks
 * of outputs of a group would be mostly empty here. The kernels for GPUs are in depthwise_gpu.cl.
 *
 * Letters are those of conv.cl; C = G, and each channel has M = O / G outputs. Values of a tile are stored in panels of
 * PANEL examples, x[N / PANEL][C H W][PANEL], and weights are canonical, (O, KH, KW).
 *
 * Every sum is one fma chain, so speed comes from many sums at once: those of COLS neighboring positions, for all lanes
 * of a panel. Positions whose windows are inside the plane are such neighbors along a line; those of an edge along a
 * column. The end of a line is computed with its last COLS positions, some of them for the second time. With PANEL 1
 * the lanes of a vector are neighbors of a line, and edges are computed one by one.
 *
 * A work-item computes a few lines of a plane, or a few planes: dimension 0 counts planes, 1 runs of lines, 2 panels.
 *
 * Options: VEC    4, 8 or 16 floats: the device's native vector, or half of it
 *          PANEL  1, VEC or 2 VEC; depthwise_pack takes VEC / 2, too
 *          COLS   even, such that COLS PANEL / VEC sums, a weight and a value fit in the registers
 */
// lint: -D VEC=16 -D PANEL=16 -D COLS=8
// lint: -D VEC=8 -D PANEL=16 -D COLS=6
// lint: -D VEC=4 -D PANEL=1 -D COLS=4
#include "arith.h"
#include "finish.h"
#include "unroll.h"
#include "vectors.h"

#pragma OPENCL FP_CONTRACT OFF

#define WINDOW                                                                                                        \
    uint C, uint H, uint W, uint O, uint OH, uint OW, uint KH, uint KW, uint SY, uint SX, uint PY, uint PX, uint DY,   \
        uint DX, uint G

#if PANEL > VEC
#define VECS (PANEL / VEC)
#else
#define VECS 1
#endif

// `count` steps of a chain along one side of a window, or along the outputs of a channel, and how far values and
// weights are apart, in floats.
typedef struct steps {
    uint count;
    long values, weights;
} steps;

// The three loops of a chain, outermost first.
typedef struct loops {
    steps outputs, lines, taps;
} loops;

// c(s) = fma(w, x(s), c(s)) for s = 0 .. cols-1, which are x_step floats apart.
INLINE void add_tap(vec c[COLS][VECS], const int cols, const __global float *x, long x_step, const __global float *w)
{
    const vec b = (vec)(*w);
    UNROLL for (int s = 0; s < cols; s++) {
        UNROLL for (int v = 0; v < VECS; v++)
            c[s][v] = fma(b, load_vec(v, x + s * x_step), c[s][v]);
    }
}

// y(s) = start + fma over the loops of w x(s), for s = 0 .. cols-1, which are x_step and y_step floats apart. `cols`
// and `neighbor` are constants wherever this is inlined: three taps that are so many floats apart share the values that
// they load, if the compiler knows x_step too.
INLINE void block(const int cols, const long neighbor, __global float *y, long y_step, const __global float *x,
                  long x_step, const __global float *w, float start, float least, loops l)
{
    const bool three = l.taps.count == 3 && l.taps.values == neighbor && l.taps.weights == 1;
    vec c[COLS][VECS];
    UNROLL for (int s = 0; s < cols; s++) {
        UNROLL for (int v = 0; v < VECS; v++)
            c[s][v] = (vec)(start);
    }
    for (uint o = 0; o < l.outputs.count; o++) {
        for (uint j = 0; j < l.lines.count; j++) {
            const __global float *value = x + o * l.outputs.values + j * l.lines.values;
            const __global float *weight = w + o * l.outputs.weights + j * l.lines.weights;
            if (neighbor && three) {
                UNROLL for (int i = 0; i < 3; i++)
                    add_tap(c, cols, value + i * neighbor, x_step, weight + i);
                continue;
            }
#pragma unroll 1
            for (uint i = 0; i < l.taps.count; i++) {
                add_tap(c, cols, value, x_step, weight);
                value += l.taps.values;
                weight += l.taps.weights;
            }
        }
    }
    UNROLL for (int s = 0; s < cols; s++) {
        UNROLL for (int v = 0; v < VECS; v++)
            store_vec(finish_vec(c[s][v], least), v, y + s * y_step);
    }
}

#if PANEL > 1
// The same for `count` positions, in whole blocks: of COLS, or of one of two smaller sizes. Planes of 7 x 7 have lines
// of 5 positions with all taps, those of 4 x 4 have 2.
#define SOME ((COLS + 2) / 2)
#define FEW 2
INLINE void row(uint count, const long neighbor, __global float *y, long y_step, const __global float *x,
                long x_step, const __global float *w, float start, float least, loops l)
{
    const uint size = count >= COLS ? COLS : count >= SOME ? SOME : count >= FEW ? FEW : 1;
    for (uint i = 0; i < count; i += size) {
        const uint at = min(i, count - size);
        __global float *to = y + at * y_step;
        const __global float *from = x + at * x_step;
        if (size == COLS)
            block(COLS, neighbor, to, y_step, from, x_step, w, start, least, l);
        else if (size == SOME)
            block(SOME, neighbor, to, y_step, from, x_step, w, start, least, l);
        else if (size == FEW)
            block(FEW, neighbor, to, y_step, from, x_step, w, start, least, l);
        else
            block(1, neighbor, to, y_step, from, x_step, w, start, least, l);
    }
}
#else
// One sum.
INLINE void single(__global float *y, const __global float *x, const __global float *w, float start, float least,
                   loops l)
{
    float c = start;
    for (uint o = 0; o < l.outputs.count; o++) {
        for (uint j = 0; j < l.lines.count; j++) {
            const __global float *value = x + o * l.outputs.values + j * l.lines.values;
            const __global float *weight = w + o * l.outputs.weights + j * l.lines.weights;
            for (uint i = 0; i < l.taps.count; i++)
                c = fma(weight[i * l.taps.weights], value[i * l.taps.values], c);
        }
    }
    *y = finish_value(c, least);
}

// Vectors need neighbors on both sides.
INLINE void row(uint count, const long neighbor, __global float *y, long y_step, const __global float *x,
                long x_step, const __global float *w, float start, float least, loops l)
{
    uint i = 0;
    if (x_step == 1 && y_step == 1 && count >= VEC) {
        for (; i < count; i += VEC) {
            const uint at = min(i, count - VEC);
            block(1, neighbor, y + at, 1, x + at, 1, w, start, least, l);
        }
    }
    for (; i < count; i++)
        single(y + i * y_step, x + i * x_step, w, start, least, l);
}
#endif

// A run of taps along one side: the first tap, the number of taps, and the distance from each to the next, in taps and
// in places.
typedef struct run {
    uint first, count;
    int taps, places;
} run;

// The taps of an output that are inside 0 .. size-1: tap k is at `at` + k dilation.
INLINE run taps_inside(int at, int size, int taps, int dilation)
{
    int first = at < 0 ? (dilation - 1 - at) / dilation : 0;
    int end = at < size ? min(taps, (size - 1 - at) / dilation + 1) : 0;
    return (run){first, max(end - first, 0), 1, dilation};
}

// The taps of an input that reach an output: tap k does if at - k dilation is a multiple of the stride and that output
// is inside.
INLINE run taps_reaching(int at, int size, int taps, int dilation, int stride)
{
    run r = {0, 0, 1, 0};
    for (int k = 0; k < taps && k * dilation <= at; k++) {
        int from = (at - k * dilation) / stride;
        if (from * stride != at - k * dilation || from >= size)
            continue;
        if (r.count == 0)
            r.first = k;
        if (r.count == 1) {
            r.taps = k - r.first;
            r.places = -(r.taps * dilation / stride);
        }
        r.count++;
    }
    return r;
}

// The outputs from .. to-1 of which all taps are inside.
INLINE int2 outputs_inside(int size, int outputs, int taps, int dilation, int stride, int padding)
{
    const int from = (padding + stride - 1) / stride, last = size - 1 + padding - (taps - 1) * dilation;
    const int to = last < 0 ? 0 : min(last / stride + 1, outputs);
    return (int2)(min(from, outputs), max(to, min(from, outputs)));
}

// Of the inputs residue + i stride: those i, from .. to-1, that are reached by all taps of their class, the first of
// which is k.
INLINE int2 inputs_inside(int residue, int inputs, int outputs, int taps, int dilation, int stride, int padding)
{
    const int at = residue + padding, count = residue < inputs ? (inputs - 1 - residue) / stride + 1 : 0;
    int first = -1, last = -1;
    for (int k = 0; k < taps; k++) {
        if ((at - k * dilation) % stride == 0) {
            first = first < 0 ? k : first;
            last = k;
        }
    }
    if (first < 0)
        return (int2)(0, count); // no tap reaches any of them
    const int lowest = last * dilation - at, highest = (outputs - 1) * stride + first * dilation - at;
    const int from = min(lowest <= 0 ? 0 : (lowest + stride - 1) / stride, count);
    const int to = highest < 0 ? 0 : min(highest / stride + 1, count);
    return (int2)(from, max(from, to));
}

INLINE loops loops_of(steps outputs, run lines, run taps, long line, uint KW)
{
    return (loops){outputs,
                   {lines.count, lines.places * line, lines.taps * (long)KW},
                   {taps.count, taps.places * (long)PANEL, taps.taps}};
}

// Lines l0 .. l1-1 of an output's plane y, from its channel's plane x.
INLINE void forward_plane(const __global float *x, const __global float *w, float start, float least,
                          __global float *y, int l0, int l1, WINDOW)
{
    const int2 rows = outputs_inside(H, OH, KH, DY, SY, PY), cols = outputs_inside(W, OW, KW, DX, SX, PX);
    const steps once = {1, 0, 0};
    const long line = (long)W * PANEL;
    const run all_down = {0, KH, 1, (int)DY}, all_across = {0, KW, 1, (int)DX};
    for (int oy = l0; oy < l1; oy++) {
        const int y0 = oy * (int)SY - (int)PY, x0 = cols.x * (int)SX - (int)PX;
        const run down = oy >= rows.x && oy < rows.y ? all_down : taps_inside(y0, H, KH, DY);
        const __global float *from = x + ((y0 + (long)down.first * DY) * W + x0) * PANEL;
        __global float *to = y + ((long)oy * OW + cols.x) * PANEL;
        const loops l = loops_of(once, down, all_across, line, KW);
        if (SX == 1) // a constant, which makes it faster
            row(cols.y - cols.x, PANEL, to, PANEL, from, PANEL, w + down.first * KW, start, least, l);
        else
            row(cols.y - cols.x, 0, to, PANEL, from, (long)SX * PANEL, w + down.first * KW, start, least, l);
    }
    const int inside = max(l0, rows.x), outside = max(inside, min(l1, rows.y));
    for (int ox = 0; ox < (int)OW; ox++) {
        if (ox == cols.x)
            ox = cols.y;
        if (ox >= (int)OW)
            break;
        const int x0 = ox * (int)SX - (int)PX;
        const run across = taps_inside(x0, W, KW, DX);
        for (int oy = l0; oy < l1; oy++) {
            const int y0 = oy * (int)SY - (int)PY, count = oy == inside && outside > inside ? outside - inside : 1;
            const run down = taps_inside(y0, H, KH, DY);
            const long at = (y0 + (long)down.first * DY) * W + x0 + (long)across.first * DX;
            row(count, 0, y + ((long)oy * OW + ox) * PANEL, (long)OW * PANEL, x + at * PANEL, SY * line,
                w + down.first * KW + across.first, start, least,
                loops_of(once, down, across, line, KW));
            oy += count - 1;
        }
    }
}

/* Y = X * W + b, or without b if `biased` is 0. Work-items: ceil(O / planes), ceil(OH / lines), panels. */
KERNEL depthwise_forward(const __global float *x /* panels (C, H, W) */, const __global float *w,
                         const __global float *bias /* (O) */, __global float *y /* panels (O, OH, OW) */, WINDOW,
                         uint biased, float least, uint lines, uint planes)
{
    const uint o0 = get_global_id(0) * planes, panel = get_global_id(2), l0 = get_global_id(1) * lines;
    for (uint o = o0; o < min(o0 + planes, O); o++)
        forward_plane(x + ((size_t)panel * C + o / (O / G)) * H * W * PANEL, w + (size_t)o * KH * KW,
                      biased ? bias[o] : 0.0f, least, y + ((size_t)panel * O + o) * OH * OW * PANEL, l0,
                      min(l0 + lines, OH), C, H, W, O, OH, OW, KH, KW, SY, SX, PY, PX, DY, DX, G);
}

// The output that the first taps of two runs join input (iy, ix) to.
INLINE long output_of(int iy, int ix, run down, run across, uint OW, uint SY, uint SX, uint PY, uint PX, uint DY,
                      uint DX)
{
    const int oy = (iy + (int)PY - (int)(down.first * DY)) / (int)SY;
    const int ox = (ix + (int)PX - (int)(across.first * DX)) / (int)SX;
    return (long)oy * OW + ox;
}

// Lines l0 .. l1-1 of a channel's plane dx, from the planes dy of its outputs. Inputs that are strides apart are
// reached by the same taps, and the outputs that these join them to are neighbors.
INLINE void backward_plane(const __global float *dy, const __global float *w, __global float *dx, int l0, int l1,
                           WINDOW)
{
    const long line = (long)OW * PANEL;
    const steps outputs = {O / G, OH * line, (long)KH * KW};
    for (int ry = 0; ry < (int)SY && l0 + ry < l1; ry++) {
        const int y0 = (l0 + ry) % (int)SY; // this class's inputs are y0 + j SY, from l0 + ry on
        const int2 rows = inputs_inside(y0, H, OH, KH, DY, SY, PY);
        const run all_down = taps_reaching(y0 + rows.x * SY + PY, OH, KH, DY, SY);
        for (int rx = 0; rx < (int)min(SX, W); rx++) {
            const int2 cols = inputs_inside(rx, W, OW, KW, DX, SX, PX);
            const int count = ((int)W - 1 - rx) / (int)SX + 1;
            const run all_across = taps_reaching(rx + cols.x * SX + PX, OW, KW, DX, SX);
            for (int iy = l0 + ry; iy < l1 && cols.y > cols.x; iy += SY) {
                const int j = iy / (int)SY, ix = rx + cols.x * (int)SX;
                const run down = j >= rows.x && j < rows.y ? all_down : taps_reaching(iy + PY, OH, KH, DY, SY);
                row(cols.y - cols.x, -PANEL, dx + ((long)iy * W + ix) * PANEL, (long)SX * PANEL,
                    dy + output_of(iy, ix, down, all_across, OW, SY, SX, PY, PX, DY, DX) * PANEL, PANEL,
                    w + down.first * KW + all_across.first, 0.0f, -INFINITY,
                    loops_of(outputs, down, all_across, line, KW));
            }
            for (int i = 0; i < count; i++) {
                if (i == cols.x)
                    i = cols.y;
                if (i >= count)
                    break;
                const int ix = rx + i * (int)SX;
                const run across = taps_reaching(ix + PX, OW, KW, DX, SX);
                for (int iy = l0 + ry; iy < l1; iy += SY) {
                    const int j = iy / (int)SY, left = (l1 - 1 - iy) / (int)SY + 1;
                    const bool inside = j >= rows.x && j < rows.y;
                    const int together = inside ? min(left, rows.y - j) : 1;
                    const run down = inside ? all_down : taps_reaching(iy + PY, OH, KH, DY, SY);
                    row(together, 0, dx + ((long)iy * W + ix) * PANEL, (long)SY * W * PANEL,
                        dy + output_of(iy, ix, down, across, OW, SY, SX, PY, PX, DY, DX) * PANEL, line,
                        w + down.first * KW + across.first, 0.0f, -INFINITY,
                        loops_of(outputs, down, across, line, KW));
                    iy += (together - 1) * (int)SY;
                }
            }
        }
    }
}

// What a work-item has stored: 0 where x is.
INLINE void mask_run(__global float *dx, const __global float *x, uint count)
{
    for (uint i = 0; i < count; i++)
        dx[i] = mask_value(dx[i], x[i]);
}

INLINE void add_run(__global float *dx, const __global float *z, uint count)
{
    for (uint i = 0; i < count; i++)
        dx[i] = arith_flush(dx[i] + z[i]);
}

/* dX, plus Z if `adds` is set, or 0 where X is if `masked` is set. Work-items: ceil(C / planes), ceil(H / lines),
 * panels. */
KERNEL depthwise_backward_input(const __global float *dy /* panels (O, OH, OW) */, const __global float *w,
                                __global float *dx /* panels (C, H, W) */, const __global float *x /* likewise */,
                                const __global float *z /* likewise */, WINDOW, uint masked, uint adds, uint lines,
                                uint planes)
{
    const uint c0 = get_global_id(0) * planes, panel = get_global_id(2), l0 = get_global_id(1) * lines, M = O / G;
    const uint l1 = min(l0 + lines, H);
    for (uint c = c0; c < min(c0 + planes, C); c++) {
        const size_t plane = ((size_t)panel * C + c) * H * W * PANEL, run = plane + (size_t)l0 * W * PANEL;
        backward_plane(dy + ((size_t)panel * O + c * M) * OH * OW * PANEL, w + (size_t)c * M * KH * KW, dx + plane, l0,
                       l1, C, H, W, O, OH, OW, KH, KW, SY, SX, PY, PX, DY, DX, G);
        if (adds)
            add_run(dx + run, z + run, (l1 - l0) * W * PANEL);
        if (masked)
            mask_run(dx + run, x + run, (l1 - l0) * W * PANEL);
    }
}

// Elements of a plane per work-item of depthwise_pack.
#define RUN 64

/* Vectors of outputs y[count][ceil(O / VEC)][P][VEC] of the examples from .. from+count-1, for depthwise_weights.cl;
 * lane o holds channel o / M of x, lanes past the last output 0. Work-items: ceil(P / RUN), ceil(O / VEC), panels
 * starting at from / PANEL. */
KERNEL depthwise_pack(const __global float *x /* panels (O / M, P) */, __global float *y, uint at, uint O, uint M,
                      uint P, uint from, uint count)
{
    const uint begin = get_global_id(0) * RUN, end = min(P, begin + RUN), panel = from / PANEL + get_global_id(2);
    const uint first = max(from, panel * PANEL), last = min(from + count, (panel + 1) * PANEL);
    const uint vectors = (O + VEC - 1) / VEC, vector = get_global_id(1), o0 = vector * VEC;
    const uint left = min((uint)VEC, O - o0);
    const size_t example = (size_t)vectors * P * VEC;
    x += (size_t)panel * (O / M) * P * PANEL;
    y += at + (size_t)vector * P * VEC;
    for (uint n = first; n < last;) {
        const uint some = last - n >= 4 ? 4 : 1;
        __global float *to = y + (n - from) * example;
        uint o = 0;
        for (; some == 4 && o + 4 <= left; o += 4) {
            const __global float *lanes[4];
            UNROLL for (int j = 0; j < 4; j++)
                lanes[j] = x + (size_t)((o0 + o + j) / M) * P * PANEL + n % PANEL;
            for (uint p = begin; p < end; p++) {
                float4 t[4];
                UNROLL for (int j = 0; j < 4; j++)
                    t[j] = vload4(0, lanes[j] + (size_t)p * PANEL);
                transpose_fours(t);
                UNROLL for (int j = 0; j < 4; j++)
                    vstore4(t[j], 0, to + j * example + (size_t)p * VEC + o);
            }
        }
        for (; o < VEC; o++) {
            const __global float *lanes = x + (size_t)((o0 + min(o, left - 1)) / M) * P * PANEL + n % PANEL;
            for (uint p = begin; p < end; p++) {
                for (uint j = 0; j < some; j++)
                    to[j * example + (size_t)p * VEC + o] = o < left ? lanes[(size_t)p * PANEL + j] : 0.0f;
            }
        }
        n += some;
    }
}
