/* Dense layers: y = x W^T + b and its gradients. Sums over examples are by the rule of granules, granule.h.
 *
 * N examples in the tile, I inputs, O outputs; size[] as in dense.h. */
#include "ops/dense.h"

#include "ops/rows.h"

#include "ops/granule.h"

#include "arith.h"

enum { BLOCK = 64 }; /* neighboring sums that stay in registers */

/* Shapes N, O, I: ones, primes, and both sides of every block that a kernel may have. */
static const uint32_t edges[][3] = {
    {1, 1, 1},     {1, 10, 33},  {2, 3, 5},    {7, 13, 31},  {8, 16, 16},  {12, 32, 64},  {13, 33, 65}, {11, 31, 63},
    {16, 17, 129}, {31, 64, 12}, {33, 65, 13}, {64, 10, 47}, {65, 48, 24}, {61, 67, 59},  {9, 20, 12},  {3, 47, 81},
    {4, 64, 130},  {5, 64, 17},  {1, 70, 128}, {33, 512, 5}, {9, 5, 1024}, {64, 12, 128},
};

static bool dense_shape(op_args *args, draw *d, int edge)
{
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 70);
    args->size[DENSE_OUTPUTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 70);
    args->size[DENSE_INPUTS] = edge >= 0 ? edges[edge][2] : draw_size(d, 130);
    args->batch = args->n;
    return true;
}

static bool dense_fit(op_args *args)
{
    args->batch = args->n;
    return args->size[DENSE_OUTPUTS] && args->size[DENSE_INPUTS];
}

/* A tile somewhere in a batch, for the sums over examples. */
static bool dense_sum_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t granules[] = {0, 1, 4, 16, 32, 256};
    if (!dense_shape(args, d, edge)) return false;
    args->size[DENSE_GRANULE] = granules[draw_below(d, LENGTH(granules))];
    args->first = draw_below(d, 3) ? draw_below(d, 300) : 0;
    if (edge >= 0 && args->n == 4) args->first = 0, args->size[DENSE_GRANULE] = 1; /* a few whole granules */
    args->batch = args->first + args->n + (draw_below(d, 2) ? draw_below(d, 40) : 0);
    return true;
}

static bool dense_sum_fit(op_args *args)
{
    return args->size[DENSE_OUTPUTS] && args->size[DENSE_INPUTS] && granule_fits(args->size[DENSE_GRANULE]);
}

static uint64_t dense_elements(const op_args *a, int operand)
{
    const uint64_t rows[] = {a->n, a->size[DENSE_OUTPUTS], 1, a->n};
    const uint64_t cols[] = {a->size[DENSE_INPUTS], a->size[DENSE_INPUTS], a->size[DENSE_OUTPUTS],
                             a->size[DENSE_OUTPUTS]};
    return rows[operand] * cols[operand];
}

static uint64_t dense_flops(const op_args *a) { return 2 * (uint64_t)a->size[DENSE_OUTPUTS] * a->size[DENSE_INPUTS]; }

/* y (N, O) = b (O), or 0 if b is NULL, then fma over i ascending of x (N, I) w (O, I). The rows of w of a block of
 * outputs are transposed first, so that the compiler can vectorize over o. */
static inline __attribute__((always_inline)) void add_inputs(const op_args *a, const float *restrict x,
                                                             const float *restrict w, const float *restrict b,
                                                             float *restrict y, float *restrict wt)
{
    const uint32_t outputs = a->size[DENSE_OUTPUTS], inputs = a->size[DENSE_INPUTS];

    for (uint32_t at = 0; at < outputs; at += BLOCK) {
        const uint32_t width = outputs - at < BLOCK ? outputs - at : BLOCK;
        for (uint32_t o = 0; o < width; o++)
            for (uint32_t i = 0; i < inputs; i++) wt[(uint64_t)i * width + o] = w[(uint64_t)(at + o) * inputs + i];
        for (uint32_t n = 0; n < a->n; n++) {
            float c[BLOCK] = {0};
            for (uint32_t o = 0; b && o < width; o++) c[o] = b[at + o];
            for (uint32_t i = 0; i < inputs; i++) {
                const float xi = x[(uint64_t)n * inputs + i];
                const float *wi = wt + (uint64_t)i * width;
                if (width == BLOCK)
                    for (uint32_t o = 0; o < BLOCK; o++) c[o] = __builtin_fmaf(xi, wi[o], c[o]);
                else
                    for (uint32_t o = 0; o < width; o++) c[o] = __builtin_fmaf(xi, wi[o], c[o]);
            }
            for (uint32_t o = 0; o < width; o++) y[(uint64_t)n * outputs + at + o] = finish_value(a, c[o]);
        }
    }
}

CLONES static void forward(const op_args *a, void *const *operand, void *scratch)
{
    add_inputs(a, operand[0], operand[1], operand[2], operand[3], scratch);
}

