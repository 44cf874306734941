/* Activations, one value at a time, and their gradients.  size[0] = elements an example, scalar[0] = slope of leaky.
 * Forward: x (N, E) to y (N, E). Backward: s (N, E) and dy (N, E) to dx (N, E); s is y where that is enough, else x. */
#include "ops/rows.h"

#include "arith.h"

static bool activation_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1}, {1, 63}, {3, 64}, {1, 65}, {7, 9}, {13, 127}, {2, 256}, {5, 257}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 64);
    args->size[0] = edge >= 0 ? edges[edge][1] : draw_size(d, 300);
    args->scalar[0] = 0.01f;
    args->batch = args->n;
    return true;
}

static uint64_t activation_elements(const op_args *a, int operand)
{
    (void)operand;
    return (uint64_t)a->n * a->size[0];
}

/* Functions that are tiny far below 0 get such x; gelu's gradient with dy so large that only its factor's flush makes
 * it 0. */
static bool activation_fill(const op_args *a, int operand, void *data, draw *d)
{
    const bool gelu_backward = a->op == OP_GELU_BACKWARD;
    float *x = data;
    if (d->mode != DRAW_TINY || (a->op != OP_SIGMOID_FORWARD && a->op != OP_GELU_FORWARD && !gelu_backward))
        return false;
    for (uint64_t i = 0; i < activation_elements(a, operand); i++) {
        x[i] = draw_float(d);
        if (i % 2 == 0 && operand == 0) x[i] = -arith_abs(draw_scaled(d, 2, 4));
        if (i % 4 == 0 && operand == 1) x[i] = draw_scaled(d, 60, 90);
    }
    return true;
}

/* NaN stays: it is not below 0. */
static inline float relu(float x, float slope)
{
    (void)slope;
    return arith_flush(x < 0 ? 0 : x);
}
static inline float relu_gradient(float y, float dy, float slope)
{
    (void)slope;
    return y == 0 ? 0 : dy;
}

/* At 0 the gradient is that below it, as relu's is. */
static inline float leaky(float x, float slope) { return arith_flush(x > 0 ? x : slope * x); }
static inline float leaky_gradient(float x, float dy, float slope) { return arith_flush(x > 0 ? dy : slope * dy); }

/* y = tanh x, dx = dy (1 - y^2) */
static inline float tanh_(float x, float slope)
{
    (void)slope;
    return arith_flush(arith_tanh(x));
}
static inline float tanh_gradient(float y, float dy, float slope)
{
    (void)slope;
    return arith_flush(dy * __builtin_fmaf(-y, y, 1));
}

/* y = 1 / (1 + e^-x), dx = dy (y - y^2) */
static inline float sigmoid(float x, float slope)
{
    (void)slope;
    return arith_flush(arith_sigmoid(x));
}
static inline float sigmoid_gradient(float y, float dy, float slope)
{
    (void)slope;
    return arith_flush(dy * __builtin_fmaf(-y, y, y));
}

/* y = x P(x), dx = dy (P(x) + x p(x)), P and p the normal distribution and its density (Hendrycks and Gimpel 2016) */
static inline float gelu(float x, float slope)
{
    (void)slope;
    return arith_flush(x * arith_normal_cdf(x));
}
static inline float gelu_gradient(float x, float dy, float slope)
{
    (void)slope;
    return arith_flush(dy * arith_flush_state(__builtin_fmaf(x, arith_normal_pdf(x), arith_normal_cdf(x))));
}

/* The loops of one function, and its two rows. */
#define ROWS(NAME, FORWARD, BACKWARD, SAVED)                                                                           \
    CLONES static void NAME##_forward(const op_args *a, void *const *operand, void *scratch)                           \
    {                                                                                                                  \
        const float *restrict x = operand[0];                                                                          \
        float *restrict y = operand[1];                                                                                \
        (void)scratch;                                                                                                 \
        for (uint64_t i = 0; i < activation_elements(a, 0); i++) y[i] = FORWARD(x[i], a->scalar[0]);                   \
    }                                                                                                                  \
    CLONES static void NAME##_backward(const op_args *a, void *const *operand, void *scratch)                          \
    {                                                                                                                  \
        const float *restrict s = operand[0], *restrict dy = operand[1];                                               \
        float *restrict dx = operand[2];                                                                               \
        (void)scratch;                                                                                                 \
        for (uint64_t i = 0; i < activation_elements(a, 0); i++) dx[i] = BACKWARD(s[i], dy[i], a->scalar[0]);          \
    }                                                                                                                  \
    const op_row row_##NAME##_forward = {                                                                              \
        .name = #NAME "_forward",                                                                                      \
        .operand = {{"x", TYPE_F32, ACCESS_IN, HOLD_EXAMPLES}, {"y", TYPE_F32, ACCESS_OUT, HOLD_EXAMPLES}},            \
        .elements = activation_elements,                                                                               \
        .reference = NAME##_forward,                                                                                   \
        .shape = activation_shape,                                                                                     \
        .fill = activation_fill,                                                                                       \
        .flushes = true,                                                                                               \
    };                                                                                                                 \
    const op_row row_##NAME##_backward = {                                                                             \
        .name = #NAME "_backward",                                                                                     \
        .operand = {{SAVED, TYPE_F32, ACCESS_IN, HOLD_EXAMPLES},                                                       \
                    {"dy", TYPE_F32, ACCESS_IN, HOLD_EXAMPLES},                                                        \
                    {"dx", TYPE_F32, ACCESS_OUT, HOLD_EXAMPLES}},                                                      \
        .elements = activation_elements,                                                                               \
        .reference = NAME##_backward,                                                                                  \
        .shape = activation_shape,                                                                                     \
        .fill = activation_fill,                                                                                       \
    };

ROWS(relu, relu, relu_gradient, "y")
ROWS(leaky, leaky, leaky_gradient, "x")
ROWS(tanh, tanh_, tanh_gradient, "y")
ROWS(sigmoid, sigmoid, sigmoid_gradient, "y")
ROWS(gelu, gelu, gelu_gradient, "x")
