/* The memory of a run, and running lists of calls in it. */
#include "train/feed.h"

#include "ops/sum.h"
#include "ops/weigh.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TRIES = 3 };

const plan_part workspace_parts[WORKSPACE_PARTS] = {PART_PARAMETERS, PART_STATE, PART_STATE_2};

/* What does not depend on the tile: it stays when the tile becomes smaller. */
static bool is_fixed(int part) { return part <= PART_NODES || part == PART_BATCH || part == PART_NOISE; }

/* A region that is not in the plan stays an empty slice. */
static tas_status slice_region(workspace *w, const region *p, mem *out)
{
    *out = (mem){0};
    if (p->part < 0) return TAS_OK;
    if ((w->slice_count & (w->slice_count - 1)) == 0) { /* a power of two, or 0: full */
        mem *grown = realloc(w->slice, (size_t)(w->slice_count ? 2 * w->slice_count : 1) * sizeof *grown);
        if (!grown) return fail(w->network->context, TAS_NO_MEMORY, "no memory for a list of pieces of memory");
        w->slice = grown;
    }
    const tas_status status = w->device->driver->slice(w->device, &w->part[p->part], p->offset, p->bytes, out);
    if (!status) w->slice[w->slice_count++] = *out;
    return status;
}

static tas_status alloc_piece(workspace *w, uint64_t bytes, mem *out)
{
    if (!bytes || out->host || out->cl) return TAS_OK;
    const tas_status status = device_alloc(w->device, bytes, out);
    return status ? status : w->device->driver->zero(w->device, out);
}

/* Allocates the parts that are not there yet, and touches them: drivers may allocate when memory is first used. */
static tas_status alloc_parts(workspace *w)
{
    tas_status status = TAS_OK;
    for (int part = PART_PARAMETERS + 1; part < PART_COUNT && !status; part++) {
        if (part != PART_NODES) status = alloc_piece(w, w->plan.bytes[part], &w->part[part]);
    }
    for (uint32_t i = 0; i < w->plan.nodes && !status; i++) status = alloc_piece(w, w->plan.trained, &w->node[i]);
    return status ? status : device_alloc_host(w->device, w->plan.kept.host, &w->kept_host);
}

/* Of the parameters whose gradients are measured, if the noise scale is preconditioned by them. */
static tas_status slice_second_moments(workspace *w)
{
    const plan *p = &w->plan;
    tas_status status = TAS_OK;
    for (int t = 0; t < w->network->tensor_count && !status; t++) {
        const bool used = w->network->tensors[t].role == ROLE_GRADIENT && p->group_gradients[t].part >= 0;
        region place = p->tensor[t];
        place.part = used && p->preconditioned.part >= 0 ? PART_STATE_2 : -1;
        status = slice_region(w, &place, &w->second_moments[t]);
    }
    return status;
}

/* Momentum of the parameters whose gradients the update makes. */
static tas_status slice_velocities(workspace *w)
{
    const plan *p = &w->plan;
    tas_status status = TAS_OK;
    for (int t = 0; t < w->network->tensor_count && !status; t++) {
        const bool left = workspace_fuses(w) && w->network->tensors[t].role == ROLE_GRADIENT && p->tensor[t].part < 0;
        region place = p->tensor[left ? w->network->tensors[t].parameter : t];
        place.part = left ? PART_STATE : -1;
        status = slice_region(w, &place, &w->velocities[t]);
    }
    return status;
}

void workspace_lend_state(workspace *w)
{
    for (int t = 0; t < w->network->tensor_count; t++)
        if (w->velocities[t].bytes) w->tensor[t] = w->velocities[t];
}

static tas_status slice_stored(workspace *w)
{
    const plan *p = &w->plan;
    tas_status status = TAS_OK;
    for (int k = 0; k < WORKSPACE_PARTS && !status; k++) {
        const bool empty = !p->bytes[PART_GRADIENT] || !p->bytes[workspace_parts[k]];
        const region place = {empty ? -1 : (int)workspace_parts[k], p->stored.from, p->bytes[PART_GRADIENT]};
        status = slice_region(w, &place, &w->stored[k]);
    }
    return status;
}

