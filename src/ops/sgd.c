/* Mini-batch SGD with momentum, as PyTorch defines it (dampening 0):
 *
 *     g = mean + decay w             mean: factor sum / count, see gradient_mean.h
 *     v = momentum v + g
 *     w = w - lr v                   Nesterov: w - lr (g + momentum v)
 *
 * size[] and scalar[] as in sgd.h. Once the record is set nothing is done: the weights stay those before the bad step.
 */
#include "ops/sgd.h"

#include "ops/divisor.h"
#include "ops/rows.h"

#include "arith.h"

static bool sgd_shape(op_args *args, draw *d, int edge)
{
    static const int edges[] = {1, 63, 64, 65, 1023, 1024, 1025};
    if (edge >= LENGTH(edges)) return false;
    divisor_draw_sizes(args, d, edge >= 0 ? edges[edge] : -1);
    args->size[SGD_NESTEROV] = draw_below(d, 2);
    args->scalar[SGD_LR] = 0.05f;
    args->scalar[SGD_MOMENTUM] = draw_below(d, 4) ? 0.9f : 0;
    args->scalar[SGD_DECAY] = draw_below(d, 2) || d->mode == DRAW_TINY ? 0.0005f : 0;
    return true;
}

static uint64_t sgd_elements(const op_args *a, int operand)
{
    const uint64_t n = divisor_extent(a), elements[] = {n, n, n, DIVISOR_VALUES, 2};
    return elements[operand];
}

static bool sgd_fill(const op_args *a, int operand, void *data, draw *d)
{
    static const update_role roles[] = {UPDATE_WEIGHTS, UPDATE_GRADIENT, UPDATE_STATE};
    if (operand < 3 && d->mode == DRAW_TINY) {
        draw_fill_update(roles[operand], (uint32_t)divisor_extent(a), divisor_draw_count(d), data, d);
        return true;
    }
    if (operand == 2 && d->mode == DRAW_EDGE) { /* state goes down to 2^-100 */
        for (uint32_t i = 0; i < divisor_extent(a); i++) ((float *)data)[i] = draw_float(d) * 0x1p-60f;
        return true;
    }
    if (operand == 1 && d->mode == DRAW_WILD) { /* means that overflow */
        for (uint32_t i = 0; i < divisor_extent(a); i++) ((float *)data)[i] = i % 7 ? draw_float(d) : 0x1p+127f;
        return true;
    }
    return divisor_fill(operand, 3, data, d);
}

/* Either form is a loop without branches, which compilers vectorize. */
static inline __attribute__((always_inline)) void move_all(const op_args *a, void *const *operand, bool nesterov)
{
    float *restrict w = operand[0], *restrict v = operand[2];
    const float *restrict sum = operand[1], *divisor = operand[3];
    const float lr = a->scalar[SGD_LR], momentum = a->scalar[SGD_MOMENTUM], decay = a->scalar[SGD_DECAY];
    const float count = divisor[DIVISOR_COUNT], reciprocal = divisor[DIVISOR_RECIPROCAL];
    const float factor = divisor[DIVISOR_FACTOR];
    const uint32_t from = a->size[UPDATE_AT], to = from + a->size[UPDATE_ELEMENTS];
    for (uint32_t i = from; i < to; i++) {
        const float g = arith_flush(__builtin_fmaf(decay, w[i], divisor_mean(sum[i], count, reciprocal, factor)));
        const float velocity = arith_flush_state(__builtin_fmaf(momentum, v[i], g));
        const float move = nesterov ? arith_flush_state(__builtin_fmaf(momentum, velocity, g)) : velocity;
        v[i] = velocity;
        w[i] = arith_flush(__builtin_fmaf(-lr, move, w[i]));
    }
}

CLONES static void sgd(const op_args *a, void *const *operand, void *scratch)
{
    const uint32_t *first_bad = operand[4];
    (void)scratch;
    if (first_bad[0]) return;
    if (a->size[SGD_NESTEROV])
        move_all(a, operand, true);
    else
        move_all(a, operand, false);
}

const op_row row_sgd = {
    .name = "sgd",
    .operand = {{"w", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"sum", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"v", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = sgd_elements,
    .moves = divisor_moves,
    .reference = sgd,
    .shape = sgd_shape,
    .fit = divisor_fit_sizes,
    .fill = sgd_fill,
};
