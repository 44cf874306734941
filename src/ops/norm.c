/* Normalization. The channels of an example are cut into S sets of W = C / S, and the examples of the batch into
 * groups. The values of one set in one group have one mean and one variance:
 *
 *     batch_norm             S = C, the whole batch or groups of a fixed size (ghost batches: Hoffer et al. 2017,
 *                            arXiv 1705.08741); Ioffe and Szegedy 2015, arXiv 1502.03167
 *     group_norm, layer_norm groups of one example; Wu and He 2018, arXiv 1803.08494; S = 1 is layer_norm: Ba, Kiros
 *                            and Hinton 2016, arXiv 1607.06450
 *
 * With E = (examples of the group) W rows of P positions, and M = E P values in a set:
 *
 *     norm_rows        per example and channel: m = mean of x over the positions, q = sum of (x - m)^2
 *     norm_statistics  mean = sum of m / E, var = (sum of q + P sum of (m - mean)^2) / M,
 *                      1/std = 1 / sqrt(var + epsilon)
 *     norm_forward     y = gamma x^ + beta with x^ = (x - mean) / std, or that and another value z
 *
 *     norm_backward_rows        per example and channel: sum of dy, and of dy x^
 *     norm_backward_parameters  their sums over the batch: dbeta, dgamma
 *     norm_backward_sums        1/std times the means over a set of gamma dy, and of gamma dy x^
 *     norm_backward_input       dx = gamma dy / std - the first - x^ the second
 *
 * The variance by rows is Chan, Golub and LeVeque's (1983): it is as good as that of two passes over all values, but
 * those of a row are read while they are still near, and a batch in tiles is read once for its statistics. All sums
 * have 16 lanes: along the positions of a row, and along the rows of a set and group. Groups are added in order.
 *
 * No product here is denormal but in an fma whose result is flushed: x - mean is 0 or a multiple of 2^-63 as x and
 * mean are, so that x^ is 0 or above 2^-103.
 *
 * N examples in the tile; size[] and scalar[] as in norm.h. Rows have a place for each example of the batch (R), the
 * tile's begin at `first`, G groups likewise. A tile holds whole groups where they are folded: norm_statistics,
 * norm_backward_sums and norm_backward_parameters; if the whole batch is one group, these run once per batch. If it has
 * several shards, they are folded as groups, and norm_merge.c makes one row of theirs. */
#include "ops/norm_cases.h"

#include "arith.h"

/* ---- sums of a row, 16 lanes along its positions ----------------------------------------------------------------- */

static inline float sum_row(const float *x, uint32_t positions)
{
    float lane[ROW_LANES] = {0};
    for (uint32_t p = 0; p < positions; p += ROW_LANES)
        for (uint32_t l = 0, some = positions - p < ROW_LANES ? positions - p : ROW_LANES; l < some; l++)
            lane[l] += x[p + l];
    return fold_row(lane);
}

/* of dy (x - mean) */
static inline float sum_products(const float *dy, const float *x, float mean, uint32_t positions)
{
    float lane[ROW_LANES] = {0};
    for (uint32_t p = 0; p < positions; p += ROW_LANES)
        for (uint32_t l = 0, some = positions - p < ROW_LANES ? positions - p : ROW_LANES; l < some; l++)
            lane[l] = __builtin_fmaf(dy[p + l], x[p + l] - mean, lane[l]);
    return fold_row(lane);
}

/* of (x - mean)^2 */
static inline float sum_squares(const float *x, float mean, uint32_t positions)
{
    float lane[ROW_LANES] = {0};
    for (uint32_t p = 0; p < positions; p += ROW_LANES)
        for (uint32_t l = 0, some = positions - p < ROW_LANES ? positions - p : ROW_LANES; l < some; l++)
            lane[l] = __builtin_fmaf(x[p + l] - mean, x[p + l] - mean, lane[l]);
    return fold_row(lane);
}

/* ---- references -------------------------------------------------------------------------------------------------- */

CLONES static void sum_rows(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0]; /* (N, C, P) */
    const uint32_t channels = a->size[NORM_CHANNELS], positions = a->size[NORM_POSITIONS];
    float *rows = (float *)operand[1] + norm_rows_first(a) * 2 * (uint64_t)channels; /* (R, 2, C) */
    (void)scratch;
    for (uint32_t i = 0; i < a->n; i++, rows += 2 * (uint64_t)channels)
        for (uint32_t c = 0; c < channels; c++, x += positions) {
            rows[c] = arith_flush(arith_div(sum_row(x, positions), (float)positions));
            rows[channels + c] = sum_squares(x, rows[c], positions);
        }
}

