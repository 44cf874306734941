/* The part of a run over ranks that all of them do together: see ranked.h. */
#include "train/ranked.h"

#include "ops/tree.h"
#include "ops/watch.h"
#include "train/feed.h"
#include "train/ranks.h"
#include "train/recovery.h"

#include <stdlib.h>
#include <string.h>

enum { FLAG_BAD = 1, FLAG_WEIGHTS = 2 }; /* what is summed, or the loss, or a new weight, is not finite */
static const double least_limit = 8;     /* seconds that a step may take before a rank is taken to hang, at least; */
enum { LIMIT_TIMES = 8 };                /* and times of the longest so far */

/* Opening --------------------------------------------------------------------------------------------------------- */

static uint64_t parameter_bytes(const tas_run *run) { return run->w.plan.bytes[PART_PARAMETERS]; }

static tas_status alloc_floats(const tas_run *run, uint64_t bytes, host_mem *out, float **floats)
{
    const tas_status status = device_alloc_host(run->model->device, bytes, out);
    *floats = (float *)(void *)out->bytes;
    return status;
}

static tas_status alloc_messages(tas_run *run)
{
    ranked *r = run->ranked;
    const uint64_t bytes = r->memory.message;
    tas_status status = device_alloc_host(run->model->device, bytes, &r->messages[0]);
    if (!status) status = device_alloc_host(run->model->device, bytes, &r->messages[1]);
    if (!status) exchange_lend(&r->exchange, r->messages[0].bytes, r->messages[1].bytes, bytes);
    return status;
}

static tas_status alloc_vectors(tas_run *run)
{
    ranked *r = run->ranked;
    tas_status status = ranked_measure(&r->slices, r->ranks->transport.rank, run->w.plan.trained, &r->memory);
    for (int k = 0; k < r->exchange.nodes && !status; k++) {
        status = alloc_floats(run, r->memory.vector, &r->block[k][0], &r->vector[k]);
        if (!status) status = device_alloc_host(run->model->device, r->memory.packed, &r->block[k][1]);
        r->packed[k] = r->block[k][1].bytes;
    }
    if (!status) status = alloc_floats(run, r->memory.vector, &r->weights_memory, &r->weights);
    if (!status) status = alloc_floats(run, r->memory.losses, &r->losses_memory, &r->losses);
    if (!status) status = alloc_messages(run);
    if (status) return status;
    memset(r->losses, 0, (size_t)r->memory.losses);
    r->rows = calloc(RANKED_ROWS, sizeof *r->rows);
    r->bucket = calloc((size_t)r->slices.buckets + 1, sizeof *r->bucket);
    r->bucket_of = calloc((size_t)run->w.network->tensor_count, sizeof *r->bucket_of);
    const bool done = r->rows && r->bucket && r->bucket_of;
    return done ? TAS_OK : fail(run->model->context, TAS_NO_MEMORY, "no memory for the exchange between ranks");
}

static void list_buckets(ranked *r)
{
    const slices *s = &r->slices;
    for (int b = 0; b < s->buckets; b++)
        for (int k = 0; k < s->bucket[b].count; k++) r->bucket_of[s->tensor[s->bucket[b].first + k]] = b;
}

static tas_status share_rows(void *self, const mem *rows, uint32_t width, uint32_t shards);
static tas_status read_sums(void *self, const op_call *call);

static tas_status keep_share(tas_ranks *ranks, const uint32_t *share)
{
    const size_t bytes = (ranks->transport.count + (size_t)1) * sizeof *share;
    uint32_t *kept = realloc(ranks->share, bytes);
    if (!kept) return fail(ranks->context, TAS_NO_MEMORY, "no memory for the shares of ranks");
    ranks->share = memcpy(kept, share, bytes);
    return TAS_OK;
}

