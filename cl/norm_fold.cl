/* Normalization: the folds of rows over groups and sets, and the running statistics, as in src/ops/norm_fold.c.
 *
 * C channels in S sets of W, P positions. rows (R, 2, C) have a place for each of R examples; statistics (G, 3, S) and
 * sums (G, 2, S) are of groups of `group` examples, of which the launch has those from `begin` on. gamma (C). `apart`
 * is 0 if all groups, which are then shards, have the same statistics, else 1.
 *
 * On GPUs 16 work-items, the lanes, share a set and group; a work-group has ROWS of them. On processors a work-item has
 * all lanes: of VEC sets if a set is one channel, else of one.
 *
 * Options: GROUP for the kernels by channels; ROWS; VEC */
// lint: -D GROUP=64 -D ROWS=4 -D VEC=4
// lint: -D GROUP=16 -D ROWS=1 -D VEC=8
// lint: -D GROUP=64 -D ROWS=4 -D VEC=16
#include "arith.h"
#include "binary_tree.h"
#include "unroll.h"
#include "work_group.h"

#define LANES 16

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
typedef JOIN(float, VEC) vec;
#define load_vec JOIN(vload, VEC)
#define INLINE static inline __attribute__((always_inline))
#define VALUES __global const float *restrict
#define RESULT __global float *restrict
#define LINE_KERNEL __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
#define LANE_KERNEL __kernel __attribute__((reqd_work_group_size(LANES, ROWS, 1))) void
#define SINGLE_KERNEL __kernel __attribute__((reqd_work_group_size(1, 1, 1))) void

INLINE float mean_of(float sum, uint count) { return arith_flush(arith_div(sum, (float)count)); }
INLINE float values_of(uint count, uint P) { return (float)count * (float)P; }

INLINE void store_statistics(RESULT to, uint S, float mean, float between, float within, uint count, uint P,
                             float epsilon)
{
    const float variance = arith_flush(arith_div(fma((float)P, between, within), values_of(count, P)));
    to[0] = mean;
    to[S] = variance;
    to[2 * S] = arith_flush(arith_div(1.0f, arith_sqrt(variance + epsilon)));
}

INLINE float finish_sum(float sum, float inverse, uint count, uint P)
{
    return arith_flush(inverse * arith_div(sum, values_of(count, P)));
}

/* ---- on GPUs ----------------------------------------------------------------------------------------------------- */

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

// The set and group of 16 work-items, and its `count` elements: element e is in example e / W, channel e % W.
// Work-items past the last set repeat it and store nothing, so that barriers stay uniform.
#define FIND_SET                                                                                                       \
    __local float lanes_of_all[ROWS][LANES];                                                                           \
    __local float *lanes = lanes_of_all[get_local_id(1)];                                                              \
    const uint l = get_local_id(0), own = work_group_id(0) * ROWS + get_local_id(1), W = C / S;                        \
    const bool stores = own < groups * S && l == 0;                                                                    \
    const uint number = min(own, groups * S - 1), above = number / S, set = number - above * S, g = begin + above;     \
    const uint count = min(group, R - g * group) * W;                                                                  \
    rows += 2 * (size_t)C * g * group + set * W
#define ELEMENT(e, which) rows[(2 * (size_t)((e) / W) + which) * C + (e) % W]

LANE_KERNEL norm_statistics(VALUES rows, RESULT statistics, uint C, uint P, uint S, uint R, uint group, uint begin,
                            uint groups, float epsilon)
{
    FIND_SET;
    float means = 0.0f, between = 0.0f, within = 0.0f;
    for (uint e = l; e < count; e += LANES) means = arith_chain(means, ELEMENT(e, 0));
    const float mean = mean_of(fold_lanes(lanes, l, means), count);
    for (uint e = l; e < count; e += LANES) {
        const float d = ELEMENT(e, 0) - mean;
        between = fma(d, d, between);
        within = arith_chain(within, ELEMENT(e, 1));
    }
    between = fold_lanes(lanes, l, between);
    within = fold_lanes(lanes, l, within);
    if (stores)
        store_statistics(statistics + 3 * (size_t)S * g + set, S, mean, between, within, count, P, epsilon);
}

