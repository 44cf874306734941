/* Softmax cross-entropy and its gradient, as in src/ops/loss.c. N examples, C classes.
 *
 * 16 work-items share a row: lane l handles outputs l, l + 16, ...; lanes fold 8, 4, 2, 1 in local memory. A group has
 * ROWS rows. Work-items past the last row repeat it and store nothing, so that barriers stay uniform. */
// lint: -D ROWS=4
#include "arith.h"

#define LANES 16

/* Folds lanes 8, 4, 2, 1 into lane[0], which is returned to all work-items of the row. */
static float fold_row(__local float *lane, uint l)
{
    for (uint fold = LANES / 2; fold > 0; fold /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (l < fold) lane[l] += lane[l + fold];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return lane[0];
}

/* True if x[j] is chosen over x[label]: the first maximum is chosen, and NaN wins. */
static int beats(float xj, uint j, float xl, uint label)
{
    const int wins = arith_is_nan(xj) & ((!arith_is_nan(xl)) | (j < label));
    return wins | (xj > xl) | ((xj == xl) & (j < label));
}

/* The targets, which sum to 1: this for each class, */
static float target_off(float smoothing, uint classes) { return arith_flush(arith_div(smoothing, (float)classes)); }

/* and that for the label. */
static float target_on(float smoothing, float off) { return (1.0f - smoothing) + off; }

/* p = e^(x - max) / sum, -log p = log sum - (x - max), loss = sum of q (-log p), d = p - q; without smoothing the sum
 * is that of the label alone. */
__kernel __attribute__((reqd_work_group_size(LANES, ROWS, 1))) void
softmax_loss(__global const float *restrict logits, __global const uint *restrict labels,
             __global float *restrict losses, __global float *restrict hits, __global float *restrict gradient, uint n,
             uint classes, uint first, float smoothing)
{
    __local float lanes[ROWS][LANES];
    __local uint beaten[ROWS][LANES];
    const uint l = get_local_id(0), row = get_local_id(1);
    const bool real = get_global_id(1) < n;
    const size_t r = real ? get_global_id(1) : n - 1;
    __global const float *x = logits + r * classes;
    __global float *d = gradient + r * classes;
    const uint label = labels[r] < classes ? labels[r] : classes - 1;
    const float xl = x[label], off = target_off(smoothing, classes), on = target_on(smoothing, off);

    float max = x[0];
    uint lost = 0;
    for (uint j = l; j < classes; j += LANES) {
        max = x[j] > max ? x[j] : max;
        lost |= beats(x[j], j, xl, label);
    }
    lanes[row][l] = max;
    beaten[row][l] = lost;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint k = 0; k < LANES; k++) { /* order matters only for NaN, which makes the whole row NaN */
        max = lanes[row][k] > max ? lanes[row][k] : max;
        lost |= beaten[row][k];
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    float sum = 0.0f;
    for (uint j = l; j < classes; j += LANES) sum = arith_chain(sum, arith_exp(x[j] - max));
    lanes[row][l] = sum;
    sum = fold_row(lanes[row], l);

    for (uint j = l; j < classes; j += LANES) {
        const float p = arith_div(arith_exp(x[j] - max), sum);
        if (real) d[j] = arith_flush(p - (j == label ? on : off));
    }

    const float log_sum = arith_log(sum);
    float loss = log_sum - (xl - max);
    if (smoothing > 0.0f) {
        loss = 0.0f;
        for (uint j = l; j < classes; j += LANES) loss = fma(j == label ? on : off, log_sum - (x[j] - max), loss);
        barrier(CLK_LOCAL_MEM_FENCE); /* all have read the sum */
        lanes[row][l] = loss;
        loss = fold_row(lanes[row], l);
    }
    if (real && l == 0) {
        losses[first + r] = arith_flush(loss);
        hits[first + r] = lost ? 0.0f : 1.0f;
    }
}

/* The same for processors: one row per work-item, its lanes side by side in vectors. Lanes past the last output add +0,
 * which changes no sum, since none is negative. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
softmax_loss_row(__global const float *restrict logits, __global const uint *restrict labels,
                 __global float *restrict losses, __global float *restrict hits, __global float *restrict gradient,
                 uint n, uint classes, uint first, float smoothing)
{
    const size_t r = get_global_id(0);
    __global const float *x = logits + r * classes;
    __global float *d = gradient + r * classes;
    const uint label = labels[r] < classes ? labels[r] : classes - 1;
    const float xl = x[label], off = target_off(smoothing, classes), on = target_on(smoothing, off);
    float lane[LANES], max = x[0];
    uint lost = 0;
    for (uint l = 0; l < LANES; l++) lane[l] = 0.0f;
    for (uint j = 0; j < classes; j++) {
        max = x[j] > max ? x[j] : max;
        lost |= beats(x[j], j, xl, label);
    }
    for (uint at = 0; at < classes; at += LANES)
        for (uint l = 0; l < LANES; l++) {
            const float e = arith_exp(x[min(at + l, classes - 1)] - max);
            lane[l] += at + l < classes ? e : 0.0f;
        }
    for (uint fold = LANES / 2; fold > 0; fold /= 2)
        for (uint l = 0; l < fold; l++) lane[l] += lane[l + fold];
    const float sum = lane[0];
    for (uint at = 0; at < classes; at += LANES) {
        float p[LANES];
        for (uint l = 0; l < LANES; l++) p[l] = arith_div(arith_exp(x[min(at + l, classes - 1)] - max), sum);
        for (uint l = 0; l < min((uint)LANES, classes - at); l++)
            d[at + l] = arith_flush(p[l] - (at + l == label ? on : off));
    }

    const float log_sum = arith_log(sum);
    float loss = log_sum - (xl - max);
    if (smoothing > 0.0f) {
        for (uint l = 0; l < LANES; l++) lane[l] = 0.0f;
        for (uint at = 0; at < classes; at += LANES)
            for (uint l = 0; l < LANES; l++) {
                const float q = at + l == label ? on : off, surprise = log_sum - (x[min(at + l, classes - 1)] - max);
                lane[l] = at + l < classes ? fma(q, surprise, lane[l]) : lane[l];
            }
        for (uint fold = LANES / 2; fold > 0; fold /= 2)
            for (uint l = 0; l < fold; l++) lane[l] += lane[l + fold];
        loss = lane[0];
    }
    losses[first + r] = arith_flush(loss);
    hits[first + r] = lost ? 0.0f : 1.0f;
}
