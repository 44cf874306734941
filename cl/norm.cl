/* Normalization: the passes over values, as in src/ops/norm.c, which has the formulas.
 *
 * N examples in the tile, C channels in S sets, P positions; x, y, dy, dx (N, C, P). rows (R, 2, C) have a place for
 * each example of the batch, the tile's begin at `base`. Statistics (G, 3, S) and sums (G, 2, S) are those of groups of
 * `group` examples. gamma, beta (C).
 *
 * Options:
 *   PANEL  examples side by side: on processors x[panels][C][P][PANEL], and a work-item has one channel of a panel.
 *          1: rows, on GPUs always.
 *   GROUP  work-items in a group; 1 on processors. A multiple of 16 elsewhere.
 *   LINE   with PANEL=1: which neighbors share most of what they need, so that a work-group has RUN GROUP of them.
 *          0: the positions of a channel; if there is one position, 1: the channels of an example, each a set of its
 *          own; 2: the channels of a set */
// lint: -D PANEL=1 -D GROUP=64 -D RUN=4 -D LINE=0
// lint: -D PANEL=1 -D GROUP=64 -D RUN=4 -D LINE=1
// lint: -D PANEL=1 -D GROUP=64 -D RUN=4 -D LINE=2
// lint: -D PANEL=1 -D GROUP=1 -D RUN=1024 -D LINE=1
// lint: -D PANEL=8 -D GROUP=1 -D RUN=1024 -D LINE=0
// lint: -D PANEL=32 -D GROUP=1 -D RUN=1024 -D LINE=0
#include "arith.h"
#include "finish.h"
#include "unroll.h"
#include "work_group.h"

#define LANES 16 // of a sum along a row

#if PANEL > 16
#define VEC 16
#else
#define VEC PANEL
#endif
#if PANEL > 1
#include "vectors.h"
#else
#define KERNEL __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
#define INLINE static inline __attribute__((always_inline))
#endif
#define VALUES __global const float *restrict
#define RESULT __global float *restrict

// Where the statistics, rows and sums of an example are.
#define PLACES uint N, uint C, uint P, uint S, uint base, uint group
typedef struct places { uint N, C, P, S, base, group; } places;
#define AT(N, C, P, S, base, group) ((places){N, C, P, S, base, group})

INLINE uint group_of(places at, uint example) { return (at.base + example) / at.group; }

#if PANEL > 1
/* ---- for processors, by panels ----------------------------------------------------------------------------------- */

#define VECS (PANEL / VEC)
#define EACH_VECTOR UNROLL for (int v = 0; v < VECS; v++)
#define EACH_LANE UNROLL for (int lane = 0; lane < VEC; lane++)
#define EACH_SUM UNROLL for (uint l = 0; l < LANES; l++)

INLINE vec divide_vec(vec x, float by)
{
    vec y = x;
    EACH_LANE((float *)&y)[lane] = arith_div(((float *)&x)[lane], by);
    return y;
}

// Of `parts` values per set and group, number `part` of a channel's set, for each example of a vector: its panel's
// examples begin at `first`. Lanes past the last example get that one's.
INLINE vec gather(VALUES of, uint parts, uint part, places at, uint first, uint set)
{
    vec y;
    if (at.group >= at.base + at.N) // one group has them all
        return (vec)(of[part * at.S + set]);
    EACH_LANE {
        const uint example = min(first + lane, at.N - 1);
        const uint g = at.group == 1 ? at.base + example : group_of(at, example);
        ((float *)&y)[lane] = of[((size_t)g * parts + part) * at.S + set];
    }
    return y;
}

// The sum over positions, where lane l of LANES sums `term` of the positions l, l + LANES, ...
#define SUM_POSITIONS(result, term)                                                                                    \
    do {                                                                                                               \
        vec sum[LANES];                                                                                                \
        EACH_SUM sum[l] = 0.0f;                                                                                        \
        uint p = 0;                                                                                                    \
        for (; p + LANES <= P; p += LANES) EACH_SUM sum[l] = term(sum[l], (p + l) * VECS + v);                         \
        EACH_SUM if (p + l < P) sum[l] = term(sum[l], (p + l) * VECS + v);                                             \
        UNROLL for (uint fold = LANES / 2; fold > 0; fold /= 2)                                                        \
            UNROLL for (uint l = 0; l < fold; l++) sum[l] += sum[l + fold];                                            \
        result = sum[0];                                                                                               \
    } while (0)

