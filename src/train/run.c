/* Training: the loop over epochs and steps, and the public functions of runs.
 *
 * No step waits for the device. Losses go to a ring on the device, with the record of the first step that was not
 * finite; both are read after as many steps as the device does in about a fifth of a second. */
#include "train/run.h"

#include "device/profile.h"
#include "train/diagnose.h"
#include "train/feed.h"
#include "train/noise.h"
#include "train/options.h"
#include "train/ranks.h"
#include "train/recovery.h"
#include "train/schedule.h"
#include "train/step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static run_step make_step(uint64_t number, const course_step *of)
{
    return (run_step){(uint32_t)number, of->at, of->count, of->batch};
}

run_step run_step_at(const tas_run *run, uint64_t step)
{
    const course_step of = course_at(&run->course, step);
    return make_step(step, &of);
}

float run_lr(const tas_run *run, uint64_t step)
{
    return options_lr(&run->options, &run->course, step - 1, run->steps);
}

/* When the noise is measured depends on the batch. */
static const noise_schedule *noise_for(tas_run *run, uint32_t batch)
{
    if (!run->options.noise || run->noise_batch == batch) return &run->noise_schedule;
    run->noise_batch = batch;
    run->noise_schedule = noise_schedule_for(run->model->network, batch, run->count);
    if (run->request.noise.preconditioned) noise_schedule_precondition(&run->noise_schedule, batch);
    return &run->noise_schedule;
}

/* One step -------------------------------------------------------------------------------------------------------- */

/* A measured step's noise is that of its own batch, or of a probe: of what comes next in the order, or its end. */
static step_batch measured_batch(tas_run *run, const run_step *step, step_batch own)
{
    const noise_schedule *schedule = noise_for(run, step->batch);
    own.count = noise_examples(schedule, step->number, step->count);
    if (!schedule->probe || !own.count) return own;
    const uint32_t last = run->count - own.count;
    if (own.at > last) own.at = last;
    own.panel_width = run->w.plan.panel_width;
    return own;
}

/* Of the second moment that earlier steps have left. */
static tas_status measure_noise(tas_run *run, const run_step *step, const step_batch *measured,
                                const step_observer *also)
{
    const noise_schedule *schedule = noise_for(run, step->batch);
    const bool preconditions = noise_preconditions(schedule, step->number);
    const uint64_t t = step->number ? step->number - 1 : 1;
    op_args scalars = {0};
    if (preconditions) {
        const optimizer_step before = options_step(&run->options, &run->course, t, run->steps);
        optimizers_row(run->options.optimizer)->precondition(&run->options, &before, &scalars);
    }
    return noise_measure(&run->w, schedule, measured, step->number, preconditions ? &scalars : NULL, also);
}

/* Up to the update nothing is written that a later step reads. What a probe has summed is written over. */
static tas_status compute_gradient(tas_run *run, const run_step *step)
{
    const noise_schedule *schedule = noise_for(run, step->batch);
    const step_batch own = ranked_batch(run, step);
    const step_batch measured = measured_batch(run, step, own);
    const step_observer *traces = trace_begin(run, step->number);
    const bool apart = !measured.count || schedule->probe;
    tas_status status = TAS_OK;
    if (measured.count) status = measure_noise(run, step, &measured, apart ? NULL : traces);
    if (!status && apart) status = step_gradient(&run->w, &own, traces);
    return status ? status : step_watch(&run->w, &own, step->number);
}

static tas_status run_update(tas_run *run, const run_step *step)
{
    (void)step;
    return update_run(&run->update);
}

/* What a step moves at least: see tas_profile. */
static uint64_t least_bytes(const tas_run *run, uint32_t examples)
{
    const tas_network *network = run->model->network;
    const uint64_t per_example = dataset_input_bytes(run->data) + dataset_target_bytes(run->data);
    const uint64_t times = 2 * (1 + (uint64_t)optimizers_row(run->options.optimizer)->slots);
    uint64_t elements = 0;
    for (int i = 0; i < network->parameter_count; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        if (t->role == ROLE_PARAMETER) elements += t->elements;
    }
    return times * elements * sizeof(float) + examples * per_example;
}

/* The same on all ranks. What the watch has found is on the host. */
static tas_status train_ranked_step(tas_run *run, const run_step *step)
{
    const optimizer_step of = options_step(&run->options, &run->course, step->number, run->steps);
    const tas_status status = ranks_step(run, step, &of);
    run->ring[step->number % RING] = run->ranked->loss;
    return status;
}