tas_status ranked_open(tas_run *run, const uint32_t *share, bool as_devices)
{
    ranked *r = run->ranked;
    tas_context *context = run->model->context;
    tas_ranks *ranks = r->ranks;
    const uint32_t rank = ranks->transport.rank;
    tas_status status = exchange_open(&r->exchange, context, &ranks->transport, run->options.shards, share);
    if (!status) status = slices_open(&r->slices, run->model, &run->options, &r->exchange, as_devices);
    if (!status) status = keep_share(ranks, share);
    r->from = share[rank];
    r->to = share[rank + 1];
    r->peers = (step_peers){run, share_rows, read_sums};
    if (!status) status = alloc_vectors(run);
    if (!status) {
        r->example_weights = r->losses + run->options.shards;
        list_buckets(r);
    }
    r->open = !status;
    return status;
}

void ranked_close(tas_run *run)
{
    ranked *r = run->ranked;
    if (!r) return;
    run->w.device->driver->join(run->w.device, &r->written);
    tas_device *device = run->model->device;
    for (int i = 0; i < RANKED_ROWS && r->rows; i++) device_release_host(device, &r->rows[i].memory);
    for (int k = 0; k < HALVING_NODES; k++)
        for (int i = 0; i < 2; i++) device_release_host(device, &r->block[k][i]);
    device_release_host(device, &r->weights_memory);
    device_release_host(device, &r->losses_memory);
    free(r->rows);
    free(r->bucket);
    free(r->bucket_of);
    slices_close(&r->slices);
    exchange_close(&r->exchange);
    for (int i = 0; i < 2; i++) device_release_host(device, &r->messages[i]);
    free(r);
    run->ranked = NULL;
}

step_batch ranked_batch(const tas_run *run, const run_step *step)
{
    const ranked *r = run->ranked;
    return (step_batch){.data = run->data,
                        .order = run->order,
                        .at = step->at,
                        .count = step->count,
                        .panel_width = run->w.plan.step_panel_width,
                        .from = r ? r->from : 0,
                        .to = r ? r->to : 0,
                        .peers = r && r->step == step ? &r->peers : NULL};
}

/* Rows ------------------------------------------------------------------------------------------------------------ */

static const transport_kind *kind_of(const tas_run *run) { return run->ranked->ranks->transport.kind; }
static void *self_of(const tas_run *run) { return run->ranked->ranks->transport.self; }

/* While this rank computes, it may take so long, once it is known how long that is. Until then, and outside of steps,
 * calls of its driver have limits of their own: ranks_attach(). */
static void begin_limit(const tas_run *run)
{
    const double longest = run->ranked->longest;
    const double limit = LIMIT_TIMES * longest > least_limit ? LIMIT_TIMES * longest : least_limit;
    run->ranked->ranks->in_step = longest > 0;
    kind_of(run)->limit(self_of(run), longest > 0 ? limit : 0, 0);
}

static void end_limit(const tas_run *run)
{
    run->ranked->ranks->in_step = false;
    kind_of(run)->limit(self_of(run), 0, 0);
}

/* Not TAS_OK: all ranks end. */
static tas_status end_all(const tas_run *run, tas_status status)
{
    if (status) kind_of(run)->fail(self_of(run), run->model->context->error);
    return status;
}

static tas_status exchange_own_rows(tas_run *run, ranked_rows *of, const mem *rows, uint32_t width, uint32_t shards)
{
    ranked *r = run->ranked;
    workspace *w = &run->w;
    const uint64_t row = width * sizeof(float), bytes = run->options.shards * row;
    const uint32_t to = r->to < shards ? r->to : shards;
    if (of->memory.count < bytes) {
        device_release_host(w->device, &of->memory);
        const tas_status status = alloc_floats(run, bytes, &of->memory, &of->values);
        if (status) return end_all(run, status);
        memset(of->values, 0, (size_t)bytes);
    }
    tas_status status = TAS_OK;
    if (r->from < to)
        status = w->device->driver->read(w->device, rows, r->from * row, of->values + (uint64_t)r->from * width,
                                         (to - r->from) * row);
    if (status) return status;
    end_limit(run);
    status = exchange_rows(&r->exchange, of->values, width);
    begin_limit(run);
    of->shared = !status;
    return status;
}

