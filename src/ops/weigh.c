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
    return true;
}

static uint64_t weigh_elements(const op_args *a, int operand)
{
    const uint64_t elements[] = {a->n, a->batch, (uint64_t)a->n * a->size[WEIGH_OUTPUTS], a->batch};
    return elements[operand];
}

/* Not negative, and often 0. */
static bool weigh_fill(const op_args *a, int operand, void *data, draw *d)
{
    float *w = data;
    if (operand != 0) return false;
    for (uint32_t r = 0; r < a->n; r++) w[r] = draw_below(d, 4) ? arith_abs(draw_float(d)) : 0;
    return true;
}

static inline float weighed(float x, float w) { return w == 0 ? 0 : arith_flush(w * x); }

CLONES static void weigh(const op_args *a, void *const *operand, void *scratch)
{
    const float *w = operand[0];                       /* (N) */
    float *losses = operand[1], *weights = operand[3]; /* (batch) */
    float *gradient = operand[2];                      /* (N, C) */
    const uint32_t outputs = a->size[WEIGH_OUTPUTS];
    (void)scratch;
    for (uint32_t r = 0; r < a->n; r++) {
        weights[a->first + r] = w[r];
        losses[a->first + r] = weighed(losses[a->first + r], w[r]);
        for (uint64_t at = (uint64_t)r * outputs; at < (r + UINT64_C(1)) * outputs; at++)
            gradient[at] = weighed(gradient[at], w[r]);
    }
}

const op_row row_weigh = {
    .name = "weigh",
    .operand = {{"w", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"losses", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"gradient", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"weights", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = weigh_elements,
    .reference = weigh,
    .shape = weigh_shape,
    .fill = weigh_fill,
};
