/* A block of sums of products, for GPU kernels. A work-group computes BLOCK_ROWS x BLOCK_COLS sums c(r, q) of
 * a(k, r) b(k, q), each of its ITEMS_X x ITEMS_Y items ROWS x COLS of them, in registers. STEP steps of both sides are
 * in local memory at a time, in one of two buffers: while they are multiplied, each item loads its share of the steps
 * that follow into registers, which it stores to the other buffer afterwards. So loads are under way together, and
 * all through the products, and a step needs one barrier. Every sum is one fma chain with k ascending.
 *
 * An item's sums come in runs of 4 neighbors (2 or 1 if it has fewer), which it reads from local memory at once; the
 * runs are as far apart as all items' runs are long. */
#ifndef BLOCK_SUMS_H
#define BLOCK_SUMS_H

#include "unroll.h"
#include "work_group.h"

#define ITEMS (ITEMS_X * ITEMS_Y)
#define ROWS (BLOCK_ROWS / ITEMS_Y)
#define COLS (BLOCK_COLS / ITEMS_X)
#define ROW_RUN (ROWS % 4 == 0 ? 4 : ROWS % 2 == 0 ? 2 : 1)
#define COL_RUN (COLS % 4 == 0 ? 4 : COLS % 2 == 0 ? 2 : 1)

#if BLOCK_ROWS % ITEMS_Y || BLOCK_COLS % ITEMS_X || BLOCK_ROWS * STEP % ITEMS || BLOCK_COLS * STEP % ITEMS
#error "a share of the block, or of its loads, is not whole"
#endif
// Loads of an item in a step.
#define LEFT_LOADS (BLOCK_ROWS * STEP / ITEMS)
#define RIGHT_LOADS (BLOCK_COLS * STEP / ITEMS)

#define KERNEL __kernel __attribute__((reqd_work_group_size(ITEMS_X, ITEMS_Y, 1))) void
#define INLINE static inline __attribute__((always_inline))

#define ITEM ((uint)get_local_id(1) * ITEMS_X + (uint)get_local_id(0))

// The place in its block of an item's sum i, of `items` items with runs of `run`.
INLINE uint place_of(uint item, uint i, const uint items, const uint run)
{
    return i / run * (items * run) + item * run + i % run;
}

// The row and the column of an item's sum.
#define ROW(r) (work_group_id(1) * BLOCK_ROWS + place_of(get_local_id(1), r, ITEMS_Y, ROW_RUN))
#define COL(q) (work_group_id(0) * BLOCK_COLS + place_of(get_local_id(0), q, ITEMS_X, COL_RUN))

// STEP steps of a side. Rows are 4 longer than the block: still aligned, and transposed writes do not all hit the same
// bank.
typedef __local float left_side[BLOCK_ROWS + 4];
typedef __local float right_side[BLOCK_COLS + 4];
#define SIDES(a, b)                                                                                                    \
    __local float a[2][STEP][BLOCK_ROWS + 4] __attribute__((aligned(16)));                                             \
    __local float b[2][STEP][BLOCK_COLS + 4] __attribute__((aligned(16)))

// v[i] = the value at place_of(item, i) of a step of a side. A function for each side, as all that has an unrolled
// loop: compilers may unroll before they inline, and then the number of its rounds must be a constant.
#define DEFINE_READ(name, COUNT, SIDE_ITEMS, RUN)                                                                      \
    INLINE void name(float v[COUNT], const __local float *side, uint item)                                             \
    {                                                                                                                  \
        UNROLL for (uint i = 0; i < COUNT; i += RUN)                                                                   \
        {                                                                                                              \
            const __local float *at = side + place_of(item, i, SIDE_ITEMS, RUN);                                       \
            if (RUN == 4) {                                                                                            \
                float4 u = *(const __local float4 *)at;                                                                \
                v[i] = u.x;                                                                                            \
                v[i + 1] = u.y;                                                                                        \
                v[i + 2] = u.z;                                                                                        \
                v[i + 3] = u.w;                                                                                        \
            } else if (RUN == 2) {                                                                                     \
                float2 u = *(const __local float2 *)at;                                                                \
                v[i] = u.x;                                                                                            \
                v[i + 1] = u.y;                                                                                        \
            } else                                                                                                     \
                v[i] = *at;                                                                                            \
        }                                                                                                              \
    }
DEFINE_READ(read_left, ROWS, ITEMS_Y, ROW_RUN)
DEFINE_READ(read_right, COLS, ITEMS_X, COL_RUN)

// ak[r] = a(k, r), bk[q] = b(k, q) of the item's own sums.
INLINE void read_step(float ak[ROWS], float bk[COLS], const left_side *a, const right_side *b, uint k)
{
    read_left(ak, a[k], get_local_id(1));
    read_right(bk, b[k], get_local_id(0));
}

// Large blocks keep a loop: compilers do not move the loads of the next steps past one, and it saves registers.
#if ROWS * COLS >= 16
#define UNROLL_STEPS _Pragma("unroll 4")
#else
#define UNROLL_STEPS UNROLL
#endif

// c(r, q) = fma(a(k, r), b(k, q), c(r, q)) for the STEP steps in local memory.
INLINE void multiply(float c[ROWS][COLS], const left_side *a, const right_side *b)
{
    UNROLL_STEPS for (uint k = 0; k < STEP; k++)
    {
        float ak[ROWS], bk[COLS];
        read_step(ak, bk, a, b, k);
        UNROLL for (uint r = 0; r < ROWS; r++)
        {
            UNROLL for (uint q = 0; q < COLS; q++) c[r][q] = fma(ak[r], bk[q], c[r][q]);
        }
    }
}

#endif