static tas_status train_step(tas_run *run, run_step step)
{
    tas_device *device = run->model->device;
    if (run->ranked && step.number) return train_ranked_step(run, &step);
    profile_begin_step(device);
    const tas_status status = recovery_repeat(run, compute_gradient, &step);
    if (status) return status;
    const optimizer_step of = options_step(&run->options, &run->course, step.number ? step.number : 1, run->steps);
    tas_status updated = update_begin(&run->update, &of, step.number, step.count);
    if (!updated) updated = recovery_repeat(run, run_update, &step);
    if (!updated && is_profiled(device)) profile_end_step(device, least_bytes(run, step.count));
    return updated ? updated : trace_end(run, step.number);
}

/* Reading what steps have left ------------------------------------------------------------------------------------ */

static int call_on_step(tas_run *run, const tas_step *done)
{
    entry_state ours;
    callback_begin(run->model->context, &ours);
    const int result = run->options.on_step(run->options.user, done);
    callback_end(&ours);
    return result;
}

/* Whether a step up to `last` was measured that was not reported yet. All have the same batch. */
static bool has_figures(tas_run *run, uint64_t last)
{
    const uint64_t interval = noise_for(run, course_at(&run->course, last).batch)->interval;
    return interval && last / interval != run->result.steps / interval;
}

static tas_status read_results(tas_run *run, uint64_t last, uint32_t record[2])
{
    workspace *w = &run->w;
    const device_driver *driver = w->device->driver;
    if (run->ranked) {
        memcpy(record, run->ranked->record, sizeof run->ranked->record);
        return TAS_OK;
    }
    tas_status status = feed_settle(w);
    if (!status) status = driver->read(w->device, &w->ring, 0, run->ring, sizeof run->ring);
    if (!status) status = driver->read(w->device, &w->first_bad, 0, record, 2 * sizeof *record);
    if (!status && has_figures(run, last))
        status =
            driver->read(w->device, &w->noise_ring, 0, run->figures, RING * w->plan.noise_sums * sizeof *run->figures);
    return status;
}

static void add_noise(tas_run *run, const run_step *step, tas_step *done)
{
    const noise_schedule *schedule = noise_for(run, step->batch);
    const uint32_t measured = noise_examples(schedule, step->number, step->count);
    const float *figures = &run->figures[step->number % RING * run->w.plan.noise_sums];
    done->trace = done->square = done->preconditioned_trace = done->preconditioned_square = NAN;
    if (measured) noise_add_step(schedule, figures, measured, run->count, &run->noise, &done->trace, &done->square);
    if (measured && noise_preconditions(schedule, step->number))
        noise_add_preconditioned(schedule, figures, measured, run->count, &run->preconditioned_noise,
                                 &done->preconditioned_trace, &done->preconditioned_square);
}

/* Counts a step whose loss was read, and calls the callback. */
static tas_status report_step(tas_run *run, double seconds)
{
    tas_train_result *result = &run->result;
    const course_step of = course_at(&run->course, ++result->steps);
    const run_step step = make_step(result->steps, &of);
    result->examples += step.count;
    result->seconds = seconds;
    result->last_loss = run->ring[step.number % RING];
    tas_step done = {.step = step.number,
                     .steps = run->steps,
                     .epoch = of.epoch + 1,
                     .batch = step.count,
                     .lr = run_lr(run, step.number),
                     .loss = result->last_loss,
                     .seconds = seconds,
                     .examples = result->examples,
                     .ends_epoch = course_at(&run->course, result->steps + 1).epoch > of.epoch};
    add_noise(run, &step, &done);
    return run->options.on_step && call_on_step(run, &done) ? TAS_STOPPED : TAS_OK;
}

/* Reads what the steps up to `last` have left, and reports each, but not those repeated after a failure again. */
static tas_status collect(tas_run *run, uint64_t last)
{
    uint32_t record[2]; /* the first bad step; 0: none */
    tas_status status = read_results(run, last, record);
    const double seconds = run->before + now_seconds() - run->start;
    if (status) return status;
    while (run->result.steps < last) {
        if (record[0] == run->result.steps + 1) {
            run->result.seconds = seconds;
            return diagnose_step(run, record[0], record[1]);
        }
        if (report_step(run, seconds)) status = TAS_STOPPED;
    }
    return status;
}