/* The statistics of a channel of the tile's example i. */
typedef struct place {
    float mean, inverse; /* 1/std */
} place;

static inline place find_place(const op_args *a, const float *statistics /* (G, 3, S) */, uint32_t i, uint32_t channel)
{
    const uint64_t sets = a->size[NORM_SETS];
    const float *of = statistics + 3 * sets * norm_group_of(a, i) + norm_set_of(a, channel);
    return (place){of[0], of[2 * sets]};
}

CLONES static void normalize(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0];                         /* (N, C, P) */
    const float *gamma = operand[2], *beta = operand[3]; /* (C) */
    float *y = operand[4];                               /* (N, C, P) */
    const float *z = operand[5];                         /* (N, C, P), if it adds */
    const uint32_t channels = a->size[NORM_CHANNELS], positions = a->size[NORM_POSITIONS];
    (void)scratch;
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t c = 0; c < channels; c++, x += positions, y += positions) {
            const place at = find_place(a, operand[1], i, c);
            const uint64_t row = ((uint64_t)i * channels + c) * positions;
            for (uint32_t p = 0; p < positions; p++)
                y[p] = finish_sum(a, z, row + p, __builtin_fmaf(gamma[c], (x[p] - at.mean) * at.inverse, beta[c]));
        }
}

CLONES static void sum_gradient_rows(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0], *dy = operand[2]; /* (N, C, P) */
    const uint32_t channels = a->size[NORM_CHANNELS], positions = a->size[NORM_POSITIONS];
    float *rows = (float *)operand[3] + norm_rows_first(a) * 2 * (uint64_t)channels; /* (R, 2, C) */
    (void)scratch;
    for (uint32_t i = 0; i < a->n; i++, rows += 2 * (uint64_t)channels)
        for (uint32_t c = 0; c < channels; c++, x += positions, dy += positions) {
            const place at = find_place(a, operand[1], i, c);
            rows[c] = arith_flush(sum_row(dy, positions));
            rows[channels + c] = arith_flush(at.inverse * sum_products(dy, x, at.mean, positions));
        }
}

CLONES static void normalize_backward(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0], *dy = operand[3];       /* (N, C, P) */
    const float *gamma = operand[2], *sums = operand[4]; /* (C), (G, 2, S) */
    float *dx = operand[5];                              /* (N, C, P) */
    const uint32_t channels = a->size[NORM_CHANNELS], positions = a->size[NORM_POSITIONS];
    const uint64_t sets = a->size[NORM_SETS];
    (void)scratch;
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t c = 0; c < channels; c++, x += positions, dy += positions, dx += positions) {
            const place at = find_place(a, operand[1], i, c);
            const float *sum = sums + 2 * sets * norm_group_of(a, i) + norm_set_of(a, c), scale = gamma[c] * at.inverse;
            for (uint32_t p = 0; p < positions; p++) {
                const float normalized = (x[p] - at.mean) * at.inverse;
                dx[p] = arith_flush(__builtin_fmaf(-normalized, sum[sets], __builtin_fmaf(scale, dy[p], -sum[0])));
            }
        }
}

const op_row row_norm_rows = {
    .name = "norm_rows",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}, {"rows", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = norm_elements,
    .reference = sum_rows,
    .shape = norm_shape,
    .fit = norm_fit,
};

const op_row row_norm_forward = {
    .name = "norm_forward",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"statistics", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"gamma", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"beta", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS},
                {"z", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}},
    .elements = norm_elements,
    .may_relu = true,
    .addend = 6,
    .reference = normalize,
    .shape = norm_shape,
    .fit = norm_fit,
};

const op_row row_norm_backward_rows = {
    .name = "norm_backward_rows",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"statistics", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dy", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"rows", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = norm_elements,
    .reference = sum_gradient_rows,
    .shape = norm_shape,
    .fit = norm_fit,
};

const op_row row_norm_backward_input = {
    .name = "norm_backward_input",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"statistics", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"gamma", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dy", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"sums", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dx", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = norm_elements,
    .reference = normalize_backward,
    .shape = norm_shape,
    .fit = norm_fit,
};
