/* Packing for convolutions on processors, before their products (conv.cl, conv_weights.cl), and the gradient of their
 * bias. Values of a tile are stored in panels of PANEL examples, x[N / PANEL][elements][PANEL].
 *
 * Options: VEC    4, 8 or 16 floats: the device's native vector, or half of it
 *          PANEL  1, VEC / 2, VEC or 2 VEC; conv_backward_bias does not take VEC / 2
 */
// lint: -D VEC=16 -D PANEL=32
// lint: -D VEC=4 -D PANEL=1
#include "arith.h"
#include "unroll.h"
#include "vectors.h"

#pragma OPENCL FP_CONTRACT OFF

// Elements of a panel per work-item.
#define RUN 64

// Four taps of four rows, to four rows of four taps.
INLINE void turn_fours(const __global float *row, uint row_step, uint t, __global float *packed, uint block)
{
    float4 v[4];
    UNROLL for (int j = 0; j < 4; j++)
        v[j] = vload4(0, row + (size_t)j * row_step + t);
    transpose_fours(v);
    UNROLL for (int j = 0; j < 4; j++)
        vstore4(v[j], 0, packed + (t + j) * block);
}

/* Weights in blocks of `block` rows, packed[G][ceil(rows / block)][depth][T][block]; missing rows are 0. In the forward
 * pass, rows are outputs and the depth is channels; in the backward pass it is the other way round. Rows are row_step
 * floats apart, places of the depth depth_step; a group has rows depth T floats. Work-items: G ceil(rows / block),
 * ceil(depth / run). */
KERNEL conv_pack_weights(const __global float *restrict w /* (O, CG, T) */, __global float *restrict packed, uint block,
                         uint rows, uint depth, uint T, uint row_step, uint depth_step, uint run)
{
    const uint blocks = (rows + block - 1) / block, group = get_global_id(0) / blocks;
    const uint r0 = (get_global_id(0) - group * blocks) * block;
    const uint from = get_global_id(1) * run, to = min(depth, from + run);
    w += (size_t)group * rows * depth * T + (size_t)r0 * row_step;
    packed += ((size_t)get_global_id(0) * depth + from) * T * block;
    // If taps follow one another from place to place, all of the run are as those of one.
    const bool one = depth_step == T;
    const uint places = one ? min(1u, to - from) : to - from, taps = one ? (to - from) * T : T;
    w += (size_t)from * depth_step;
    for (uint k = 0; k < places; k++, w += depth_step, packed += taps * block) {
        for (uint r = 0, some; r < block; r += some) {
            const __global float *row = w + (size_t)min(r, rows - 1 - r0) * row_step;
            some = taps >= 4 && r + 4 <= block && r0 + r + 4 <= rows ? 4 : 1;
            if (some == 4) {
                for (uint t = 0; t < taps; t += 4)
                    turn_fours(row, row_step, min(t, taps - 4), packed + r, block);
            } else {
                for (uint t = 0; t < taps; t++) packed[t * block + r] = r0 + r < rows ? row[t] : 0.0f;
            }
        }
    }
}

/* Which of the `all` elements of an example are packed: all of them in their order, if `across` is 0; or of each plane
 * `lines` lines of `across` elements, `line` and `step` elements apart. */
#define PLACES uint all, uint across, uint lines, uint plane, uint line, uint step

INLINE size_t place_of(uint i, uint across, uint lines, uint plane, uint line, uint step)
{
    if (across == 0)
        return i;
    const uint row = i / across, c = row / lines;
    return (size_t)c * plane + (row - c * lines) * line + (i - row * across) * step;
}

