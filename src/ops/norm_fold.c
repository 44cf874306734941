/* The folds of normalization over groups and sets, and the running statistics: the formulas are in norm.c. */
#include "ops/norm_cases.h"

#include "arith.h"

/* The tile's groups are from .. end-1. */
static inline uint32_t groups_from(const op_args *a) { return norm_rows_first(a) / norm_group(a); }
static inline uint32_t groups_end(const op_args *a)
{
    return (norm_rows_first(a) + a->n + norm_group(a) - 1) / norm_group(a);
}

/* The rows of a group and a set: element e is of the set's channel e % width, in the group's example e / width. */
typedef struct set {
    const float *first; /* in (R, 2, C) */
    uint32_t channels, width, count;
    float values; /* M */
} set;

static set find_set(const op_args *a, const float *rows, uint32_t group, uint32_t number)
{
    const uint32_t channels = a->size[NORM_CHANNELS], width = channels / a->size[NORM_SETS];
    const uint32_t first = group * norm_group(a), left = norm_rows_total(a) - first;
    const uint32_t examples = left < norm_group(a) ? left : norm_group(a);
    return (set){rows + 2 * (uint64_t)channels * first + number * width, channels, width, examples * width,
                 (float)(examples * width) * (float)a->size[NORM_POSITIONS]};
}

/* Element e of the first (which 0) or second (1) values of the rows. */
static inline float element(const set *s, uint32_t e, uint32_t which)
{
    return s->first[(2 * (uint64_t)(e / s->width) + which) * s->channels + e % s->width];
}

CLONES static void find_statistics(const op_args *a, void *const *operand, void *scratch)
{
    const float *rows = operand[0]; /* (R, 2, C) */
    const uint64_t sets = a->size[NORM_SETS];
    (void)scratch;
    for (uint32_t g = groups_from(a); g < groups_end(a); g++)
        for (uint32_t k = 0; k < sets; k++) {
            const set s = find_set(a, rows, g, k);
            float *to = (float *)operand[1] + 3 * sets * g + k; /* in (G, 3, S) */
            float means[ROW_LANES] = {0}, between[ROW_LANES] = {0}, within[ROW_LANES] = {0};
            for (uint32_t e = 0; e < s.count; e++) means[e % ROW_LANES] += element(&s, e, 0);
            const float mean = arith_flush(arith_div(fold_row(means), (float)s.count));
            for (uint32_t e = 0; e < s.count; e++) {
                const float d = element(&s, e, 0) - mean;
                between[e % ROW_LANES] = __builtin_fmaf(d, d, between[e % ROW_LANES]);
                within[e % ROW_LANES] += element(&s, e, 1);
            }
            const float squares = __builtin_fmaf((float)a->size[NORM_POSITIONS], fold_row(between), fold_row(within));
            const float variance = arith_flush(arith_div(squares, s.values));
            to[0] = mean;
            to[sets] = variance;
            to[2 * sets] = arith_flush(arith_div(1, arith_sqrt(variance + a->scalar[NORM_EPSILON])));
        }
}

CLONES static void backward_sums(const op_args *a, void *const *operand, void *scratch)
{
    const float *rows = operand[0], *statistics = operand[1], *gamma = operand[2]; /* (R, 2, C), (G, 3, S), (C) */
    const uint64_t sets = a->size[NORM_SETS];
    (void)scratch;
    for (uint32_t g = groups_from(a); g < groups_end(a); g++)
        for (uint32_t k = 0; k < sets; k++) {
            const set s = find_set(a, rows, g, k);
            const float inverse = statistics[3 * sets * (a->shard ? 0 : g) + 2 * sets + k];
            float *to = (float *)operand[3] + 2 * sets * g + k; /* in (G, 2, S) */
            for (uint32_t which = 0; which < 2; which++) {
                float lane[ROW_LANES] = {0};
                for (uint32_t e = 0; e < s.count; e++)
                    lane[e % ROW_LANES] =
                        __builtin_fmaf(gamma[k * s.width + e % s.width], element(&s, e, which), lane[e % ROW_LANES]);
                to[which * sets] = arith_flush(inverse * arith_div(fold_row(lane), s.values));
            }
        }
}