/* See step_peers. If this rank computes its gradient again, the others do not: the rows have come already. */
static tas_status share_rows(void *self, const mem *rows, uint32_t width, uint32_t shards)
{
    tas_run *run = self;
    workspace *w = &run->w;
    ranked *r = run->ranked;
    if (r->next_rows == RANKED_ROWS)
        return end_all(run, fail(run->model->context, TAS_BAD_NETWORK,
                                 "more than %d layers share statistics over ranks", RANKED_ROWS));
    ranked_rows *of = &r->rows[r->next_rows++];
    const tas_status status = of->shared ? TAS_OK : exchange_own_rows(run, of, rows, width, shards);
    if (status) return status;
    return w->device->driver->write(w->device, rows, 0, of->values, (uint64_t)shards * width * sizeof(float), true);
}

static shard_cut cut_of(const tas_run *run, uint32_t batch)
{
    return shards_cut(batch, run->options.shards, run->model->network->group);
}

/* The gradient ---------------------------------------------------------------------------------------------------- */

/* From the device's layout to that of vectors, and back: parameters that are trained, from one of the slices' on. */
static void unpack_some(const tas_run *run, int first, int count, const char *packed, float *vector)
{
    const slices *s = &run->ranked->slices;
    for (int k = first; k < first + count; k++)
        slices_unpack(s, k, packed + run->w.plan.tensor[s->tensor[k]].offset, vector);
}

static void unpack(const tas_run *run, const char *packed, float *vector)
{
    unpack_some(run, 0, run->ranked->slices.count, packed, vector);
}

static void pack(const tas_run *run, const float *vector, char *packed)
{
    const slices *s = &run->ranked->slices;
    for (int k = 0; k < s->count; k++) slices_pack(s, k, vector, packed + run->w.plan.tensor[s->tensor[k]].offset);
}

/* Where the gradient of a node's parameter k is read to. */
static char *gradient_at(const tas_run *run, int node, int k)
{
    ranked *r = run->ranked;
    return r->slices.as_devices ? (char *)(r->vector[node] + r->slices.at[k])
                                : r->packed[node] + run->w.plan.tensor[r->slices.tensor[k]].offset;
}

/* Begins to read a bucket's gradients, all of which are queued: of the nodes of the exchange that have examples, which
 * are in the order of the step's. */
static tas_status read_bucket(tas_run *run, int b)
{
    ranked *r = run->ranked;
    workspace *w = &run->w;
    const slices_bucket *of = &r->slices.bucket[b];
    ranked_bucket *to = &r->bucket[b];
    const device_driver *driver = w->device->driver;
    tas_status status = driver->mark(w->device, &to->made);
    if (!status) status = driver->flush(w->device);
    for (int k = 0; k < r->nodes; k++)
        for (int i = of->first; i < of->first + of->count && !status; i++) {
            const region *at = &w->plan.tensor[w->network->tensors[r->slices.tensor[i]].gradient];
            const mem *from = k == r->nodes - 1 ? &w->part[PART_GRADIENT] : &w->node[k];
            status =
                driver->read_later(w->device, from, at->offset, gradient_at(run, k, i), at->bytes, to->made, &to->read);
        }
    return status;
}

/* See step_peers. If this rank computes its gradient again, some of it may have been summed already. */
static tas_status read_sums(void *self, const op_call *call)
{
    tas_run *run = self;
    ranked *r = run->ranked;
    tas_status status = TAS_OK;
    const tas_network *network = run->w.network;
    for (int at = 0, t; !status && (t = network_next_gradient(network, call, &at)) != NO_TENSOR;) {
        const int b = r->bucket_of[network->tensors[t].parameter];
        if (!r->bucket[b].summed && --r->bucket[b].awaited == 0) status = read_bucket(run, b);
    }
    return status;
}

