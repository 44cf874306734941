/* Values that are joined: sums, products and concatenations. A value (N, E) has E elements for each of N examples.
 *
 *     add         y = a + b, or 0 where x is if it is masked
 *     multiply    y = a b
 *     concat      whole (N, W) has part (N, E) from element AT on: forward copies it there, backward from there */
#include "ops/join.h"

#include "ops/rows.h"

#include "arith.h"

static bool join_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1},    {1, 63},  {3, 64},  {1, 65},  {7, 9},
                                        {13, 127}, {2, 256}, {5, 257}, {1, 1025}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 64);
    args->size[JOIN_ELEMENTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 300);
    args->size[JOIN_AT] = draw_below(d, 2) ? draw_below(d, 50) : 0;
    args->size[JOIN_WHOLE] = args->size[JOIN_AT] + args->size[JOIN_ELEMENTS] + draw_below(d, 3);
    args->batch = args->n;
    return true;
}

static bool join_fit(op_args *args)
{
    const uint32_t *s = args->size;
    args->batch = args->n;
    return s[JOIN_ELEMENTS] && s[JOIN_WHOLE] >= (uint64_t)s[JOIN_AT] + s[JOIN_ELEMENTS];
}

static uint64_t elementwise_elements(const op_args *a, int operand)
{
    return operand == 3 && !a->masked ? 0 : (uint64_t)a->n * a->size[JOIN_ELEMENTS];
}

static bool add_may_replace(const op_args *a, int operand) { return a->masked && operand == 3; }

static uint64_t concat_elements(const op_args *a, int operand)
{
    const bool whole = (a->op == OP_CONCAT_FORWARD) == (operand == 1);
    return (uint64_t)a->n * a->size[whole ? JOIN_WHOLE : JOIN_ELEMENTS];
}

CLONES static void add(const op_args *a, void *const *operand, void *scratch)
{
    const float *first = operand[0], *second = operand[1], *x = a->masked ? operand[3] : NULL; /* y may be x */
    float *y = operand[2];
    (void)scratch;
    for (uint64_t i = 0; i < elementwise_elements(a, 0); i++)
        y[i] = mask_value(a, x, i, finish_value(a, first[i] + second[i]));
}

CLONES static void multiply(const op_args *a, void *const *operand, void *scratch)
{
    const float *restrict x = operand[0], *restrict z = operand[1];
    float *restrict y = operand[2];
    (void)scratch;
    for (uint64_t i = 0; i < elementwise_elements(a, 0); i++) y[i] = arith_flush(x[i] * z[i]);
}

static void concat_forward(const op_args *a, void *const *operand, void *scratch)
{
    const float *part = operand[0];
    float *whole = operand[1];
    const uint64_t elements = a->size[JOIN_ELEMENTS];
    (void)scratch;
    for (uint64_t r = 0; r < a->n; r++)
        for (uint64_t e = 0; e < elements; e++)
            whole[r * a->size[JOIN_WHOLE] + a->size[JOIN_AT] + e] = part[r * elements + e];
}

static void concat_backward(const op_args *a, void *const *operand, void *scratch)
{
    const float *whole = operand[0];
    float *part = operand[1];
    const uint64_t elements = a->size[JOIN_ELEMENTS];
    (void)scratch;
    for (uint64_t r = 0; r < a->n; r++)
        for (uint64_t e = 0; e < elements; e++)
            part[r * elements + e] = whole[r * a->size[JOIN_WHOLE] + a->size[JOIN_AT] + e];
}

const op_row row_add = {
    .name = "add",
    .operand = {{"a", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"b", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS},
                {"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}},
    .elements = elementwise_elements,
    .may_relu = true,
    .mask = 4,
    .may_replace = add_may_replace,
    .reference = add,
    .shape = join_shape,
    .fit = join_fit,
    .flushes = true,
};

const op_row row_multiply = {
    .name = "multiply",
    .operand = {{"a", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"b", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = elementwise_elements,
    .reference = multiply,
    .shape = join_shape,
    .fit = join_fit,
};

const op_row row_concat_forward = {
    .name = "concat_forward",
    .operand = {{"part", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"whole", TYPE_F32, ACCESS_INOUT, LAYOUT_BATCH_PANELS}},
    .elements = concat_elements,
    .reference = concat_forward,
    .shape = join_shape,
    .fit = join_fit,
};

const op_row row_concat_backward = {
    .name = "concat_backward",
    .operand = {{"whole", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"part", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = concat_elements,
    .reference = concat_backward,
    .shape = join_shape,
    .fit = join_fit,
};