CLONES static void forward_no_bias(const op_args *a, void *const *operand, void *scratch)
{
    add_inputs(a, operand[0], operand[1], NULL, operand[2], scratch);
}

static uint64_t forward_scratch(const op_args *a)
{
    const uint64_t outputs = a->size[DENSE_OUTPUTS] < BLOCK ? a->size[DENSE_OUTPUTS] : BLOCK;
    return outputs * a->size[DENSE_INPUTS] * sizeof(float);
}

/* dx (N, I) = fma over o ascending of dy (N, O) w (O, I); 0 where x is, if it masks */
CLONES static void backward_input(const op_args *a, void *const *operand, void *scratch)
{
    const float *restrict dy = operand[0], *restrict w = operand[1];
    const float *x = a->masked ? operand[3] : NULL;
    float *dx = operand[2], *restrict row = scratch;
    const uint32_t outputs = a->size[DENSE_OUTPUTS], inputs = a->size[DENSE_INPUTS];

    for (uint32_t n = 0; n < a->n; n++) {
        for (uint32_t i = 0; i < inputs; i++) row[i] = 0;
        for (uint32_t o = 0; o < outputs; o++) {
            const float d = dy[(uint64_t)n * outputs + o];
            for (uint32_t i = 0; i < inputs; i++) row[i] = __builtin_fmaf(d, w[(uint64_t)o * inputs + i], row[i]);
        }
        for (uint32_t i = 0; i < inputs; i++) {
            const uint64_t at = (uint64_t)n * inputs + i;
            dx[at] = mask_value(a, x, at, arith_flush(row[i]));
        }
    }
}

static uint64_t backward_input_scratch(const op_args *a) { return a->size[DENSE_INPUTS] * sizeof(float); }

/* An element of x masks the same one of dx. */
static bool backward_input_may_replace(const op_args *a, int operand) { return a->masked && operand == 3; }

static uint64_t no_bias_elements(const op_args *a, int operand)
{
    static const int like[] = {0, 1, 3}; /* x, w, y */
    return dense_elements(a, like[operand]);
}

static uint64_t backward_input_elements(const op_args *a, int operand)
{
    static const int like[] = {3, 1, 0, 0}; /* dy as y, w, dx as x, x */
    return operand == 3 && !a->masked ? 0 : dense_elements(a, like[operand]);
}

/* The sum over examples for `width` <= BLOCK neighboring gradients: c[i] += d(r) x(r, i) by the rule of granules. x
 * NULL stands for ones, added and not multiplied. d and x point at the tile's first example. */
static inline __attribute__((always_inline)) void sum_examples(const op_args *a, const float *d, uint32_t d_stride,
                                                               const float *x, uint32_t x_stride, uint32_t width,
                                                               float *total, float *partial)
{
    float c[BLOCK] = {0};

    for (uint32_t r = 0; r < a->n;) {
        const granule_part part = granule_from(a, a->size[DENSE_GRANULE], r);
        for (uint32_t i = 0; i < width; i++) c[i] = granule_start(part, total + i, partial + i);
        for (; r < part.stop; r++) {
            const float dr = d[(uint64_t)r * d_stride];
            if (!x)
                for (uint32_t i = 0; i < width; i++) c[i] += dr;
            else if (width == BLOCK)
                for (uint32_t i = 0; i < BLOCK; i++) c[i] = __builtin_fmaf(dr, x[(uint64_t)r * x_stride + i], c[i]);
            else
                for (uint32_t i = 0; i < width; i++) c[i] = __builtin_fmaf(dr, x[(uint64_t)r * x_stride + i], c[i]);
        }
        for (uint32_t i = 0; i < width; i++) granule_keep(part, c[i], total + i, partial + i);
    }
}

/* total (O, I), partial (O, I): sums of dy (N, O) x (N, I) over the examples of the batch */
CLONES static void backward_weights(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0], *dy = operand[1];
    float *total = operand[2], *partial = operand[3];
    (void)scratch;
    for (uint32_t o = 0; o < a->size[DENSE_OUTPUTS]; o++) {
        const uint64_t row = (uint64_t)o * a->size[DENSE_INPUTS];
        for (uint32_t i = 0; i < a->size[DENSE_INPUTS]; i += BLOCK)
            sum_examples(a, dy + o, a->size[DENSE_OUTPUTS], x + i, a->size[DENSE_INPUTS],
                         a->size[DENSE_INPUTS] - i < BLOCK ? a->size[DENSE_INPUTS] - i : BLOCK, total + row + i,
                         partial + row + i);
    }
}

static uint64_t backward_weights_elements(const op_args *a, int operand)
{
    static const int like[] = {0, 3, 1, 1};
    return dense_elements(a, like[operand]);
}

