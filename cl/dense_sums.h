/* The sums of a block of a dense layer's weights, for the kernels of processors that sum many examples. Options: VEC,
 * PANEL, ROWS, as in dense.cl. */
#ifndef DENSE_SUMS_H
#define DENSE_SUMS_H

#include "unroll.h"
#include "vectors.h"

#define VECS (PANEL / VEC)

// Stores what a run of examples leaves, for the first `inputs` of the rows. What ends a granule (`closed`) goes to the
// total, and is added to it if it is not the first one. `rows` is a constant wherever this is inlined. A chain that
// starts at +0 never ends at -0, but llvmpipe's does if each product is -0: hence the selection.
INLINE void store_sums(vec c[ROWS][VECS], const int rows, uint inputs, bool closed, bool add, __global float *total,
                       __global float *partial)
{
    __global float *to = closed ? total : partial;
    UNROLL for (int r = 0; r < rows; r++) {
        if ((uint)r < inputs) {
            UNROLL for (int v = 0; v < VECS; v++) {
                vec sum = c[r][v];
                if (add)
                    sum = load_vec(v, total + r * PANEL) + sum;
                store_vec(sum == 0.0f ? (vec)(0.0f) : sum, v, to + r * PANEL);
            }
        }
    }
}

#endif
