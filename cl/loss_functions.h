/* Losses of one output y and its target t, and their gradients: valid as OpenCL C 1.2 and as C11. src/ops/loss.h has
 * the table of them. An example's loss is the mean over its outputs, as in PyTorch.
 *
 * loss_NAME_add() adds an output's loss to a sum, loss_NAME_gradient() gives its derivative by y. delta is used by
 * huber only. */
#ifndef LOSS_FUNCTIONS_H
#define LOSS_FUNCTIONS_H

#include "arith.h"

/* d^2, d = y - t */
static inline float loss_squared_add(float sum, float y, float t, float delta)
{
    const float d = y - t;
    (void)delta;
    return ARITH_FMA(d, d, sum);
}
static inline float loss_squared_gradient(float y, float t, float delta)
{
    const float d = y - t;
    (void)delta;
    return d + d;
}

/* |d|. The gradient at 0 is 0, as in PyTorch (L1Loss). */
static inline float loss_absolute_add(float sum, float y, float t, float delta)
{
    (void)delta;
    return arith_chain(sum, arith_abs(y - t));
}
static inline float loss_absolute_gradient(float y, float t, float delta)
{
    const float d = y - t;
    (void)delta;
    return d > 0.0f ? 1.0f : d < 0.0f ? -1.0f : d;
}

/* d^2 / 2 up to |d| = delta, delta (|d| - delta / 2) from there on (Huber 1964; PyTorch's HuberLoss). The flush keeps
 * half of d^2 from becoming denormal. */
static inline float loss_huber_add(float sum, float y, float t, float delta)
{
    const float d = arith_flush(y - t), a = arith_abs(d);
    const float inner = ARITH_FMA(0.5f * d, d, sum), outer = ARITH_FMA(delta, ARITH_FMA(-0.5f, delta, a), sum);
    return arith_select(a <= delta, inner, outer);
}
static inline float loss_huber_gradient(float y, float t, float delta)
{
    const float d = y - t;
    return d > delta ? delta : d < -delta ? -delta : d;
}

/* Binary cross-entropy of the logit y, that is of p = 1 / (1 + e^-y): -t ln p - (1 - t) ln(1 - p), written as
 * max(y, 0) - y t + ln(1 + e^-|y|), which neither overflows nor cancels (PyTorch's BCEWithLogitsLoss). Its derivative
 * is p - t. */
static inline float loss_logistic_add(float sum, float y, float t, float delta)
{
    const float linear = ARITH_FMA(-y, t, y < 0.0f ? 0.0f : y);
    (void)delta;
    return arith_chain(sum, linear + arith_softplus(-arith_abs(y)));
}
static inline float loss_logistic_gradient(float y, float t, float delta)
{
    const float e = arith_exp(-arith_abs(y)), p = arith_near_reciprocal(1.0f + e); /* as arith_sigmoid() */
    (void)delta;
    return arith_keep_nan(y, arith_select(y < 0.0f, ARITH_FMA(e, p, -t), p - t));
}

#endif
