/* Lion (Chen et al. 2023, arXiv 2302.06675, algorithm 2):
 *
 *     g = mean                              mean: factor sum / count, see gradient_mean.h
 *     c = beta1 m + (1 - beta1) g
 *     w = w - lr (sign(c) + decay w)        sign(0) = 0
 *     m = beta2 m + (1 - beta2) g
 *
 * scalar[] as in lion.h. c is 0 or 2^-100 at least before its sign is taken. */
#include "ops/lion.h"

#include "ops/divisor.h"
#include "ops/rows.h"

static bool lion_shape(op_args *args, draw *d, int edge)
{
    static const int edges[] = {1, 63, 64, 65, 1023, 1024, 1025};
    static const float betas[] = {0.9f, 0.99f, 0.5f, 0, 0x1.fffffep-1f};
    if (edge >= LENGTH(edges)) return false;
    const bool tiny = d->mode == DRAW_TINY;
    const float beta1 = betas[tiny || draw_below(d, 2) ? 0 : draw_below(d, LENGTH(betas))];
    const float beta2 = betas[tiny || draw_below(d, 2) ? 1 : draw_below(d, LENGTH(betas))];
    float *s = args->scalar;
    divisor_draw_sizes(args, d, edge >= 0 ? edges[edge] : -1);
    s[LION_LR] = tiny ? 0x1p-37f : draw_below(d, 8) ? 0.0001f : 0x1p-60f;
    s[LION_BETA1] = beta1;
    s[LION_REST1] = 1 - beta1;
    s[LION_BETA2] = beta2;
    s[LION_REST2] = 1 - beta2;
    s[LION_DECAY] = draw_below(d, 2) ? 0 : 0.1f;
    return true;
}

static uint64_t lion_elements(const op_args *a, int operand)
{
    const uint64_t n = divisor_extent(a), elements[] = {n, n, n, DIVISOR_VALUES, 2};
    return elements[operand];
}

/* Gradients with zeros, where the sign is that of the state, which is as small as it may be, or 0. */
static bool lion_fill(const op_args *a, int operand, void *data, draw *d)
{
    static const update_role roles[] = {UPDATE_WEIGHTS, UPDATE_GRADIENT, UPDATE_STATE};
    float *x = data;
    if (operand > 2) return divisor_fill(operand, 3, data, d);
    if (d->mode == DRAW_TINY) {
        draw_fill_update(roles[operand], (uint32_t)divisor_extent(a), divisor_draw_count(d), data, d);
        for (uint64_t i = 0; i < divisor_extent(a) && !operand; i++) x[i] = draw_scaled(d, -38, -36);
        return true;
    }
    if (operand == 0) return false;
    for (uint64_t i = 0; i < divisor_extent(a); i++) {
        const float value = draw_float(d);
        x[i] = i % 7 == 3 || (operand == 1 && i % 5 == 2) ? 0 : value;
        if (operand == 2 && d->mode == DRAW_EDGE) x[i] *= 0x1p-60f;
    }
    return true;
}

CLONES static void lion(const op_args *a, void *const *operand, void *scratch)
{
    float *restrict w = operand[0], *restrict m = operand[2];
    const float *restrict sum = operand[1], *divisor = operand[3], *s = a->scalar;
    const uint32_t *first_bad = operand[4];
    const float lr = s[LION_LR], beta1 = s[LION_BETA1], rest1 = s[LION_REST1], beta2 = s[LION_BETA2];
    const float rest2 = s[LION_REST2], decay = s[LION_DECAY];
    const float count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    const uint32_t from = a->size[UPDATE_AT], to = from + a->size[UPDATE_ELEMENTS];
    (void)scratch;
    if (first_bad[0]) return;
    for (uint32_t i = from; i < to; i++) {
        const float g = divisor_mean(sum[i], count, reciprocal, factor);
        const float c = arith_flush_state(__builtin_fmaf(beta1, m[i], rest1 * g));
        const float sign = arith_select(c > 0, 1, arith_select(c < 0, -1, c)); /* 0 and NaN stay */
        m[i] = arith_flush_state(__builtin_fmaf(beta2, m[i], rest2 * g));
        w[i] = arith_flush(__builtin_fmaf(-lr, __builtin_fmaf(decay, w[i], sign), w[i]));
    }
}

const op_row row_lion = {
    .name = "lion",
    .operand = {{"w", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"sum", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"m", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = lion_elements,
    .moves = divisor_moves,
    .reference = lion,
    .shape = lion_shape,
    .fit = divisor_fit_sizes,
    .fill = lion_fill,
};