LANE_KERNEL norm_backward_sums(VALUES rows, VALUES statistics, VALUES gamma, RESULT sums, uint C, uint P, uint S,
                               uint R, uint group, uint begin, uint groups, uint apart)
{
    FIND_SET;
    const float inverse = statistics[(3 * (size_t)g * apart + 2) * S + set];
    float of_dy = 0.0f, of_products = 0.0f;
    for (uint e = l; e < count; e += LANES) {
        const float scale = gamma[set * W + e % W];
        of_dy = fma(scale, ELEMENT(e, 0), of_dy);
        of_products = fma(scale, ELEMENT(e, 1), of_products);
    }
    of_dy = fold_lanes(lanes, l, of_dy);
    of_products = fold_lanes(lanes, l, of_products);
    if (stores) {
        sums[2 * (size_t)S * g + set] = finish_sum(of_dy, inverse, count, P);
        sums[(2 * (size_t)g + 1) * S + set] = finish_sum(of_products, inverse, count, P);
    }
}

/* Here each channel is a set of its own, and 16 work-items have all groups. `fresh`: these are the batch's first. */
LANE_KERNEL norm_backward_parameters(VALUES rows, RESULT dgamma, RESULT dbeta, uint C, uint R, uint group, uint begin,
                                     uint groups, uint fresh)
{
    __local float lanes_of_all[ROWS][LANES];
    __local float *lanes = lanes_of_all[get_local_id(1)];
    const uint l = get_local_id(0), own = work_group_id(0) * ROWS + get_local_id(1), c = min(own, C - 1);
    const bool stores = own < C && l == 0;
    float total = 0.0f, products = 0.0f;
    if (stores && !fresh) {
        total = dbeta[c];
        products = dgamma[c];
    }
    rows += c;
    for (uint g = begin; g < begin + groups; g++) {
        const uint count = min(group, R - g * group);
        VALUES of = rows + 2 * (size_t)C * g * group;
        float a = 0.0f, b = 0.0f;
        for (uint e = l; e < count; e += LANES) {
            a = arith_chain(a, of[2 * (size_t)C * e]);
            b = arith_chain(b, of[(2 * (size_t)e + 1) * C]);
        }
        a = fold_lanes(lanes, l, a);
        b = fold_lanes(lanes, l, b);
        const bool first = fresh && g == begin;
        total = first ? a : arith_chain(total, a);
        products = first ? b : arith_chain(products, b);
    }
    if (stores) {
        dbeta[c] = total;
        dgamma[c] = products;
    }
}

/* ---- on processors ----------------------------------------------------------------------------------------------- */


// The sum over the examples e of a group, where lane l of LANES sums `term` of the examples l, l + LANES, ... The lanes
// are in memory: unrolled, they take seconds to compile.
#define SUM_EXAMPLES(result, term)                                                                                     \
    do {                                                                                                               \
        vec sum[LANES];                                                                                                \
        for (uint l = 0; l < LANES; l++) sum[l] = 0.0f;                                                                \
        for (uint e = 0; e < count; e++) sum[e % LANES] = term(sum[e % LANES], e);                                     \
        for (uint fold = LANES / 2; fold > 0; fold /= 2)                                                               \
            for (uint l = 0; l < fold; l++) sum[l] += sum[l + fold];                                                   \
        result = sum[0];                                                                                               \
    } while (0)
#define OF_EXAMPLE(e, which) load_vec(0, of + (2 * (size_t)(e) + which) * C)

/* Sets of one channel, VEC of them at least: dimension 0 has vectors of channels, dimension 1 the groups. The last
 * vector begins earlier, so that it is whole, and stores only the lanes that are its own. */
#define FIND_CHANNELS                                                                                                  \
    const uint own = get_global_id(0) * VEC, c = min(own, C - VEC)
#define FIND_GROUP(g)                                                                                                  \
    const uint count = min(group, R - (g) * group);                                                                    \
    VALUES of = rows + 2 * (size_t)C * (g) * group + c
#define EACH_OWN for (uint lane = own - c; lane < VEC; lane++)

SINGLE_KERNEL norm_statistics_channels(VALUES rows, RESULT statistics, uint C, uint P, uint S, uint R, uint group,
                                       uint begin, uint groups, float epsilon)
{
    FIND_CHANNELS;
    const uint g = begin + get_global_id(1);
    FIND_GROUP(g);
    vec means, between, within, mean;
#define TERM(sum, e) ((sum) + OF_EXAMPLE(e, 0))
    SUM_EXAMPLES(means, TERM);
#undef TERM
    for (uint lane = 0; lane < VEC; lane++) ((float *)&mean)[lane] = mean_of(((float *)&means)[lane], count);
#define TERM(sum, e) fma(OF_EXAMPLE(e, 0) - mean, OF_EXAMPLE(e, 0) - mean, sum)
    SUM_EXAMPLES(between, TERM);
#undef TERM
#define TERM(sum, e) ((sum) + OF_EXAMPLE(e, 1))
    SUM_EXAMPLES(within, TERM);
#undef TERM
    EACH_OWN
        store_statistics(statistics + 3 * (size_t)S * g + c + lane, S, ((float *)&mean)[lane],
                         ((float *)&between)[lane], ((float *)&within)[lane], count, P, epsilon);
}