static tas_status slice_noise(workspace *w)
{
    const plan *p = &w->plan;
    tas_status status = TAS_OK;
    for (int t = 0; t < w->network->tensor_count && !status; t++)
        status = slice_region(w, &p->group_gradients[t], &w->group_gradients[t]);
    if (!status) status = slice_region(w, &p->norms, &w->norms);
    if (!status) status = slice_second_moments(w);
    if (!status) status = slice_region(w, &p->squares, &w->squares);
    if (!status) status = slice_region(w, &p->preconditioned, &w->preconditioned);
    for (int level = 0; level < SUM_LEVELS && !status; level++)
        status = slice_region(w, &p->noise_sum[level], &w->noise_sum[level]);
    return status ? status : slice_region(w, &p->noise_ring, &w->noise_ring);
}

/* In a step of several passes: a value's places in each of them, and those of each tile of what is kept. */
static tas_status slice_passes(workspace *w)
{
    const plan *p = &w->plan;
    const size_t tensors = (size_t)w->network->tensor_count, places = tensors * (size_t)p->passes.count;
    tas_status status = TAS_OK;
    if (!p->values) return TAS_OK;
    w->values = calloc(places, sizeof *w->values);
    w->kept = calloc(tensors * p->kept.tiles, sizeof *w->kept);
    if (!w->values || !w->kept) return fail(w->network->context, TAS_NO_MEMORY, "no memory for a list of values");
    for (size_t i = 0; i < places && !status; i++)
        if (p->replaces[i] == NO_TENSOR) status = slice_region(w, &p->values[i], &w->values[i]);
    for (size_t i = 0; i < places && !status; i++)
        if (p->replaces[i] != NO_TENSOR) w->values[i] = w->values[i - i % tensors + (size_t)p->replaces[i]];
    for (size_t i = 0; i < tensors * p->kept.tiles && !p->kept.spilled && !status; i++) {
        const size_t t = i / p->kept.tiles;
        const region tile = {.part = p->kept.region[t].part,
                             .offset = p->kept.region[t].offset + i % p->kept.tiles * p->kept.bytes[t],
                             .bytes = p->kept.bytes[t]};
        status = slice_region(w, &tile, &w->kept[i]);
    }
    return status;
}

static tas_status slice_scratch(workspace *w)
{
    const size_t count = (size_t)network_calls(w->network) * (size_t)w->plan.passes.count;
    tas_status status = TAS_OK;
    w->pass = 0;
    w->scratch = calloc(count + 1, sizeof *w->scratch);
    if (!w->scratch) return fail(w->network->context, TAS_NO_MEMORY, "no memory for a list of pieces of memory");
    for (size_t i = 0; i < count && !status; i++) status = slice_region(w, &w->plan.scratch[i], &w->scratch[i]);
    return status;
}

static tas_status make_slices(workspace *w)
{
    const plan *p = &w->plan;
    tas_status status = slice_noise(w);
    if (!status) status = slice_scratch(w);
    if (!status) status = slice_velocities(w);
    if (!status) status = slice_stored(w);
    w->panel_width = p->panel_width;
    for (int t = 0; t < w->network->tensor_count && !status; t++)
        if (t != w->network->order && p->replaces[t] == NO_TENSOR)
            status = slice_region(w, &p->tensor[t], &w->tensor[t]); /* the order's is set by the feed */
    for (int t = 0; t < w->network->tensor_count && !status; t++)   /* one piece of memory: a kernel gets it twice */
        if (p->replaces[t] != NO_TENSOR) w->tensor[t] = w->tensor[p->replaces[t]];
    if (!status) status = slice_passes(w);
    for (int level = 0; level < SUM_LEVELS && !status; level++) {
        status = slice_region(w, &p->sum[level], &w->sum[level]);
        if (!status) status = slice_region(w, &p->correct_sum[level], &w->correct_sum[level]);
        if (!status) status = slice_region(w, &p->weight_sum[level], &w->weight_sum[level]);
    }
    if (!status) status = slice_region(w, &p->weights, &w->weights);
    if (!status) status = slice_region(w, &p->ring, &w->ring);
    if (!status) status = slice_region(w, &p->first_bad, &w->first_bad);
    if (!status) status = slice_region(w, &p->divisor, &w->divisor);
    if (!status) status = slice_region(w, &p->update_squares, &w->update_squares);
    if (!status) status = slice_region(w, &p->shard_losses, &w->shard_losses);
    if (!status) status = slice_region(w, &p->shard_weights, &w->shard_weights);
    if (!status) status = slice_region(w, &p->shard_folds, &w->shard_folds);
    for (int s = 0; s < STAGES && !status; s++) {
        status = slice_region(w, &p->source[s].inputs, &w->source[s].inputs);
        if (!status) status = slice_region(w, &p->source[s].targets, &w->source[s].targets);
        if (!status) status = slice_region(w, &p->source[s].weights, &w->source[s].weights);
        if (!status) status = slice_region(w, &p->source[s].order, &w->source[s].order);
    }
    return status;
}

