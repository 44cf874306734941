/* LAMB (You et al. 2020, arXiv 1904.00962, algorithm 2, with phi(z) = z), t = 1, 2, ...:
 *
 *     g = mean                                mean: factor sum / count, see gradient_mean.h
 *     m = beta1 m + (1 - beta1) g
 *     v = beta2 v + (1 - beta2) g^2
 *     d = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + decay w
 *     w = w - lr ratio d                      ratio: |w| / |d| of the tensor; 1 if one of them is 0, and for parameters
 *                                             other than weights
 *
 * lamb_direction writes d over the sum of gradients, which is of no use anymore; trust_ratio (divisor.c) has the ratio;
 * lamb_step moves the weights. d below 2^-40 becomes 0, as whatever enters a product. Moments as in adam.c. */
#include "ops/lamb.h"

#include "ops/adam.h"
#include "ops/divisor.h"
#include "ops/rows.h"

#include "arith.h"

static uint64_t direction_elements(const op_args *a, int operand)
{
    const uint64_t n = divisor_extent(a), elements[] = {n, n, n, n, DIVISOR_VALUES, 2};
    return elements[operand];
}

CLONES static void lamb_direction(const op_args *a, void *const *operand, void *scratch)
{
    const float *restrict w = operand[0], *divisor = operand[4];
    float *restrict sum = operand[1], *restrict m = operand[2], *restrict v = operand[3];
    const uint32_t *first_bad = operand[5];
    const float *s = a->scalar;
    const float beta1 = s[ADAM_BETA1], rest1 = s[ADAM_REST1], beta2 = s[ADAM_BETA2], rest2 = s[ADAM_REST2];
    const float unbias1 = s[ADAM_UNBIAS1], unbias2 = s[ADAM_UNBIAS2], epsilon = s[ADAM_EPSILON];
    const float decay = s[ADAM_DECOUPLED], count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    const uint32_t from = a->size[UPDATE_AT], to = from + a->size[UPDATE_ELEMENTS];
    (void)scratch;
    if (first_bad[0]) return;
    for (uint32_t i = from; i < to; i++) {
        float first = m[i], second = v[i];
        const float g = divisor_mean(sum[i], count, reciprocal, factor);
        const float move = adam_step(g, &first, &second, beta1, rest1, beta2, rest2, unbias1, unbias2, epsilon);
        m[i] = first;
        v[i] = second;
        sum[i] = arith_flush(__builtin_fmaf(decay, w[i], move));
    }
}

static bool step_shape(op_args *args, draw *d, int edge)
{
    static const int edges[] = {1, 63, 64, 65, 1023, 1024, 1025};
    if (edge >= LENGTH(edges)) return false;
    divisor_draw_sizes(args, d, edge >= 0 ? edges[edge] : -1);
    args->size[UPDATE_ADAPTED] = draw_below(d, 2);
    args->scalar[LAMB_LR] = draw_below(d, 8) ? 0.001f : 0x1p-60f;
    return true;
}

static uint64_t step_elements(const op_args *a, int operand)
{
    const uint64_t n = divisor_extent(a), elements[] = {n, n, DIVISOR_VALUES, 2};
    return elements[operand];
}

/* Of tiny values: weights beside which the step is seen. */
static bool step_fill(const op_args *a, int operand, void *data, draw *d)
{
    if (operand > 1) return divisor_fill(operand, 2, data, d);
    if (d->mode != DRAW_TINY) return false;
    for (uint64_t i = 0; i < divisor_extent(a); i++)
        ((float *)data)[i] = operand ? draw_scaled(d, -36, -28) : draw_scaled(d, -40, -36);
    return true;
}

CLONES static void lamb_step(const op_args *a, void *const *operand, void *scratch)
{
    float *restrict w = operand[0];
    const float *restrict direction = operand[1], *divisor = operand[2];
    const uint32_t *first_bad = operand[3];
    const float lr = a->scalar[LAMB_LR];
    const float rate = a->size[UPDATE_ADAPTED] ? arith_flush_state(lr * divisor[DIVISOR_RATIO]) : lr;
    const uint32_t from = a->size[UPDATE_AT], to = from + a->size[UPDATE_ELEMENTS];
    (void)scratch;
    if (first_bad[0]) return;
    for (uint32_t i = from; i < to; i++) w[i] = arith_flush(__builtin_fmaf(-rate, direction[i], w[i]));
}

const op_row row_lamb_direction = {
    .name = "lamb_direction",
    .operand = {{"w", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"sum", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"m", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"v", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = direction_elements,
    .moves = divisor_moves,
    .reference = lamb_direction,
    .shape = adam_shape,
    .fit = divisor_fit_sizes,
    .fill = adam_fill,
};

const op_row row_lamb_step = {
    .name = "lamb_step",
    .operand = {{"w", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"direction", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = step_elements,
    .moves = divisor_moves,
    .reference = lamb_step,
    .shape = step_shape,
    .fit = divisor_fit_sizes,
    .fill = step_fill,
};