static void begin_buckets(tas_run *run, const step_batch *batch)
{
    ranked *r = run->ranked;
    tree_node nodes[TREE_WAITING + 1];
    r->nodes = step_nodes(&run->w, batch, nodes);
    for (int b = 0; b < r->slices.buckets; b++) r->bucket[b].awaited = r->slices.bucket[b].count;
}

/* Waits for all reads. Their failures were reported before. */
static void end_reads(tas_run *run)
{
    ranked *r = run->ranked;
    const device_driver *driver = run->w.device->driver;
    for (int b = 0; b < r->slices.buckets; b++) {
        driver->join(run->w.device, &r->bucket[b].made);
        driver->join(run->w.device, &r->bucket[b].read);
    }
    driver->join(run->w.device, &r->rows_made);
    driver->join(run->w.device, &r->rows_read);
}

static tas_status sum_bucket(tas_run *run, int b, uint32_t used)
{
    ranked *r = run->ranked;
    workspace *w = &run->w;
    const slices_bucket *of = &r->slices.bucket[b];
    tas_status status = w->device->driver->join(w->device, &r->bucket[b].read);
    uint32_t flags = 0;
    if (status) return status;
    for (int k = 0; k < r->nodes && !r->slices.as_devices; k++)
        unpack_some(run, of->first, of->count, r->packed[k], r->vector[k]);
    end_limit(run);
    status = exchange_sum(&r->exchange, r->vector, of->cut, used, &flags);
    begin_limit(run);
    r->bucket[b].summed = !status;
    return status;
}

/* While the device computes the gradients of the first layers, those of the last ones are summed over the ranks. */
static tas_status sum_buckets(tas_run *run, uint32_t used)
{
    ranked *r = run->ranked;
    const double seconds = r->exchange.seconds, waited = r->exchange.waited;
    tas_status status = TAS_OK;
    for (int b = 0; b < r->slices.buckets && !status; b++) {
        if (b == r->slices.buckets - 1) { /* it is read when the device is done */
            r->beside_seconds += r->exchange.seconds - seconds;
            r->beside_waited += r->exchange.waited - waited;
        }
        if (!r->bucket[b].summed) status = sum_bucket(run, b, used);
    }
    return status;
}

/* The watch ------------------------------------------------------------------------------------------------------- */

/* Begins to read the sums of losses, and of weights of examples, of this rank's shards. */
static tas_status read_losses(tas_run *run, const step_batch *batch)
{
    ranked *r = run->ranked;
    workspace *w = &run->w;
    const device_driver *driver = w->device->driver;
    const uint32_t used = cut_of(run, batch->count).used;
    const uint32_t to = r->to < used ? r->to : used;
    const uint64_t at = r->from * sizeof(float), bytes = r->from < to ? (to - r->from) * sizeof(float) : 0;
    tas_status status = step_sum_rows(w, batch);
    if (!status) status = driver->mark(w->device, &r->rows_made);
    if (!status) status = driver->flush(w->device);
    if (!status)
        status = driver->read_later(w->device, &w->shard_losses, at, r->losses + r->from, bytes, r->rows_made,
                                    &r->rows_read);
    if (!status && w->plan.weighted)
        status = driver->read_later(w->device, &w->shard_weights, at, r->example_weights + r->from, bytes, r->rows_made,
                                    &r->rows_read);
    return status;
}

/* The total of a row per shard, on every rank. */
static tas_status total_rows(tas_run *run, float *rows, uint32_t used, float *total)
{
    ranked *r = run->ranked;
    const op_args args = {.op = OP_ADD_TREE, .size = {[TREE_ROWS] = used, [TREE_ELEMENTS] = 1}};
    void *const operand[] = {rows, total};
    end_limit(run);
    const tas_status status = exchange_rows(&r->exchange, rows, 1);
    begin_limit(run);
    if (!status) op_get(args.op)->reference(&args, operand, NULL);
    return status;
}

