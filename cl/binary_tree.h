/* The binary tree over values that come one after the other, number 0, 1, ...: pairs of neighbors are added, then pairs
 * of those sums, and so on; one without a neighbor stays as it is. node[] has the sums that wait for their neighbor.
 * Valid as OpenCL C 1.2 and as C11. */
#ifndef BINARY_TREE_H
#define BINARY_TREE_H

#include "arith.h"

#if defined(__OPENCL_C_VERSION__) || defined(__OPENCL_VERSION__)
#define TREE_ONES(bits) popcount(bits)
#else
#define TREE_ONES(bits) ((arith_u32)__builtin_popcount(bits))
#endif

#define TREE_DEPTH 13 /* for 4096 values */

static inline void tree_add(float *node, arith_u32 number, float x)
{
    arith_u32 at = TREE_ONES(number);
    for (arith_u32 bits = number; bits & 1u; bits >>= 1) x = arith_chain(x, node[--at]);
    node[at] = x;
}

/* Of `count` values, at least one. */
static inline float tree_total(const float *node, arith_u32 count)
{
    arith_u32 at = TREE_ONES(count);
    float x = node[--at];
    while (at) x = arith_chain(x, node[--at]);
    return x;
}

/* n x, for a whole number n >= 1: rounded once, and no product that a sum could be contracted with. */
static inline float tree_times(float n, float x) { return ARITH_FMA(n - 1.0f, x, x); }

#endif