SINGLE_KERNEL norm_backward_sums_channels(VALUES rows, VALUES statistics, VALUES gamma, RESULT sums, uint C, uint P,
                                          uint S, uint R, uint group, uint begin, uint groups, uint apart)
{
    FIND_CHANNELS;
    const uint g = begin + get_global_id(1);
    FIND_GROUP(g);
    const vec scale = load_vec(0, gamma + c);
    VALUES inverse = statistics + (3 * (size_t)g * apart + 2) * S + c;
    vec of_dy, of_products;
#define TERM(sum, e) fma(scale, OF_EXAMPLE(e, 0), sum)
    SUM_EXAMPLES(of_dy, TERM);
#undef TERM
#define TERM(sum, e) fma(scale, OF_EXAMPLE(e, 1), sum)
    SUM_EXAMPLES(of_products, TERM);
#undef TERM
    sums += 2 * (size_t)S * g + c;
    EACH_OWN {
        sums[lane] = finish_sum(((float *)&of_dy)[lane], inverse[lane], count, P);
        sums[S + lane] = finish_sum(((float *)&of_products)[lane], inverse[lane], count, P);
    }
}

SINGLE_KERNEL norm_backward_parameters_channels(VALUES rows, RESULT dgamma, RESULT dbeta, uint C, uint R, uint group,
                                                uint begin, uint groups, uint fresh)
{
    FIND_CHANNELS;
    vec total = load_vec(0, dbeta + c), products = load_vec(0, dgamma + c);
    for (uint g = begin; g < begin + groups; g++) {
        FIND_GROUP(g);
        vec a, b;
#define TERM(sum, e) ((sum) + OF_EXAMPLE(e, 0))
        SUM_EXAMPLES(a, TERM);
#undef TERM
#define TERM(sum, e) ((sum) + OF_EXAMPLE(e, 1))
        SUM_EXAMPLES(b, TERM);
#undef TERM
        total = fresh && g == begin ? a : total + a;
        products = fresh && g == begin ? b : products + b;
    }
    EACH_OWN {
        dbeta[c + lane] = ((float *)&total)[lane];
        dgamma[c + lane] = ((float *)&products)[lane];
    }
}

INLINE float fold_vector(float16 lane)
{
    const float8 eight = lane.lo + lane.hi;
    const float4 four = eight.lo + eight.hi;
    const float2 two = four.lo + four.hi;
    return two.x + two.y;
}

/* Groups of one example: dimension 0 has the sets, dimension 1 the groups. Lane l of LANES sums `one` of the set's
 * channels l, l + LANES, ...; `all` is that of 16 of them, w + l. */
#define SUM_CHANNELS(result, all, one)                                                                                 \
    do {                                                                                                               \
        float16 lanes = (float16)(0.0f);                                                                               \
        uint w = 0;                                                                                                    \
        for (; w + LANES <= count; w += LANES) {                                                                       \
            const float16 sum = lanes;                                                                                 \
            lanes = all;                                                                                               \
        }                                                                                                              \
        for (uint l = 0; w < count; l++, w++) {                                                                        \
            const float sum = ((float *)&lanes)[l];                                                                    \
            ((float *)&lanes)[l] = one;                                                                                \
        }                                                                                                              \
        result = fold_vector(lanes);                                                                                   \
    } while (0)

SINGLE_KERNEL norm_statistics_set(VALUES rows, RESULT statistics, uint C, uint P, uint S, uint R, uint group,
                                  uint begin, uint groups, float epsilon)
{
    const uint set = get_global_id(0), g = begin + get_global_id(1), count = C / S;
    VALUES first = rows + 2 * (size_t)C * g + set * count;
    VALUES second = first + C;
    float means, between, within;
    SUM_CHANNELS(means, sum + vload16(0, first + w), sum + first[w]);
    const float mean = mean_of(means, count);
    SUM_CHANNELS(between, fma(vload16(0, first + w) - mean, vload16(0, first + w) - mean, sum),
                 fma(first[w] - mean, first[w] - mean, sum));
    SUM_CHANNELS(within, sum + vload16(0, second + w), sum + second[w]);
    store_statistics(statistics + 3 * (size_t)S * g + set, S, mean, between, within, count, P, epsilon);
}

