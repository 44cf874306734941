/* The binary tree over values that come one after the other, number 0, 1, ...: pairs of neighbors are added, then pairs
 * of those sums, ...; one without a neighbor stays as it is. node[] has the sums that wait for their neighbor. */
#ifndef TREE_H
#define TREE_H

#define TREE_DEPTH 13 // for 4096 values

static inline void tree_add(float *node, uint number, float x)
{
    uint at = popcount(number);
    for (uint bits = number; bits & 1u; bits >>= 1)
        x = arith_chain(node[--at], x);
    node[at] = x;
}

static inline float tree_total(const float *node, uint count)
{
    uint at = popcount(count);
    float x = node[--at];
    while (at)
        x = arith_chain(node[--at], x);
    return x;
}

#endif
