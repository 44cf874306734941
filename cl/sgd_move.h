/* SGD's update of some neighbors, for the kernels that have their mean gradients. */
#ifndef SGD_MOVE_H
#define SGD_MOVE_H

/* mean[k]: of element from + k, for those before `to`. */
static inline void sgd_move(__global float *w, __global float *v, const float *mean, uint from, uint to, uint nesterov,
                            float lr, float momentum, float decay)
{
    for (uint i = from; i < to; i++) {
        const float g = arith_flush(fma(decay, w[i], mean[i - from]));
        const float velocity = arith_flush_state(fma(momentum, v[i], g));
        const float move = nesterov ? arith_flush_state(fma(momentum, velocity, g)) : velocity;
        v[i] = velocity;
        w[i] = arith_flush(fma(-lr, move, w[i]));
    }
}

#endif
