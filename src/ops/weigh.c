/* Weights of examples: each example's loss and gradient are multiplied by its weight, before anything is summed. The
 * mean over the batch divides by the sum of the weights, which have a place for each example of the batch, as its
 * losses do.
 *
 * N examples, C outputs. An example of weight 0 takes no part, even if its loss is not finite. */
#include "ops/weigh.h"

#include "ops/rows.h"

#include "arith.h"

static bool weigh_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1}, {1, 17}, {3, 10}, {64, 1}, {65, 10}, {13, 100}, {1025, 3}, {2, 1030}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 130);
    args->size[WEIGH_OUTPUTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 130);
    args->first = draw_below(d, 2) ? draw_below(d, 50) : 0;
    args->batch = args->first + args->n + draw_below(d, 3);
    args->at = draw_below(d, 20);
    args->size[WEIGH_SOURCE] = draw_size(d, 200);
    args->size[WEIGH_ORDER] = args->at + args->n + draw_below(d, 3);
    args->size[WEIGH_DIRECT] = args->n <= args->size[WEIGH_SOURCE] && draw_below(d, 3) == 0;
    return true;
}

static bool weigh_fit(op_args *args)
{
    const uint32_t *s = args->size;
    return s[WEIGH_OUTPUTS] && s[WEIGH_SOURCE] && s[WEIGH_ORDER] >= (uint64_t)args->at + args->n &&
           (!s[WEIGH_DIRECT] || args->n <= s[WEIGH_SOURCE]);
}

static uint64_t weigh_elements(const op_args *a, int operand)
{
    const uint64_t elements[] = {a->size[WEIGH_SOURCE], a->size[WEIGH_ORDER], a->batch,
                                 (uint64_t)a->n * a->size[WEIGH_OUTPUTS], a->batch};
    return elements[operand];
}

/* Of the source, the order and what is of the batch only the tile's rows. */
static uint64_t weigh_moves(const op_args *a, int operand)
{
    const uint64_t n = a->n, moved[] = {n, n, 2 * n, 2 * n * a->size[WEIGH_OUTPUTS], n};
    return moved[operand];
}

/* Weights are not negative, and often 0. */
static bool weigh_fill(const op_args *a, int operand, void *data, draw *d)
{
    float *w = data;
    if (operand > 1) return false;
    for (uint32_t i = 0; i < weigh_elements(a, operand); i++) {
        if (operand == 0)
            w[i] = draw_below(d, 4) ? arith_abs(draw_float(d)) : 0;
        else
            ((uint32_t *)data)[i] = draw_below(d, a->size[WEIGH_SOURCE]);
    }
    return true;
}

static inline float weighed(float x, float w) { return w == 0 ? 0 : arith_flush(w * x); }

CLONES static void weigh(const op_args *a, void *const *operand, void *scratch)
{
    const float *source = operand[0];                  /* (S) */
    const uint32_t *order = operand[1];                /* (O) */
    float *losses = operand[2], *weights = operand[4]; /* (batch) */
    float *gradient = operand[3];                      /* (N, C) */
    const uint32_t outputs = a->size[WEIGH_OUTPUTS];
    (void)scratch;
    for (uint32_t r = 0; r < a->n; r++) {
        const float w = arith_flush(source[a->size[WEIGH_DIRECT] ? r : order[a->at + r]]);
        weights[a->first + r] = w;
        losses[a->first + r] = weighed(losses[a->first + r], w);
        for (uint64_t at = (uint64_t)r * outputs; at < (r + UINT64_C(1)) * outputs; at++)
            gradient[at] = weighed(gradient[at], w);
    }
}

const op_row row_weigh = {
    .name = "weigh",
    .operand = {{"source", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"order", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"losses", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"gradient", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"weights", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = weigh_elements,
    .moves = weigh_moves,
    .reference = weigh,
    .shape = weigh_shape,
    .fit = weigh_fit,
    .fill = weigh_fill,
    .flushes = true,
};
