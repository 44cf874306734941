/* Losses of outputs and targets, built once per function: -D FUNCTION=loss_squared, ..., one of loss_functions.h.
 * y, target and gradient are (N, C); losses has a place for each example of the batch, the tile's begin at `first`.
 *
 * 16 work-items share a row: lane l handles outputs l, l + 16, ...; lanes fold 8, 4, 2, 1 in local memory. A group has
 * ROWS rows. Work-items past the last row repeat it and store nothing, so that barriers stay uniform. */
// lint: -D ROWS=4 -D FUNCTION=loss_squared
// lint: -D ROWS=4 -D FUNCTION=loss_absolute
// lint: -D ROWS=4 -D FUNCTION=loss_huber
// lint: -D ROWS=4 -D FUNCTION=loss_logistic
#include "loss_functions.h"

#define LANES 16
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define add JOIN(FUNCTION, _add)
#define slope JOIN(FUNCTION, _gradient)

/* loss = sum of f(y, t) / C, d = f'(y, t) / C */
__kernel __attribute__((reqd_work_group_size(LANES, ROWS, 1))) void
target_loss(__global const float *restrict y, __global const float *restrict target, __global float *restrict losses,
            __global float *restrict gradient, uint n, uint outputs, uint first, float delta)
{
    __local float lanes[ROWS][LANES];
    const uint l = get_local_id(0), row = get_local_id(1);
    const bool real = get_global_id(1) < n;
    const size_t r = real ? get_global_id(1) : n - 1;

    float sum = 0.0f;
    for (uint j = l; j < outputs; j += LANES) {
        const float yj = y[r * outputs + j], tj = target[r * outputs + j];
        sum = add(sum, yj, tj, delta);
        if (real) gradient[r * outputs + j] = arith_flush(arith_div(slope(yj, tj, delta), (float)outputs));
    }
    lanes[row][l] = sum;
    for (uint fold = LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (l < fold) lanes[row][l] += lanes[row][l + fold];
    }
    if (real && l == 0) losses[first + r] = arith_flush(arith_div(lanes[row][0], (float)outputs));
}
