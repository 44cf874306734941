/* The gradients of a few examples' outputs, for the kernels of dense layers on processors that read them unpacked.
 * Options: VEC, PANEL, EXAMPLES, as in dense_few.cl. */
#ifndef DENSE_OUTPUTS_H
#define DENSE_OUTPUTS_H

#include "unroll.h"
#include "vectors.h"

#define VECS (PANEL / VEC)

// dY of PANEL outputs from o0 on; 0 past the last.
INLINE void load_outputs(const __global float *dy, uint N, uint O, uint o0, vec d[EXAMPLES][VECS])
{
    UNROLL for (int n = 0; n < EXAMPLES; n++) {
        float row[PANEL];
        for (uint lane = 0; lane < PANEL; lane++) {
            const float value = dy[min((uint)n, N - 1) * O + min(o0 + lane, O - 1)];
            row[lane] = o0 + lane < O ? value : 0.0f;
        }
        UNROLL for (int v = 0; v < VECS; v++)
            d[n][v] = load_vec(v, row);
    }
}

#endif
