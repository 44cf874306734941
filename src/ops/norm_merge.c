/* Normalization over a whole batch of several shards: one row of theirs, by the tree over the shards. With n examples
 * in a shard and N in the batch:
 *
 *     norm_merge_statistics    mean = tree of n mean' / N, var = tree of n (var' + (mean' - mean)^2) / N,
 *                              1/std = 1 / sqrt(var + epsilon)
 *     norm_merge_sums          mean = tree of n mean' / N, of both means of norm_backward_sums */
#include "ops/norm_cases.h"

#include "binary_tree.h"

static inline float examples_of(const op_args *a, uint32_t group)
{
    const uint32_t left = norm_rows_total(a) - group * norm_group(a);
    return (float)(left < norm_group(a) ? left : norm_group(a));
}

/* Of means, `stride` apart. */
static inline float merge_means(const op_args *a, const float *means, uint64_t stride)
{
    float node[TREE_DEPTH];
    for (uint32_t g = 0; g < norm_groups(a); g++) tree_add(node, g, tree_times(examples_of(a, g), means[g * stride]));
    return arith_flush(arith_div(tree_total(node, norm_groups(a)), (float)norm_rows_total(a)));
}

CLONES static void merge_statistics(const op_args *a, void *const *operand, void *scratch)
{
    const uint64_t channels = a->size[NORM_CHANNELS];
    float *to = operand[1]; /* (3, C) */
    (void)scratch;
    for (uint32_t c = 0; c < channels; c++) {
        const float *of = (const float *)operand[0] + c; /* (G, 3, C) */
        const float mean = merge_means(a, of, 3 * channels);
        float node[TREE_DEPTH];
        for (uint32_t g = 0; g < norm_groups(a); g++) {
            const float d = of[3 * channels * g] - mean, var = of[(3 * (uint64_t)g + 1) * channels];
            tree_add(node, g, tree_times(examples_of(a, g), __builtin_fmaf(d, d, var)));
        }
        const float variance = arith_flush(arith_div(tree_total(node, norm_groups(a)), (float)norm_rows_total(a)));
        to[c] = mean;
        to[channels + c] = variance;
        to[2 * channels + c] = arith_flush(arith_div(1, arith_sqrt(variance + a->scalar[NORM_EPSILON])));
    }
}

CLONES static void merge_sums(const op_args *a, void *const *operand, void *scratch)
{
    const float *of_groups = operand[0]; /* (G, 2, C) */
    float *to = operand[1];              /* (2, C) */
    const uint64_t channels = a->size[NORM_CHANNELS];
    (void)scratch;
    for (uint32_t c = 0; c < 2 * channels; c++) to[c] = merge_means(a, of_groups + c, 2 * channels);
}

/* Variances are not negative. */
static bool merge_fill(const op_args *a, int operand, void *data, draw *d)
{
    const uint64_t channels = a->size[NORM_CHANNELS];
    float *x = data;
    if (operand) return false;
    draw_fill(TYPE_F32, norm_elements(a, 0), data, d);
    for (uint64_t i = 0; i < norm_elements(a, 0); i++)
        if (i / channels % 3 == 1) x[i] = arith_abs(x[i]);
    return true;
}

const op_row row_norm_merge_statistics = {
    .name = "norm_merge_statistics",
    .operand = {{"shards", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"statistics", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = norm_elements,
    .reference = merge_statistics,
    .shape = norm_merge_shape,
    .fit = norm_merge_fit,
    .fill = merge_fill,
};

const op_row row_norm_merge_sums = {
    .name = "norm_merge_sums",
    .operand = {{"shards", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"sums", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = norm_elements,
    .reference = merge_sums,
    .shape = norm_merge_shape,
    .fit = norm_merge_fit,
};
