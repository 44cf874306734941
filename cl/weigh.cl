/* Weights of examples, as in src/ops/weigh.c. N examples, C outputs, count = N C. */
// lint: -D GROUP=64 -D RUN=1
#include "arith.h"

static float weighed(float x, float w) { return w == 0.0f ? 0.0f : arith_flush(w * x); }

/* The first output of an example stands for the example. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
weigh(__global const float *restrict source, __global const uint *restrict order, __global float *restrict losses,
      __global float *restrict gradient, __global float *restrict weights, uint count, uint outputs, uint first,
      uint at, uint direct)
{
    const uint from = get_global_id(0) * RUN, to = min(from + RUN, count);
    for (uint i = from; i < to; i++) {
        const uint r = i / outputs;
        const float w = arith_flush(source[direct ? r : order[at + r]]);
        gradient[i] = weighed(gradient[i], w);
        if (i % outputs == 0) {
            weights[first + r] = w;
            losses[first + r] = weighed(losses[first + r], w);
        }
    }
}