// Copies element `place` of the granules of four lanes, from n, n + granule, ..., to element i at four places of each
// step. The granule is a multiple of 4 examples.
INLINE void deal_fours(const __global float *x, __global float *y, uint all, size_t place, uint elements, uint n,
                       uint granule, uint i)
{
    for (uint s = 0; s < granule; s += 4) {
        float4 t[4];
        UNROLL for (int j = 0; j < 4; j++) {
            const uint from = n + j * granule + s;
            t[j] = vload4(0, x + ((size_t)(from / PANEL) * all + place) * PANEL + from % PANEL);
        }
        transpose_fours(t);
        UNROLL for (int j = 0; j < 4; j++)
            vstore4(t[j], 0, y + ((size_t)(s + j) * elements + i) * VEC);
    }
}

// The same for granules of two examples.
INLINE void deal_pairs(const __global float *x, __global float *y, uint all, size_t place, uint elements, uint n,
                       uint i)
{
    const float4 a = vload4(0, x + ((size_t)(n / PANEL) * all + place) * PANEL + n % PANEL);
    const float4 b = vload4(0, x + ((size_t)((n + 4) / PANEL) * all + place) * PANEL + (n + 4) % PANEL);
    vstore4((float4)(a.x, a.z, b.x, b.z), 0, y + (size_t)i * VEC);
    vstore4((float4)(a.y, a.w, b.y, b.w), 0, y + ((size_t)elements + i) * VEC);
}

/* Passes of VEC granules, step after step: y[pass][granule][elements][VEC], from `count` whole granules of at least two
 * examples each, which begin with example `from` of the tile. Lanes past the last granule hold 0. Work-items:
 * ceil(elements / RUN), passes. */
KERNEL conv_pack_granules(const __global float *x, __global float *y, uint at, uint elements, uint from, uint granule,
                          uint count, PLACES)
{
    const uint begin = get_global_id(0) * RUN, end = min(elements, begin + RUN), pass = get_global_id(1);
    const uint lanes = min((uint)VEC, count - pass * VEC);
    from += pass * VEC * granule;
    y += at + (size_t)pass * granule * elements * VEC;
    // four neighbors lie in one panel if granules begin at multiples of 4
    const uint by_fours = from % 4 + PANEL % 4 == 0 && (granule == 2 || granule % 4 == 0) ? lanes / 4 * 4 : 0;
    for (uint i = begin; i < end; i++) {
        const size_t place = place_of(i, across, lines, plane, line, step);
        for (uint lane = 0; lane < by_fours; lane += 4) {
            if (granule == 2)
                deal_pairs(x, y + lane, all, place, elements, from + lane * granule, i);
            else
                deal_fours(x, y + lane, all, place, elements, from + lane * granule, granule, i);
        }
    }
    for (uint s = 0; s < granule; s++) {
        for (uint lane = by_fours; lane < VEC; lane++) {
            const uint n = from + min(lane, lanes - 1) * granule + s;
            for (uint i = begin; i < end; i++) {
                const size_t place = place_of(i, across, lines, plane, line, step);
                const float value = x[((size_t)(n / PANEL) * all + place) * PANEL + n % PANEL];
                y[((size_t)s * elements + i) * VEC + lane] = lane < lanes ? value : 0.0f;
            }
        }
    }
}

/* Rows y (count, elements) of the examples from .. from+count-1. Work-items: ceil(elements / RUN), panels starting at
 * from / PANEL. */
KERNEL conv_pack_rows(const __global float *x, __global float *y, uint elements, uint from, uint count, PLACES)
{
    const uint begin = get_global_id(0) * RUN, end = min(elements, begin + RUN);
    const uint panel = from / PANEL + get_global_id(1);
    const uint first = max(from, panel * PANEL), last = min(from + count, (panel + 1) * PANEL);
    x += (size_t)panel * all * PANEL;
    for (uint n = first; n < last;) {
        const __global float *lanes = x + n % PANEL;
        __global float *rows = y + (size_t)(n - from) * elements;
        const uint some = last - n >= 4 ? 4 : 1;
        uint i = begin;
        for (; some == 4 && i + 4 <= end; i += 4) {
            float4 t[4];
            UNROLL for (int j = 0; j < 4; j++)
                t[j] = vload4(0, lanes + place_of(i + j, across, lines, plane, line, step) * PANEL);
            transpose_fours(t);
            UNROLL for (int j = 0; j < 4; j++)
                vstore4(t[j], 0, rows + (size_t)j * elements + i);
        }
        for (; i < end; i++) {
            for (uint j = 0; j < some; j++)
                rows[(size_t)j * elements + i] = lanes[place_of(i, across, lines, plane, line, step) * PANEL + j];
        }
        n += some;
    }
}

