/* One step of mini-batch training:
 *
 *     for each pass over the batch (plan/passes.h): one, unless a layer needs statistics of the whole batch
 *         for each leaf of the batch (plan/shards.h): one, unless it has several shards or more than 4096 examples
 *             for each tile of the leaf
 *                 feed it; forward; backward  adds to the sums of gradients
 *             add the leaf's sums to those of the leaves before it, as the tree says
 *         calls for the whole batch
 *     watch                               records the first step whose sums are not finite
 *     update                              w <- w - ..., unless a step was recorded
 *
 * Nothing in it waits for the device, except that a streamed data set is fed at most two tiles ahead (feed.h). */
#include "train/step.h"

#include "ops/dense_update.h"
#include "ops/sum.h"
#include "ops/tree.h"
#include "ops/watch.h"
#include "train/feed.h"

/* A step, or what of it is computed here. */
typedef struct step {
    workspace *w;
    const step_batch *batch;
    const step_observer *observer;
    shard_cut cut;
    uint32_t from, to; /* shards that have examples */
    bool leaves;       /* gradients that the update makes itself are left to it; who looks on sees all */
} step;

static step make_step(workspace *w, const step_batch *batch, const step_observer *observer)
{
    step s = {.w = w, .batch = batch, .observer = observer, .leaves = !observer && workspace_fuses(w)};
    s.cut = shards_cut(batch->count, w->plan.shards, w->network->group);
    s.to = batch->to && batch->to < s.cut.used ? batch->to : s.cut.used;
    s.from = batch->from < s.to ? batch->from : s.to;
    return s;
}

/* Sums of gradients ----------------------------------------------------------------------------------------------- */

static bool sums_gradients(const tas_network *network, const op_call *call)
{
    int at = 0;
    return network_next_gradient(network, call, &at) != NO_TENSOR;
}

/* Bytes of the gradient, and of the nodes of the tree. */
typedef struct byte_range {
    uint64_t at, bytes;
} byte_range;

static tas_status add_node(workspace *w, const mem *to, const mem *from, bool keeps, byte_range some)
{
    const op_args args = {.op = OP_ADD_NODE,
                          .size = {[NODE_AT] = (uint32_t)(some.at / sizeof(float)),
                                   [NODE_ELEMENTS] = (uint32_t)(some.bytes / sizeof(float)),
                                   [NODE_KEEPS] = keeps}};
    const mem operand[] = {*to, *from};
    return device_run(w->device, &args, operand, NULL);
}

/* What becomes of the sums of a leaf. */
typedef struct leaf_sums {
    int waiting; /* nodes, */
    int added;   /* and of these the last ones, which are added to the leaf's sums */
    bool last;   /* no leaf follows: else the result waits as well */
} leaf_sums;

static tas_status add_range(workspace *w, const leaf_sums *leaf, byte_range some)
{
    const mem *sum = &w->part[PART_GRADIENT];
    tas_status status = TAS_OK;
    if (!leaf->added && !leaf->last) return add_node(w, &w->node[leaf->waiting], sum, true, some);
    for (int i = 1; i <= leaf->added && !status; i++) {
        const mem *node = &w->node[leaf->waiting - i];
        const bool waits = i == leaf->added && !leaf->last;
        status = add_node(w, waits ? node : sum, waits ? sum : node, false, some);
    }
    return status;
}

static leaf_sums next_leaf(tree_sums *sums, uint32_t place)
{
    const int waiting = sums->count, added = shards_add(sums, place);
    return (leaf_sums){waiting, added, shards_next(sums->of, place + 1, sums->to) == sums->to};
}

/* The same for what a call has summed of a leaf. */
static tas_status add_call(workspace *w, const leaf_sums *leaf, const op_call *call)
{
    tas_status status = TAS_OK;
    for (int at = 0, t; !status && (t = network_next_gradient(w->network, call, &at)) != NO_TENSOR;) {
        const byte_range some = {w->plan.tensor[t].offset, w->plan.tensor[t].bytes};
        status = add_range(w, leaf, some);
    }
    return status;
}

/* And for all calls of a pass: the whole gradient, if there is one pass. */
static tas_status add_leaf(workspace *w, const leaf_sums *leaf, const op_call *const *calls, int count)
{
    tas_status status = TAS_OK;
    if (w->plan.passes.count == 1) return add_range(w, leaf, (byte_range){0, w->plan.trained});
    for (int c = 0; c < count && !status; c++) status = add_call(w, leaf, calls[c]);
    return status;
}