static void release_slices(workspace *w)
{
    for (int i = 0; i < w->slice_count; i++) w->device->driver->release_slice(w->device, &w->slice[i]);
    free(w->slice);
    free(w->values);
    free(w->kept);
    free(w->scratch);
    w->slice = w->values = w->kept = w->scratch = NULL;
    w->slice_count = 0;
}

/* Everything, or only what grows with the tile. */
static void release_memory(workspace *w, bool all)
{
    release_slices(w);
    for (int part = PART_PARAMETERS + 1; part < PART_COUNT; part++)
        if (all || !is_fixed(part)) device_release(w->device, &w->part[part]);
    for (int i = 0; i < TREE_WAITING && all; i++) device_release(w->device, &w->node[i]);
    device_release_host(w->device, &w->kept_host);
}

static tas_status write_constants(workspace *w)
{
    tas_status status = TAS_OK;
    for (int t = 0; t < w->network->tensor_count && !status; t++) {
        const tensor *of = &w->network->tensors[t];
        if (of->role == ROLE_CONSTANT)
            status = w->device->driver->write(w->device, &w->tensor[t], 0, of->constants,
                                              of->elements * sizeof *of->constants, true);
    }
    return status;
}

static tas_status alloc_memory(workspace *w)
{
    tas_status status = alloc_parts(w);
    if (!status) status = make_slices(w);
    if (!status) status = write_constants(w);
    if (!status) status = w->device->driver->finish(w->device);
    return status;
}

/* A plan that needs clearly less than the one that was refused. The smallest is retried a few times, as the refusal may
 * have been temporary. */
static tas_status shrink_plan(workspace *w, tas_model *model, const plan_request *request)
{
    plan_device limits = model_limits(model, 0);
    const uint64_t refused = w->plan.total;
    char why[sizeof model->context->error];
    uint64_t smallest;
    memcpy(why, model->context->error, sizeof why);
    tas_status status = plan_smallest_budget(model->network, &limits, request, &smallest);
    if (status) return status;
    if (smallest && smallest >= refused && w->stuck++ < MAX_TRIES) return TAS_OK;
    if (!smallest || smallest >= refused)
        return fail(model->context, TAS_NO_MEMORY, "%s: memory is refused even for the smallest tiles: %.400s",
                    limits.id, why);
    limits.budget = smallest + (refused - smallest) / 4 * 3; /* only what depends on the tile can become smaller */
    plan less;
    status = plan_make(model->network, &limits, request, &less);
    if (status) return status;
    /* what was left to the update is stored from now on */
    if (less.bytes[PART_GRADIENT] != w->plan.bytes[PART_GRADIENT]) device_release(w->device, &w->part[PART_GRADIENT]);
    plan_free(&w->plan);
    w->plan = less;
    return TAS_OK;
}

/* Allocates memory for the plan; if it is refused, for smaller ones. */
static tas_status alloc_or_shrink(workspace *w, tas_model *model, const plan_request *request, bool all, bool *shrunk)
{
    tas_status status = alloc_memory(w);
    while (status == TAS_NO_MEMORY) {
        *shrunk = true;
        release_memory(w, all);
        if (w->device->driver->finish(w->device)) return TAS_DEVICE_FAILED; /* the cause is not a lack of memory */
        status = shrink_plan(w, model, request);
        if (status) break;
        status = alloc_memory(w);
    }
    return status;
}

tas_status workspace_shrink(workspace *w, tas_model *model, const plan_request *request)
{
    bool shrunk;
    tas_status status = w->device->driver->finish(w->device); /* so that released memory is free */
    if (status) return TAS_DEVICE_FAILED;
    release_memory(w, false);
    status = shrink_plan(w, model, request);
    return status ? status : alloc_or_shrink(w, model, request, false, &shrunk);
}

tas_status workspace_reallocate(workspace *w, tas_model *model, const plan_request *request)
{
    bool shrunk;
    feed_close(w);
    release_memory(w, true);
    return alloc_or_shrink(w, model, request, true, &shrunk);
}

