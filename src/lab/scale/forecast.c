/* tas_scale_forecast(): steps on 1, 2, 4, ... ranks. */
#include "lab/scale/scale.h"

#include "plan/shards.h"
#include "train/options.h"
#include "train/ranks.h"

#include <math.h>

void tas_scale_options_init(tas_scale_options *options)
{
    *options = (tas_scale_options){.size = sizeof *options, .batch = 64, .shards = 1, .ranks = 1};
}

typedef struct forecast {
    tas_device *device;
    const tas_network *network;
    const tas_scale_options *options;
    scaling_volume volume;
    scaling_work work;
} forecast;

static tas_status check(tas_context *context, const tas_scale_options *options)
{
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options.size is %zu, expected %zu: initialize with tas_scale_options_init()", options->size,
                    sizeof *options);
    if (!options->batch || options->batch > 1u << 24)
        return fail(context, TAS_BAD_ARGUMENT, "batch %u: expected 1 to 2^24 examples", options->batch);
    if (!options->ranks || options->ranks > options->shards)
        return fail(context, TAS_BAD_ARGUMENT, "%u ranks: expected 1 to the %u shards of a batch", options->ranks,
                    options->shards);
    if (!(options->step_seconds >= 0 && isfinite(options->step_seconds)))
        return fail(context, TAS_BAD_ARGUMENT, "a step of %g seconds: expected 0 or more", options->step_seconds);
    if (!(options->link.latency >= 0 && isfinite(options->link.latency) && options->link.bandwidth >= 0 &&
          isfinite(options->link.bandwidth)))
        return fail(context, TAS_BAD_ARGUMENT, "a latency of %g s and %g bytes/s: expected numbers of 0 or more",
                    options->link.latency, options->link.bandwidth);
    return options_check_shards(context, options->shards);
}

/* Examples of the rank that has the most shards. */
static uint32_t examples_of(const forecast *f, uint32_t ranks, uint32_t shards)
{
    const shard_cut cut = shards_cut(f->options->batch, shards, f->network->group);
    const uint64_t examples = (uint64_t)scaling_shards_most(ranks, shards) * cut.size;
    return examples < cut.batch ? (uint32_t)examples : cut.batch;
}

/* A step of a part of the batch, with as many shards as the rank has. The device's own update is in it, which ranks do
 * not make: so this is the most that it takes. */
static tas_status time_part(const forecast *f, uint32_t examples, uint32_t shards, double *seconds)
{
    const double given = f->options->step_seconds;
    tas_bench_options options;
    tas_bench_steps steps = {0};
    if (given > 0) {
        *seconds = given * examples / f->options->batch;
        return TAS_OK;
    }
    tas_bench_options_init(&options);
    options.batch = examples;
    options.shards = 1;
    while (options.shards < shards) options.shards *= 2;
    const tas_status status = tas_bench_steps_run(f->device, f->network, &options, &steps);
    tas_profile_free(steps.profile);
    *seconds = steps.seconds.median;
    return status;
}

static tas_status make_row(forecast *f, uint32_t ranks, uint32_t shards, tas_scale_row *out)
{
    const uint32_t examples = examples_of(f, ranks, shards);
    tas_status status = TAS_OK;
    if (f->options->link.bandwidth > 0 && ranks > 1)
        status = time_part(f, examples, scaling_shards_most(ranks, shards), &f->work.compute);
    if (!status && !scale_row(&f->volume, &f->work, &f->options->link, ranks, shards, out))
        status = fail(f->network->context, TAS_NO_MEMORY, "no memory for the schedule of %u ranks", ranks);
    out->examples = examples;
    return status;
}

static tas_status make_rows(forecast *f, tas_scale *out)
{
    const tas_scale_options *options = f->options;
    tas_status status = TAS_OK;
    bool pays = options->link.bandwidth > 0;
    for (uint32_t ranks = 1; ranks <= TAS_SCALE_RANKS && ranks <= options->batch && !status; ranks *= 2) {
        tas_scale_row *row = &out->row[out->count++];
        status = make_row(f, ranks, ranks > options->shards ? ranks : options->shards, row);
        pays &= row->efficiency >= SCALING_PAYS;
        if (pays) out->most = ranks;
    }
    return status;
}

/* Beside what a run on one device needs, if all devices are like this one: see ranked.h. */
static tas_status find_memory(const forecast *f, tas_scale *out)
{
    const tas_scale_options *options = f->options;
    const uint64_t vector = f->volume.values * sizeof(float);
    scaling_exchange e;
    if (options->ranks == 1) return TAS_OK;
    if (!scaling_walk(&f->volume, options->ranks, options->shards, NULL, NULL, &e))
        return fail(f->network->context, TAS_NO_MEMORY, "no memory for the schedule of %u ranks", options->ranks);
    const int slots = optimizers_row(options->optimizer)->slots;
    out->state_bytes = (uint64_t)((double)slots * (double)vector * e.slice);
    const tas_train_options train = {
        .optimizer = options->optimizer, .clip = options->clip ? 1 : 0, .shards = options->shards};
    return ranked_host_bytes(f->device, f->network, &train, NULL, options->ranks, -1, &out->host_bytes);
}

static tas_status run(forecast *f, tas_scale *out)
{
    const tas_scale_options *options = f->options;
    tas_status status = network_check_resolved(f->network);
    f->volume = scale_volume(f->network, options->optimizer, options->clip != 0);
    if (!status) status = find_memory(f, out);
    if (!status && options->link.bandwidth > 0) {
        status = scale_time_host(f->device, f->network, options->optimizer, &f->work.staging, &f->work.update);
        if (!status) status = time_part(f, options->batch, options->shards, &f->work.alone);
    }
    out->staging = f->work.staging;
    out->update = f->work.update;
    if (!status) status = make_rows(f, out);
    return status ? status : make_row(f, options->ranks, options->shards, &out->asked);
}

tas_status tas_scale_forecast(tas_device *device, const tas_network *network, const tas_scale_options *options,
                              tas_scale *out)
{
    entry_state saved;
    forecast f = {.device = device, .network = network, .options = options};
    *out = (tas_scale){.count = 0};
    entry_begin(device->context, &saved);
    tas_status status = check(device->context, options);
    if (!status) status = run(&f, out);
    entry_end(&saved);
    return status;
}