/* When the examples of a step cannot be read: the steps before it are done, and are reported. */
static tas_status collect_before(tas_run *run, uint64_t last)
{
    char error[sizeof run->model->context->error];
    memcpy(error, run->model->context->error, sizeof error);
    const tas_status status = collect(run, last);
    if (status && status != TAS_STOPPED) return status;
    memcpy(run->model->context->error, error, sizeof error);
    run->step = last;
    return TAS_BAD_DATA;
}

/* The loop -------------------------------------------------------------------------------------------------------- */

static tas_status begin_epoch(tas_run *run, uint64_t epoch)
{
    run->w.epoch = (uint32_t)epoch;
    course_fill(&run->course, epoch, run->order);
    tas_status status = feed_order(&run->w, run->order, run->count);
    if (!status && run->ranked && run->ranked->told) status = ranks_order(run, epoch);
    run->epoch = status ? 0 : epoch + 1;
    return status;
}

/* Steps to give to the device before their losses are read, up to the step `last`, within the epoch and with the batch
 * of the next one, which begins such a stretch. One that is audited is a stretch of its own. */
static uint64_t queue_length(tas_run *run, uint64_t last, const course_step *next)
{
    const uint64_t audited = audit_left(run), to_last = last - run->step;
    const uint64_t left = audited < to_last ? audited : to_last, most = left < next->left ? left : next->left;
    if (!audited || run->ranked || (!run->options.ahead && run->options.on_step) || run->step_seconds <= 0) return 1;
    const double steps = 0.2 / run->step_seconds;
    const uint64_t wanted = steps < 1 ? 1 : steps > RING - 1 ? RING - 1 : (uint64_t)steps;
    return wanted < most ? wanted : most;
}

/* Queues some steps, and then reads what they have left. */
static tas_status train_some(tas_run *run, uint64_t last)
{
    const uint64_t begin = run->step;
    const course_step next = course_at(&run->course, begin + 1);
    tas_status status = run->epoch == next.epoch + 1 ? TAS_OK : begin_epoch(run, next.epoch);
    if (run->batch != next.batch) run->step_seconds = 0;
    run->batch = next.batch;
    const uint64_t wanted = queue_length(run, last, &next);
    const bool audits = !audit_left(run);
    const double start = now_seconds();
    uint64_t done = 0;
    if (audits) audit_begin(run);
    for (; done < wanted && !status && !(done && run->model->cancelled); done++) {
        status = train_step(run, run_step_at(run, begin + done + 1));
        if (!status) status = run->w.device->driver->flush(run->w.device);
    }
    audit_end(run);
    if (status == TAS_BAD_DATA && done > 1) return collect_before(run, begin + done - 1);
    if (!status) status = collect(run, begin + done);
    if (status && status != TAS_STOPPED) return status; /* stopped: these steps are done all the same */
    run->step = begin + done;
    if (!audits) run->step_seconds = (now_seconds() - start) / (double)done;
    recovery_progress(run);
    const tas_status kept = audits ? audit_pass(run, start) : status || run->ranked ? TAS_OK : recovery_snapshot(run);
    return kept ? kept : status;
}

static tas_status train_to(tas_run *run, uint64_t last)
{
    tas_status status = TAS_OK;
    while (run->step < last && !status) {
        if (run->model->cancelled && run->step >= run->result.steps) return TAS_STOPPED; /* all reported is done */
        status = train_some(run, last);
        if (status && !ranks_rescue(run, &status)) recovery_resume(run, &status);
    }
    if (!status && run->model->cancelled) status = TAS_STOPPED;
    return status;
}

/* A request to stop stays for the stretch that comes next. */
tas_status run_repeat(tas_run *run, uint64_t last)
{
    const tas_status status = train_to(run, last);
    return status == TAS_STOPPED ? TAS_OK : status;
}

/* If the weights cannot be looked at, the steps since the last snapshot are repeated, as after any failure. */
static tas_status train_and_check(tas_run *run, uint64_t last)
{
    const tas_status status = train_to(run, last);
    if (status == TAS_STOPPED) run->model->cancelled = 0; /* obeyed */
    if (status && status != TAS_STOPPED) return status;
    const uint64_t done = run->step;
    tas_status weights = diagnose_weights(run);
    while (weights && recovery_resume(run, &weights)) {
        weights = run_repeat(run, done);
        if (!weights) weights = diagnose_weights(run);
    }
    return weights ? weights : status;
}

