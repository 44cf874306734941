/* SGD's update of one weight, for the kernels that have its mean gradient. */
#ifndef SGD_MOVE_H
#define SGD_MOVE_H

#include "arith.h"

/* Gives the new weight; *v becomes the new velocity. */
static inline float sgd_move(float w, float *v, float mean, uint nesterov, float lr, float momentum, float decay)
{
    const float g = arith_flush(fma(decay, w, mean));
    const float velocity = arith_flush_state(fma(momentum, *v, g));
    const float move = nesterov ? arith_flush_state(fma(momentum, velocity, g)) : velocity;
    *v = velocity;
    return arith_flush(fma(-lr, move, w));
}

/* The same of element i. */
static inline void sgd_move_at(__global float *w, __global float *v, uint i, float mean, uint nesterov, float lr,
                               float momentum, float decay)
{
    float velocity = v[i];
    w[i] = sgd_move(w[i], &velocity, mean, nesterov, lr, momentum, decay);
    v[i] = velocity;
}

#endif