static tas_status report_sums(const step *s, const op_call *const *calls, int count)
{
    tas_status status = TAS_OK;
    for (int c = 0; c < count && s->observer && s->observer->after_sums && !status; c++)
        if (sums_gradients(s->w->network, calls[c])) status = s->observer->after_sums(s->observer->self, calls[c]);
    return status;
}

static tas_status tell_peers(const step *s, const op_call *call)
{
    const step_peers *peers = s->batch->peers;
    return peers && sums_gradients(s->w->network, call) ? peers->summed(peers->self, call) : TAS_OK;
}

/* Tiles ----------------------------------------------------------------------------------------------------------- */

/* Examples of the tile that begins with example `first` of the batch. */
static uint32_t tile_at(const step *s, example_run leaf, uint32_t first)
{
    const uint32_t group = s->observer ? s->observer->group : 0;
    uint32_t left = leaf.first + leaf.count - first;
    if (group && group - first % group < left) left = group - first % group;
    return left < s->w->plan.tile ? left : s->w->plan.tile;
}

/* What sums gradients gets the leaf as if it were the batch. */
static tas_status run_call(step *s, const op_call *call, example_run leaf, uint32_t n, uint32_t first, bool observed)
{
    call_part part = {.n = n, .first = first, .batch = s->batch->count};
    if (sums_gradients(s->w->network, call))
        part = (call_part){.n = n, .first = first - leaf.first, .batch = leaf.count, .origin = leaf.first};
    const tas_status status = workspace_run_part(s->w, call, &part);
    return status || !observed ? status : s->observer->after_call(s->observer->self, call, n, first);
}

/* A tile in one of the passes. ends: it is the last one, and peers wait for each gradient; else NULL. */
static tas_status run_tile(step *s, int number, uint32_t tile, example_run leaf, uint32_t n, uint32_t first,
                           const leaf_sums *ends)
{
    workspace *w = s->w;
    const step_batch *batch = s->batch;
    const batch_pass *pass = &w->plan.passes.pass[number];
    tas_status status = workspace_begin_tile(w, number, tile);
    w->place = (step_place){.tile = tile, .first = first, .n = n, .batch = batch->count};
    if (!status && pass->feeds) status = feed_tile(w, batch->data, batch->order, batch->at + first, n);
    for (int c = 0; c < pass->count && !status; c++) {
        if (!s->leaves || !network_fuses(pass->calls[c]))
            status = run_call(s, pass->calls[c], leaf, n, first, s->observer && c >= pass->repeated);
        if (!status && ends && c >= pass->repeated) status = add_call(w, ends, pass->calls[c]);
        if (!status && ends && c >= pass->repeated) status = tell_peers(s, pass->calls[c]);
    }
    w->place = (step_place){0};
    if (!status) status = workspace_store(w, number, tile);
    if (!status && s->observer && s->observer->after_tile)
        status = s->observer->after_tile(s->observer->self, n, first);
    return !status && pass->feeds ? feed_done(w) : status;
}

static tas_status run_tiles(step *s, int number)
{
    const batch_pass *pass = &s->w->plan.passes.pass[number];
    const op_call *const *own = pass->calls + pass->repeated;
    const int count = pass->count - pass->repeated;
    tree_sums sums = shards_begin(&s->cut, s->from, s->to);
    uint32_t place = shards_next(&s->cut, sums.from, sums.to), tile = 0;
    tas_status status = TAS_OK;
    for (; place < sums.to && !status; place = shards_next(&s->cut, place + 1, sums.to)) {
        const example_run leaf = shards_leaf(&s->cut, place);
        const uint32_t end = leaf.first + leaf.count;
        const leaf_sums now = next_leaf(&sums, place);
        const bool tells = now.last && s->batch->peers;
        for (uint32_t first = leaf.first, n; first < end && !status; first += n) {
            n = tile_at(s, leaf, first);
            status = run_tile(s, number, tile++, leaf, n, first, tells && first + n == end ? &now : NULL);
        }
        if (!status && !tells) status = add_leaf(s->w, &now, own, count);
    }
    return status ? status : report_sums(s, own, count);
}

/* Calls for the whole batch --------------------------------------------------------------------------------------- */

static tas_status share(const step *s, const mem *rows, uint64_t width)
{
    const step_peers *peers = s->batch->peers;
    return peers ? peers->share(peers->self, rows, (uint32_t)width, s->cut.used) : TAS_OK;
}

