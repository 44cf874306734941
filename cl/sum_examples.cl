/* What all sums over examples share on GPUs: the gradients of biases, and adding up the sums of a pass's granules.
 *
 * N examples of the tile, O outputs of P positions (one for a dense layer). dy (N, O, P).
 *
 * Options: GROUP, the work-items of a group: a multiple of OUTPUTS
 */
// lint: -D GROUP=64
// lint: -D GROUP=16
#include "arith.h"
#include "granule_pass.h"
#include "unroll.h"
#include "work_group.h"

#pragma OPENCL FP_CONTRACT OFF

#define OUTPUTS 16 // per group; one work-item adds for each
#define LOADS 8    // values that a work-item loads into local memory at once
#define STEP (LOADS * GROUP / OUTPUTS) // the steps of each chain that this amounts to
#define AHEAD 8    // values in flight while a chain waits for the previous one

#define LINE __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
#define INLINE static inline __attribute__((always_inline))

// c + s[0] + s[1] + ...
INLINE float add_row(float c, const __local float *s, uint count)
{
    uint k = 0;
    for (; k + AHEAD <= count; k += AHEAD) {
        float next[AHEAD];
        UNROLL for (uint j = 0; j < AHEAD; j++)
            next[j] = s[k + j];
        UNROLL for (uint j = 0; j < AHEAD; j++)
            c = arith_chain(c, next[j]);
    }
    for (; k < count; k++)
        c = arith_chain(c, s[k]);
    return c;
}

/* The sums of dy over the granules of a pass, raw: to[granule][O]. The first continues from `partial` if `begun` is
 * set.
 *
 * A group loads at most STEP steps of its chains at once: those of whole examples, or an even part of one example's
 * positions. Its outputs are neighbors, so that neighboring work-items read neighbors. Work-groups: ceil(O / OUTPUTS),
 * granules of the pass. */
LINE backward_bias(const __global float *dy, const __global float *partial /* (O) */, __global float *to, uint N,
                   uint O, uint P, uint from, uint within, uint granule, uint begun)
{
    __local float steps[OUTPUTS][STEP + 1]; // longer rows, so that a column is not in a single bank
    uint item = get_local_id(0), first = work_group_id(0) * OUTPUTS, r = work_group_id(1);
    uint parts = (P + STEP - 1) / STEP, width = (P + parts - 1) / parts, examples = STEP / width;
    uint2 run = find_granule(r, N, from, within, granule);
    bool adds = item < OUTPUTS && first + item < O;
    float c = 0.0f;
    if (adds && begun && r == 0)
        c = partial[first + item]; // not clamped: `to` may be `partial`
    // What an item loads: step k of an output's chain, among those loaded now, and its place in memory relative to the
    // first of the group.
    uint k[LOADS], row[LOADS], at[LOADS];
    UNROLL for (uint l = 0; l < LOADS; l++) {
        uint above = (item + l * GROUP) / width, position = item + l * GROUP - above * width, example = above / OUTPUTS;
        row[l] = above % OUTPUTS;
        k[l] = first + row[l] < O ? example * width + position : UINT_MAX;
        at[l] = (example * O + row[l]) * P + position;
    }
    // All bounds are the same for the whole group, so all items reach the barriers together.
    for (uint n = run.x; n < run.y; n += examples) {
        for (uint p = 0; p < P; p += width) {
            const __global float *s = dy + ((size_t)n * O + first) * P + p;
            uint count = min(examples, run.y - n) * min(width, P - p); // width is P if there are several examples
            float value[LOADS];
            UNROLL for (uint l = 0; l < LOADS; l++)
                value[l] = s[k[l] < count ? at[l] : 0];
            UNROLL for (uint l = 0; l < LOADS; l++) {
                if (k[l] < count)
                    steps[row[l]][k[l]] = value[l];
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            if (adds)
                c = add_row(c, steps[item], count);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
    }
    if (adds)
        to[r * O + first + item] = c;
}

/* Adds the sums of a pass's `closed` granules, in order, to the total, or begins it with them if `fresh` is set. If
 * `left_open` is set, the sum of the granule after them is stored in `partial`. A granule has `all` sums: those of the
 * weights, and then those of the biases. One work-item per sum. */
LINE add_granules(const __global float *part /* (granules, stride) */, __global float *total /* (sums) */,
                  __global float *partial /* (sums) */, __global float *bias_total, __global float *bias_partial,
                  uint sums, uint all, uint stride, uint closed, uint fresh, uint left_open)
{
    uint i = get_global_id(0);
    if (i >= all)
        return;
    uint r = 0;
    float sum = 0.0f;
    part += i;
    total = i < sums ? total + i : bias_total + (i - sums);
    partial = i < sums ? partial + i : bias_partial + (i - sums);
    if (closed && fresh)
        sum = part[(size_t)r++ * stride];
    else if (closed)
        sum = *total;
    for (; r + AHEAD <= closed; r += AHEAD) {
        float next[AHEAD];
        UNROLL for (uint j = 0; j < AHEAD; j++)
            next[j] = part[(size_t)(r + j) * stride];
        UNROLL for (uint j = 0; j < AHEAD; j++)
            sum = arith_chain(sum, next[j]);
    }
    for (; r < closed; r++)
        sum = arith_chain(sum, part[(size_t)r * stride]);
    if (closed)
        *total = sum;
    if (left_open)
        *partial = part[(size_t)closed * stride];
}
