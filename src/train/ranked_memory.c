/* Host memory of a run over ranks: see ranked.h. */
#include "ops/sum_squares.h"
#include "plan/plan.h"
#include "train/options.h"
#include "train/ranks.h"

#include <stdlib.h>

/* A malloc() of 0 bytes may give NULL. */
static uint64_t at_least_one(uint64_t bytes) { return bytes ? bytes : sizeof(float); }

/* Messages that carry so many floats, cut evenly. */
static tas_status add_even(const exchange *e, uint64_t elements, uint32_t rank, uint64_t *room)
{
    uint64_t bytes = 0, *cut = calloc(e->halving.seats + (size_t)1, sizeof *cut);
    if (!cut) return fail(e->context, TAS_NO_MEMORY, "no memory for a list of slices");
    exchange_cut(e, NULL, 0, elements, cut);
    const tas_status status = exchange_room(e, cut, rank, &bytes);
    if (bytes > *room) *room = bytes;
    free(cut);
    return status;
}

/* Lists of sums of squares: of the whole gradient, and of weights and what moves them. */
static tas_status add_lists(const slices *s, uint32_t rank, uint64_t *room)
{
    const tas_network *network = s->model->network;
    uint64_t clips = 0, adapts = 0;
    for (int k = 0; k < s->count; k++) {
        const tensor *t = &network->tensors[s->tensor[k]];
        if (s->options->clip > 0) clips += plan_squares(t);
        if (optimizers_row(s->options->optimizer)->adapts && t->decays) adapts += 2ull * plan_squares(t);
    }
    return add_even(s->exchange, clips > adapts ? clips : adapts, rank, room);
}

/* Calls for the whole batch, whose shards have a row each. */
static tas_status add_rows(const slices *s, const op_call *calls, int count, uint32_t rank, ranked_memory *out)
{
    const tas_network *network = s->model->network;
    tas_status status = TAS_OK;
    for (int c = 0; c < count && !status; c++) {
        const op_row *row = op_get(calls[c].args.op);
        if (!row->merge) continue;
        const uint64_t width = network->tensors[calls[c].operand[op_result(row)]].elements;
        out->rows += width * s->options->shards * sizeof(float);
        status = add_even(s->exchange, width * s->options->shards, rank, &out->message);
    }
    return status;
}

static uint64_t own_bytes(const slices *s, uint32_t rank)
{
    uint64_t elements = 0;
    for (int b = 0; b < s->buckets; b++) elements += exchange_own(s->exchange, s->bucket[b].cut, rank);
    return elements * sizeof(float);
}

tas_status ranked_measure(const slices *s, uint32_t rank, uint64_t packed, ranked_memory *out)
{
    const tas_network *network = s->model->network;
    const uint64_t losses = 2 * (uint64_t)s->options->shards;
    halving_node nodes[HALVING_NODES];
    tas_status status = TAS_OK;
    *out = (ranked_memory){.vector = at_least_one(s->elements * sizeof(float)),
                           .packed = s->as_devices ? 0 : at_least_one(packed),
                           .slot = at_least_one(own_bytes(s, rank)),
                           .message = sizeof(float),
                           .losses = losses * sizeof(float)};
    for (int b = 0; b < s->buckets && !status; b++) {
        uint64_t bytes;
        status = exchange_room(s->exchange, s->bucket[b].cut, rank, &bytes);
        if (!status && bytes > out->message) out->message = bytes;
    }
    if (!status) status = add_lists(s, rank, &out->message);
    if (!status) status = add_even(s->exchange, s->options->shards, rank, &out->message);
    if (!status) status = add_rows(s, network->forward, network->forward_count, rank, out);
    if (!status) status = add_rows(s, network->backward, network->backward_count, rank, out);
    out->all = (uint64_t)halving_nodes(&s->exchange->halving, rank, nodes) * (out->vector + out->packed) + out->vector +
               (uint64_t)optimizers_row(s->options->optimizer)->slots * out->slot + 2 * out->message + out->losses +
               out->rows;
    return status;
}

/* Of some ranks' largest. */
static tas_status measure_some(const slices *s, uint32_t from, uint32_t to, uint64_t *bytes)
{
    ranked_memory memory;
    tas_status status = TAS_OK;
    *bytes = 0;
    for (uint32_t r = from; r < to && !status; r++) {
        status = ranked_measure(s, r, 0, &memory);
        if (memory.all > *bytes) *bytes = memory.all;
    }
    return status;
}

tas_status ranked_host_bytes(tas_device *device, const tas_network *network, const tas_train_options *options,
                             const uint32_t *share, uint32_t count, int rank, uint64_t *bytes)
{
    const tas_model model = {
        .context = device->context, .device = device, .network = (tas_network *)(uintptr_t)network};
    transport none = {.count = count};
    exchange e;
    slices s = {0};
    uint32_t *even = malloc((count + (size_t)1) * sizeof *even);
    *bytes = 0;
    if (!even) return fail(device->context, TAS_NO_MEMORY, "no memory for %u ranks", count);
    halving_share(count, options->shards, NULL, even);
    tas_status status = exchange_open(&e, device->context, &none, options->shards, share ? share : even);
    if (!status) {
        status = slices_list(&s, &model, options, &e, true);
        if (!status)
            status = measure_some(&s, rank < 0 ? 0 : (uint32_t)rank, rank < 0 ? count : (uint32_t)rank + 1, bytes);
        slices_close(&s);
        exchange_close(&e);
    }
    free(even);
    return status;
}
