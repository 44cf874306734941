/* Measuring the gradient noise scale in a step: see measure.h. */
#include "train/noise.h"

#include "arith.h"
#include "ops/dense.h"
#include "ops/sum_squares.h"

enum { DENSE_PARTS, DENSE_WHOLE, GROUP_PARTS, GROUP_WHOLE };

/* The end of the group with that example. */
static uint32_t group_end(uint32_t first, uint32_t batch)
{
    const uint32_t group = noise_schedule_group(batch), begin = first / group * group;
    return batch - begin < group ? batch : begin + group;
}

uint32_t noise_tile(const workspace *w, const noise_schedule *schedule, uint32_t first, uint32_t batch)
{
    const uint32_t left = (schedule->grouped ? group_end(first, batch) : batch) - first;
    return left < w->plan.tile ? left : w->plan.tile;
}

/* Squares gradients, of the batch or of a group, of dense layers or of the others; to `at` in the list of sums, which
 * goes on. */
static tas_status run_squares(workspace *w, const mem *tensors, bool grouped, float scale, uint32_t *at)
{
    const tas_network *network = w->network;
    tas_status status = TAS_OK;
    for (int i = 0; i < network->parameter_count && !status; i++) {
        const int gradient = network->tensors[network->parameters[i]].gradient;
        const tensor *t = &network->tensors[gradient];
        op_args args = {.op = OP_SQUARE_BLOCKS,
                        .size = {[SQUARES_ELEMENTS] = (uint32_t)t->elements, [SQUARES_AT] = *at},
                        .scalar = {[SQUARES_SCALE] = scale}};
        if (t->weight_panels)
            args =
                (op_args){.op = OP_SQUARE_ROWS,
                          .size = {[SQUARES_ROWS] = t->dims[0], [SQUARES_COLS] = t->dims[1], [SQUARES_ROWS_AT] = *at},
                          .scalar = {[SQUARES_SCALE] = scale}};
        const mem operand[] = {tensors[gradient], w->squares};
        if ((w->plan.group_gradients[gradient].part >= 0) != grouped) continue;
        status = device_run(w->device, &args, operand, NULL);
        *at += plan_squares(t);
    }
    return status;
}

static tas_status run_norms(workspace *w, const op_call *call, bool added, uint32_t n, uint32_t first, uint32_t batch)
{
    const uint32_t outputs = call->args.size[DENSE_OUTPUTS], inputs = call->args.size[DENSE_INPUTS];
    const op_args args = {.op = OP_DENSE_NORMS,
                          .n = n,
                          .first = first,
                          .batch = batch,
                          .size = {[NORMS_INPUTS] = inputs, [NORMS_OUTPUTS] = outputs, [NORMS_ADDED] = added}};
    const mem operand[] = {w->tensor[call->operand[0]], w->tensor[call->operand[1]], w->norms};
    return device_run(w->device, &args, operand, NULL);
}

static void swap_gradients(workspace *w)
{
    for (int t = 0; t < w->network->tensor_count; t++) {
        const mem own = w->tensor[t];
        if (w->plan.group_gradients[t].part < 0) continue;
        w->tensor[t] = w->group_gradients[t];
        w->group_gradients[t] = own;
    }
}

/* The call again, for the tile as a part of its group alone. */
static tas_status run_group(workspace *w, const op_call *call, uint32_t n, uint32_t first, uint32_t batch)
{
    const uint32_t begin = first / noise_schedule_group(batch) * noise_schedule_group(batch);
    swap_gradients(w);
    const tas_status status = run_calls(w, call, 1, n, first - begin, group_end(first, batch) - begin);
    swap_gradients(w);
    return status;
}

tas_status noise_backward(workspace *w, const noise_schedule *schedule, uint32_t n, uint32_t first, uint32_t batch)
{
    const tas_network *network = w->network;
    tas_status status = TAS_OK;
    bool added = false;
    for (int c = 0; c < network->backward_count && !status; c++) {
        const op_call *call = &network->backward[c];
        status = run_calls(w, call, 1, n, first, batch);
        if (!status && call->args.op == OP_DENSE_BACKWARD_WEIGHTS) {
            status = run_norms(w, call, added, n, first, batch);
            added = true;
        }
        if (!status && noise_schedule_is_grouped(network, call)) status = run_group(w, call, n, first, batch);
    }
    const uint32_t end = group_end(first, batch), group = noise_schedule_group(batch);
    if (status || !schedule->grouped || first + n < end) return status;
    const uint32_t number = (end - 1) / group;
    uint32_t at = number * w->plan.group_squares;
    return run_squares(w, w->group_gradients, true, arith_div(1, (float)(end - number * group)), &at);
}

/* values, summed, to a place in the ring. */
static tas_status sum_to_ring(workspace *w, const mem *values, uint32_t count, uint32_t step, int figure)
{
    tas_status status = TAS_OK;
    for (const mem *level = w->noise_sum; count > SUM_LANES && !status; level++) {
        status = run_block_sums(w, values, level, count, 0);
        values = level;
        count = (count - 1) / SUM_LANES + 1;
    }
    return status ? status
                  : run_block_sums(w, values, &w->noise_ring, count, step % RING * NOISE_SUMS + (uint32_t)figure);
}

/* |g|^2 of the batch's gradient to the dense layers, or to the others. */
static tas_status sum_whole(workspace *w, bool grouped, uint32_t step)
{
    uint32_t squares = 0;
    const tas_status status = run_squares(w, w->tensor, grouped, 1, &squares);
    return status ? status : sum_to_ring(w, &w->squares, squares, step, grouped ? GROUP_WHOLE : DENSE_WHOLE);
}

tas_status noise_sums(workspace *w, const noise_schedule *schedule, uint32_t step, uint32_t batch)
{
    const uint32_t groups = (batch - 1) / noise_schedule_group(batch) + 1;
    tas_status status = TAS_OK;
    if (schedule->grouped) {
        status = sum_to_ring(w, &w->squares, groups * w->plan.group_squares, step, GROUP_PARTS);
        if (!status) status = sum_whole(w, true, step);
    }
    if (schedule->dense && !status) status = sum_to_ring(w, &w->norms, batch, step, DENSE_PARTS);
    return schedule->dense && !status ? sum_whole(w, false, step) : status;
}

bool noise_read(const noise_schedule *options, const float figures[NOISE_SUMS], uint32_t batch, uint64_t examples,
                noise_scale *run, double *trace, double *square)
{
    noise_scale_groups layers[2];
    int count = 0;
    if (options->dense)
        layers[count++] =
            (noise_scale_groups){.parts = figures[DENSE_PARTS], .whole = figures[DENSE_WHOLE], .count = batch};
    if (options->grouped)
        layers[count++] = (noise_scale_groups){.parts = figures[GROUP_PARTS],
                                               .whole = figures[GROUP_WHOLE],
                                               .count = (batch - 1) / noise_schedule_group(batch) + 1};
    if (!noise_scale_estimate(layers, count, batch, examples, trace, square)) return false;
    noise_scale_add(run, *trace, *square);
    return true;
}
