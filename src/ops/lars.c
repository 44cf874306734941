/* LARS (You, Gitman and Ginsburg 2017, arXiv 1708.03888, algorithm 1):
 *
 *     g = mean + decay w             mean: factor sum / count, see gradient_mean.h
 *     v = momentum v + lr ratio g    ratio: trust |w| / (|mean| + decay |w|) of the tensor; 1 if one of the norms is
 *     w = w - v                      0, and for parameters other than weights
 *
 * The rate is part of v, as in the paper: a rate that changes does not act on steps before. trust_ratio (divisor.c) has
 * the ratio. lr ratio and its product with g are 0 or 2^-100 at least: a sum with a denormal may round otherwise on a
 * device that flushes it. */
#include "ops/lars.h"

#include "ops/divisor.h"
#include "ops/rows.h"

static bool lars_shape(op_args *args, draw *d, int edge)
{
    static const int edges[] = {1, 63, 64, 65, 1023, 1024, 1025};
    if (edge >= LENGTH(edges)) return false;
    divisor_draw_sizes(args, d, edge >= 0 ? edges[edge] : -1);
    args->size[UPDATE_ADAPTED] = draw_below(d, 2);
    static const float tiny[] = {1, 0x1p-58f, 0x1p-62f}; /* with the last, products of rate and gradient are flushed */
    args->scalar[LARS_LR] = d->mode == DRAW_TINY ? tiny[draw_turn(d) % LENGTH(tiny)]
                            : draw_below(d, 8)   ? 0.5f
                                                 : 0x1p-60f;
    args->scalar[LARS_MOMENTUM] = draw_below(d, 4) ? 0.9f : 0;
    args->scalar[LARS_DECAY] = draw_below(d, 2) || d->mode == DRAW_TINY ? 0.0005f : 0;
    return true;
}

static uint64_t lars_elements(const op_args *a, int operand)
{
    const uint64_t n = divisor_extent(a), elements[] = {n, n, n, DIVISOR_VALUES, 2};
    return elements[operand];
}

static bool lars_fill(const op_args *a, int operand, void *data, draw *d)
{
    static const update_role roles[] = {UPDATE_WEIGHTS, UPDATE_GRADIENT, UPDATE_STATE};
    if (operand > 2) return divisor_fill(operand, 3, data, d);
    if (d->mode == DRAW_TINY) {
        draw_fill_update(roles[operand], (uint32_t)divisor_extent(a), divisor_draw_count(d), data, d);
        return true;
    }
    if (operand < 2 || d->mode != DRAW_EDGE) return false;
    for (uint64_t i = 0; i < divisor_extent(a); i++) ((float *)data)[i] = draw_float(d) * 0x1p-60f;
    return true;
}

CLONES static void lars(const op_args *a, void *const *operand, void *scratch)
{
    float *restrict w = operand[0], *restrict v = operand[2];
    const float *restrict sum = operand[1], *divisor = operand[3];
    const uint32_t *first_bad = operand[4];
    const float lr = a->scalar[LARS_LR], momentum = a->scalar[LARS_MOMENTUM], decay = a->scalar[LARS_DECAY];
    const float count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    const float rate = a->size[UPDATE_ADAPTED] ? arith_flush_state(lr * divisor[DIVISOR_RATIO]) : lr;
    const uint32_t from = a->size[UPDATE_AT], to = from + a->size[UPDATE_ELEMENTS];
    (void)scratch;
    if (first_bad[0]) return;
    for (uint32_t i = from; i < to; i++) {
        const float g = arith_flush(__builtin_fmaf(decay, w[i], divisor_mean(sum[i], count, reciprocal, factor)));
        const float velocity = arith_flush_state(__builtin_fmaf(momentum, v[i], arith_flush_state(rate * g)));
        v[i] = velocity;
        w[i] = arith_flush(w[i] - velocity);
    }
}

const op_row row_lars = {
    .name = "lars",
    .operand = {{"w", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"sum", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"v", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = lars_elements,
    .moves = divisor_moves,
    .reference = lars,
    .shape = lars_shape,
    .fit = divisor_fit_sizes,
    .fill = lars_fill,
};