/* Vectors of outputs y[count][G][ceil(OG / VEC)][P][VEC] of the examples from .. from+count-1; lanes past the group's
 * last output hold 0. Work-items: ceil(P / RUN), G ceil(OG / VEC), panels starting at from / PANEL. */
KERNEL conv_pack_outputs(const __global float *restrict dy, __global float *restrict y, uint at, uint O, uint P, uint G,
                         uint from, uint count)
{
    const uint begin = get_global_id(0) * RUN, end = min(P, begin + RUN), panel = from / PANEL + get_global_id(2);
    const uint first = max(from, panel * PANEL), last = min(from + count, (panel + 1) * PANEL);
    const uint outputs = O / G, vectors = (outputs + VEC - 1) / VEC;
    const uint vector = get_global_id(1), group = vector / vectors;
    const uint o0 = (vector - group * vectors) * VEC, left = min((uint)VEC, outputs - o0);
    dy += ((size_t)panel * O + group * outputs + o0) * P * PANEL;
    y += at + (size_t)vector * P * VEC;
    const size_t example = (size_t)G * vectors * P * VEC;
    for (uint n = first; n < last;) {
        const __global float *lanes = dy + n % PANEL;
        __global float *to = y + (n - from) * example;
        const uint some = last - n >= 4 ? 4 : 1;
#if PANEL == 1
        const uint fours = end - begin >= 4 ? left / 4 * 4 : 0;
        for (uint o = 0; o < fours; o += 4) {
            for (uint p = begin; p < end; p += 4)
                turn_fours(lanes + (size_t)o * P, P, min(p, end - 4), to + o, VEC);
        }
#else
        const uint fours = some == 4 ? left / 4 * 4 : 0;
        for (uint p = begin; p < end; p++) {
            for (uint o = 0; o < fours; o += 4) {
                float4 t[4];
                UNROLL for (int j = 0; j < 4; j++)
                    t[j] = vload4(0, lanes + ((size_t)(o + j) * P + p) * PANEL);
                transpose_fours(t);
                UNROLL for (int j = 0; j < 4; j++)
                    vstore4(t[j], 0, to + j * example + (size_t)p * VEC + o);
            }
        }
#endif
        for (uint o = fours; o < VEC; o++) {
            for (uint p = begin; p < end; p++) {
                for (uint j = 0; j < some; j++) {
                    const float value = lanes[((size_t)min(o, left - 1) * P + p) * PANEL + j];
                    to[j * example + (size_t)p * VEC + o] = o < left ? value : 0.0f;
                }
            }
        }
        n += some;
    }
}

// Outputs whose biases one work-item sums, in independent chains.
#define OUTPUTS 4

// sum(output, lane) += dy(position, lane) over all positions, in order.
INLINE void add_positions(float sum[OUTPUTS][PANEL], const __global float *dy, uint P, const size_t at[OUTPUTS])
{
#if PANEL >= VEC
    vec c[OUTPUTS][PANEL / VEC];
    UNROLL for (int o = 0; o < OUTPUTS; o++) {
        UNROLL for (int v = 0; v < PANEL / VEC; v++)
            c[o][v] = load_vec(v, sum[o]);
    }
    for (uint p = 0; p < P; p++, dy += PANEL) {
        UNROLL for (int o = 0; o < OUTPUTS; o++) {
            UNROLL for (int v = 0; v < PANEL / VEC; v++)
                c[o][v] = c[o][v] + load_vec(v, dy + at[o]);
        }
    }
    UNROLL for (int o = 0; o < OUTPUTS; o++) {
        UNROLL for (int v = 0; v < PANEL / VEC; v++)
            store_vec(c[o][v], v, sum[o]);
    }
#else
    for (uint p = 0; p < P; p++) {
        UNROLL for (int o = 0; o < OUTPUTS; o++)
            sum[o][0] = arith_chain(sum[o][0], dy[at[o] + p]);
    }
#endif
}

