/* Random numbers without state: Philox4x32-10, valid as OpenCL C 1.2 and as C11.
 *
 * J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A block
 * of four words is a function of a key and a counter, so that no tiling, no order of work and no resume can change a
 * draw:
 *
 *     key = the seed;  counter = (purpose | layer, epoch, index of the example in the data set, unit / 4);  word =
 *                      unit % 4 */
#ifndef PHILOX_H
#define PHILOX_H

#include "arith.h"

#if defined(__OPENCL_C_VERSION__) || defined(__OPENCL_VERSION__)
typedef ulong philox_u64;
#else
typedef uint64_t philox_u64;
#endif

/* The purpose of a draw; the layer uses the low 24 bits. The numbers must never change: they are part of the
 * results. */
#define PHILOX_INIT (1u << 24)    /* the first weights */
#define PHILOX_SHUFFLE (2u << 24) /* the order of examples in an epoch */
#define PHILOX_DROPOUT (3u << 24) /* masks */
#define PHILOX_CASES (4u << 24)   /* the inputs of verification */
#define PHILOX_SPLIT (5u << 24)   /* which examples are held out */
#define PHILOX_DRAW (6u << 24)    /* batches drawn for measurement */
#define PHILOX_AUGMENT (7u << 24) /* flips, shifts and holes of images */
#define PHILOX_AUDIT (8u << 24)   /* which steps and tiles are audited: of no result */

typedef struct { arith_u32 v[4]; } philox_block;

/* The block of a key and a counter. A round: the high and low words of two products, crossed over and mixed with the
 * key; then the key is stepped by a Weyl sequence (the golden ratio, sqrt(3) - 1). */
static inline philox_block philox(philox_u64 key, arith_u32 c0, arith_u32 c1, arith_u32 c2, arith_u32 c3)
{
    arith_u32 k0 = (arith_u32)key, k1 = (arith_u32)(key >> 32);
    for (int round = 0; round < 10; round++) {
        const philox_u64 p0 = (philox_u64)0xd2511f53u * c0, p1 = (philox_u64)0xcd9e8d57u * c2;
        c0 = (arith_u32)(p1 >> 32) ^ c1 ^ k0;
        c1 = (arith_u32)p1;
        c2 = (arith_u32)(p0 >> 32) ^ c3 ^ k1;
        c3 = (arith_u32)p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    philox_block block;
    block.v[0] = c0;
    block.v[1] = c1;
    block.v[2] = c2;
    block.v[3] = c3;
    return block;
}

/* (u / 2^9 + 1/2) / 2^23, exact: one of 2^23 floats evenly spaced in (0, 1), from 2^-24 to 1 - 2^-24, with mean 1/2. */
static inline float philox_unit(arith_u32 u) { return ARITH_FMA((float)(arith_i32)(u >> 9), 0x1p-23f, 0x1p-24f); }

/* Two independent normal numbers of mean 0 and variance 1, at most 5.77 in magnitude. Box and Muller (Ann. Math. Stat.
 * 29, 1958): sqrt(-2 ln u) (cos 2 pi v, sin 2 pi v). */
static inline void philox_normal(arith_u32 u, arith_u32 v, float *first, float *second)
{
    const float radius = arith_sqrt(-2.0f * arith_log(philox_unit(u)));
    const float turn = 2.0f * philox_unit(v); /* half turns, in (0, 2) */
    *first = radius * arith_cospi(turn);
    *second = radius * arith_sinpi(turn);
}

#endif