/* Gradients of sums that lie there for the whole batch: shard by shard. */
static tas_status sum_shards(step *s, const op_call *call)
{
    const shard_cut whole = shards_without_leaves(&s->cut);
    tree_sums sums = shards_begin(&whole, s->from, s->to);
    tas_status status = TAS_OK;
    for (uint32_t i = s->from; i < s->to && !status; i++) {
        const example_run run = shards_at(&whole, i);
        const call_part part = {.n = run.count, .batch = run.count, .origin = run.first, .shard = whole.size};
        status = workspace_run_part(s->w, call, &part);
        const leaf_sums now = next_leaf(&sums, i);
        if (!status) status = add_call(s->w, &now, call);
    }
    return status ? status : report_sums(s, &call, 1);
}

/* A row per shard, and what is made of all rows. */
static tas_status merge_shards(step *s, const op_call *call)
{
    workspace *w = s->w;
    const int out = call->operand[op_result(op_get(call->args.op))];
    const uint32_t first = shards_at(&s->cut, s->from).first, end = s->to * s->cut.size, batch = s->batch->count;
    const uint32_t n = (end < batch ? end : batch) - first;
    const call_part own = {.n = n, .first = first, .batch = batch, .shard = s->cut.size, .out = &w->shard_folds};
    op_args args = call->args;
    args.op = op_get(call->args.op)->merge;
    args.n = args.batch = batch;
    args.shard = s->cut.size;
    const mem operand[] = {w->shard_folds, w->tensor[out]};
    tas_status status = n ? workspace_run_part(w, call, &own) : TAS_OK;
    if (!status) status = share(s, &w->shard_folds, w->network->tensors[out].elements);
    return status ? status : device_run(w->device, &args, operand, workspace_scratch(w, call));
}

/* With one shard such a call has all rows of the batch, whatever the leaves. */
static tas_status run_after(step *s, const op_call *call)
{
    const uint32_t batch = s->batch->count;
    tas_status status = TAS_OK;
    if (s->w->plan.shards > 1)
        status = sums_gradients(s->w->network, call) ? sum_shards(s, call) : merge_shards(s, call);
    else
        status = workspace_run(s->w, call, batch, 0, batch);
    if (!status && s->from < s->to) status = tell_peers(s, call);
    if (status || !s->observer) return status;
    if (s->w->plan.shards == 1) status = report_sums(s, &call, 1);
    return status ? status : s->observer->after_call(s->observer->self, call, batch, 0);
}

tas_status step_gradient(workspace *w, const step_batch *batch, const step_observer *observer)
{
    step s = make_step(w, batch, observer);
    const passes *all = &w->plan.passes;
    tas_status status = TAS_OK;
    w->panel_width = batch->panel_width;
    for (int p = 0; p < all->count && !status; p++) {
        const batch_pass *pass = &all->pass[p];
        workspace_begin_pass(w, p);
        status = run_tiles(&s, p);
        for (int c = 0; c < pass->after_count && !status; c++) status = run_after(&s, pass->after[c]);
    }
    return status;
}

int step_nodes(const workspace *w, const step_batch *batch, tree_node node[TREE_WAITING + 1])
{
    const shard_cut cut = shards_cut(batch->count, w->plan.shards, w->network->group),
                    whole = shards_without_leaves(&cut);
    const tree_sums sums = shards_sums(&whole, batch->from, batch->to ? batch->to : whole.count);
    for (int i = 0; i < sums.count; i++) node[i] = sums.node[i];
    return sums.count;
}

/* The watch ------------------------------------------------------------------------------------------------------- */

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

/* Of values of the batch: the sum of each shard that is computed here, in `rows`. */
static tas_status sum_rows(const step *s, const mem *values, const mem *levels, const mem *rows)
{
    const uint32_t end = s->to * s->cut.size, first = s->from * s->cut.size;
    uint32_t count = (end < s->batch->count ? end : s->batch->count) - first, row = s->cut.size, from = first;
    tas_status status = TAS_OK;
    for (bool more = s->from < s->to; more && !status;) {
        const uint32_t blocks = (row - 1) / SUM_LANES + 1;
        more = blocks > 1;
        const op_args args = {
            .op = OP_SUM_BLOCKS,
            .size = {[SUM_ELEMENTS] = count, [SUM_AT] = more ? 0 : s->from, [SUM_FROM] = from, [SUM_ROW] = row}};
        const mem operand[] = {*values, more ? *levels : *rows};
        status = device_run(s->w->device, &args, operand, NULL);
        count = sum_block_count(count, row);
        row = blocks;
        from = 0;
        values = levels++;
    }
    return status;
}

