/* One step of mini-batch training:
 *
 *     for each pass over the batch (plan/passes.h): one, unless a layer needs statistics of the whole batch
 *         for each tile of the batch
 *             feed it; forward; backward      adds to the sums of losses and gradients
 *         calls for the whole batch
 *     watch                               records the first step whose sums are not finite
 *     update                              w <- w - ..., unless a step was recorded
 *
 * Nothing in it waits for the device, except that a streamed data set is fed at most two tiles ahead (feed.h). */
#include "train/step.h"

#include "ops/watch.h"
#include "train/feed.h"

/* Examples of the tile that begins with example `first` of the batch. */
static uint32_t tile_at(const workspace *w, const step_batch *batch, const step_observer *observer, uint32_t first)
{
    const uint32_t group = observer ? observer->group : 0;
    uint32_t left = batch->count - first;
    if (group && group - first % group < left) left = group - first % group;
    return left < w->plan.tile ? left : w->plan.tile;
}

static tas_status run_call(workspace *w, const op_call *call, uint32_t n, uint32_t first, uint32_t batch,
                           const step_observer *observer)
{
    const tas_status status = workspace_run(w, call, n, first, batch);
    return status || !observer ? status : observer->after_call(observer->self, call, n, first);
}

/* A tile in one of the passes. */
static tas_status run_tile(workspace *w, int number, uint32_t tile, const step_batch *batch, uint32_t n, uint32_t first,
                           const step_observer *observer)
{
    const batch_pass *pass = &w->plan.passes.pass[number];
    tas_status status = workspace_begin_tile(w, number, tile);
    w->place = (step_place){.tile = tile, .first = first, .n = n, .batch = batch->count};
    if (!status && pass->feeds) status = feed_tile(w, batch->data, batch->order, batch->at + first, n);
    for (int c = 0; c < pass->count && !status; c++)
        status = run_call(w, pass->calls[c], n, first, batch->count, c < pass->repeated ? NULL : observer);
    w->place = (step_place){0};
    if (!status) status = workspace_store(w, number, tile);
    if (!status && observer && observer->after_tile) status = observer->after_tile(observer->self, n, first);
    return !status && pass->feeds ? feed_done(w) : status;
}

tas_status step_gradient(workspace *w, const step_batch *batch, const step_observer *observer)
{
    const passes *all = &w->plan.passes;
    tas_status status = TAS_OK;
    w->panel_width = batch->panel_width;
    for (int p = 0; p < all->count && !status; p++) {
        const batch_pass *pass = &all->pass[p];
        workspace_begin_pass(w, p);
        for (uint32_t first = 0, tile = 0, n; first < batch->count && !status; first += n, tile++) {
            n = tile_at(w, batch, observer, first);
            status = run_tile(w, p, tile, batch, n, first, observer);
        }
        for (int c = 0; c < pass->after_count && !status; c++)
            status = run_call(w, pass->after[c], batch->count, 0, batch->count, observer);
    }
    return status;
}

/* Sums of `count` values, and sums of those, until one call of the watch can add the rest: *left of them, at *at. */
static tas_status sum_most(workspace *w, const mem *values, const mem *levels, uint32_t count, const mem **at,
                           uint32_t *left)
{
    tas_status status = TAS_OK;
    for (; count > SUM_LANES && !status; values = levels++) {
        status = workspace_sum_blocks(w, values, levels, count, 0);
        count = (count - 1) / SUM_LANES + 1;
    }
    *at = values;
    *left = count;
    return status;
}

tas_status step_watch(workspace *w, uint32_t number, uint32_t examples)
{
    op_args args = {.op = OP_WATCH,
                    .size = {[WATCH_WEIGHTED] = w->plan.weighted,
                             [WATCH_ELEMENTS] = (uint32_t)(w->plan.bytes[PART_GRADIENT] / sizeof(float)),
                             [WATCH_STEP] = number,
                             [WATCH_PLACES] = RING},
                    .scalar = {[WATCH_EXAMPLES] = (float)examples}};
    const mem *losses, *weights;
    tas_status status = sum_most(w, &w->tensor[w->network->losses], w->sum, examples, &losses, &args.size[WATCH_SUMS]);
    weights = losses; /* are not read */
    if (w->plan.weighted && !status)
        status = sum_most(w, &w->weights, w->weight_sum, examples, &weights, &args.size[WATCH_SUMS]);
    if (status) return status;
    const mem operand[] = {*losses, *weights, w->part[PART_GRADIENT], w->divisor, w->ring, w->first_bad};
    return device_run(w->device, &args, operand, NULL);
}

const plan_part step_parts[STEP_PARTS] = {PART_PARAMETERS, PART_STATE, PART_STATE_2};
