/* The gradient of a dense layer's bias, for processors. */
#ifndef DENSE_BIAS_H
#define DENSE_BIAS_H

#include "vectors.h"

/* The sums of dY over examples first .. first+N-1 of a batch, by the rule of granules, for at most PANEL outputs side
 * by side, which are `apart` floats apart from one example to the next. total and partial begin with the first. */
INLINE void add_biases(const __global float *dy, uint apart, uint outputs, __global float *total,
                       __global float *partial, uint N, uint first, uint batch, uint granule)
{
    if (granule == 0) {
        granule = batch;
        partial = total;
    }
    for (uint n = 0, run; n < N; n += run) {
        const uint j = first + n, within = j % granule;
        run = min(N - n, granule - within);
        float c[PANEL];
        for (uint lane = 0; lane < PANEL; lane++) {
            const float before = partial[min(lane, outputs - 1)];
            c[lane] = within == 0 ? 0.0f : before;
        }
        for (uint k = 0; k < run; k++, dy += apart) {
            if (outputs == PANEL) {
                for (uint lane = 0; lane < PANEL; lane++)
                    c[lane] = c[lane] + dy[lane];
            } else {
                for (uint lane = 0; lane < outputs; lane++)
                    c[lane] = c[lane] + dy[lane];
            }
        }
        const bool closed = within + run == granule || j + run == batch;
        for (uint lane = 0; lane < outputs; lane++) {
            if (!closed)
                partial[lane] = c[lane];
            else
                total[lane] = j < granule ? c[lane] : total[lane] + c[lane];
        }
    }
}

#endif
