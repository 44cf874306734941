/* Activations, one value at a time, and their gradients, for the rows of activation.h.
 * Forward: x (N, E) to y (N, E). Backward: s (N, E) and dy (N, E) to dx (N, E); s is x or y, as the row says. */
#include "ops/activation.h"

#include "ops/rows.h"

#include "activation_functions.h"

static bool activation_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1},    {1, 63},  {3, 64},  {1, 65},  {7, 9},
                                        {13, 127}, {2, 256}, {5, 257}, {1, 1025}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 64);
    args->size[ACTIVATION_ELEMENTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 300);
    args->scalar[ACTIVATION_SLOPE] = 0.01f;
    args->batch = args->n;
    return true;
}

static bool activation_fit(op_args *args)
{
    args->batch = args->n;
    return args->size[ACTIVATION_ELEMENTS] > 0;
}

static uint64_t activation_elements(const op_args *a, int operand)
{
    (void)operand;
    return (uint64_t)a->n * a->size[ACTIVATION_ELEMENTS];
}

static bool activation_may_replace(const op_args *a, int operand)
{
    (void)a;
    return operand == 1;
}

/* Functions that are tiny far below 0 get such x in DRAW_TINY; gelu's gradient with dy so large that only its factor's
 * flush makes it 0. hard_swish gets its kinks, -3 and 3. */
static bool activation_fill(const op_args *a, int operand, void *data, draw *d)
{
    const bool gelu_backward = a->op == OP_GELU_BACKWARD, tiny = d->mode == DRAW_TINY;
    const bool below = tiny && (a->op == OP_SIGMOID_FORWARD || a->op == OP_GELU_FORWARD || gelu_backward ||
                                a->op == OP_SOFTPLUS_FORWARD);
    const bool kinks = operand == 0 && (a->op == OP_HARD_SWISH_FORWARD || a->op == OP_HARD_SWISH_BACKWARD);
    float *x = data;
    if (!below && !kinks) return false;
    for (uint64_t i = 0; i < activation_elements(a, operand); i++) {
        x[i] = draw_float(d);
        if (kinks && i % 8 == 0) x[i] = i % 16 ? 3 : -3;
        if (below && i % 2 == 0 && operand == 0) x[i] = -arith_abs(draw_scaled(d, 2, 4));
        if (below && i % 4 == 0 && operand == 1) x[i] = draw_scaled(d, 60, 90);
    }
    return true;
}

/* The loops of one function, and its two rows. */
#define DEFINE(UPPER, NAME, S, SLOPE, TEXT)                                                                            \
    CLONES static void NAME##_forward(const op_args *a, void *const *operand, void *scratch)                           \
    {                                                                                                                  \
        const float *restrict x = operand[0];                                                                          \
        float *restrict y = operand[1];                                                                                \
        (void)scratch;                                                                                                 \
        for (uint64_t i = 0; i < activation_elements(a, 0); i++)                                                       \
            y[i] = activation_##NAME(x[i], a->scalar[ACTIVATION_SLOPE]);                                               \
    }                                                                                                                  \
    CLONES static void NAME##_backward(const op_args *a, void *const *operand, void *scratch)                          \
    {                                                                                                                  \
        const float *s = operand[0], *dy = operand[1]; /* dx may be dy */                                              \
        float *dx = operand[2];                                                                                        \
        (void)scratch;                                                                                                 \
        for (uint64_t i = 0; i < activation_elements(a, 0); i++)                                                       \
            dx[i] = activation_##NAME##_gradient(s[i], dy[i], a->scalar[ACTIVATION_SLOPE]);                            \
    }                                                                                                                  \
    const op_row row_##NAME##_forward = {                                                                              \
        .name = #NAME "_forward",                                                                                      \
        .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},                                                   \
                    {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},                                                 \
        .elements = activation_elements,                                                                               \
        .reference = NAME##_forward,                                                                                   \
        .shape = activation_shape,                                                                                     \
        .fit = activation_fit,                                                                                         \
        .fill = activation_fill,                                                                                       \
        .flushes = true,                                                                                               \
    };                                                                                                                 \
    const op_row row_##NAME##_backward = {                                                                             \
        .name = #NAME "_backward",                                                                                     \
        .operand = {{#S, TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},                                                    \
                    {"dy", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},                                                  \
                    {"dx", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},                                                \
        .elements = activation_elements,                                                                               \
        .reference = NAME##_backward,                                                                                  \
        .may_replace = activation_may_replace,                                                                         \
        .shape = activation_shape,                                                                                     \
        .fit = activation_fit,                                                                                         \
        .fill = activation_fill,                                                                                       \
    };

ACTIVATIONS(DEFINE)
