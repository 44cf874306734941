/* What benchmarks share: a run on random data, and the clock. */
#include "lab/bench/bench.h"

#include "network/network.h"
#include "stats/median.h"

#include "philox.h"

#include <stdlib.h>
#include <string.h>

enum { EXAMPLES_LEAST = 1024, REPETITIONS_MOST = 1000 };

void tas_bench_options_init(tas_bench_options *options)
{
    *options =
        (tas_bench_options){.size = sizeof *options, .batch = 64, .shards = 1, .repetitions = 5, .seconds = 0.02};
}

/* Random bytes; random labels, or targets from 0 to 1. */
static int fill(void *user, const uint64_t *index, size_t n, void *inputs, void *targets)
{
    const tas_network *network = user;
    unsigned char *bytes = inputs;
    for (size_t k = 0; k < n; k++) {
        const uint32_t i = (uint32_t)index[k];
        for (uint32_t p = 0; p < network->inputs; p += 16) {
            const philox_block random = philox(1, PHILOX_CASES, 2, i, p / 16);
            const size_t left = network->inputs - p;
            memcpy(bytes + k * network->inputs + p, random.v, left < 16 ? left : 16);
        }
        for (uint32_t t = 0; t < (network->classes ? 1 : network->outputs); t++) {
            const uint32_t random = philox(1, PHILOX_CASES, 3, i, t).v[0];
            if (network->classes)
                ((uint32_t *)targets)[k] = random % network->outputs;
            else
                ((float *)targets)[k * network->outputs + t] = (float)(random >> 8) * 0x1p-24f;
        }
    }
    return 0;
}

static tas_status open_data(tas_context *context, const tas_network *network, uint32_t batch, tas_data **out)
{
    tas_data_options set;
    tas_data_options_init(&set);
    set.count = batch < EXAMPLES_LEAST ? (EXAMPLES_LEAST + batch - 1) / batch * batch : batch;
    set.input_size = network->inputs;
    set.target_type = network->classes ? TAS_TARGET_LABEL : TAS_TARGET_F32;
    set.classes = network->classes ? network->outputs : 0;
    set.target_size = network->classes ? 0 : network->outputs;
    set.fill = fill;
    set.user = (void *)(uintptr_t)network;
    return tas_data_open(context, &set, out);
}

static tas_status check(tas_context *context, const tas_bench_options *options)
{
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options.size is %zu, expected %zu: initialize with tas_bench_options_init()", options->size,
                    sizeof *options);
    if (!options->batch || options->batch > UINT32_MAX / 2)
        return fail(context, TAS_BAD_ARGUMENT, "batch %u: expected 1 to %u", options->batch, UINT32_MAX / 2);
    if (!options->repetitions || options->repetitions > REPETITIONS_MOST)
        return fail(context, TAS_BAD_ARGUMENT, "repetitions %u: expected 1 to %d", options->repetitions,
                    REPETITIONS_MOST);
    if (!(options->seconds >= 0 && options->seconds <= 3600))
        return fail(context, TAS_BAD_ARGUMENT, "seconds %g: expected 0 to 3600", options->seconds);
    return TAS_OK;
}

tas_status bench_open(tas_device *device, const tas_network *network, const tas_bench_options *options, bench *out)
{
    tas_train_options run;
    *out = (bench){0};
    tas_status status = check(device->context, options);
    if (!status) status = open_data(device->context, network, options->batch, &out->data);
    if (status) return status;
    tas_train_options_init(&run);
    run.batch = options->batch;
    run.shards = options->shards;
    run.steps = UINT32_MAX / 2; /* more than are ever timed */
    run.lr = 0x1p-20f;
    status = tas_model_open(device, network, 1, &out->model);
    if (!status) status = tas_run_open(out->model, out->data, &run, &out->run);
    if (!status) workspace_lend_state(&out->run->w); /* calls are timed that a step leaves out */
    return status;
}

void bench_close(bench *b)
{
    tas_run_close(&b->run);
    tas_model_close(&b->model);
    tas_data_close(&b->data);
}

uint32_t bench_tile(const bench *b)
{
    const uint32_t batch = b->run->request.batch;
    return b->run->w.plan.tile < batch ? b->run->w.plan.tile : batch;
}

tas_status bench_time_once(bench_work work, void *self, uint64_t count, double *seconds)
{
    const double start = now_seconds();
    const tas_status status = work(self, count);
    *seconds = (now_seconds() - start) / (double)count;
    return status;
}

tas_status bench_find_count(bench_work work, void *self, double seconds, uint64_t *count)
{
    double one;
    *count = 1;
    tas_status status = bench_time_once(work, self, 1, &one); /* drivers finish kernels at their first launch */
    do {
        if (!status) status = bench_time_once(work, self, *count, &one);
        if (status || one * (double)*count >= seconds / 2) break;
        *count *= 2;
    } while (*count < 1 << 20);
    const double wanted = one > 0 ? seconds / one : 1;
    *count = wanted < 1 ? 1 : (uint64_t)wanted + 1;
    return status;
}

tas_status bench_time(const bench *b, const tas_bench_options *options, bench_work work, void *self,
                      tas_bench_time *out)
{
    double *seconds = malloc(options->repetitions * sizeof *seconds);
    uint64_t count = 1;
    if (!seconds) return fail(b->model->context, TAS_NO_MEMORY, "no memory for %u repetitions", options->repetitions);
    tas_status status = bench_find_count(work, self, options->seconds, &count);
    for (uint32_t i = 0; i < options->repetitions && !status; i++)
        status = bench_time_once(work, self, count, &seconds[i]);
    if (!status) {
        out->median = median_of(seconds, options->repetitions); /* sorts them */
        out->low = seconds[0];
        out->high = seconds[options->repetitions - 1];
    }
    free(seconds);
    return status;
}