// Stores a value per example of a vector, `which` of its row.
INLINE void store_rows(vec value, RESULT rows, uint which, places at, uint first, uint c)
{
    for (uint lane = 0; lane < min((uint)VEC, at.N - min(first, at.N)); lane++)
        rows[(2 * (size_t)(at.base + first + lane) + which) * at.C + c] = ((float *)&value)[lane];
}

// The work-item's channel, the first example of its panel, and its values: a channel is PANEL P of them.
#define FIND_CHANNEL                                                                                                   \
    const uint panel = get_global_id(0) / C, c = get_global_id(0) - panel * C, set = c / (C / S);                      \
    const size_t channel = get_global_id(0) * (size_t)P * PANEL;                                                       \
    const places at = AT(N, C, P, S, base, group)

KERNEL norm_rows(VALUES x, RESULT rows, PLACES)
{
    FIND_CHANNEL;
    x += channel;
    EACH_VECTOR {
        const uint first = panel * PANEL + v * VEC;
        vec total, squares;
#define TERM(sum, k) ((sum) + load_vec(k, x))
        SUM_POSITIONS(total, TERM);
#undef TERM
        const vec mean = flush_vec(divide_vec(total, (float)P));
#define TERM(sum, k) fma(load_vec(k, x) - mean, load_vec(k, x) - mean, sum)
        SUM_POSITIONS(squares, TERM);
#undef TERM
        store_rows(mean, rows, 0, at, first, c);
        store_rows(squares, rows, 1, at, first, c);
    }
}

// Adds z, if `adds` is set, to what is finished without it.
KERNEL norm_forward(VALUES x, VALUES statistics, VALUES gamma, VALUES beta, RESULT y, VALUES z, PLACES, float least,
                    uint adds)
{
    FIND_CHANNEL;
    const vec scale = gamma[c], shift = beta[c];
    x += channel;
    y += channel;
    z += adds ? channel : 0;
    EACH_VECTOR {
        const uint first = panel * PANEL + v * VEC;
        const vec mean = gather(statistics, 3, 0, at, first, set), inverse = gather(statistics, 3, 2, at, first, set);
        for (uint p = v; p < P * VECS; p += VECS) {
            const vec alone = fma(scale, (load_vec(p, x) - mean) * inverse, shift);
            store_vec(finish_vec(adds ? flush_vec(alone) + load_vec(p, z) : alone, least), p, y);
        }
    }
}

KERNEL norm_backward_rows(VALUES x, VALUES statistics, VALUES dy, RESULT rows, PLACES)
{
    FIND_CHANNEL;
    x += channel;
    dy += channel;
    EACH_VECTOR {
        const uint first = panel * PANEL + v * VEC;
        const vec mean = gather(statistics, 3, 0, at, first, set), inverse = gather(statistics, 3, 2, at, first, set);
        vec total, products;
#define TERM(sum, k) ((sum) + load_vec(k, dy))
        SUM_POSITIONS(total, TERM);
#undef TERM
#define TERM(sum, k) fma(load_vec(k, dy), load_vec(k, x) - mean, sum)
        SUM_POSITIONS(products, TERM);
#undef TERM
        store_rows(flush_vec(total), rows, 0, at, first, c);
        store_rows(flush_vec(inverse * products), rows, 1, at, first, c);
    }
}

