/* The elements of a work-item of a kernel over single elements: RUN neighbors. On GPUs these are 4 (RUN 4), which are
 * read and written at once if all of them are elements, and aligned. On processors RUN is large, and compilers
 * vectorize the loop. */
#ifndef FOURS_H
#define FOURS_H

#include "unroll.h"

/* Of elements at .. at+count-1: those from `from` to `to`, none if to <= from. Fours begin at multiples of 4, so that
 * they are aligned wherever the elements begin. */
#if RUN == 4
#define PLACE_RUN(at, count)                                                                                           \
    const uint four = (uint)get_global_id(0) * 4u + ((at) & ~3u), from = max(four, (uint)(at));                        \
    const uint to = min(four + 4u, (at) + (count))
#else
#define PLACE_RUN(at, count) const uint from = (at) + get_global_id(0) * RUN, to = min(from + RUN, (at) + (count))
#endif

/* Whether a run is a whole four in buffers at these places, which are combined by |. */
static inline bool is_four(uint from, uint to, size_t places)
{
    return RUN == 4 && to - from == 4u && (places & 15u) == 0;
}

static inline void load_four(float v[4], const __global float *x)
{
    const float4 u = *(const __global float4 *)x;
    v[0] = u.x;
    v[1] = u.y;
    v[2] = u.z;
    v[3] = u.w;
}

static inline void store_four(const float v[4], __global float *x)
{
    *(__global float4 *)x = (float4)(v[0], v[1], v[2], v[3]);
}

/* The largest magnitude of a run, by the bits, which vectorizes without a branch. */
static inline uint find_largest(const __global uint *x, uint from, uint to)
{
    uint most = 0u;
    if (is_four(from, to, (size_t)x)) {
        const uint4 u = *(const __global uint4 *)(x + from) & 0x7fffffffu;
        return max(max(u.x, u.y), max(u.z, u.w));
    }
    for (uint i = from; i < to; i++) most = max(most, x[i] & 0x7fffffffu);
    return most;
}

#endif