tas_status workspace_restore(workspace *w, tas_model *model, const plan_request *request)
{
    bool shrunk;
    feed_close(w);
    release_memory(w, true);
    tas_status status = model_reopen(model);
    w->part[PART_PARAMETERS] = model->parameters;
    return status ? status : alloc_or_shrink(w, model, request, true, &shrunk);
}

tas_status workspace_open(workspace *w, tas_model *model, const plan_request *request, uint64_t budget, bool *shrunk)
{
    const plan_device limits = model_limits(model, budget);
    *w = (workspace){.device = model->device, .network = model->network};
    *shrunk = false;
    tas_status status = model->lost ? model_restore(model) : TAS_OK;
    if (!status) status = plan_make(model->network, &limits, request, &w->plan);
    if (status) return status;
    w->tensor = calloc((size_t)model->network->tensor_count, sizeof *w->tensor);
    w->group_gradients = calloc((size_t)model->network->tensor_count, sizeof *w->group_gradients);
    w->second_moments = calloc((size_t)model->network->tensor_count, sizeof *w->second_moments);
    w->velocities = calloc((size_t)model->network->tensor_count, sizeof *w->velocities);
    w->part[PART_PARAMETERS] = model->parameters;
    if (!w->tensor || !w->group_gradients || !w->second_moments || !w->velocities)
        status = fail(model->context, TAS_NO_MEMORY, "no memory for a list of tensors");
    if (!status) status = alloc_or_shrink(w, model, request, true, shrunk);
    /* a command that was accepted failed */
    for (int tries = 0; status == TAS_DEVICE_FAILED && tries < MAX_TRIES; tries++) {
        *shrunk = true;
        status = workspace_reallocate(w, model, request);
    }
    if (!status && *shrunk)
        model_log_recovery(model, "continuing in smaller tiles if possible; the result is the same");
    if (status) workspace_close(w);
    return status;
}

void workspace_close(workspace *w)
{
    if (!w->device) return;
    feed_close(w);
    release_memory(w, true);
    free(w->tensor);
    free(w->group_gradients);
    free(w->second_moments);
    free(w->velocities);
    plan_free(&w->plan);
    *w = (workspace){0};
}

/* If it cannot be restored, the error stays the first one: it says more. */
static bool restore_model(tas_model *model)
{
    char why[sizeof model->context->error];
    memcpy(why, model->context->error, sizeof why);
    const bool done = model->mirror.bytes && !model_restore(model);
    if (!done) memcpy(model->context->error, why, sizeof why);
    return done;
}

bool workspace_should_retry(tas_model *model, plan_request *request, workspace_retries *tries, tas_status status,
                            uint32_t tile)
{
    if (status != TAS_NO_MEMORY && status != TAS_DEVICE_FAILED) return false;
    const bool lost = !tile || (status == TAS_DEVICE_FAILED && tries->failures++);
    if (lost && !tries->restored) {
        tries->restored = true;
        if (restore_model(model)) return true;
    }
    if (tile > 1) request->max_tile = tile / 2;
    return tile > 1 || (tile && tries->at_one++ < MAX_TRIES);
}

/* Losses, and the gradients to the outputs, times the weights of the examples. loss: the arguments of its call. */
static tas_status weigh(workspace *w, const op_args *loss)
{
    const tas_network *network = w->network;
    const source *from = &w->source[w->plan.resident ? 0 : w->tiles_fed % STAGES];
    const op_args args = {.op = OP_WEIGH,
                          .n = loss->n,
                          .first = loss->first,
                          .batch = loss->batch,
                          .at = w->at,
                          .size = {[WEIGH_OUTPUTS] = network->outputs,
                                   [WEIGH_SOURCE] = (uint32_t)(from->weights.bytes / sizeof(float)),
                                   [WEIGH_ORDER] = (uint32_t)(from->order.bytes / sizeof(uint32_t)),
                                   [WEIGH_DIRECT] = !w->plan.resident}};
    const mem operand[] = {from->weights, from->order, w->tensor[network->losses], w->tensor[network->output_gradient],
                           w->weights};
    return device_run(w->device, &args, operand, NULL);
}

/* 1 + the input in whose memory the result lies, or 0. */
static uint8_t find_replaced(const op_row *row, const op_args *args, const mem *operand)
{
    const mem *result = &operand[op_result(row)];
    for (int o = 0; row->may_replace && row->operand[o].name; o++)
        if (row->operand[o].access == ACCESS_IN && operand[o].host == result->host && operand[o].cl == result->cl)
            return row->may_replace(args, o) ? (uint8_t)(o + 1) : 0;
    return 0;
}

