/* tas_tune(): the variants of the calls of training steps, network by network and batch by batch, until the time is
 * over. */
#include "lab/bench/tune.h"

#include "network/network.h"

#include <stdlib.h>

static const uint32_t usual_batches[] = {64, 8, 512, 1};

void tas_tune_options_init(tas_tune_options *options)
{
    *options = (tas_tune_options){.size = sizeof *options, .seconds = 60};
}

static tas_status check(const tas_device *device, const tas_tune_options *options)
{
    tas_context *context = device->context;
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options.size is %zu, expected %zu: initialize with tas_tune_options_init()", options->size,
                    sizeof *options);
    if (!(options->seconds > 0 && options->seconds <= 1e6))
        return fail(context, TAS_BAD_ARGUMENT, "seconds %g: expected more than 0, and at most 1000000",
                    options->seconds);
    if (!device->cl)
        return fail(context, TAS_BAD_ARGUMENT,
                    "%s: has nothing to tune: the C reference has one form of each operation", device->info.id);
    if (!device->tester.check)
        return fail(context, TAS_BAD_ARGUMENT, "%s: opened with TAS_ARITH_UNTESTED, which tests no variant",
                    device->info.id);
    return TAS_OK;
}

static tas_status measure_list(tune *t, bench *b, const op_call *list, int count)
{
    const uint32_t tile = bench_tile(b);
    tas_status status = TAS_OK;
    for (int c = 0; c < count && !status; c++) {
        if (list[c].when == CALL_EVALUATION) continue;
        const uint32_t n = list[c].whole_batch ? t->batch : tile;
        status = candidates_measure(t, (bench_piece){b, bench_go_call, &list[c], n});
    }
    return status;
}

/* Floating-point operations of a step: products alone. */
static double step_flops(const tas_network *network, uint32_t batch)
{
    double flops = 0;
    for (int c = 0; c < network_calls(network); c++) {
        const op_call *call = network_call(network, c);
        const op_row *row = op_get(call->args.op);
        if (row->flops) flops += (double)row->flops(&call->args) * batch;
    }
    return flops;
}

/* Values and gradients of a whole step are there before the first call is timed. */
static tas_status measure_network(tune *t, const tas_network *network, double *step_seconds)
{
    tas_bench_options options;
    bench b;
    tas_bench_options_init(&options);
    options.batch = t->batch;
    tas_status status = bench_open(t->device, network, &options, &b);
    if (!status) status = tas_run_advance(b.run, 1, NULL); /* the first builds kernels */
    const double begin = now_seconds();
    if (!status) status = tas_run_advance(b.run, 1, NULL);
    *step_seconds = now_seconds() - begin;
    if (!status) status = measure_list(t, &b, network->forward, network->forward_count);
    if (!status) status = measure_list(t, &b, network->backward, network->backward_count);
    bench_close(&b);
    return status;
}

/* A batch whose steps would last for most of what is left is left out, by the slowest products so far. */
static tas_status measure_all(tune *t, const tas_network *const *networks, size_t count)
{
    const uint32_t *batches = t->options->batches ? t->options->batches : usual_batches;
    const size_t usual_count = sizeof usual_batches / sizeof *usual_batches;
    const size_t batch_count = t->options->batches ? t->options->batch_count : usual_count;
    double pace = 0; /* seconds of a FLOP */
    for (size_t i = 0; i < batch_count * count; i++) {
        double seconds = 0;
        t->network = i % count;
        t->batch = batches[i / count];
        const double flops = step_flops(networks[t->network], t->batch), left = t->deadline - now_seconds();
        tas_status status =
            left <= 0 || 4 * pace * flops > left ? TAS_STOPPED : measure_network(t, networks[t->network], &seconds);
        if (t->ended) return status;
        if (seconds > 0 && flops > 0 && seconds / flops > pace) pace = seconds / flops;
        if (status == TAS_STOPPED || status == TAS_NO_MEMORY)
            t->result->left_out++;
        else if (status)
            return status;
        else
            t->result->batches++;
    }
    return TAS_OK;
}

tas_status tas_tune(tas_device *device, const tas_network *const *networks, size_t count,
                    const tas_tune_options *options, tas_tune_result *result)
{
    entry_state saved;
    tas_tune_result own;
    entry_begin(device->context, &saved);
    tune t = {.device = device, .options = options, .begun = now_seconds(), .result = result ? result : &own};
    const bool reported = device->reported;
    *t.result = (tas_tune_result){0};
    tas_status status = check(device, options);
    if (!status) status = tuning_attach(device);
    if (!status) {
        t.deadline = t.begun + options->seconds;
        device->reported = true;
        status = measure_all(&t, networks, count);
        device->reported = reported;
    }
    t.result->seconds = now_seconds() - t.begun;
    free(t.done.row);
    entry_end(&saved);
    return status;
}
