/* Sums of squares, as in src/ops/noise.c. Each has a kernel for GPUs, in which neighboring work-items are lanes, and
 * one for processors, in which a work-item has all lanes of a block or row in vectors. */
// lint: -D GROUP=64 -D ROWS=4 -D VEC=4
// lint: -D GROUP=16 -D ROWS=1 -D VEC=8
// lint: -D GROUP=64 -D ROWS=4 -D VEC=16
#include "arith.h"
#include "unroll.h"
#include "work_group.h"

#define LANES 256
#define BLOCK 4096
#define COLUMNS 256
#define ROW_LANES 16

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
typedef JOIN(float, VEC) vec;
#define load_vec JOIN(vload, VEC)
#define store_vec JOIN(vstore, VEC)
#define INLINE static inline __attribute__((always_inline))

/* out[at + b] = scale * the sum of squares of block b of BLOCK elements. One group of GROUP work-items per block. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void square_blocks(
    __global const float *restrict x, __global float *restrict out, uint count, uint at, float scale)
{
    __local float lane[LANES];
    const uint item = get_local_id(0), block = work_group_id(0), from = block * BLOCK;
    const uint some = min((uint)BLOCK, count - from);
    for (uint l = item; l < LANES; l += GROUP) {
        float sum = 0.0f;
        for (uint i = l; i < some; i += LANES) {
            const float value = arith_flush(x[(size_t)from + i]);
            sum = fma(value, value, sum);
        }
        lane[l] = sum;
    }
    for (uint fold = LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint l = item; l < fold; l += GROUP) lane[l] += lane[l + fold];
    }
    if (item == 0) out[at + block] = scale * lane[0];
}

/* out[at + r * blocks + b] = scale * the sum of squares of columns 256 b .. of row r of a matrix (rows, cols); the last
 * block may be shorter. 16 work-items share a row's block. A group has ROWS rows of a block. All groups are in
 * dimension 0, since GPUs allow at most 65535 in another. */
__kernel __attribute__((reqd_work_group_size(ROW_LANES, ROWS, 1))) void square_rows(
    __global const float *restrict x, __global float *restrict out, uint rows, uint cols, uint at, float scale)
{
    __local float lane[ROWS][ROW_LANES];
    const uint blocks = (cols + COLUMNS - 1) / COLUMNS, above = work_group_id(0) / blocks;
    const uint block = work_group_id(0) - above * blocks;
    const uint l = get_local_id(0), row = get_local_id(1), from = block * COLUMNS;
    const bool real = above * ROWS + row < rows;
    const size_t r = real ? above * ROWS + row : rows - 1;
    const uint end = from + min((uint)COLUMNS, cols - from);
    float sum = 0.0f;
    for (uint c = from + l; c < end; c += ROW_LANES) {
        const float value = arith_flush(x[r * cols + c]);
        sum = fma(value, value, sum);
    }
    lane[row][l] = sum;
    for (uint fold = ROW_LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (l < fold) lane[row][l] += lane[row][l + fold];
    }
    if (real && l == 0) out[at + r * blocks + block] = scale * lane[row][0];
}

INLINE vec flush_vec(vec c)
{
    vec y = c;
    UNROLL for (int lane = 0; lane < VEC; lane++)
        ((float *)&y)[lane] = arith_flush(((float *)&c)[lane]);
    return y;
}

/* The same for processors: one work-item per block. It sums four vectors of lanes at a time, which hides the latency of
 * fma. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void square_blocks_run(
    __global const float *restrict x, __global float *restrict out, uint count, uint at, float scale)
{
    const uint block = get_global_id(0), from = block * BLOCK, some = min((uint)BLOCK, count - from);
    float lane[LANES];
    x += from;
    for (uint l = 0; l < LANES; l += 4 * VEC) {
        vec sum[4] = {(vec)(0.0f), (vec)(0.0f), (vec)(0.0f), (vec)(0.0f)};
        for (uint i = l; i + 4 * VEC <= some; i += LANES) {
            UNROLL for (int v = 0; v < 4; v++) {
                const vec value = flush_vec(load_vec(v, x + i));
                sum[v] = fma(value, value, sum[v]);
            }
        }
        UNROLL for (int v = 0; v < 4; v++)
            store_vec(sum[v], v, lane + l);
    }
    for (uint i = some - some % (4 * VEC); i < some; i++) { /* the end of the last block, which its lanes add last */
        const float value = arith_flush(x[i]);
        lane[i % LANES] = fma(value, value, lane[i % LANES]);
    }
    for (uint fold = LANES / 2; fold > 0; fold /= 2)
        for (uint l = 0; l < fold; l++) lane[l] += lane[l + fold];
    out[at + block] = scale * lane[0];
}

