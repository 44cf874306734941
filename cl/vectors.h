/* Vectors of VEC floats, for the kernels of processors: there a work-item is a group of its own. */
#ifndef VECTORS_H
#define VECTORS_H

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

typedef JOIN(float, VEC) vec;
#define load_vec JOIN(vload, VEC)
#define store_vec JOIN(vstore, VEC)
#define as_ivec JOIN(as_int, VEC)

#define KERNEL __kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
#define INLINE static inline __attribute__((always_inline))

// arith_flush and arith_flush_state of each lane.
INLINE vec flush_vec(vec x) { return (as_ivec(x) & 0x7fffffff) < as_int(0x1p-40f) ? (vec)(0.0f) : x; }
INLINE vec flush_state_vec(vec x) { return (as_ivec(x) & 0x7fffffff) < as_int(0x1p-100f) ? (vec)(0.0f) : x; }

// A finished value: flushed, and 0 if it is below `least`, which is 0 for a relu and -infinity for none.
INLINE vec finish_vec(vec x, float least)
{
    const vec done = flush_vec(x);
    return done < (vec)(least) ? (vec)(0.0f) : done;
}

// A gradient to x, or the sum that it is made from, and through the relu that made x.
INLINE vec mask_vec(vec done, vec x) { return x == (vec)(0.0f) ? (vec)(0.0f) : done; }
INLINE float4 mask_fours(float4 done, float4 x) { return x == (float4)(0.0f) ? (float4)(0.0f) : done; }

// t[j][k] becomes t[k][j].
INLINE void transpose_fours(float4 t[4])
{
    float4 a = t[0], b = t[1], c = t[2], d = t[3];
    t[0] = (float4)(a.x, b.x, c.x, d.x);
    t[1] = (float4)(a.y, b.y, c.y, d.y);
    t[2] = (float4)(a.z, b.z, c.z, d.z);
    t[3] = (float4)(a.w, b.w, c.w, d.w);
}

#endif
