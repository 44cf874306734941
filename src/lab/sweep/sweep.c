/* The sweep: times steps, makes the target, searches the rate of each batch, trains on fresh seeds, checks its advice,
 * measures at frozen weights, tests, concludes. It starts with the batch expected to be best and moves outward, so that
 * the batches left out for lack of time are those farthest from it. */
#include "lab/sweep/branch_stage.h"
#include "lab/sweep/check_stage.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/forecast.h"
#include "lab/sweep/frozen_stage.h"
#include "lab/sweep/grown_stage.h"
#include "lab/sweep/search.h"
#include "lab/sweep/setup.h"
#include "lab/sweep/target_stage.h"
#include "lab/sweep/test_stage.h"
#include "lab/sweep/timing.h"

#include "base/context.h"
#include "base/format.h"
#include "data/dataset.h"
#include "lab/advice/reason.h"
#include "lab/sweep/aggregate.h"
#include "lab/sweep/lab.h"
#include "lab/sweep/on_devices.h"
#include "lab/sweep/state.h"
#include "train/feed.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static tas_status work(lab *l)
{
    tas_sweep *s = l->sweep;
    double lr = (double)s->options.train.lr;
    tas_status status = timing_steps(l);
    if (!status) status = timing_test(l);
    if (!status) status = on_devices_time(l);
    if (status) return status;
    forecast_update(l);
    s->forecast = l->seconds_left;
    l->reported_total = lab_seconds(l) + l->seconds_left;
    status = forecast_check(l);
    if (status) return status;
    if (!lab_progress_resumed(l, true)) return TAS_STOPPED;
    status = target_stage_run(l, lr, &lr);
    if (!status) status = search_batches(l, lr);
    if (!status) status = target_stage_relax(l);
    if (!status) status = check_stage_run(l);
    if (!status) status = branch_stage_run(l);
    if (!status) status = grown_stage_run(l);
    if (!status) status = frozen_stage_run(l);
    return status ? status : test_stage_run(l);
}

static bool is_check(const tas_sweep *s, const sweep_run *r)
{
    const uint64_t after = r->seed - s->options.seed; /* modulo 2^64, as seeds are made */
    return !r->search && !*s->source && after >= SWEEP_CHECK_SEED && after < SWEEP_CHECK_SEED + SWEEP_CHECKS;
}

bool sweep_is_figure(const tas_sweep *s, const sweep_batch *b, const sweep_run *r)
{
    return !r->search && r->batch == b->batch && r->lr == b->lr && (b->failed_check || !is_check(s, r));
}

int sweep_count_figures(const tas_sweep *s, const sweep_batch *b)
{
    int count = 0;
    for (int i = 0; i < s->runs; i++) count += sweep_is_figure(s, b, &s->run[i]) && !is_check(s, &s->run[i]);
    return count;
}

const sweep_batch *sweep_find_timed(const tas_sweep *s, double batch)
{
    for (int i = 0; i < s->count; i++)
        if ((double)s->batch[i].batch == batch && s->batch[i].step_seconds > 0) return &s->batch[i];
    return NULL;
}

static bool any_figure_reached(const tas_sweep *s)
{
    for (int i = 0; i < s->runs; i++)
        if (!s->run[i].search && s->run[i].outcome == ROW_REACHED) return true;
    return false;
}

static bool any_figures(const tas_sweep *s)
{
    for (int i = 0; i < s->count; i++)
        if (sweep_count_figures(s, &s->batch[i])) return true;
    return false;
}

/* Running out of time is not a failure: the result is what there is. */
static tas_status end(lab *l, tas_status status)
{
    tas_sweep *s = l->sweep;
    if (status == TAS_STOPPED && l->late && !l->stopped) {
        s->short_of_time = true;
        status = s->runs ? TAS_OK
                         : fail(s->context, TAS_BAD_ARGUMENT, "a time limit of %s is too short: no run was completed",
                                format_seconds(s->options.seconds).text);
    }
    if (status == TAS_STOPPED) {
        s->stopped = true;
        fail(s->context, status, "stopped after %d runs", s->runs);
    }
    for (int i = 0; i < s->count; i++)
        if (s->short_of_time && sweep_batch_fits(&s->batch[i]) && !s->batch[i].why[0] &&
            sweep_count_figures(s, &s->batch[i]) < s->options.seeds)
            snprintf(s->batch[i].why, sizeof s->batch[i].why, "short of time: %d of %d seeds",
                     sweep_count_figures(s, &s->batch[i]), s->options.seeds);
    s->elapsed = lab_seconds(l);
    aggregate_runs(s);
    if (!status && s->short_of_time && !any_figures(s) && !estimate_out_of_reach(s))
        return fail(s->context, TAS_NOT_REACHED, "a time limit of %s is too short: no batch got a run on a fresh seed",
                    format_seconds(s->options.seconds).text);
    if (!status && !any_figure_reached(s) && s->nearest_batch &&
        (any_figures(s) || !s->short_of_time || estimate_out_of_reach(s)))
        return fail(s->context, TAS_NOT_REACHED, "no batch reached %s; the nearest was %s (B = %" PRIu64 ")",
                    s->target_words, format_number(s->nearest).text, s->nearest_batch);
    return status;
}

static char *copy_text(const char *text) { return text ? strdup(text) : NULL; }