/* Groups are added in order, from the batch's first. */
CLONES static void backward_parameters(const op_args *a, void *const *operand, void *scratch)
{
    op_args channels = *a; /* each channel is a set of its own */
    channels.size[NORM_SETS] = a->size[NORM_CHANNELS];
    (void)scratch;
    for (uint32_t which = 0; which < 2; which++) {
        float *total = operand[which ? 1 : 2]; /* dgamma (C), dbeta (C) */
        for (uint32_t c = 0; c < a->size[NORM_CHANNELS]; c++)
            for (uint32_t g = groups_from(a); g < groups_end(a); g++) {
                const set s = find_set(&channels, operand[0], g, c);
                float lane[ROW_LANES] = {0};
                for (uint32_t e = 0; e < s.count; e++) lane[e % ROW_LANES] += element(&s, e, which);
                const float sum = fold_row(lane);
                total[c] = a->first == 0 && g == groups_from(a) ? sum : total[c] + sum;
            }
    }
}

/* For an evaluation: the running statistics are those of its one group. */
CLONES static void load_running(const op_args *a, void *const *operand, void *scratch)
{
    const float *mean = operand[0], *variance = operand[1]; /* (C) */
    float *to = operand[2];                                 /* (1, 3, C) */
    const uint64_t channels = a->size[NORM_CHANNELS];
    (void)scratch;
    for (uint32_t c = 0; c < channels; c++) {
        to[c] = mean[c];
        to[channels + c] = variance[c];
        to[2 * channels + c] = arith_flush(arith_div(1, arith_sqrt(variance[c] + a->scalar[NORM_EPSILON])));
    }
}

/* As PyTorch: running = (1 - momentum) running + momentum value, with the unbiased variance; group after group. Nothing
 * is done once the record is set. */
CLONES static void update_running(const op_args *a, void *const *operand, void *scratch)
{
    const float *statistics = operand[0];             /* (G, 3, C) */
    float *mean = operand[1], *variance = operand[2]; /* (C) */
    const uint32_t *first_bad = operand[3];
    const float momentum = a->scalar[NORM_MOMENTUM], keep = 1 - momentum;
    const uint64_t channels = a->size[NORM_CHANNELS];
    (void)scratch;
    if (first_bad[0]) return;
    for (uint32_t g = 0; g < norm_groups(a); g++, statistics += 3 * channels) {
        const set s = find_set(a, statistics, g, 0);
        const float less_one = __builtin_fmaf((float)s.count, (float)a->size[NORM_POSITIONS], -1);
        for (uint32_t c = 0; c < channels; c++) {
            const float unbiased = arith_div(statistics[channels + c] * s.values, less_one);
            mean[c] = arith_flush(__builtin_fmaf(momentum, statistics[c], keep * mean[c]));
            variance[c] = arith_flush(__builtin_fmaf(momentum, unbiased, keep * variance[c]));
        }
    }
}

const op_row row_norm_statistics = {
    .name = "norm_statistics",
    .operand = {{"rows", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"statistics", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = norm_elements,
    .reference = find_statistics,
    .merge = OP_NORM_MERGE_STATISTICS,
    .shape = norm_shape,
    .fit = norm_fit,
    .fill = norm_fill_rows,
};

const op_row row_norm_backward_sums = {
    .name = "norm_backward_sums",
    .operand = {{"rows", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"statistics", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"gamma", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"sums", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = norm_elements,
    .reference = backward_sums,
    .merge = OP_NORM_MERGE_SUMS,
    .shape = norm_shape,
    .fit = norm_fit,
};

const op_row row_norm_backward_parameters = {
    .name = "norm_backward_parameters",
    .operand = {{"rows", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dgamma", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"dbeta", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = norm_elements,
    .reference = backward_parameters,
    .shape = norm_shape,
    .fit = norm_fit,
};

const op_row row_norm_load_running = {
    .name = "norm_load_running",
    .operand = {{"mean", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"variance", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"statistics", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = norm_elements,
    .reference = load_running,
    .shape = norm_running_shape,
    .fit = norm_running_fit,
    .fill = norm_fill_running,
};

const op_row row_norm_update_running = {
    .name = "norm_update_running",
    .operand = {{"statistics", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"mean", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"variance", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = norm_elements,
    .reference = update_running,
    .shape = norm_running_shape,
    .fit = norm_running_fit,
    .fill = norm_fill_update,
};
