/* What ranks take: measured between those that are there, and computed for any number of them. */
#include "train/ranks.h"

#include "ops/divisor.h"
#include "train/optimizers.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Between ranks that are there ------------------------------------------------------------------------------------ */

enum { LARGE = 1 << 22, REPEATS = 9 }; /* floats of the vector that shows the bandwidth */

/* The shortest time of a sum and its gathering. */
static tas_status time_exchange(tas_ranks *ranks, float *const *vectors, uint64_t elements, double *seconds)
{
    exchange *e = &ranks->all;
    uint64_t *cut = malloc((e->halving.seats + (size_t)1) * sizeof *cut);
    tas_status status = cut ? TAS_OK : fail(ranks->context, TAS_NO_MEMORY, "no memory for an exchange");
    uint32_t flags = 0;
    *seconds = INFINITY;
    if (!status) exchange_cut(e, NULL, 0, elements, cut);
    for (int k = 0; k < REPEATS && !status; k++) {
        const double start = now_seconds();
        status = exchange_sum(e, vectors, cut, e->halving.seats, &flags);
        if (!status) status = exchange_gather(e, vectors[0], cut, &flags);
        const double took = now_seconds() - start;
        if (took < *seconds) *seconds = took;
    }
    free(cut);
    return status;
}

static tas_status benchmark(tas_ranks *ranks, tas_ranks_speed *out)
{
    const exchange *e = &ranks->all;
    float *vectors[HALVING_NODES] = {NULL};
    double little = 0, much = 0;
    halving_cost cost = {0};
    bool done = true;
    for (int k = 0; k < e->nodes && done; k++) done = (vectors[k] = calloc(LARGE, sizeof(float))) != NULL;
    tas_status status = done ? TAS_OK : fail(ranks->context, TAS_NO_MEMORY, "no memory for an exchange");
    if (!status) status = time_exchange(ranks, vectors, e->halving.seats, &little);
    if (!status) status = time_exchange(ranks, vectors, LARGE, &much);
    if (!status && !halving_count(&e->halving, ranks->transport.rank, LARGE * sizeof(float), 0, &cost))
        status = fail(ranks->context, TAS_NO_MEMORY, "no memory for an exchange");
    if (!status)
        *out = (tas_ranks_speed){.latency = little / (2 * e->halving.rounds),
                                 .bandwidth = much > little ? (double)cost.bytes / (much - little) : INFINITY};
    for (int k = 0; k < e->nodes; k++) free(vectors[k]);
    return status;
}

tas_status tas_ranks_benchmark(tas_ranks *ranks, tas_ranks_speed *out)
{
    entry_state saved;
    entry_begin(ranks->context, &saved);
    tas_status status;
    if (ranks->transport.count < 2 || ranks->local)
        status = fail(ranks->context, TAS_BAD_ARGUMENT, "expected two processes or more");
    else
        status = benchmark(ranks, out);
    if (status) ranks->transport.kind->fail(ranks->transport.self, ranks->context->error);
    ranks->failed |= status != TAS_OK;
    entry_end(&saved);
    return status;
}

/* On the host ----------------------------------------------------------------------------------------------------- */

enum { MEASURED = 1 << 20 }; /* weights */

static double time_update(const tas_train_options *train, float *const *memory)
{
    const optimizer *row = optimizers_row(train->optimizer);
    const optimizer_step step = {.lr = train->lr, .t = 10, .beta2 = train->beta2, .faded2 = 0.5};
    float divisor[DIVISOR_VALUES] = {64, 1.0f / 64, 1, 1};
    uint32_t record[2] = {0, 0};
    double best = INFINITY;
    for (int k = 0; k < REPEATS; k++) {
        const op_id calls[] = {row->before, row->op};
        const double start = now_seconds();
        for (int c = row->before ? 0 : 1; c < 2; c++) {
            void *operand[OP_OPERANDS] = {memory[0], memory[1]};
            int count = 2;
            op_args args = {.op = calls[c], .n = 64, .batch = 64};
            row->set(train, &step, 0, &args);
            args.size[UPDATE_ELEMENTS] = MEASURED;
            for (int s = 0; s < row->slots && calls[c] != OP_LAMB_STEP; s++) operand[count++] = memory[2 + s];
            operand[count++] = divisor;
            operand[count] = record;
            op_get(calls[c])->reference(&args, operand, NULL);
        }
        const double took = now_seconds() - start;
        if (took < best) best = took;
    }
    return best / MEASURED;
}

/* The gradient and the weights are read or written, and brought into another layout. */
static double time_staging(float *const *memory)
{
    enum { COPIES = 4 };
    double best = INFINITY;
    for (int k = 0; k < REPEATS; k++) {
        const double start = now_seconds();
        for (int c = 0; c < COPIES; c++) memcpy(memory[(c + 1) % 2], memory[c % 2], (size_t)MEASURED * sizeof(float));
        const double took = now_seconds() - start;
        if (took < best) best = took;
    }
    return best / MEASURED;
}

