/* Adam (Kingma and Ba 2015, algorithm 1) and AdamW (Loshchilov and Hutter 2019, algorithm 2, its rate times lr), t = 1,
 * 2, ...:
 *
 *     g = mean + decay w             mean: factor sum / count, see gradient_mean.h. AdamW: decay 0
 *     m = beta1 m + (1 - beta1) g
 *     v = beta2 v + (1 - beta2) g^2
 *     w = w - lr (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + decoupled w)      Adam: decoupled 0
 *
 * size[] and scalar[] as in adam.h. Once the record is set nothing is done: weights and state stay those before the bad
 * step.
 *
 * v is kept times 2^40, and is 0 or 2^-80 at least as it is kept: then no step of the root gives a denormal. g is 0 or
 * 2^-40 at least (rule 8 of the contract), so that (1 - beta2) g^2 comes in with 2^-64 or more whatever beta2 < 1, and
 * what becomes 0 in the end has a root of 2^-60, no more than the smallest epsilon. Without the scale gradients below
 * 2^-35 would leave no trace in v at the usual beta2; it costs nothing, since it is part of the scalars. At the other
 * end v / (1 - beta2^t) overflows if g was beyond 2^39. The weight then becomes NaN, which the next step reports: m /
 * inf would keep it unchanged for ever, unnoticed.
 *
 * Root and quotient are within 0.51 ULP, not correctly rounded: that would take twice as long, and the bits are the
 * same everywhere either way. */
#include "ops/adam.h"

#include "ops/divisor.h"
#include "ops/rows.h"

#include "arith.h"

/* 1 - beta^t */
static float bias(float beta, uint32_t t)
{
    float power = 1;
    for (uint32_t k = 1; k < t && power > 0x1p-40f; k++) power *= beta;
    return __builtin_fmaf(-beta, arith_flush(power), 1);
}

bool adam_shape(op_args *args, draw *d, int edge)
{
    static const int edges[] = {1, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025};
    static const uint32_t steps[] = {1, 2, 3, 10, 100, 3000, 100000}; /* the last as good as none */
    static const float betas[] = {0.9f, 0.999f, 0.5f, 0, 0x1.fffffep-1f, 0.99f};
    static const float epsilons[] = {1e-8f, 1e-8f, 0x1p-60f, 1e-3f, 1};
    if (edge >= LENGTH(edges)) return false;
    const bool tiny = d->mode == DRAW_TINY;
    const uint32_t t = steps[draw_below(d, LENGTH(steps))];
    const uint32_t decay = tiny ? 1 + d->number / DRAW_MODES % 2 : draw_below(d, 3);
    const float beta1 = betas[tiny || draw_below(d, 2) ? 0 : draw_below(d, LENGTH(betas))];
    const float beta2 = betas[tiny || draw_below(d, 2) ? 1 : draw_below(d, LENGTH(betas))];
    float *s = args->scalar;
    divisor_draw_sizes(args, d, edge >= 0 ? edges[edge] : -1);
    s[ADAM_LR] = draw_below(d, 8) ? 0.001f : 0x1p-60f;
    s[ADAM_BETA1] = beta1;
    s[ADAM_REST1] = 1 - beta1;
    s[ADAM_BETA2] = beta2;
    s[ADAM_REST2] = (1 - beta2) * ADAM_SCALE;
    s[ADAM_UNBIAS1] = arith_div(ADAM_ROOT, bias(beta1, t));
    s[ADAM_UNBIAS2] = arith_div(1, bias(beta2, t));
    s[ADAM_EPSILON] = epsilons[draw_below(d, LENGTH(epsilons))] * ADAM_ROOT;
    s[ADAM_DECAY] = decay == 1 ? 0.01f : 0;
    s[ADAM_DECOUPLED] = decay == 2 ? 0.01f : 0;
    if (tiny && decay == 2) s[ADAM_DECOUPLED] = 0x1.0008p+0f, s[ADAM_LR] = 1; /* see adam_fill_tiny() */
    return true;
}

