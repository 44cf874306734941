/* The activations and their gradients, one value at a time: valid as OpenCL C 1.2 and as C11. src/ops/activation.h has
 * the table of activations.
 *
 * A gradient receives s, which is x or y as that table specifies. slope is used by leaky only. */
#ifndef ACTIVATION_FUNCTIONS_H
#define ACTIVATION_FUNCTIONS_H

#include "arith.h"

/* NaN stays: it is not below 0. */
static inline float activation_relu(float x, float slope)
{
    (void)slope;
    return arith_flush(x < 0.0f ? 0.0f : x);
}
static inline float activation_relu_gradient(float y, float dy, float slope)
{
    (void)slope;
    return y == 0.0f ? 0.0f : dy;
}

/* At 0 the gradient is the one below 0, as for relu and in PyTorch. */
static inline float activation_leaky(float x, float slope) { return arith_flush(x > 0.0f ? x : slope * x); }
static inline float activation_leaky_gradient(float x, float dy, float slope)
{
    return arith_flush(x > 0.0f ? dy : slope * dy);
}

/* y = tanh x, dx = dy (1 - y^2) */
static inline float activation_tanh(float x, float slope)
{
    (void)slope;
    return arith_flush(arith_tanh(x));
}
static inline float activation_tanh_gradient(float y, float dy, float slope)
{
    (void)slope;
    return arith_flush(dy * ARITH_FMA(-y, y, 1.0f));
}

/* y = 1 / (1 + e^-x), dx = dy (y - y^2) */
static inline float activation_sigmoid(float x, float slope)
{
    (void)slope;
    return arith_flush(arith_sigmoid(x));
}
static inline float activation_sigmoid_gradient(float y, float dy, float slope)
{
    (void)slope;
    return arith_flush(dy * ARITH_FMA(-y, y, y));
}

/* y = x P(x), dx = dy (P(x) + x p(x)), P and p the normal distribution and its density (Hendrycks and Gimpel 2016) */
static inline float activation_gelu(float x, float slope)
{
    (void)slope;
    return arith_flush(x * arith_normal_cdf(x));
}
static inline float activation_gelu_gradient(float x, float dy, float slope)
{
    (void)slope;
    return arith_flush(dy * arith_flush_state(ARITH_FMA(x, arith_normal_pdf(x), arith_normal_cdf(x))));
}

/* y = x s, s = 1 / (1 + e^-x), dx = dy s (1 + x (1 - s)) (Ramachandran, Zoph and Le 2017). 1 - s is 1 / (1 + e^x),
 * which does not cancel for large x. */
static inline float activation_silu(float x, float slope)
{
    (void)slope;
    return arith_flush(x * arith_sigmoid(x));
}
static inline float activation_silu_gradient(float x, float dy, float slope)
{
    (void)slope;
    return arith_flush(dy * (arith_sigmoid(x) * ARITH_FMA(x, arith_sigmoid(-x), 1.0f)));
}

/* y = x (x + 3) / 6, dx = dy (2 x + 3) / 6 (Howard et al. 2019). At -3 the gradient is the one below, 0, and at 3 the
 * one above, dy, as in PyTorch since 2.7. A NaN is not below 3, and stays. */
static inline float activation_hard_swish(float x, float slope)
{
    (void)slope;
    const float middle = x * ((x + 3.0f) * 0x1.555556p-3f);
    return arith_flush(arith_select(x <= -3.0f, 0.0f, arith_select(x < 3.0f, middle, x)));
}
static inline float activation_hard_swish_gradient(float x, float dy, float slope)
{
    (void)slope;
    const float middle = dy * (ARITH_FMA(2.0f, x, 3.0f) * 0x1.555556p-3f);
    return arith_flush(arith_select(x <= -3.0f, 0.0f, arith_select(x < 3.0f, middle, dy)));
}

/* y = ln(1 + e^x), dx = dy / (1 + e^-x) */
static inline float activation_softplus(float x, float slope)
{
    (void)slope;
    return arith_flush(arith_softplus(x));
}
static inline float activation_softplus_gradient(float x, float dy, float slope)
{
    (void)slope;
    return arith_flush(dy * arith_sigmoid(x));
}

#endif