KERNEL norm_backward_input(VALUES x, VALUES statistics, VALUES gamma, VALUES dy, VALUES sums, RESULT dx, PLACES)
{
    FIND_CHANNEL;
    x += channel;
    dy += channel;
    dx += channel;
    EACH_VECTOR {
        const uint first = panel * PANEL + v * VEC;
        const vec mean = gather(statistics, 3, 0, at, first, set), inverse = gather(statistics, 3, 2, at, first, set);
        const vec from_dy = gather(sums, 2, 0, at, first, set), from_x = gather(sums, 2, 1, at, first, set);
        const vec scale = gamma[c] * inverse;
        for (uint p = v; p < P * VECS; p += VECS) {
            const vec normalized = (load_vec(p, x) - mean) * inverse;
            store_vec(flush_vec(fma(-normalized, from_x, fma(scale, load_vec(p, dy), -from_dy))), p, dx);
        }
    }
}

#else
/* ---- single values, by lines: runs of neighbors ------------------------------------------------------------------ */

// A work-group has GROUP RUN values of a line, from .. to-1; its work-items begin at `item`, and go on by GROUP.
typedef struct line { uint example, first /* channel */, set, item, to; size_t begin; } line;

INLINE line find_line(places at)
{
#if LINE == 0
    const uint lines = at.C, length = at.P, width = 1u;
#elif LINE == 1
    const uint lines = 1u, length = at.C, width = 0u;
#else
    const uint lines = at.S, length = at.C / at.S, width = length;
#endif
    const uint block = GROUP * RUN, blocks = (length + block - 1) / block;
    const uint number = work_group_id(0) / blocks, from = (work_group_id(0) - number * blocks) * block;
    const uint example = number / lines, k = number - example * lines;
#if LINE == 0
    const uint set = k / (at.C / at.S);
#else
    const uint set = k;
#endif
    const line found = {example, k * width, set, from + get_local_id(0), min(from + block, length),
                        (size_t)number * length};
    return found;
}

// Along a line, statistics and sums are of one set, or of a set per value; gamma and beta are of one channel, or of one
// per value.
#if LINE == 1
#define OF_SET(values, i) ((values)[i])
#else
#define OF_SET(values, i) ((values)[0])
#endif
#if LINE == 0
#define OF_CHANNEL(values, i) ((values)[0])
#else
#define OF_CHANNEL(values, i) ((values)[i])
#endif
#define FIND_LINE                                                                                                      \
    const places at = AT(N, C, P, S, base, group);                                                                     \
    const line own = find_line(at);                                                                                    \
    const size_t g = group_of(at, own.example)
#define EACH_VALUE for (uint i = own.item; i < own.to; i += GROUP)

// Adds z, if `adds` is set, to what is finished without it.
KERNEL norm_forward(VALUES x, VALUES statistics, VALUES gamma, VALUES beta, RESULT y, VALUES z, PLACES, float least,
                    uint adds)
{
    FIND_LINE;
    VALUES mean = statistics + g * 3 * S + own.set;
    VALUES inverse = mean + 2 * S;
    x += own.begin;
    y += own.begin;
    z += adds ? own.begin : 0;
    gamma += own.first;
    beta += own.first;
    EACH_VALUE
    {
        const float normalized = (x[i] - OF_SET(mean, i)) * OF_SET(inverse, i);
        const float alone = fma(OF_CHANNEL(gamma, i), normalized, OF_CHANNEL(beta, i));
        y[i] = finish_value(adds ? arith_flush(alone) + z[i] : alone, least);
    }
}

KERNEL norm_backward_input(VALUES x, VALUES statistics, VALUES gamma, VALUES dy, VALUES sums, RESULT dx, PLACES)
{
    FIND_LINE;
    VALUES mean = statistics + g * 3 * S + own.set;
    VALUES inverse = mean + 2 * S;
    VALUES from_dy = sums + g * 2 * S + own.set;
    VALUES from_x = from_dy + S;
    x += own.begin;
    dy += own.begin;
    dx += own.begin;
    gamma += own.first;
    EACH_VALUE
    {
        const float normalized = (x[i] - OF_SET(mean, i)) * OF_SET(inverse, i);
        const float scale = OF_CHANNEL(gamma, i) * OF_SET(inverse, i);
        dx[i] = arith_flush(fma(-normalized, OF_SET(from_x, i), fma(scale, dy[i], -OF_SET(from_dy, i))));
    }
}