/* The total stands for the sum of an unfinished granule, if that has no memory: no batch has several granules then. */
static const mem *operand_of(const workspace *w, int t)
{
    const tensor *all = w->network->tensors;
    const bool stands = all[t].role == ROLE_PARTIAL && w->plan.tensor[t].part < 0;
    return &w->tensor[stands ? all[all[t].parameter].gradient : t];
}

tas_status workspace_run_part(workspace *w, const op_call *call, const call_part *part)
{
    op_args args = call->args;
    mem operand[OP_OPERANDS];
    if (w->plan.shares_copies && network_copies(call)) return TAS_OK;
    args.n = part->n;
    args.first = part->first;
    args.batch = part->batch;
    args.origin = part->origin;
    args.shard = part->shard;
    args.panel_width = network_has_batch_panels(w->network, call) ? w->panel_width : 1;
    args.evaluating = w->evaluating;
    args.at = w->at;
    args.epoch = w->epoch;
    args.seed = w->seed;
    for (int o = 0; op_get(args.op)->operand[o].name; o++) operand[o] = *operand_of(w, call->operand[o]);
    if (part->out) operand[op_result(op_get(args.op))] = *part->out;
    args.replaces = find_replaced(op_get(args.op), &args, operand);
    w->place.call = call;
    const tas_status status = device_run(w->device, &args, operand, workspace_scratch(w, call));
    w->place.call = NULL;
    const bool loss = call == &w->network->forward[w->network->forward_count - 1];
    return status || !loss || !w->plan.weighted ? status : weigh(w, &args);
}

tas_status workspace_run(workspace *w, const op_call *call, uint32_t n, uint32_t first, uint32_t batch)
{
    const call_part all = {.n = n, .first = first, .batch = batch};
    return workspace_run_part(w, call, &all);
}

void workspace_begin_pass(workspace *w, int pass)
{
    const size_t tensors = (size_t)w->network->tensor_count;
    w->pass = pass;
    for (size_t t = 0; t < tensors && w->values; t++) {
        const size_t i = (size_t)pass * tensors + t;
        if (w->plan.values[i].part >= 0) w->tensor[t] = w->values[i];
    }
}

static char *kept_on_host(const workspace *w, int t, uint32_t tile)
{
    return w->kept_host.bytes + w->plan.kept.region[t].offset + tile * w->plan.kept.bytes[t];
}

tas_status workspace_begin_tile(workspace *w, int pass, uint32_t tile)
{
    const plan *p = &w->plan;
    const batch_pass *of = &p->passes.pass[pass];
    tas_status status = TAS_OK;
    for (int t = 0; t < w->network->tensor_count && w->kept && !p->kept.spilled; t++)
        if (p->kept.region[t].part >= 0) w->tensor[t] = w->kept[(size_t)t * p->kept.tiles + tile];
    for (int i = 0; i < of->load_count && p->kept.spilled && !status; i++) {
        const int t = of->loads[i];
        const uint64_t bytes = w->tensor[t].bytes;
        status = w->device->driver->write(w->device, &w->tensor[t], 0, kept_on_host(w, t, tile), bytes, true);
    }
    return status;
}

tas_status workspace_store(workspace *w, int pass, uint32_t tile)
{
    const plan *p = &w->plan;
    const batch_pass *of = &p->passes.pass[pass];
    tas_status status = TAS_OK;
    for (int i = 0; i < of->store_count && p->kept.spilled && !status; i++) {
        const int t = of->stores[i];
        const uint64_t bytes = w->tensor[t].bytes;
        status = w->device->driver->read(w->device, &w->tensor[t], 0, kept_on_host(w, t, tile), bytes);
    }
    return status;
}

tas_status workspace_sum_blocks(workspace *w, const mem *values, const mem *levels, uint32_t count, uint32_t at)
{
    const op_args args = {.op = OP_SUM_BLOCKS, .size = {[SUM_ELEMENTS] = count, [SUM_AT] = at}};
    const mem operand[] = {*values, levels[0]};
    return device_run(w->device, &args, operand, NULL);
}

tas_status workspace_sum_levels(workspace *w, const mem *levels, uint32_t count, const mem **total)
{
    tas_status status = TAS_OK;
    for (*total = levels; count > 1 && !status; levels++) {
        status = workspace_sum_blocks(w, levels, levels + 1, count, 0);
        count = (count + SUM_LANES - 1) / SUM_LANES;
        *total = levels + 1;
    }
    return status;
}