/* Like step_watch(), except that the gradient is checked later, in slices. */
static tas_status watch(tas_run *run, const run_step *step)
{
    ranked *r = run->ranked;
    const uint32_t used = cut_of(run, step->count).used;
    const bool weighted = run->w.plan.weighted;
    float losses, weights = 0;
    const op_args args = {
        .op = OP_WATCH,
        .size = {[WATCH_SUMS] = 1, [WATCH_WEIGHTED] = weighted, [WATCH_STEP] = step->number, [WATCH_PLACES] = 1},
        .scalar = {[WATCH_EXAMPLES] = (float)step->count}};
    void *const operand[] = {&losses, &weights, NULL, r->divisor, &r->loss, r->record};
    tas_status status = run->w.device->driver->join(run->w.device, &r->rows_read);
    if (!status) status = total_rows(run, r->losses, used, &losses);
    if (!status && weighted) status = total_rows(run, r->example_weights, used, &weights);
    r->record[0] = r->record[1] = 0;
    if (!status) op_get(args.op)->reference(&args, operand, NULL);
    return status;
}

/* Seats that have something in a batch. The shards behind the last that has examples have none, so that its rank may
 * have added some of its own nodes already: the sum is then in the first of them, and the others count as empty. */
static uint32_t seats_used(const tas_run *run, const run_step *step)
{
    const exchange *e = &run->ranked->exchange;
    const uint32_t per_seat = e->halving.shards_per_seat;
    const shard_cut cut = cut_of(run, step->count);
    const shard_cut whole = shards_without_leaves(&cut);
    const uint32_t used = (cut.used - 1) / per_seat + 1, rank = halving_rank(&e->halving, used - 1);
    halving_node nodes[HALVING_NODES];
    const int all = halving_nodes(&e->halving, rank, nodes);
    const uint32_t from = e->halving.first[rank] * per_seat, to = e->halving.first[rank + 1] * per_seat;
    const int left = shards_sums(&whole, from, to).count; /* nodes */
    return left < all && nodes[left].seat < used ? nodes[left].seat : used;
}

static tas_status compute(tas_run *run, const run_step *step)
{
    const step_batch batch = ranked_batch(run, step);
    run->ranked->next_rows = 0;
    begin_buckets(run, &batch);
    tas_status status = step_gradient(&run->w, &batch, NULL);
    if (!status) status = read_losses(run, &batch);
    if (!status) status = sum_buckets(run, seats_used(run, step));
    if (!status) status = feed_settle(&run->w);
    /* The last exchange, which no rank completes without all others: after it, nothing is left that can fail on a
     * device before the slices are updated. */
    if (!status) status = watch(run, step);
    end_reads(run);
    return status;
}

/* The device has failed: it gets what the last step left, and the order of the epoch. */
static bool restore(tas_run *run, tas_status *status)
{
    const uint64_t epoch = run->epoch;
    run->w.device->driver->join(run->w.device, &run->ranked->written);
    while (recovery_resume(run, status)) {
        *status = feed_order(&run->w, run->order, run->count);
        run->epoch = epoch;
        if (!*status) return true;
    }
    return false;
}

/* Nothing is written that a later step reads, so it can begin again. */
static tas_status compute_surely(tas_run *run, const run_step *step)
{
    ranked *r = run->ranked;
    const double start = now_seconds(), others = r->exchange.seconds - r->beside_seconds;
    tas_status status;
    r->step = step;
    for (int i = 0; i < RANKED_ROWS && r->rows[i].shared; i++) r->rows[i].shared = false;
    for (int b = 0; b < r->slices.buckets; b++) r->bucket[b].summed = false;
    begin_limit(run);
    do status = recovery_repeat(run, compute, step);
    while (status && restore(run, &status));
    end_limit(run);
    r->step = NULL;
    run->w.device->queued = 0; /* all was waited for */
    const double took = now_seconds() - start - (r->exchange.seconds - r->beside_seconds - others);
    r->gradient_seconds += took;
    if (took > r->longest) r->longest = took;
    return end_all(run, status);
}