#if LINE > 0
/* Rows of a single value are their own sums. x and dy are flushed already. */
KERNEL norm_rows(VALUES x, RESULT rows, PLACES)
{
    const places at = AT(N, C, P, S, base, group);
    const line own = find_line(at);
    x += own.begin;
    rows += (size_t)(base + own.example) * 2 * C + own.first;
    EACH_VALUE
    {
        const float d = x[i] - x[i];
        rows[i] = x[i];
        rows[C + i] = d * d;
    }
}

KERNEL norm_backward_rows(VALUES x, VALUES statistics, VALUES dy, RESULT rows, PLACES)
{
    FIND_LINE;
    VALUES mean = statistics + g * 3 * S + own.set;
    VALUES inverse = mean + 2 * S;
    x += own.begin;
    dy += own.begin;
    rows += (size_t)(base + own.example) * 2 * C + own.first;
    EACH_VALUE
    {
        rows[i] = dy[i];
        rows[C + i] = arith_flush(OF_SET(inverse, i) * (dy[i] * (x[i] - OF_SET(mean, i))));
    }
}

#elif GROUP == 1
/* ---- single values on processors: a row per work-item, its lanes in a vector ------------------------------------- */

INLINE float fold_lanes(float16 lane)
{
    const float8 eight = lane.lo + lane.hi;
    const float4 four = eight.lo + eight.hi;
    const float2 two = four.lo + four.hi;
    return two.x + two.y;
}

// The last positions of a row, fewer than LANES; 0 past them.
INLINE float16 load_end(VALUES x, uint some)
{
    float16 y = (float16)(0.0f);
    for (uint l = 0; l < some; l++) ((float *)&y)[l] = x[l];
    return y;
}

INLINE float sum_row(VALUES x, uint P)
{
    float16 sum = (float16)(0.0f);
    uint p = 0;
    for (; p + LANES <= P; p += LANES) sum += vload16(0, x + p);
    for (uint l = 0; p + l < P; l++) ((float *)&sum)[l] += x[p + l];
    return fold_lanes(sum);
}

INLINE float sum_products(VALUES dy, VALUES x, float mean, uint P)
{
    float16 sum = (float16)(0.0f);
    uint p = 0;
    for (; p + LANES <= P; p += LANES) sum = fma(vload16(0, dy + p), vload16(0, x + p) - mean, sum);
    for (uint l = 0; p + l < P; l++) ((float *)&sum)[l] = fma(dy[p + l], x[p + l] - mean, ((float *)&sum)[l]);
    return fold_lanes(sum);
}

INLINE float sum_squares(VALUES x, float mean, uint P)
{
    float16 sum = (float16)(0.0f);
    uint p = 0;
    for (; p + LANES <= P; p += LANES) sum = fma(vload16(0, x + p) - mean, vload16(0, x + p) - mean, sum);
    for (uint l = 0; p + l < P; l++) ((float *)&sum)[l] = fma(x[p + l] - mean, x[p + l] - mean, ((float *)&sum)[l]);
    return fold_lanes(sum);
}

KERNEL norm_rows(VALUES x, RESULT rows, PLACES)
{
    const uint example = get_global_id(0) / C, c = get_global_id(0) - example * C;
    x += get_global_id(0) * (size_t)P;
    rows += (size_t)(base + example) * 2 * C + c;
    const float mean = arith_flush(arith_div(sum_row(x, P), (float)P));
    rows[0] = mean;
    rows[C] = sum_squares(x, mean, P);
}

KERNEL norm_backward_rows(VALUES x, VALUES statistics, VALUES dy, RESULT rows, PLACES)
{
    const places at = AT(N, C, P, S, base, group);
    const uint example = get_global_id(0) / C, c = get_global_id(0) - example * C;
    VALUES mean = statistics + (size_t)group_of(at, example) * 3 * S + c / (C / S);
    VALUES inverse = mean + 2 * S;
    x += get_global_id(0) * (size_t)P;
    dy += get_global_id(0) * (size_t)P;
    rows += (size_t)(base + example) * 2 * C + c;
    rows[0] = arith_flush(sum_row(dy, P));
    rows[C] = arith_flush(inverse[0] * sum_products(dy, x, mean[0], P));
}

