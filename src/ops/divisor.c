/* What an update divides the sum of gradients by, see divisor.h. */
#include "ops/divisor.h"

#include "ops/rows.h"

/* divisor: {count, 1 / count, 1}. */
static bool divisor_shape(op_args *args, draw *d, int edge)
{
    static const float edges[] = {1, 2, 3, 0x1p+24f, 0x1.fffffep+23f};
    if (edge >= LENGTH(edges)) return false;
    args->size[DIVISOR_FROM_SUM] = draw_below(d, 2);
    args->scalar[DIVISOR_EXAMPLES] = edge >= 0 ? edges[edge] : (float)(1 + draw_below(d, 5000));
    return true;
}

static uint64_t divisor_elements(const op_args *a, int operand)
{
    (void)a;
    return operand ? DIVISOR_VALUES : 1;
}

static void divisor(const op_args *a, void *const *operand, void *scratch)
{
    float *out = operand[1];
    (void)scratch;
    out[DIVISOR_COUNT] = a->size[DIVISOR_FROM_SUM] ? *(const float *)operand[0] : a->scalar[DIVISOR_EXAMPLES];
    out[DIVISOR_RECIPROCAL] = arith_div(1, out[DIVISOR_COUNT]);
    out[DIVISOR_FACTOR] = 1;
}

const op_row row_divisor = {
    .name = "divisor",
    .operand = {{"sum", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"divisor", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = divisor_elements,
    .reference = divisor,
    .shape = divisor_shape,
};

float divisor_draw_count(const draw *d) { return d->number % 3 ? (float)(1 + d->number * 2654435761u % 3000) : 1; }

void divisor_draw(float *data, draw *d)
{
    data[DIVISOR_COUNT] = divisor_draw_count(d);
    data[DIVISOR_RECIPROCAL] = arith_div(1, data[DIVISOR_COUNT]);
    data[DIVISOR_FACTOR] = d->mode == DRAW_TINY || draw_below(d, 2) ? 1 : arith_abs(draw_scaled(d, -40, -1));
}