/* The step -------------------------------------------------------------------------------------------------------- */

/* The statistics of the batch change the running ones, on each device alike. */
static tas_status update_statistics(tas_run *run, const run_step *step, const optimizer_step *of)
{
    workspace *w = &run->w;
    const uint64_t from = w->plan.trained, bytes = parameter_bytes(run) - from;
    if (!w->network->update_count) return TAS_OK;
    tas_status status = update_begin(&run->update, of, step->number, step->count);
    if (!status) status = update_run(&run->update);
    if (!status)
        status = w->device->driver->read(w->device, &w->part[PART_PARAMETERS], from, run->snapshot.copy[0].bytes + from,
                                         bytes);
    return status;
}

/* Writes the weights, which all ranks have now, to the snapshot and from there to the device. The snapshot does not
 * change before the last such write is done. */
static tas_status write_weights(tas_run *run, uint64_t step)
{
    workspace *w = &run->w;
    const device_driver *driver = w->device->driver;
    char *snapshot = run->snapshot.copy[0].bytes;
    tas_status status = driver->join(w->device, &run->ranked->written);
    pack(run, run->ranked->weights, snapshot);
    run->snapshot.whole = true;
    run->snapshot.step = run->step = step;
    run->snapshot.time = now_seconds();
    if (!status) status = driver->write(w->device, &w->part[PART_PARAMETERS], 0, snapshot, w->plan.trained, false);
    if (!status) status = driver->mark(w->device, &run->ranked->written);
    if (!status) status = driver->flush(w->device);
    if (status && restore(run, &status)) status = TAS_OK;
    return status;
}

/* Updates this rank's slices of the weights and gathers those of all. If something is not finite, all ranks know it
 * after the first bucket, and no other is gathered. */
static tas_status update_slices(tas_run *run, const run_step *step, const optimizer_step *of)
{
    ranked *r = run->ranked;
    slices *s = &r->slices;
    const double start = now_seconds(), exchanged = r->exchange.seconds;
    uint32_t flags = r->record[0] || !slices_are_finite(s, NULL, r->vector) ? FLAG_BAD : 0;
    tas_status status = slices_update(s, of, step->number, step->count, r->weights, r->vector, r->divisor, r->record);
    if (!slices_are_finite(s, r->weights, NULL)) flags |= FLAG_WEIGHTS;
    r->update_seconds += now_seconds() - start - (r->exchange.seconds - exchanged);
    for (int b = 0; b < s->buckets && !status && (!b || !flags); b++)
        status = exchange_gather(&r->exchange, r->weights, s->bucket[b].cut, &flags);
    if (flags) {
        r->record[0] = step->number;
        r->record[1] = flags & FLAG_BAD ? BAD_STEP : BAD_WEIGHTS;
    }
    return status;
}

tas_status ranked_step(tas_run *run, const run_step *step, const optimizer_step *of)
{
    tas_status status = compute_surely(run, step);
    if (!status) status = update_slices(run, step, of);
    if (status || run->ranked->record[0]) return status; /* the device has the weights before the step */
    run->ranked->updated = step->number;
    begin_limit(run);
    status = update_statistics(run, step, of);
    if (!status) status = write_weights(run, step->number);
    end_limit(run);
    if (!status) recovery_progress(run);
    return end_all(run, status);
}

/* State ----------------------------------------------------------------------------------------------------------- */