/* Opening --------------------------------------------------------------------------------------------------------- */

/* Steps with that batch that update nothing, of a whole batch and of the smaller one that an epoch may end with. */
static tas_status warm_up_batch(tas_run *run, uint32_t batch, uint64_t first, uint64_t last)
{
    const uint32_t rest = run->options.drop_last ? 0 : run->count % batch;
    tas_status status = train_step(run, (run_step){.count = batch, .batch = batch});
    if (!status && rest && last - first >= (run->count - 1) / batch + 1)
        status = train_step(run, (run_step){.count = rest, .batch = batch});
    return status;
}

/* The record is set, so that nothing is updated: kernels are built and memory is touched before the clock starts. */
static tas_status warm_up(tas_run *run)
{
    const device_driver *driver = run->w.device->driver;
    const course *c = &run->course;
    const uint32_t set[2] = {UINT32_MAX, 0}, clear[2] = {0, 0}, most = run->request.batch;
    bool has_most = false;
    tas_status status = driver->write(run->w.device, &run->w.first_bad, 0, set, sizeof set, true);
    for (int i = 0; i < c->segments && !status; i++) {
        const course_segment *s = &c->segment[i];
        status = warm_up_batch(run, s->batch, s->step, i + 1 < c->segments ? s[1].step : run->steps);
        has_most |= s->batch == most;
    }
    if (!status && !has_most) status = warm_up_batch(run, most, 0, 0);
    return status ? status : driver->write(run->w.device, &run->w.first_bad, 0, clear, sizeof clear, true);
}

/* Those that the warm-up needs, so that it is known how many there are. */
static tas_status prepare_kernels(tas_run *run)
{
    device_calls calls;
    device_list_calls(run->w.device, &calls);
    const tas_status status = warm_up(run), prepared = device_prepare(run->w.device);
    return status ? status : prepared;
}

/* A rank that is faster than others gets more shards. The shortest of several measurements counts, since other
 * programs, and ranks that are still starting, slow some of them down. Long ones are repeated less often. */
static tas_status warm_up_timed(tas_run *run)
{
    static const double enough = 0.5; /* seconds */
    enum { TIMES = 6 };
    const double begin = now_seconds();
    double least = INFINITY;
    if (!run->ranked) return warm_up(run);
    for (int i = 0; i < TIMES && (!i || now_seconds() - begin < enough); i++) {
        const double start = now_seconds();
        tas_status status = warm_up(run);
        if (!status) status = run->w.device->driver->finish(run->w.device);
        if (status) return status;
        const double took = now_seconds() - start;
        if (took < least) least = took;
    }
    run->ranked->warm_seconds = least;
    return TAS_OK;
}

tas_status run_time_step(tas_run *run)
{
    tas_status status = warm_up_timed(run);
    if (status) recovery_resume(run, &status);
    return status;
}

/* Memory, the first snapshot, the data set, kernels. */
static tas_status prepare(tas_run *run)
{
    bool shrunk;
    tas_status status = device_alloc_host(run->model->device, run->count * sizeof *run->order, &run->order_memory);
    run->order = (uint32_t *)(void *)run->order_memory.bytes;
    if (!status) status = workspace_open(&run->w, run->model, &run->request, run->options.budget, &shrunk);
    if (status) return status;
    run->result.cuts += shrunk;
    run->w.seed = run->options.seed;
    status = run->ranked ? update_open_statistics(&run->update, &run->options, &run->w)
                         : update_open(&run->update, &run->options, &run->w);
    if (!status) status = trace_open(run);
    if (status) return status;
    model_drop_mirror(run->model); /* they change */
    status = audit_open(run);
    if (!status) status = recovery_open(run);
    if (status) return status;
    status = feed_open(&run->w, run->data);
    if (status == TAS_NO_MEMORY) status = recovery_shrink(run);
    if (!status) status = begin_epoch(run, 0);
    if (!status) status = prepare_kernels(run);
    if (status == TAS_MISMATCH) return status;
    if (!status) status = warm_up_timed(run);
    if (status) recovery_resume(run, &status); /* kernels that were not warmed up are built later */
    return status;
}