tas_status tas_scale_measure(tas_context *context, const tas_train_options *train, tas_scale_options *options)
{
    entry_state saved;
    float *memory[2 + OPTIMIZER_SLOTS] = {NULL};
    bool done = true;
    entry_begin(context, &saved);
    for (int k = 0; k < 2 + OPTIMIZER_SLOTS && done; k++) done = (memory[k] = calloc(MEASURED, sizeof(float))) != NULL;
    for (int i = 0; i < MEASURED && done; i++) {
        memory[0][i] = 0.01f * (float)(i % 97);
        memory[1][i] = 0.02f * (float)(i % 89);
    }
    tas_status status = done ? TAS_OK : fail(context, TAS_NO_MEMORY, "no memory for a measurement");
    if (!status) {
        options->slots = (uint32_t)optimizers_row(train->optimizer)->slots;
        options->update_seconds = time_update(train, memory);
        options->staging_seconds = time_staging(memory);
    }
    for (int k = 0; k < 2 + OPTIMIZER_SLOTS; k++) free(memory[k]);
    entry_end(&saved);
    return status;
}

/* For any number of ranks ----------------------------------------------------------------------------------------- */

void tas_scale_options_init(tas_scale_options *options)
{
    *options =
        (tas_scale_options){.size = sizeof *options, .shards = 1, .slots = 1, .latency = 50e-6, .bandwidth = 1e9};
}

static tas_status check(tas_context *context, const tas_scale_options *options, uint32_t ranks)
{
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options.size is %zu, expected %zu: initialise with tas_scale_options_init()", options->size,
                    sizeof *options);
    const uint32_t shards = options->shards;
    if (!shards || shards & (shards - 1) || shards > TAS_SHARDS)
        return fail(context, TAS_BAD_ARGUMENT, "shards %" PRIu32 ": expected a power of two from 1 to %d", shards,
                    TAS_SHARDS);
    if (!ranks || ranks > shards)
        return fail(context, TAS_BAD_ARGUMENT, "%" PRIu32 " ranks: expected 1 to %" PRIu32 ", the number of shards",
                    ranks, shards);
    if (!(options->latency >= 0) || !(options->bandwidth > 0))
        return fail(context, TAS_BAD_ARGUMENT, "expected a latency of 0 or more, and a bandwidth above 0");
    return TAS_OK;
}

static bool find_costs(const halving *s, uint64_t bytes, tas_scale *out)
{
    for (uint32_t r = 0; r < s->ranks; r++) {
        halving_cost cost;
        if (!halving_count(s, r, bytes, 0, &cost)) return false;
        if (cost.bytes > out->bytes) out->bytes = cost.bytes;
        if (cost.messages > out->messages) out->messages = cost.messages;
    }
    return true;
}

static void find_times(const tas_scale_options *o, const halving *s, tas_scale *out)
{
    const double bytes = (double)o->weights * sizeof(float), weights = (double)o->weights;
    uint32_t most = 0;
    for (uint32_t r = 0; r < s->ranks; r++)
        if (s->first[r + 1] - s->first[r] > most) most = s->first[r + 1] - s->first[r];
    const double part = (double)most / s->seats;
    out->gradient_seconds = o->least_seconds + (o->step_seconds - o->least_seconds) * part;
    out->exchange_seconds = halving_seconds(s, bytes, o->latency, o->bandwidth);
    out->host_seconds = weights * (o->staging_seconds + o->update_seconds * part);
    if (s->ranks == 1) out->exchange_seconds = out->host_seconds = 0;
    out->seconds = out->gradient_seconds + out->exchange_seconds + out->host_seconds;
    out->efficiency = out->seconds > 0 ? o->step_seconds / out->seconds / s->ranks : 0;
    out->vector_bytes = 4 * o->weights * sizeof(float); /* sums, weights, messages both ways; more for uneven shares */
    out->state_bytes = (uint64_t)(weights * part) * o->slots * sizeof(float);
}

tas_status tas_scale_ranks(tas_context *context, const tas_scale_options *options, uint32_t ranks, tas_scale *out)
{
    entry_state saved;
    halving s = {0};
    *out = (tas_scale){.ranks = ranks};
    entry_begin(context, &saved);
    tas_status status = check(context, options, ranks);
    uint32_t *share = status ? NULL : malloc((ranks + (size_t)1) * sizeof *share);
    if (share) halving_share(ranks, options->shards, NULL, share);
    if (!status && (!share || !halving_make(&s, ranks, options->shards, share) ||
                    !find_costs(&s, options->weights * sizeof(float), out)))
        status = fail(context, TAS_NO_MEMORY, "no memory for the schedule of %u ranks", ranks);
    if (!status) find_times(options, &s, out);
    halving_free(&s);
    free(share);
    entry_end(&saved);
    return status;
}