static tas_status own_options(tas_sweep *s, const tas_sweep_options *options)
{
    s->options = *options;
    s->options.train.lr_scaling = tas_train_scaling(&options->train);
    s->options.batches = NULL;
    s->options.state = NULL;
    s->target = options->target;
    if (options->batches) {
        uint32_t *batches = malloc((size_t)options->batch_count * sizeof *batches);
        if (!batches) return fail(s->context, TAS_NO_MEMORY, "no memory for a sweep");
        s->options.batches = memcpy(batches, options->batches, (size_t)options->batch_count * sizeof *batches);
    }
    if (options->state && !(s->options.state = copy_text(options->state)))
        return fail(s->context, TAS_NO_MEMORY, "no memory for a sweep");
    return TAS_OK;
}

static void name_things(tas_sweep *s, const tas_device *device, const tas_network *network, const tas_data *train)
{
    const tas_sweep_options *options = &s->options;
    snprintf(s->net, sizeof s->net, "%s", options->net_name ? options->net_name : network->from);
    snprintf(s->data, sizeof s->data, "%s", options->data_name ? options->data_name : train->name);
    s->options.net_name = s->options.data_name = NULL; /* the caller's */
    snprintf(s->device, sizeof s->device, "%s", device->info.id);
    snprintf(s->device_name, sizeof s->device_name, "%s", device->info.name);
}

static tas_status sweep_run_all(tas_device *device, const tas_network *network, const tas_data *train,
                                const tas_data *test_set, const tas_sweep_options *options, tas_sweep **out)
{
    tas_context *context = device->context;
    tas_status status = setup_check(context, options);
    if (status) return status;
    tas_sweep *s = calloc(1, sizeof *s);
    if (!s) return fail(context, TAS_NO_MEMORY, "no memory for a sweep");
    s->context = context;
    lab l = {.sweep = s,
             .device = device,
             .network = network,
             .test = test_set,
             .started = now_seconds(),
             .seconds_left = NAN};
    status = own_options(s, options);
    name_things(s, device, network, train);
    if (!status) status = setup_begin(&l, train);
    s->rates_given = s->options.rates != NULL;
    s->options.rates = NULL; /* the caller's; they stand in the batches */
    if (!status) {
        status = end(&l, work(&l));
        if (s->runs || !status) *out = s;
    }
    if (!*out) tas_sweep_close(&s);
    state_close(&l.state);
    for (int i = 0; i < SWEEP_BATCHES; i++) free(l.weights[i]);
    setup_end(&l);
    return status;
}

tas_status tas_sweep_run(tas_device *device, const tas_network *network, const tas_data *train,
                         const tas_data *test_set, const tas_sweep_options *options, tas_sweep **out)
{
    entry_state saved;
    entry_begin(device->context, &saved);
    *out = NULL;
    const tas_status status = sweep_run_all(device, network, train, test_set, options, out);
    entry_end(&saved);
    return status;
}

void tas_sweep_close(tas_sweep **sweep)
{
    if (!sweep || !*sweep) return;
    for (int i = 0; i < (*sweep)->runs; i++) free((*sweep)->run[i].point);
    free((*sweep)->run);
    free((void *)(uintptr_t)(*sweep)->options.batches);
    free((void *)(uintptr_t)(*sweep)->options.state);
    free(*sweep);
    *sweep = NULL;
}

void tas_sweep_advice(const tas_sweep *s, tas_advice *out)
{
    const recommendation *r = &s->advice;
    const fit_range *b = &r->curve.b_crit;
    *out = (tas_advice){.known = r->decided != DECIDED_DEFAULT,
                        .batch = (uint32_t)r->batch,
                        .range_low = (uint32_t)r->range_low,
                        .range_high = (uint32_t)r->range_high,
                        .lr = (float)r->lr,
                        .seconds = r->seconds,
                        .seconds_low = r->seconds_low,
                        .seconds_high = r->seconds_high,
                        .b_crit = NAN,
                        .b_crit_low = 0,
                        .b_crit_high = INFINITY,
                        .reason = s->reason};
    if (!r->curve.known) return;
    if (b->state == FIT_KNOWN) out->b_crit = b->value;
    if (b->state == FIT_KNOWN || b->state == FIT_AT_LEAST) out->b_crit_low = b->low;
    if (b->state == FIT_KNOWN || b->state == FIT_AT_MOST) out->b_crit_high = b->high;
}

/* Results ---------------------------------------------------------------------------------------------------------- */

static double known(const sweep_mean *m) { return m->seeds ? m->value : NAN; }

int tas_sweep_batch(const tas_sweep *sweep, size_t index, tas_sweep_row *out)
{
    if (index >= (size_t)sweep->count) return 0;
    const sweep_batch *b = &sweep->batch[index];
    *out = (tas_sweep_row){.batch = (uint32_t)b->batch,
                           .lr = b->lr > 0 ? b->lr : NAN,
                           .examples_per_s = b->rounds ? b->examples_per_s : NAN,
                           .memory = b->memory_used,
                           .steps = known(&b->steps),
                           .examples = known(&b->examples),
                           .epochs = known(&b->epochs),
                           .seconds = known(&b->seconds),
                           .loss = known(&b->best_loss),
                           .accuracy = known(&b->best_accuracy),
                           .test_loss = b->test_loss,
                           .test_accuracy = b->test_accuracy,
                           .compared = known(&b->loss_compared),
                           .worse_low = b->worse_low,
                           .worse_high = b->worse_high,
                           .seeds = b->seeds,
                           .reached = b->reached,
                           .verdict = reason_verdict(sweep->advice.verdicts[index]),
                           .short_verdict = reason_short_verdict(sweep->advice.verdicts[index]),
                           .why = b->why};
    return 1;
}

const char *tas_sweep_target(const tas_sweep *sweep) { return sweep->target_words; }
double tas_sweep_seconds(const tas_sweep *sweep) { return sweep->elapsed; }