static void update_peaks(tas_run *run)
{
    const tas_device *device = run->model->device;
    if (device->peak_bytes > run->peak) run->peak = device->peak_bytes;
    if (device->host_peak_bytes > run->host_peak) run->host_peak = device->host_peak_bytes;
}

static void close_run(tas_run *run)
{
    ranks_close_run(run);
    workspace_close(&run->w);
    update_close(&run->update);
    recovery_close(run);
    audit_close(run);
    trace_close(run);
    course_close(&run->course);
    run->model->run = NULL;
    device_release_host(run->model->device, &run->order_memory);
    free(run);
}

/* Of the batch that the run has now. */
static const char *noise_obstacle(const tas_run *run)
{
    return noise_schedule_obstacle(run->model->network, course_at(&run->course, run->step + 1).batch, run->count);
}

static void request_noise(tas_run *run, uint32_t least)
{
    const char *obstacle = noise_obstacle(run);
    forecast_request_noise(&run->request, run->model->network, least, run->count, run->options.tile,
                           run->options.preconditioned_noise && update_preconditions(run->options.optimizer));
    if (obstacle) note_once(run->model->context, "the gradient noise scale is not estimated: %s", obstacle);
}

static tas_status open_run(tas_model *model, const tas_data *data, const tas_train_options *options, tas_run **out)
{
    tas_device *device = model->device;
    tas_run *run = calloc(1, sizeof *run);
    if (!run) return fail(model->context, TAS_NO_MEMORY, "no memory for a run");
    *run = (tas_run){.model = model, .data = data, .options = *options, .count = (uint32_t)data->options.count};
    run->options.lr_scaling = tas_train_scaling(options);
    model->run = run;
    device_reset_peaks(device);
    tas_status status = options_course(&run->course, model->context, options, run->count);
    if (status) {
        close_run(run);
        return status;
    }
    run->steps = options_steps(options, &run->course);
    const batch_range range = options_batches(options, &run->course);
    run->request = forecast_request(data, true, range.most, options->tile);
    run->request.shards = options->shards;
    run->request.spills = options->keep_on_host;
    run->request.run_copies = audit_is_asked(options);
    update_request(&run->request, options->optimizer, options->clip > 0, options->noise != 0);
    if (options->on_trace) run->request.fuses = false; /* a trace has all gradients */
    if (options->noise) request_noise(run, range.least);
    status = ranks_begin_run(run);
    if (!status) status = profile_pause(device); /* if one is made: the start is not of interest */
    if (!status) status = prepare(run);
    if (!status && run->ranked && ranks_lead(run->ranked->ranks)) status = ranks_open_run(run);
    if (!status) status = profile_resume(device);
    update_peaks(run);
    recovery_end(run, status);
    if (!status)
        *out = run;
    else
        close_run(run);
    return status;
}

/* Results --------------------------------------------------------------------------------------------------------- */

static tas_noise describe_noise(const noise_scale *figures, uint32_t group, const char *obstacle)
{
    static const tas_noise_state states[] = {
        [NOISE_UNKNOWN] = TAS_NOISE_UNKNOWN, [NOISE_AT_LEAST] = TAS_NOISE_AT_LEAST, [NOISE_KNOWN] = TAS_NOISE_KNOWN};
    const noise_scale_range a = noise_scale_result(figures);
    return (tas_noise){.state = obstacle ? TAS_NOISE_IMPOSSIBLE : states[a.state],
                       .value = a.value,
                       .low = a.low,
                       .high = a.high,
                       .steps = a.steps,
                       .group = group,
                       .obstacle = obstacle};
}

/* The groups are those of the last batch. */
static void fill_noise(tas_run *run)
{
    const uint32_t batch = course_at(&run->course, run->step ? run->step : 1).batch;
    const noise_schedule *schedule = noise_for(run, batch);
    const uint32_t group = noise_schedule_group(schedule, noise_examples(schedule, 0, batch));
    const char *obstacle = run->noise.steps ? NULL : noise_obstacle(run);
    run->result.noise = describe_noise(&run->noise, schedule->grouped ? group : schedule->dense, obstacle);
    if (run->options.preconditioned_noise && update_preconditions(run->options.optimizer))
        run->result.preconditioned_noise = describe_noise(&run->preconditioned_noise, group, obstacle);
}