/* And then that of all, *at. */
static tas_status sum_by_shards(const step *s, const mem *values, const mem *levels, const mem *rows, const mem **at)
{
    const op_args args = {.op = OP_ADD_TREE, .size = {[TREE_ROWS] = s->cut.used, [TREE_ELEMENTS] = 1}};
    const mem operand[] = {*rows, *levels};
    const tas_status status = sum_rows(s, values, levels, rows);
    *at = levels;
    return status ? status : device_run(s->w->device, &args, operand, NULL);
}

/* How many values are left in *losses and, if the examples have weights, in *weights. */
static tas_status sum_losses(const step *s, const mem **losses, const mem **weights, uint32_t *left)
{
    workspace *w = s->w;
    const mem *values = &w->tensor[w->network->losses];
    const bool several = w->plan.shards > 1;
    tas_status status;
    *left = 1;
    status = several ? sum_by_shards(s, values, w->sum, &w->shard_losses, losses)
                     : sum_most(w, values, w->sum, s->batch->count, losses, left);
    *weights = *losses; /* are not read */
    if (status || !w->plan.weighted) return status;
    return several ? sum_by_shards(s, &w->weights, w->weight_sum, &w->shard_weights, weights)
                   : sum_most(w, &w->weights, w->weight_sum, s->batch->count, weights, left);
}

tas_status step_sum_rows(workspace *w, const step_batch *batch)
{
    const step s = make_step(w, batch, NULL);
    tas_status status = sum_rows(&s, &w->tensor[w->network->losses], w->sum, &w->shard_losses);
    if (!status && w->plan.weighted) status = sum_rows(&s, &w->weights, w->weight_sum, &w->shard_weights);
    return status;
}

/* From c on, the next call whose gradients are left to the update; NULL: there is none. */
static const op_call *next_fused(const tas_network *network, int *c)
{
    while (*c < network->backward_count && !network_fuses(&network->backward[*c])) ++*c;
    return *c < network->backward_count ? &network->backward[(*c)++] : NULL;
}

/* What is left to the update is looked at, too, before it changes anything: two layers at a time. */
static tas_status check_fused(workspace *w, uint32_t number, uint32_t examples)
{
    tas_status status = TAS_OK;
    for (int c = 0; !status;) {
        const op_call *call = next_fused(w->network, &c), *second = call ? next_fused(w->network, &c) : NULL;
        if (!call) break;
        op_args args = dense_update_args(&call->args, OP_DENSE_CHECK);
        args.n = args.batch = examples;
        args.size[FUSED_STEP] = number;
        if (second) {
            args.size[CHECK_OUTPUTS] = second->args.size[DENSE_OUTPUTS];
            args.size[CHECK_INPUTS] = second->args.size[DENSE_INPUTS];
            args.size[CHECK_NO_BIAS] = second->args.size[DENSE_NO_BIAS];
        } else {
            second = call; /* any buffers: it has no inputs */
        }
        const mem operand[] = {w->tensor[call->operand[0]], w->tensor[call->operand[1]], w->tensor[second->operand[0]],
                               w->tensor[second->operand[1]], w->first_bad};
        status = device_run(w->device, &args, operand, NULL);
    }
    return status;
}

tas_status step_watch(workspace *w, const step_batch *batch, uint32_t number)
{
    const step s = make_step(w, batch, NULL);
    const uint32_t elements = (uint32_t)(w->plan.bytes[PART_GRADIENT] / sizeof(float));
    op_args args = {.op = OP_WATCH,
                    .size = {[WATCH_WEIGHTED] = w->plan.weighted,
                             [WATCH_ELEMENTS] = elements,
                             [WATCH_STEP] = number,
                             [WATCH_PLACES] = RING},
                    .scalar = {[WATCH_EXAMPLES] = (float)batch->count}};
    const mem *losses, *weights;
    tas_status status = sum_losses(&s, &losses, &weights, &args.size[WATCH_SUMS]);
    if (!status && s.leaves) status = check_fused(w, number, batch->count);
    if (status) return status;
    const mem gradient = elements ? w->part[PART_GRADIENT] : *losses; /* any buffer */
    const mem operand[] = {*losses, *weights, gradient, w->divisor, w->ring, w->first_bad};
    return device_run(w->device, &args, operand, NULL);
}