/* The same for processors, for a matrix in panels: a work-item has VEC rows of a block, neighbors in memory, and sums
 * one lane after the other. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void square_rows_run(
    __global const float *restrict x, __global float *restrict out, uint rows, uint cols, uint at, float scale,
    uint panel)
{
    const uint first = get_global_id(0) * VEC, block = get_global_id(1), from = block * COLUMNS;
    const uint some = min((uint)COLUMNS, cols - from), blocks = (cols + COLUMNS - 1) / COLUMNS;
    float lane[ROW_LANES * VEC];
    x += ((size_t)(first / panel) * cols + from) * panel + first % panel;
    for (uint l = 0; l < ROW_LANES; l++) {
        vec sum = (vec)(0.0f);
        for (uint c = l; c < some; c += ROW_LANES) {
            const vec value = flush_vec(load_vec(0, x + (size_t)c * panel));
            sum = fma(value, value, sum);
        }
        store_vec(sum, l, lane);
    }
    for (uint fold = ROW_LANES / 2; fold > 0; fold /= 2)
        for (uint i = 0; i < fold * VEC; i++) lane[i] += lane[i + fold * VEC];
    for (uint r = 0; r < VEC && first + r < rows; r++)
        out[at + (size_t)(first + r) * blocks + block] = scale * lane[r];
}

/* norms[first + i] = (|x_i|^2 + bias) |dy_i|^2, or += if `added` is set; `bias` is 1, or 0 for a layer without. x (n,
 * inputs), dy (n, outputs). 16 work-items share a row. Work-items past the last row repeat it and store nothing, so
 * that barriers stay uniform. */
__kernel __attribute__((reqd_work_group_size(ROW_LANES, ROWS, 1))) void dense_norms(
    __global const float *restrict x, __global const float *restrict dy, __global float *restrict norms, uint n,
    uint inputs, uint outputs, uint first, uint added, float bias)
{
    __local float of_x[ROWS][ROW_LANES], of_dy[ROWS][ROW_LANES];
    const uint l = get_local_id(0), row = get_local_id(1);
    const bool real = get_global_id(1) < n;
    const size_t r = real ? get_global_id(1) : n - 1;
    float sum_x = 0.0f, sum_dy = 0.0f;
    for (uint i = l; i < inputs; i += ROW_LANES) sum_x = fma(x[r * inputs + i], x[r * inputs + i], sum_x);
    for (uint o = l; o < outputs; o += ROW_LANES) sum_dy = fma(dy[r * outputs + o], dy[r * outputs + o], sum_dy);
    of_x[row][l] = sum_x;
    of_dy[row][l] = sum_dy;
    for (uint fold = ROW_LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (l < fold) {
            of_x[row][l] += of_x[row][l + fold];
            of_dy[row][l] += of_dy[row][l + fold];
        }
    }
    if (real && l == 0) {
        const float before = norms[first + r];
        norms[first + r] = fma(of_x[row][0] + bias, of_dy[row][0], added ? before : 0.0f);
    }
}

INLINE float square_of(__global const float *x, uint count)
{
    float16 sum = (float16)(0.0f);
    uint i = 0;
    for (; i + ROW_LANES <= count; i += ROW_LANES) {
        const float16 value = vload16(0, x + i);
        sum = fma(value, value, sum);
    }
    for (uint l = 0; i + l < count; l++) ((float *)&sum)[l] = fma(x[i + l], x[i + l], ((float *)&sum)[l]);
    const float8 eight = sum.lo + sum.hi;
    const float4 four = eight.lo + eight.hi;
    const float2 two = four.lo + four.hi;
    return two.x + two.y;
}

/* The same for processors: one row per work-item, its lanes in one vector. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void dense_norms_row(
    __global const float *restrict x, __global const float *restrict dy, __global float *restrict norms, uint n,
    uint inputs, uint outputs, uint first, uint added, float bias)
{
    const size_t r = get_global_id(0);
    const float of_x = square_of(x + r * inputs, inputs), of_dy = square_of(dy + r * outputs, outputs);
    const float before = norms[first + r];
    norms[first + r] = fma(of_x + bias, of_dy, added ? before : 0.0f);
}
