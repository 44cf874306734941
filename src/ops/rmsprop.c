/* RMSprop (Tieleman and Hinton 2012, lecture 6.5 of "Neural networks for machine learning"), as torch.optim.RMSprop
 * defines it, not centered:
 *
 *     g = mean + decay w                          mean: factor sum / count, see gradient_mean.h
 *     v = alpha v + (1 - alpha) g^2
 *     b = momentum b + g / (sqrt(v) + epsilon)
 *     w = w - lr b
 *
 * scalar[] as in rmsprop.h. v is kept times 2^40, as adam.c explains, and what overflows becomes NaN likewise. */
#include "ops/rmsprop.h"

#include "ops/divisor.h"
#include "ops/rows.h"

static bool rmsprop_shape(op_args *args, draw *d, int edge)
{
    static const int edges[] = {1, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025};
    static const float alphas[] = {0.99f, 0.9f, 0.5f, 0, 0x1.fffffep-1f};
    static const float epsilons[] = {1e-8f, 1e-8f, 0x1p-60f, 1e-3f, 1};
    if (edge >= LENGTH(edges)) return false;
    const bool tiny = d->mode == DRAW_TINY;
    const float alpha = alphas[tiny || draw_below(d, 2) ? 0 : draw_below(d, LENGTH(alphas))];
    float *s = args->scalar;
    divisor_draw_sizes(args, d, edge >= 0 ? edges[edge] : -1);
    s[RMSPROP_LR] = draw_below(d, 8) ? 0.01f : 0x1p-60f;
    s[RMSPROP_ALPHA] = alpha;
    s[RMSPROP_REST] = (1 - alpha) * ADAM_SCALE;
    s[RMSPROP_EPSILON] = epsilons[draw_below(d, LENGTH(epsilons))] * ADAM_ROOT;
    s[RMSPROP_MOMENTUM] = draw_below(d, 2) ? 0.9f : 0;
    s[RMSPROP_DECAY] = draw_below(d, 2) || tiny ? 0.01f : 0;
    return true;
}

static uint64_t rmsprop_elements(const op_args *a, int operand)
{
    const uint64_t n = divisor_extent(a), elements[] = {n, n, n, n, DIVISOR_VALUES, 2};
    return elements[operand];
}

/* Where there is no gradient, v is on both sides of 2^-80, and b of 2^-100. */
static void fill_tiny(const op_args *a, int operand, float *x, draw *d)
{
    static const update_role roles[] = {UPDATE_WEIGHTS, UPDATE_GRADIENT, UPDATE_STATE, UPDATE_STATE};
    draw_fill_update(roles[operand], (uint32_t)divisor_extent(a), divisor_draw_count(d), x, d);
    if (operand != 2) return;
    for (uint64_t i = 0; i < divisor_extent(a); i++) x[i] = arith_abs(draw_scaled(d, -80, i % 3 ? -38 : -79));
}

/* Squares, as they are kept: down to the smallest, 0 as before the first step, and some that overflow. */
static bool rmsprop_fill(const op_args *a, int operand, void *data, draw *d)
{
    float *x = data;
    if (operand > 3) return divisor_fill(operand, 4, data, d);
    if (d->mode == DRAW_TINY) {
        fill_tiny(a, operand, data, d);
        return true;
    }
    if (operand != 2) return false;
    const bool none = draw_below(d, 6) == 0;
    for (uint64_t i = 0; i < divisor_extent(a); i++) {
        const float value = arith_abs(draw_float(d));
        x[i] = none || i % 7 == 3 ? 0 : d->mode == DRAW_EDGE ? value * 0x1p-40f : value * value * ADAM_SCALE;
        if (d->mode == DRAW_WILD && i % 5 == 0) x[i] = value * 0x1p+117f;
    }
    return true;
}

CLONES static void rmsprop(const op_args *a, void *const *operand, void *scratch)
{
    float *restrict w = operand[0], *restrict v = operand[2], *restrict b = operand[3];
    const float *restrict sum = operand[1], *divisor = operand[4], *s = a->scalar;
    const uint32_t *first_bad = operand[5];
    const float lr = s[RMSPROP_LR], alpha = s[RMSPROP_ALPHA], rest = s[RMSPROP_REST], epsilon = s[RMSPROP_EPSILON];
    const float momentum = s[RMSPROP_MOMENTUM], decay = s[RMSPROP_DECAY];
    const float count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    const uint32_t from = a->size[UPDATE_AT], to = from + a->size[UPDATE_ELEMENTS];
    (void)scratch;
    if (first_bad[0]) return;
    for (uint32_t i = from; i < to; i++) {
        const float g = arith_flush(__builtin_fmaf(decay, w[i], divisor_mean(sum[i], count, reciprocal, factor)));
        const float squares = __builtin_fmaf(alpha, v[i], rest * (g * g));
        const float mean = arith_select(squares < 0x1p-80f, 0.0f, squares);
        const float ratio = g * ADAM_ROOT * arith_near_reciprocal(arith_near_sqrt(mean) + epsilon);
        const float move = arith_select(mean <= 0x1p+118f, ratio, arith_float(ARITH_NAN));
        const float velocity = arith_flush_state(__builtin_fmaf(momentum, b[i], move));
        v[i] = mean;
        b[i] = velocity;
        w[i] = arith_flush(__builtin_fmaf(-lr, velocity, w[i]));
    }
}

const op_row row_rmsprop = {
    .name = "rmsprop",
    .operand = {{"w", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"sum", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"v", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"b", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = rmsprop_elements,
    .moves = divisor_moves,
    .reference = rmsprop,
    .shape = rmsprop_shape,
    .fit = divisor_fit_sizes,
    .fill = rmsprop_fill,
};
