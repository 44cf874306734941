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

#endif