static void fill_result(tas_run *run)
{
    tas_train_result *result = &run->result;
    update_peaks(run);
    result->peak_bytes = run->peak;
    result->host_bytes = run->host_peak;
    result->weights_step = run->step;
    if (run->options.noise) fill_noise(run);
    result->tile = plan_step_tile(&run->w.plan, run->model->network, run->request.batch);
    result->resident = run->w.plan.resident;
    result->examples_per_s = result->seconds > 0 ? (double)result->examples / result->seconds : 0;
}

/* A stretch of a run, up to the step `last`. */
static tas_status advance(tas_run *run, uint64_t last)
{
    tas_device *device = run->model->device;
    if (run->over) return fail(run->model->context, run->over, "this run has failed before and cannot go on; close it");
    device_reset_peaks(device);
    run->start = now_seconds();
    const tas_status status = train_and_check(run, last);
    run->before = run->result.seconds;
    if (status == TAS_STOPPED)
        fail(run->model->context, status, "stopped after step %llu", (unsigned long long)run->result.steps);
    else
        run->over = status;
    recovery_end(run, status);
    fill_result(run);
    return status;
}

/* The public functions -------------------------------------------------------------------------------------------- */

tas_status tas_run_open(tas_model *model, const tas_data *data, const tas_train_options *options, tas_run **out)
{
    entry_state saved;
    entry_begin(model->context, &saved);
    *out = NULL;
    tas_status status = options_check(model->network, data, options);
    if (!status) status = feed_check(model->network, data);
    if (!status) feed_note(model->network, data);
    if (!status && model->run)
        status = fail(model->context, TAS_BAD_ARGUMENT, "this model is being trained: close its open run first");
    if (!status) status = open_run(model, data, options, out);
    if (!status && tas_data_schema(data)) status = model_set_schema(model, tas_data_schema(data));
    if (status) tas_run_close(out);
    entry_end(&saved);
    return status;
}

tas_status tas_run_advance(tas_run *run, uint64_t steps, tas_train_result *result)
{
    entry_state saved;
    const uint64_t left = run->steps - run->step, some = steps < left ? steps : left;
    if (run->advancing)
        return fail(run->model->context, TAS_BAD_ARGUMENT, "this run is advancing: it cannot from its own callback");
    entry_begin(run->model->context, &saved);
    run->advancing = true;
    const tas_status status = advance(run, run->step + some);
    run->advancing = false;
    if (result) *result = run->result;
    entry_end(&saved);
    return status;
}

uint64_t tas_run_steps(const tas_run *run) { return run->steps; }

uint64_t tas_run_epoch_left(const tas_run *run)
{
    return course_end(&run->course, course_at(&run->course, run->step + 1).epoch + 1) - run->step;
}

uint32_t tas_run_batch(const tas_run *run) { return course_at(&run->course, run->step + 1).batch; }

tas_status run_change_batch(tas_run *run, uint32_t batch)
{
    tas_context *context = run->model->context;
    course changed = {0};
    if (run->advancing)
        return fail(context, TAS_BAD_ARGUMENT, "this run is advancing: its batch cannot change meanwhile");
    if (!batch || batch > run->request.batch)
        return fail(context, TAS_BAD_ARGUMENT, "batch %u: this run was opened for 1 to %u examples", batch,
                    run->request.batch);
    tas_status status = course_copy(&changed, context, &run->course);
    if (!status) status = course_change_batch(&changed, context, run->step, batch);
    if (!status) status = options_check_batches(run->model->network, &run->options, &changed, changed.segments - 1);
    if (!status) {
        const course before = run->course;
        run->course = changed;
        run->changed = true;
        changed = before;
        run->steps = options_steps(&run->options, &run->course);
    }
    course_close(&changed);
    return status;
}

tas_status run_change_order(tas_run *run, uint64_t seed)
{
    run->epoch = 0; /* it is written anew */
    run->changed = true;
    return course_change_order(&run->course, run->model->context, run->step, seed);
}

void tas_run_close(tas_run **run)
{
    if (*run) close_run(*run);
    *run = NULL;
}

tas_status tas_train(tas_model *model, const tas_data *data, const tas_train_options *options, tas_train_result *result)
{
    tas_run *run;
    if (result) *result = (tas_train_result){0};
    tas_status status = tas_run_open(model, data, options, &run);
    if (status) return status;
    status = tas_run_advance(run, UINT64_MAX, result);
    tas_run_close(&run);
    return status;
}