SINGLE_KERNEL norm_backward_sums_set(VALUES rows, VALUES statistics, VALUES gamma, RESULT sums, uint C, uint P,
                                     uint S, uint R, uint group, uint begin, uint groups, uint apart)
{
    const uint set = get_global_id(0), g = begin + get_global_id(1), count = C / S;
    VALUES first = rows + 2 * (size_t)C * g + set * count;
    VALUES second = first + C;
    VALUES scale = gamma + set * count;
    const float inverse = statistics[(3 * (size_t)g * apart + 2) * S + set];
    float of_dy, of_products;
    SUM_CHANNELS(of_dy, fma(vload16(0, scale + w), vload16(0, first + w), sum), fma(scale[w], first[w], sum));
    SUM_CHANNELS(of_products, fma(vload16(0, scale + w), vload16(0, second + w), sum), fma(scale[w], second[w], sum));
    sums[2 * (size_t)S * g + set] = finish_sum(of_dy, inverse, count, P);
    sums[(2 * (size_t)g + 1) * S + set] = finish_sum(of_products, inverse, count, P);
}

/* ---- running statistics: a channel per work-item ----------------------------------------------------------------- */

LINE_KERNEL norm_load_running(VALUES mean, VALUES variance, RESULT statistics, uint C, float epsilon)
{
    const uint c = get_global_id(0);
    if (c >= C) return;
    statistics[c] = mean[c];
    statistics[C + c] = variance[c];
    statistics[2 * (size_t)C + c] = arith_flush(arith_div(1.0f, arith_sqrt(variance[c] + epsilon)));
}

LINE_KERNEL norm_update_running(VALUES statistics, RESULT mean, RESULT variance,
                                __global const uint *restrict first_bad, uint C, uint P, uint R, uint group,
                                uint groups, float momentum)
{
    const uint c = get_global_id(0);
    if (c >= C || first_bad[0]) return;
    const float keep = 1.0f - momentum;
    float m = mean[c], v = variance[c];
    for (uint g = 0; g < groups; g++) {
        const float count = (float)min(group, R - g * group);
        VALUES of = statistics + 3 * (size_t)C * g + c;
        const float unbiased = arith_div(of[C] * (count * (float)P), fma(count, (float)P, -1.0f));
        m = arith_flush(fma(momentum, of[0], keep * m));
        v = arith_flush(fma(momentum, unbiased, keep * v));
    }
    mean[c] = m;
    variance[c] = v;
}

/* ---- one row of those of shards: a channel per work-item --------------------------------------------------------- */

/* Group g of `group` examples has the statistics (G, 3, C), that of all R examples gets its own. */
LINE_KERNEL norm_merge_statistics(VALUES of_groups, RESULT statistics, uint C, uint R, uint group, uint groups,
                                  float epsilon)
{
    const uint c = get_global_id(0);
    float node[TREE_DEPTH];
    if (c >= C) return;
    of_groups += c;
    for (uint g = 0; g < groups; g++)
        tree_add(node, g, tree_times((float)min(group, R - g * group), of_groups[3 * (size_t)C * g]));
    const float mean = mean_of(tree_total(node, groups), R);
    for (uint g = 0; g < groups; g++) {
        VALUES of = of_groups + 3 * (size_t)C * g;
        const float d = of[0] - mean;
        tree_add(node, g, tree_times((float)min(group, R - g * group), fma(d, d, of[C])));
    }
    const float variance = mean_of(tree_total(node, groups), R);
    statistics[c] = mean;
    statistics[C + c] = variance;
    statistics[2 * (size_t)C + c] = arith_flush(arith_div(1.0f, arith_sqrt(variance + epsilon)));
}

/* The same for means (G, 2, C); epsilon does not matter. */
LINE_KERNEL norm_merge_sums(VALUES of_groups, RESULT sums, uint C, uint R, uint group, uint groups, float epsilon)
{
    const uint c = get_global_id(0);
    float node[TREE_DEPTH];
    if (c >= C) return;
    for (uint which = 0; which < 2; which++) {
        VALUES of = of_groups + which * C + c;
        for (uint g = 0; g < groups; g++)
            tree_add(node, g, tree_times((float)min(group, R - g * group), of[2 * (size_t)C * g]));
        sums[which * C + c] = mean_of(tree_total(node, groups), R);
    }
}