#else
/* ---- single values on GPUs: a row per 16 work-items, its lanes --------------------------------------------------- */

#define ROWS (GROUP / LANES)
#define AHEAD 8 // values in flight
#define ROW_KERNEL __kernel __attribute__((reqd_work_group_size(LANES, ROWS, 1))) void

// Lanes fold 8, 4, 2, 1.
INLINE float fold_lanes(__local float *lanes, uint l, float sum)
{
    barrier(CLK_LOCAL_MEM_FENCE);
    lanes[l] = sum;
    for (uint fold = LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (l < fold) lanes[l] += lanes[l + fold];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return lanes[0];
}

// Adds term(sum, k) of a lane's positions k to its sum, AHEAD of them loaded at once. BEFORE(j, k) loads.
#define SUM_LANE(sum, load, term)                                                                                      \
    do {                                                                                                               \
        uint k = l;                                                                                                    \
        for (; k + (AHEAD - 1) * LANES < P; k += AHEAD * LANES) {                                                      \
            float2 next[AHEAD];                                                                                        \
            UNROLL for (uint j = 0; j < AHEAD; j++) next[j] = load(k + j * LANES);                                     \
            UNROLL for (uint j = 0; j < AHEAD; j++) sum = term(sum, next[j]);                                          \
        }                                                                                                              \
        for (; k < P; k += LANES) sum = term(sum, load(k));                                                            \
    } while (0)

// Work-items past the last row repeat it and store nothing, so that barriers stay uniform.
#define FIND_ROW                                                                                                       \
    __local float lanes[ROWS][LANES];                                                                                  \
    const uint l = get_local_id(0), own = work_group_id(0) * ROWS + get_local_id(1);                                   \
    const bool stores = own < N * C && l == 0;                                                                         \
    const uint row = min(own, N * C - 1), example = row / C, c = row - example * C;                                    \
    x += row * (size_t)P;                                                                                              \
    rows += (size_t)(base + example) * 2 * C + c

ROW_KERNEL norm_rows(VALUES x, RESULT rows, PLACES)
{
    FIND_ROW;
    float total = 0.0f, squares = 0.0f;
#define LOAD(k) ((float2)(x[k], 0.0f))
#define TERM(sum, value) arith_chain(sum, (value).x)
    SUM_LANE(total, LOAD, TERM);
#undef TERM
    const float mean = arith_flush(arith_div(fold_lanes(lanes[get_local_id(1)], l, total), (float)P));
#define TERM(sum, value) fma((value).x - mean, (value).x - mean, sum)
    SUM_LANE(squares, LOAD, TERM);
#undef TERM
#undef LOAD
    squares = fold_lanes(lanes[get_local_id(1)], l, squares);
    if (stores) {
        rows[0] = mean;
        rows[C] = squares;
    }
}

ROW_KERNEL norm_backward_rows(VALUES x, VALUES statistics, VALUES dy, RESULT rows, PLACES)
{
    FIND_ROW;
    const places at = AT(N, C, P, S, base, group);
    VALUES statistic = statistics + (size_t)group_of(at, example) * 3 * S + c / (C / S);
    const float mean = statistic[0], inverse = statistic[2 * S];
    float2 sums = (float2)(0.0f);
    dy += row * (size_t)P;
#define LOAD(k) ((float2)(dy[k], x[k]))
#define TERM(sum, value) ((float2)(arith_chain((sum).x, (value).x), fma((value).x, (value).y - mean, (sum).y)))
    SUM_LANE(sums, LOAD, TERM);
#undef TERM
#undef LOAD
    const float total = fold_lanes(lanes[get_local_id(1)], l, sums.x);
    const float products = fold_lanes(lanes[get_local_id(1)], l, sums.y);
    if (stores) {
        rows[0] = arith_flush(total);
        rows[C] = arith_flush(inverse * products);
    }
}
#endif
#endif