/* All ranks have the statistics in canonical layout alike: rank 0 gives them. */
static tas_status broadcast_statistics(tas_run *run, char *packed)
{
    const tas_network *network = run->model->network;
    tas_status status = TAS_OK;
    for (int i = 0; i < network->parameter_count && !status; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        char *at = packed + run->w.plan.tensor[network->parameters[i]].offset;
        if (t->role == ROLE_PARAMETER) continue;
        float *values = malloc((size_t)t->elements * sizeof *values);
        if (!values)
            return end_all(run, fail(run->model->context, TAS_NO_MEMORY, "%s: no memory for its values", t->name));
        parameters_unpack(run->model, network->parameters[i], at, values);
        status = exchange_broadcast(&run->ranked->exchange, values, t->elements * sizeof *values);
        if (!status) parameters_pack(run->model, network->parameters[i], values, at);
        free(values);
    }
    return status;
}

static tas_status put_slots(tas_run *run, const char *from, float *vector)
{
    ranked *r = run->ranked;
    tas_status status = TAS_OK;
    memset(vector, 0, (size_t)r->slices.elements * sizeof *vector);
    for (int k = 0; k < optimizers_row(run->options.optimizer)->slots && !status; k++) {
        if (from) unpack(run, from + parameter_bytes(run) + (uint64_t)k * run->w.plan.trained, vector);
        for (int b = 0; b < r->slices.buckets && !status; b++)
            status = exchange_scatter(&r->exchange, vector, r->slices.bucket[b].cut);
        if (!status) slices_write(&r->slices, k, vector);
    }
    return status;
}

tas_status ranked_put(tas_run *run, const char *from, uint64_t step)
{
    ranked *r = run->ranked;
    workspace *w = &run->w;
    char *snapshot = run->snapshot.copy[0].bytes;
    const uint32_t clear[2] = {0, 0};
    w->device->driver->join(w->device, &r->written); /* its failure shows again when the weights are written */
    if (from) memmove(snapshot, from, (size_t)parameter_bytes(run));
    unpack(run, snapshot, r->weights);
    tas_status status = exchange_broadcast(&r->exchange, r->weights, r->slices.elements * sizeof(float));
    if (!status) status = broadcast_statistics(run, snapshot);
    if (!status) status = put_slots(run, from, r->vector[0]);
    if (status) return status;
    r->updated = run->furthest = step;
    run->epoch = 0;
    run->failures = run->w.stuck = 0;
    const uint64_t trained = w->plan.trained, rest = parameter_bytes(run) - trained;
    status = write_weights(run, step);
    if (!status && rest)
        status =
            w->device->driver->write(w->device, &w->part[PART_PARAMETERS], trained, snapshot + trained, rest, true);
    if (!status) status = w->device->driver->write(w->device, &w->first_bad, 0, clear, sizeof clear, true);
    return end_all(run, status);
}

void ranked_get_stopped(tas_run *run, tas_run *const *others, int count, char *to)
{
    ranked *r = run->ranked;
    memcpy(to, run->snapshot.copy[0].bytes, (size_t)parameter_bytes(run));
    for (int k = 0; k < optimizers_row(run->options.optimizer)->slots; k++) {
        slices_read(&r->slices, k, r->vector[0]);
        for (int i = 0; i < count; i++) slices_read(&others[i]->ranked->slices, k, r->vector[0]);
        pack(run, r->vector[0], to + parameter_bytes(run) + (uint64_t)k * run->w.plan.trained);
    }
}

tas_status ranked_get(tas_run *run, char *to)
{
    ranked *r = run->ranked;
    float *vector = r->vector[0];
    tas_status status = TAS_OK;
    if (to) memcpy(to, run->snapshot.copy[0].bytes, (size_t)parameter_bytes(run));
    for (int k = 0; k < optimizers_row(run->options.optimizer)->slots && !status; k++) {
        slices_read(&r->slices, k, vector);
        for (int b = 0; b < r->slices.buckets && !status; b++)
            status = exchange_collect(&r->exchange, vector, r->slices.bucket[b].cut);
        if (to && !status) pack(run, vector, to + parameter_bytes(run) + (uint64_t)k * run->w.plan.trained);
    }
    return status;
}