static uint64_t adam_elements(const op_args *a, int operand)
{
    const uint64_t n = divisor_extent(a), elements[] = {n, n, n, n, DIVISOR_VALUES, 2};
    return elements[operand];
}

/* Where there is no gradient, decoupled w is halfway between two floats, and a ratio of 2^-100 decides which. */
static void adam_fill_tiny(const op_args *a, int operand, float *x, draw *d)
{
    static const update_role roles[] = {UPDATE_WEIGHTS, UPDATE_GRADIENT, UPDATE_STATE};
    if (operand < 3) draw_fill_update(roles[operand], (uint32_t)divisor_extent(a), divisor_draw_count(d), x, d);
    for (uint32_t i = 0; i < divisor_extent(a); i++) {
        const bool none = i % 3 == 0;
        if (operand == 0 && none && a->scalar[ADAM_DECOUPLED] > 0) x[i] = 0x1.002p+0f;
        if (operand == 3) x[i] = none ? 0x1p+52f : arith_abs(draw_scaled(d, -80, -38));
    }
}

/* Gradients with zeros, and now and then nothing else; state as small as it may be, or 0 as before the first step. */
bool adam_fill(const op_args *a, int operand, void *data, draw *d)
{
    float *x = data;
    if (operand >= 4) return divisor_fill(operand, 4, data, d);
    if (d->mode == DRAW_TINY) {
        adam_fill_tiny(a, operand, data, d);
        return true;
    }
    if (operand == 0) return false;
    const bool none = draw_below(d, 6) == 0, state = operand > 1;
    const float least = operand == 3 ? 0x1p-40f : 0x1p-60f;
    for (uint32_t i = 0; i < divisor_extent(a); i++) {
        const float value = draw_float(d);
        x[i] = none || i % 7 == 3 ? 0 : state && d->mode == DRAW_EDGE ? value * least : value;
        if (operand == 3 && d->mode == DRAW_WILD && i % 5 == 0)
            x[i] *= 0x1p+117f; /* where w becomes NaN */
        else if (operand == 3 && d->mode != DRAW_EDGE)
            x[i] = x[i] * x[i] * ADAM_SCALE;
        if (operand == 3) x[i] = arith_abs(x[i]);
    }
    return true;
}

CLONES static void adam(const op_args *a, void *const *operand, void *scratch)
{
    float *restrict w = operand[0], *restrict m = operand[2], *restrict v = operand[3];
    const float *restrict sum = operand[1], *divisor = operand[4];
    const uint32_t *first_bad = operand[5];
    const float *s = a->scalar;
    const float lr = s[ADAM_LR], beta1 = s[ADAM_BETA1], rest1 = s[ADAM_REST1], beta2 = s[ADAM_BETA2];
    const float rest2 = s[ADAM_REST2], unbias1 = s[ADAM_UNBIAS1], unbias2 = s[ADAM_UNBIAS2];
    const float epsilon = s[ADAM_EPSILON], decay = s[ADAM_DECAY], decoupled = s[ADAM_DECOUPLED];
    const float count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    const uint32_t from = a->size[UPDATE_AT], to = from + a->size[UPDATE_ELEMENTS];
    (void)scratch;
    if (first_bad[0]) return;
    for (uint32_t i = from; i < to; i++) {
        float first = m[i], second = v[i];
        const float g = arith_flush(__builtin_fmaf(decay, w[i], divisor_mean(sum[i], count, reciprocal, factor)));
        const float move = adam_step(g, &first, &second, beta1, rest1, beta2, rest2, unbias1, unbias2, epsilon);
        m[i] = first;
        v[i] = second;
        w[i] = arith_flush(__builtin_fmaf(-lr, arith_flush_state(__builtin_fmaf(decoupled, w[i], move)), w[i]));
    }
}

const op_row row_adam = {
    .name = "adam",
    .operand = {{"w", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"sum", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"m", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"v", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = adam_elements,
    .moves = divisor_moves,
    .reference = adam,
    .shape = adam_shape,
    .fit = divisor_fit_sizes,
    .fill = adam_fill,
};