static uint64_t backward_weights_moves(const op_args *a, int operand)
{
    if (operand < 2) return op_moves_all(a, operand);
    return backward_weights_elements(a, operand) * granule_moves(a, a->size[DENSE_GRANULE], operand == 3);
}

/* total (O), partial (O): sums of dy (N, O) over the examples of the batch */
CLONES static void backward_bias(const op_args *a, void *const *operand, void *scratch)
{
    const float *dy = operand[0];
    float *total = operand[1], *partial = operand[2];
    (void)scratch;
    for (uint32_t o = 0; o < a->size[DENSE_OUTPUTS]; o++)
        sum_examples(a, dy + o, a->size[DENSE_OUTPUTS], NULL, 0, 1, total + o, partial + o);
}

static uint64_t backward_bias_elements(const op_args *a, int operand)
{
    static const int like[] = {3, 2, 2};
    return dense_elements(a, like[operand]);
}

static uint64_t backward_bias_moves(const op_args *a, int operand)
{
    if (operand < 1) return op_moves_all(a, operand);
    return backward_bias_elements(a, operand) * granule_moves(a, a->size[DENSE_GRANULE], operand == 2);
}

static void backward_parameters(const op_args *a, void *const *operand, void *scratch)
{
    void *const bias[] = {operand[1], operand[4], operand[5]};
    backward_weights(a, operand, scratch);
    backward_bias(a, bias, scratch);
}

static uint64_t backward_parameters_elements(const op_args *a, int operand)
{
    return operand < 4 ? backward_weights_elements(a, operand) : backward_bias_elements(a, operand - 3);
}

static uint64_t backward_parameters_moves(const op_args *a, int operand)
{
    return operand < 4 ? backward_weights_moves(a, operand) : backward_bias_moves(a, operand - 3);
}

const op_row row_dense_forward = {
    .name = "dense_forward",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"w", TYPE_F32, ACCESS_IN, LAYOUT_WEIGHT_PANELS},
                {"b", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"y", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = dense_elements,
    .scratch = forward_scratch,
    .flops = dense_flops,
    .may_relu = true,
    .reference = forward,
    .shape = dense_shape,
    .fit = dense_fit,
};

const op_row row_dense_forward_no_bias = {
    .name = "dense_forward_no_bias",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"w", TYPE_F32, ACCESS_IN, LAYOUT_WEIGHT_PANELS},
                {"y", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = no_bias_elements,
    .scratch = forward_scratch,
    .flops = dense_flops,
    .may_relu = true,
    .reference = forward_no_bias,
    .shape = dense_shape,
    .fit = dense_fit,
};

const op_row row_dense_backward_input = {
    .name = "dense_backward_input",
    .operand = {{"dy", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"w", TYPE_F32, ACCESS_IN, LAYOUT_WEIGHT_PANELS},
                {"dx", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR},
                {"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .mask = 4,
    .elements = backward_input_elements,
    .scratch = backward_input_scratch,
    .may_replace = backward_input_may_replace,
    .flops = dense_flops,
    .reference = backward_input,
    .shape = dense_shape,
    .fit = dense_fit,
};

const op_row row_dense_backward_weights = {
    .name = "dense_backward_weights",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dy", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"total", TYPE_F32, ACCESS_INOUT, LAYOUT_WEIGHT_PANELS},
                {"open", TYPE_F32, ACCESS_INOUT, LAYOUT_WEIGHT_PANELS}},
    .elements = backward_weights_elements,
    .moves = backward_weights_moves,
    .flops = dense_flops,
    .norms = NORMS_WEIGHTS,
    .granule = 1 + DENSE_GRANULE,
    .reference = backward_weights,
    .shape = dense_sum_shape,
    .fit = dense_sum_fit,
};

const op_row row_dense_backward_parameters = {
    .name = "dense_backward_parameters",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dy", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"total", TYPE_F32, ACCESS_INOUT, LAYOUT_WEIGHT_PANELS},
                {"open", TYPE_F32, ACCESS_INOUT, LAYOUT_WEIGHT_PANELS},
                {"bias_total", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"bias_open", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = backward_parameters_elements,
    .moves = backward_parameters_moves,
    .flops = dense_flops,
    .norms = NORMS_WEIGHTS,
    .granule = 1 + DENSE_GRANULE,
    .reference = backward_parameters,
    .shape = dense_sum_shape,
    .fit = dense_sum_fit,
};

const op_row row_dense_backward_bias = {
    .name = "dense_backward_bias",
    .operand = {{"dy", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"total", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"open", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = backward_bias_elements,
    .moves = backward_bias_moves,
    .norms = NORMS_BIAS,
    .granule = 1 + DENSE_GRANULE,
    .reference = backward_bias,
    .shape = dense_sum_shape,
    .fit = dense_sum_fit,
};
