/* Sums of squares divided by the root of Adam's second moment, as in src/ops/preconditioned.c. Each has a kernel for
 * GPUs, in which neighboring work-items are lanes, and one for processors, in which a work-item has all lanes of a
 * block or of some rows, and its inner loop runs over neighbors in memory. x, a gradient, and v have one layout. */
// lint: -D GROUP=64 -D ROWS=4 -D VEC=4
// lint: -D GROUP=16 -D ROWS=1 -D VEC=8
// lint: -D GROUP=64 -D ROWS=4 -D VEC=16
#include "preconditioner.h"
#include "work_group.h"

#define LANES 256
#define BLOCK 4096
#define COLUMNS 256
#define ROW_LANES 16
#define VALUES __global const float *restrict

/* out[at + b] = scale * the sum over block b of BLOCK elements. One group of GROUP work-items per block. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void preconditioned_blocks(
    VALUES x, VALUES v, __global float *restrict out, uint count, uint at, float scale, float unbias, float epsilon)
{
    __local float lane[LANES];
    const uint item = get_local_id(0), block = work_group_id(0), from = block * BLOCK;
    const uint some = min((uint)BLOCK, count - from);
    for (uint l = item; l < LANES; l += GROUP) {
        float sum = 0.0f;
        for (uint i = l; i < some; i += LANES)
            sum = preconditioner_add(sum, arith_flush(x[(size_t)from + i]), v[(size_t)from + i], unbias, epsilon);
        lane[l] = sum;
    }
    for (uint fold = LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint l = item; l < fold; l += GROUP) lane[l] += lane[l + fold];
    }
    if (item == 0) out[at + block] = scale * preconditioner_flush(lane[0]);
}

/* out[at + r * blocks + b] = scale * the sum over columns 256 b .. of row r of a matrix (rows, cols); the last block
 * may be shorter. 16 work-items share a row's block. A group has ROWS rows of a block. All groups are in dimension 0,
 * since GPUs allow at most 65535 in another. */
__kernel __attribute__((reqd_work_group_size(ROW_LANES, ROWS, 1))) void preconditioned_rows(
    VALUES x, VALUES v, __global float *restrict out, uint rows, uint cols, uint at, float scale, float unbias,
    float epsilon)
{
    __local float lane[ROWS][ROW_LANES];
    const uint blocks = (cols + COLUMNS - 1) / COLUMNS, above = work_group_id(0) / blocks;
    const uint block = work_group_id(0) - above * blocks;
    const uint l = get_local_id(0), row = get_local_id(1), from = block * COLUMNS;
    const bool real = above * ROWS + row < rows;
    const size_t r = real ? above * ROWS + row : rows - 1;
    const uint end = from + min((uint)COLUMNS, cols - from);
    float sum = 0.0f;
    for (uint c = from + l; c < end; c += ROW_LANES)
        sum = preconditioner_add(sum, arith_flush(x[r * cols + c]), v[r * cols + c], unbias, epsilon);
    lane[row][l] = sum;
    for (uint fold = ROW_LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (l < fold) lane[row][l] += lane[row][l + fold];
    }
    if (real && l == 0) out[at + r * blocks + block] = scale * preconditioner_flush(lane[row][0]);
}

/* The same for processors: one work-item per block. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void preconditioned_blocks_run(
    VALUES x, VALUES v, __global float *restrict out, uint count, uint at, float scale, float unbias, float epsilon)
{
    const uint block = get_global_id(0), from = block * BLOCK, some = min((uint)BLOCK, count - from);
    float lane[LANES];
    x += from;
    v += from;
    for (uint l = 0; l < LANES; l++) lane[l] = 0.0f;
    for (uint i = 0; i < some; i += LANES)
        for (uint l = 0, lanes = min((uint)LANES, some - i); l < lanes; l++)
            lane[l] = preconditioner_add(lane[l], arith_flush(x[i + l]), v[i + l], unbias, epsilon);
    for (uint fold = LANES / 2; fold > 0; fold /= 2)
        for (uint l = 0; l < fold; l++) lane[l] += lane[l + fold];
    out[at + block] = scale * preconditioner_flush(lane[0]);
}

/* The same for processors, for a matrix in panels: a work-item has VEC rows of a block, neighbors in memory. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void preconditioned_rows_run(
    VALUES x, VALUES v, __global float *restrict out, uint rows, uint cols, uint at, float scale, float unbias,
    float epsilon, uint panel)
{
    const uint first = get_global_id(0) * VEC, block = get_global_id(1), from = block * COLUMNS;
    const uint some = min((uint)COLUMNS, cols - from), blocks = (cols + COLUMNS - 1) / COLUMNS;
    const size_t place = ((size_t)(first / panel) * cols + from) * panel + first % panel;
    float lane[ROW_LANES * VEC];
    x += place;
    v += place;
    for (uint i = 0; i < ROW_LANES * VEC; i++) lane[i] = 0.0f;
    for (uint c = 0; c < some; c++)
        for (uint r = 0; r < VEC; r++) {
            const size_t i = (size_t)c * panel + r;
            float *sum = lane + c % ROW_LANES * VEC + r;
            *sum = preconditioner_add(*sum, arith_flush(x[i]), v[i], unbias, epsilon);
        }
    for (uint fold = ROW_LANES / 2; fold > 0; fold /= 2)
        for (uint i = 0; i < fold * VEC; i++) lane[i] += lane[i + fold * VEC];
    for (uint r = 0; r < VEC && first + r < rows; r++)
        out[at + (size_t)(first + r) * blocks + block] = scale * preconditioner_flush(lane[r]);
}
