/* The sums of a block, for the kernels of dense layers on processors that sum many examples. Options: VEC, PANEL, ROWS,
 * as in dense.cl. */
#ifndef DENSE_SUMS_H
#define DENSE_SUMS_H

#include "unroll.h"
#include "vectors.h"

#define VECS (PANEL / VEC)

// c(r, lane) = fma(a[r a_row + k a_step], b[k b_step + lane], c(r, lane)) for k = 0 .. count-1, where a is a
// copy. `rows` is a constant wherever this is inlined.
INLINE void chain_near(vec c[ROWS][VECS], const int rows, const float *a, const uint a_row, const uint a_step,
                       const __global float *b, ulong b_step, uint count)
{
#pragma unroll 1
    for (uint k = 0; k < count; k++) {
        vec bk[VECS];
        UNROLL for (int v = 0; v < VECS; v++)
            bk[v] = load_vec(v, b);
        UNROLL for (int r = 0; r < rows; r++) {
            vec ar = a[r * a_row];
            UNROLL for (int v = 0; v < VECS; v++)
                c[r][v] = fma(ar, bk[v], c[r][v]);
        }
        a += a_step;
        b += b_step;
    }
}

// Of N rows `pitch` apart, the first at `at`, so many have PANEL floats before `end`. What follows a row's last output
// is of another row, or a copy.
INLINE uint whole_rows(uint at, uint pitch, uint end, uint outputs, uint N)
{
    if (outputs == PANEL)
        return N;
    return at + PANEL > end ? 0 : min((end - at - PANEL) / pitch + 1, N);
}

// The outputs of a row that has no PANEL floats; its last one fills the other lanes.
INLINE void load_row(vec d[VECS], const __global float *dy, uint outputs)
{
    UNROLL for (int v = 0; v < VECS; v++) {
        UNROLL for (uint lane = 0; lane < VEC; lane++)
            ((float *)&d[v])[lane] = dy[min(v * VEC + lane, outputs - 1)];
    }
}

// 0 in the lanes of outputs that are missing.
INLINE void clear_lanes(vec c[ROWS][VECS], const int rows, uint outputs)
{
    UNROLL for (int v = 0; v < VECS; v++) {
        vec keep;
        UNROLL for (uint lane = 0; lane < VEC; lane++)
            ((float *)&keep)[lane] = v * VEC + lane < outputs ? 1.0f : 0.0f;
        UNROLL for (int r = 0; r < rows; r++)
            c[r][v] = keep == 0.0f ? (vec)(0.0f) : c[r][v];
    }
}

// Of kernels that copy what they read of some examples.
#define INPUTS 96 // of a work-item, a multiple of ROWS
#define MOST 256  // examples copied at once

// Floats from the copies of one block of ROWS inputs to those of the next; and of all blocks of MOST examples.
#define BLOCK_X(count) ((count) * ROWS + 8)
#define NEAR_X (INPUTS / ROWS * BLOCK_X(MOST))

// near[i / ROWS][n][i % ROWS] = x(n, i) of `count` examples and `wide` inputs: a block of sums reads all that it needs
// side by side. Vectors that hold more than ROWS are stored in the order of n, which mends what lies behind.
INLINE void copy_inputs(float *near, const __global float *x, uint wide, uint count, uint I)
{
    const uint apart = BLOCK_X(count);
    for (uint n = 0; n < count; n++, x += I, near += ROWS) {
        if (wide == INPUTS) {
            UNROLL for (uint i = 0; i + 8 <= INPUTS; i += ROWS)
                vstore8(vload8(0, x + i), 0, near + i / ROWS * apart);
            UNROLL for (uint i = (INPUTS - 8) / ROWS * ROWS + ROWS; i < INPUTS; i++)
                near[i / ROWS * apart + i % ROWS] = x[i];
        } else {
            for (uint i = 0; i < INPUTS; i++)
                near[i / ROWS * apart + i % ROWS] = x[min(i, wide - 1)];
        }
    }
}

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