/* The gradient of the bias: sums of dy over (example, oy, ox) by the rule of granules. An example's sum continues that
 * of the previous example of its granule, so lanes take turns: all lanes that are the k-th of their granule run at
 * once. Work-items: ceil(O / OUTPUTS). */
KERNEL conv_backward_bias(const __global float *dy /* panels (O, P) */, __global float *total /* (O) */,
                          __global float *partial /* (O), or unused if granule is 0 */, uint N, uint O, uint P,
                          uint first, uint batch, uint granule)
{
    const uint o0 = get_global_id(0) * OUTPUTS, outputs = min((uint)OUTPUTS, O - o0);
    float sum[OUTPUTS], before[OUTPUTS]; // of the previous granules, and of the previous examples of this one
    size_t at[OUTPUTS];
    bool closed = false, any = false;
    if (granule == 0) {
        granule = batch;
        partial = total;
    }
    for (uint o = 0; o < OUTPUTS; o++) {
        at[o] = (size_t)min(o, outputs - 1) * P * PANEL;
        sum[o] = total[o0 + min(o, outputs - 1)];
        before[o] = partial[o0 + min(o, outputs - 1)];
    }
    for (uint n = 0; n < N; n += PANEL) {
        const uint begin = (first + n) % granule, lanes = min((uint)PANEL, N - n), end = begin + lanes;
        uint within[PANEL];
        float c[OUTPUTS][PANEL], next[OUTPUTS][PANEL];
        for (uint lane = 0, k = begin; lane < PANEL; lane++) {
            within[lane] = k;
            k = k + 1 == granule ? 0 : k + 1;
            for (uint o = 0; o < OUTPUTS; o++)
                c[o][lane] = 0.0f;
        }
        // turns in which some lane works: first in granules that begin here, then in the one that continues
        const uint wrapped = end > granule ? min(end - granule, begin) : 0, turns = wrapped + min(end, granule) - begin;
        for (uint turn = 0; turn < turns; turn++) {
            const uint k = turn < wrapped ? turn : begin + turn - wrapped;
            for (uint o = 0; o < OUTPUTS; o++) {
                next[o][0] = k == 0 ? 0.0f : before[o];
                for (uint lane = 1; lane < PANEL; lane++)
                    next[o][lane] = k == 0 ? 0.0f : c[o][lane - 1];
            }
            add_positions(next, dy + ((size_t)n * O + (size_t)o0 * PANEL) * P, P, at);
            for (uint o = 0; o < OUTPUTS; o++) {
                for (uint lane = 0; lane < PANEL; lane++)
                    c[o][lane] = within[lane] == k ? next[o][lane] : c[o][lane];
            }
        }
        for (uint lane = 0; lane < lanes; lane++) {
            const uint j = first + n + lane;
            closed = within[lane] + 1 == granule || j + 1 == batch;
            any = any || closed;
            for (uint o = 0; o < OUTPUTS; o++) {
                before[o] = c[o][lane];
                if (closed)
                    sum[o] = j < granule ? before[o] : sum[o] + before[o];
            }
        }
    }
    for (uint o = 0; o < outputs; o++) {
        if (!closed)
            partial[o0 + o] = before[o];
        if (any)
            total[o0 + o] = sum[o];
    }
}
