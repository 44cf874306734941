/* Training: the loop over epochs, the step over tiles, the update.
 *
 * Nothing inside a step waits for the device, where the set lies there. Where it is streamed the host waits, before it
 * fills a stage again, for the upload of two tiles before, and so is never further ahead than that. Losses go to a ring
 * on the device, with the record of the first step that was not finite; both are read at the end of a run of steps, as
 * long as the device needs about a fifth of a second for.
 *
 * A device may refuse memory at any command. What comes before the update writes nothing that a later step reads, so it
 * is run again in smaller tiles; the update itself is issued again. A failure that shows only at a wait leaves nothing
 * on the device to be trusted: the last snapshot is put back, and the steps since then are repeated; where that fails,
 * too, in a context made anew. The contract makes all of it give the same bits. */
#include "train/feed.h"
#include "train/noise.h"
#include "train/schedule.h"
#include "train/update.h"

#include "base/format.h"
#include "data/shuffle.h"
#include "device/profile.h"
#include "ops/sum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A run that is open. */
typedef struct tas_run {
    tas_model *model;
    const tas_data *data;
    tas_train_options options;
    tas_train_result result;
    workspace w;
    host_mem order_memory;
    uint32_t *order; /* of this epoch */
    uint32_t count;  /* examples of the set */
    uint64_t steps, steps_an_epoch;
    uint64_t epoch; /* whose order lies in `order` and on the device, from 1; 0: none */
    double start;
    float ring[RING], figures[RING * NOISE_SUMS];
    noise_scale noise;
    double step_seconds; /* the last run's */
    plan_request request;
    struct {
        /* Parameters, then state, as the device holds them. Of two, one is whole while the other is read into; a single
         * one is not whole until it has been read. */
        host_mem copy[2];
        bool whole;
        uint64_t step;
        double time, seconds; /* when the last one was begun, and how long it took */
    } snapshot;
    int failures; /* since the run last came further */
    uint64_t furthest;
    uint64_t step;            /* done so far */
    double before;            /* seconds of earlier stretches */
    uint64_t peak, host_peak; /* bytes */
    tas_status over;          /* not TAS_OK: a failure after which the run cannot go on */
} trainer;

enum { FAILURES_MOST = 3 };
static const double snapshot_seconds = 2, snapshot_share = 0.02;

void tas_train_options_init(tas_train_options *options)
{
    *options = (tas_train_options){.size = sizeof *options,
                                   .batch = 64,
                                   .epochs = 1,
                                   .lr = 0.02f,
                                   .momentum = 0.9f,
                                   .seed = 1,
                                   .beta1 = 0.9f,
                                   .beta2 = 0.999f,
                                   .epsilon = 1e-8f,
                                   .decay = 0.1f,
                                   .base_batch = 64};
}

static uint64_t steps_of(const tas_train_options *options, uint64_t count)
{
    return options->steps ? options->steps : options->epochs * ((count - 1) / options->batch + 1);
}

static tas_status check_options(const tas_model *model, const tas_data *data, const tas_train_options *options)
{
    tas_context *context = model->context;
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options of %zu bytes; this library knows %zu: use tas_train_options_init()", options->size,
                    sizeof *options);
    if (!options->batch) return fail(context, TAS_BAD_ARGUMENT, "batch 0: expected at least 1 example");
    if (options->batch > data->options.count)
        return fail(context, TAS_BAD_ARGUMENT, "batch %u is larger than the data set: %s has %llu examples",
                    options->batch, data->name, (unsigned long long)data->options.count);
    if (options->batch > 1u << 24)
        return fail(context, TAS_BAD_ARGUMENT, "batch %u: at most 2^24 examples", options->batch);
    uint64_t steps;
    if (!mul_size(options->epochs, data->options.count, &steps))
        return fail(context, TAS_BAD_ARGUMENT, "%llu epochs: too many", (unsigned long long)options->epochs);
    if (!options->steps && !options->epochs) return fail(context, TAS_BAD_ARGUMENT, "no steps and no epochs to train");
    if (steps_of(options, data->options.count) >= UINT32_MAX)
        return fail(context, TAS_BAD_ARGUMENT, "2^32 - 1 steps or more in one run");
    tas_status status = schedule_check(context, options, steps_of(options, data->options.count));
    return status ? status : update_check(context, options);
}

/* A device that breaks its word --------------------------------------------------------------------------------------
 */

/* After a refusal: smaller tiles, and the feed made ready again. TAS_NO_MEMORY where there are none. */
static tas_status shrink_tile(trainer *t)
{
    model_log_recovery(t->model, "the run goes on, in smaller tiles where there are any, with the same bits");
    for (;;) {
        t->result.cuts++;
        feed_close(&t->w);
        tas_status status = workspace_shrink(&t->w, t->model, &t->request);
        if (status) return status;
        status = feed_open(&t->w, t->data);
        if (!status && t->epoch) status = feed_order(&t->w, t->order, t->count); /* there is one */
        if (status != TAS_NO_MEMORY) return status;
    }
}

/* What a step leaves to the next: all of one size, those that the optimiser does without at the end. */
enum { SNAPSHOT_PARTS = 3 };
static const plan_part snapshot_parts[SNAPSHOT_PARTS] = {PART_PARAMETERS, PART_STATE, PART_STATE_2};

/* A read that was refused left the device as it was, and is issued again. */
static tas_status read_part(trainer *t, plan_part part, char *to)
{
    workspace *w = &t->w;
    tas_status status;
    int tries = 0;
    do status = w->device->driver->read(w->device, &w->part[part], 0, to, w->plan.bytes[part]);
    while (status == TAS_NO_MEMORY && model_should_retry(t->model, status, &tries));
    return status;
}

/* There are two copies where the device has memory of its own: it may be lost while one is read, and the host has room.
 * A device that shares the host's memory would have to do with smaller tiles, or without the data set, for a second one
 * that is of use only if the device fails in that moment. One that never fails needs none. */
static tas_status read_snapshot(trainer *t, uint64_t step)
{
    const uint64_t bytes = t->w.plan.bytes[PART_PARAMETERS];
    const bool two = t->snapshot.copy[1].bytes != NULL;
    const host_mem to = t->snapshot.copy[two];
    tas_status status = TAS_OK;
    if (!to.bytes) return TAS_OK;
    t->snapshot.time = now_seconds();
    t->snapshot.whole &= two;
    for (int k = 0; k < SNAPSHOT_PARTS && t->w.plan.bytes[snapshot_parts[k]] && !status; k++)
        status = read_part(t, snapshot_parts[k], to.bytes + k * bytes);
    if (status) return status;
    if (two) t->snapshot.copy[1] = t->snapshot.copy[0];
    t->snapshot.copy[0] = to;
    t->snapshot.whole = true;
    t->snapshot.step = step;
    t->snapshot.seconds = now_seconds() - t->snapshot.time;
    return TAS_OK;
}

/* Every two seconds, but less often if that would take a large share of the time. */
static bool is_snapshot_due(const trainer *t)
{
    const double apart = t->snapshot.seconds / snapshot_share;
    return now_seconds() - t->snapshot.time > (apart > snapshot_seconds ? apart : snapshot_seconds);
}

static tas_status open_snapshots(trainer *t)
{
    tas_status status = TAS_OK;
    for (uint32_t i = 0; i < t->w.plan.snapshots && !status; i++)
        status = device_alloc_host(t->model->device, t->w.plan.snapshot, &t->snapshot.copy[i]);
    int tries = 0;
    if (status) return status;
    do status = read_snapshot(t, 0);
    while (model_should_retry(t->model, status, &tries));
    return status;
}

/* Puts the snapshot back into memory that is taken anew; where that was of no use, on the device opened anew. The order
 * of its epoch is written by the loop. */
static tas_status restore(trainer *t, bool anew)
{
    workspace *w = &t->w;
    const device_driver *driver = w->device->driver;
    const uint64_t bytes = w->plan.bytes[PART_PARAMETERS];
    const char *from = t->snapshot.copy[0].bytes;
    driver->finish(w->device); /* what it answers is known */
    t->epoch = 0;
    tas_status status =
        anew ? workspace_restore(w, t->model, &t->request) : workspace_reallocate(w, t->model, &t->request);
    for (int k = 0; k < SNAPSHOT_PARTS && w->plan.bytes[snapshot_parts[k]] && !status; k++)
        status = driver->write(w->device, &w->part[snapshot_parts[k]], 0, from + k * bytes, bytes, true);
    return status ? status : feed_open(w, t->data);
}

/* Not after an attempt to open the device anew that failed. */
static bool has_parameters(const trainer *t) { return t->model->parameters.cl || t->model->parameters.host; }

/* Whether a failure can be got over: the device's own, a few times in a row. The snapshot is then in place. The second
 * time the context counts as lost. */
static bool recover(trainer *t, tas_status *status)
{
    while ((*status == TAS_DEVICE_FAILED || *status == TAS_NO_MEMORY) && t->snapshot.whole &&
           t->failures++ < FAILURES_MOST) {
        model_log_recovery(t->model, "the run goes on from its last snapshot, with the same bits");
        *status = restore(t, t->failures == 2 || !has_parameters(t));
        t->result.replays++;
        if (!*status) return true;
    }
    return false;
}

/* One step ----------------------------------------------------------------------------------------------------------
 */

/* Of a step, 1 being the first; 0, which updates nothing, is like it. */
static float lr_of(const trainer *t, uint64_t step) { return schedule_lr(&t->options, step ? step - 1 : 0, t->steps); }

/* w, v <- the mean of the gradients' sums */
static tas_status run_update(trainer *t, uint32_t step, uint32_t batch)
{
    workspace *w = &t->w;
    const uint32_t elements = (uint32_t)(w->plan.bytes[PART_PARAMETERS] / sizeof(float));
    const op_args args = update_args(&t->options, lr_of(t, step), step ? step : 1, elements, batch);
    mem operand[OP_OPERANDS] = {w->part[PART_PARAMETERS], w->part[PART_GRADIENT]};
    int count = 2;
    for (int k = 1; k < SNAPSHOT_PARTS && w->plan.bytes[snapshot_parts[k]]; k++)
        operand[count++] = w->part[snapshot_parts[k]];
    operand[count] = w->first_bad;
    return device_run(w->device, &args, operand, NULL);
}

/* The loss of the step into the ring; it and the gradient are looked at before the update. */
static tas_status run_watch(trainer *t, uint32_t step, uint32_t batch)
{
    workspace *w = &t->w;
    const mem *total;
    tas_status status = run_block_sums(w, &w->tensor[w->network->losses], w->sum, batch, 0);
    if (!status) status = run_sum_levels(w, w->sum, (batch - 1) / SUM_LANES + 1, &total);
    if (status) return status;
    const op_args record = {.op = OP_RECORD_LOSS,
                            .size = {[RECORD_STEP] = step, [RECORD_PLACES] = RING},
                            .scalar = {[RECORD_EXAMPLES] = (float)batch}};
    const mem loss[] = {*total, w->ring, w->first_bad};
    status = device_run(w->device, &record, loss, NULL);
    if (status) return status;
    const op_args check = {.op = OP_CHECK_FINITE,
                           .size = {[CHECK_ELEMENTS] = (uint32_t)(w->plan.bytes[PART_GRADIENT] / sizeof(float)),
                                    [CHECK_STEP] = step,
                                    [CHECK_WHAT] = BAD_GRADIENT}};
    const mem gradient[] = {w->part[PART_GRADIENT], w->first_bad};
    return device_run(w->device, &check, gradient, NULL);
}

/* Looks for what is not finite among the first elements of a piece of memory; *bad tells. Waits. */
static tas_status is_bad(trainer *t, const mem *values, uint64_t elements, bool *bad)
{
    workspace *w = &t->w;
    const uint32_t clear[2] = {0, 0};
    uint32_t record[2];
    const device_driver *driver = w->device->driver;
    tas_status status = driver->write(w->device, &w->first_bad, 0, clear, sizeof clear, true);
    const op_args args = {.op = OP_CHECK_FINITE,
                          .size = {[CHECK_ELEMENTS] = (uint32_t)elements, [CHECK_STEP] = 1, [CHECK_WHAT] = BAD_LOSS}};
    const mem operand[] = {*values, w->first_bad};
    if (!status) status = device_run(w->device, &args, operand, NULL);
    if (!status) status = driver->read(w->device, &w->first_bad, 0, record, sizeof record);
    *bad = !status && record[0];
    return status;
}

/* Runs calls one by one and looks at what each one wrote. */
static tas_status diagnose_calls(trainer *t, const op_call *calls, int count, uint32_t n, uint32_t first,
                                 uint32_t batch, int *found)
{
    const tas_network *network = t->w.network;
    const uint64_t lanes = t->w.panel_width, padded = (n + lanes - 1) / lanes * lanes;
    tas_status status = TAS_OK;
    for (int c = 0; c < count && !status && *found < 0; c++) {
        const op_row *row = op_get(calls[c].args.op);
        status = run_calls(&t->w, &calls[c], 1, n, first, batch);
        for (int o = 0; row->operand[o].name && !status && *found < 0; o++) {
            const tensor *out = &network->tensors[calls[c].operand[o]];
            bool bad = false;
            if (row->operand[o].access == ACCESS_IN || out->role == ROLE_CORRECT || out->role == ROLE_PARTIAL) continue;
            uint64_t elements = t->w.tensor[calls[c].operand[o]].bytes / sizeof(float); /* a gradient with its pads */
            if (out->role == ROLE_VALUE) elements = (out->batch_panels ? padded : n) * out->elements;
            if (out->role == ROLE_LOSS) elements = first + n; /* those behind are another batch's */
            status = is_bad(t, &t->w.tensor[calls[c].operand[o]], elements, &bad);
            if (bad) *found = calls[c].operand[o];
        }
    }
    return status;
}

static tas_status run_list(trainer *t, const op_call *calls, int count, uint32_t n, uint32_t first, uint32_t batch,
                           int *found)
{
    return found ? diagnose_calls(t, calls, count, n, first, batch, found)
                 : run_calls(&t->w, calls, count, n, first, batch);
}

/* Sums losses and gradients over the batch that starts at entry `at` of the order, tile after tile. With found (which
 * holds -1), slowly, up to the first tensor that is not finite. */
static tas_status run_gradient(trainer *t, uint32_t at, uint32_t batch, int *found)
{
    workspace *w = &t->w;
    const tas_network *network = w->network;
    tas_status status = TAS_OK;
    w->panel_width = w->plan.step_panel_width;
    for (uint32_t first = 0; first < batch && !status && !(found && *found >= 0); first += w->plan.tile) {
        const uint32_t n = batch - first < w->plan.tile ? batch - first : w->plan.tile;
        status = feed_tile(w, t->data, t->order, at + first, n);
        if (!status) status = run_list(t, network->forward, network->forward_count, n, first, batch, found);
        if (!status) status = run_list(t, network->backward, network->backward_count, n, first, batch, found);
        if (!status) status = feed_done(w);
    }
    return status;
}

/* The same sums, and what they tell of the noise: of the step's batch, or of a probe, which the step's own sums then
 * write over. */
static tas_status run_measured(trainer *t, uint32_t step, uint32_t at, uint32_t batch)
{
    workspace *w = &t->w;
    const noise_schedule *options = &t->request.noise;
    tas_status status = TAS_OK;
    w->panel_width = options->probe ? w->plan.panel_width : w->plan.step_panel_width;
    for (uint32_t first = 0, n; first < batch && !status; first += n) {
        n = noise_tile(w, options, first, batch);
        status = feed_tile(w, t->data, t->order, at + first, n);
        if (!status) status = run_calls(w, w->network->forward, w->network->forward_count, n, first, batch);
        if (!status) status = noise_backward(w, options, n, first, batch);
        if (!status) status = feed_done(w);
    }
    return status ? status : noise_sums(w, options, step, batch);
}

/* Examples that are measured in a step; 0: it is not. Step 0, the first of the kernels, is. */
static uint32_t measured_of(const trainer *t, uint64_t step, uint32_t batch)
{
    const noise_schedule *options = &t->request.noise;
    if (!options->interval || step % options->interval) return 0;
    return options->probe ? options->probe : batch;
}

/* A probe is what comes next in the order, or the end of it. */
static tas_status run_to_update(trainer *t, uint32_t step, uint32_t at, uint32_t batch)
{
    const uint32_t measured = measured_of(t, step, batch), last = t->count - measured;
    const bool probes = t->request.noise.probe != 0;
    tas_status status = measured ? run_measured(t, step, at < last ? at : last, measured) : TAS_OK;
    if (!status && (!measured || probes)) status = run_gradient(t, at, batch, NULL);
    return status ? status : run_watch(t, step, batch);
}

/* Up to the update a step can be begun again; the update is one launch, which was accepted or was not. */
static tas_status run_step(trainer *t, uint32_t step, uint32_t at, uint32_t batch)
{
    tas_status status = run_to_update(t, step, at, batch);
    while (status == TAS_NO_MEMORY) {
        const tas_status cut = shrink_tile(t);
        if (cut) return cut;
        status = run_to_update(t, step, at, batch);
    }
    if (status) return status;
    while ((status = run_update(t, step, batch)) == TAS_NO_MEMORY) {
        const tas_status cut = shrink_tile(t);
        if (cut) return cut;
    }
    return status;
}

/* What was not finite -----------------------------------------------------------------------------------------------
 */

/* Runs the gradient of a bad step again, slowly, and names the first tensor that is not finite. */
static tas_status diagnose(trainer *t, uint32_t at, uint32_t batch)
{
    workspace *w = &t->w;
    int found = -1;
    /* what the bad run left in sums that are still open must not be found */
    tas_status status = w->device->driver->zero(w->device, &w->part[PART_GRADIENT]);
    if (!status) status = run_gradient(t, at, batch, &found);
    snprintf(t->result.bad_tensor, sizeof t->result.bad_tensor, "%s",
             found < 0 ? "the sum of losses" : w->network->tensors[found].name);
    return status;
}

/* The loop ----------------------------------------------------------------------------------------------------------
 */

/* The entry of its epoch's order with which a step begins, 1 being the first step. */
static uint32_t place_of(const trainer *t, uint64_t step)
{
    return (uint32_t)((step - 1) % t->steps_an_epoch * t->options.batch);
}

static uint32_t batch_of(const trainer *t, uint64_t step)
{
    const uint32_t left = t->count - place_of(t, step);
    return left < t->options.batch ? left : t->options.batch;
}

/* "lr 0.1, momentum 0.9": the settings of a step. */
enum { RATES_TEXT = 32 + UPDATE_TEXT };
static const char *print_rates(const trainer *t, uint64_t step, char text[RATES_TEXT])
{
    char settings[UPDATE_TEXT];
    snprintf(text, RATES_TEXT, "lr %s, %s", format_float(lr_of(t, step)).text, update_print(&t->options, settings));
    return text;
}

static tas_status report_bad(trainer *t, uint32_t bad)
{
    char rates[RATES_TEXT];
    const uint64_t step = t->result.steps + (uint32_t)(bad - (uint32_t)t->result.steps); /* its low 32 bits are known */
    t->result.bad_step = step;
    tas_status status = diagnose(t, place_of(t, step), batch_of(t, step));
    if (status) return status;
    return fail(t->model->context, TAS_NOT_FINITE,
                "step %llu: %s is not finite (%s); the weights are those before that step; try a smaller lr",
                (unsigned long long)step, t->result.bad_tensor, print_rates(t, step, rates));
}

static int call_step(trainer *t, const tas_step *done)
{
    entry_state ours;
    callback_begin(t->model->context, &ours);
    const int result = t->options.on_step(t->options.user, done);
    callback_end(&ours);
    return result;
}

/* Reads the figures of the noise scale, where a step up to `last` that was not told of was measured. */
static tas_status read_figures(trainer *t, uint64_t last)
{
    const uint64_t interval = t->request.noise.interval;
    if (!interval || last / interval == t->result.steps / interval) return TAS_OK;
    return t->w.device->driver->read(t->w.device, &t->w.noise_ring, 0, t->figures, sizeof t->figures);
}

static void take_figures(trainer *t, uint64_t step, tas_step *done)
{
    const uint32_t batch = measured_of(t, step, batch_of(t, step));
    done->trace = done->square = NAN;
    if (batch)
        noise_read(&t->request.noise, &t->figures[step % RING * NOISE_SUMS], batch, t->count, &t->noise, &done->trace,
                   &done->square);
}

/* Reads what the steps up to `last` left on the device, and tells the callback of each. */
static tas_status collect(trainer *t, uint64_t last)
{
    workspace *w = &t->w;
    uint32_t record[2];
    tas_status status = feed_settle(w);
    if (!status) status = w->device->driver->read(w->device, &w->ring, 0, t->ring, sizeof t->ring);
    if (!status) status = w->device->driver->read(w->device, &w->first_bad, 0, record, sizeof record);
    if (!status) status = read_figures(t, last);
    if (status) return status;
    const double seconds = t->before + now_seconds() - t->start;
    while (t->result.steps < last) { /* those that are repeated after a failure were told of */
        const uint64_t step = t->result.steps + 1;
        if (record[0] && (uint32_t)step == record[0]) {
            t->result.seconds = seconds;
            return report_bad(t, record[0]);
        }
        t->result.steps = step;
        t->result.examples += batch_of(t, step);
        t->result.seconds = seconds;
        t->result.last_loss = t->ring[step % RING];
        tas_step done = {.step = step,
                         .steps = t->steps,
                         .epoch = (step - 1) / t->steps_an_epoch + 1,
                         .batch = batch_of(t, step),
                         .lr = lr_of(t, step),
                         .loss = t->result.last_loss,
                         .seconds = seconds,
                         .examples = t->result.examples};
        take_figures(t, step, &done);
        if (t->options.on_step && call_step(t, &done)) status = TAS_STOPPED;
    }
    return status;
}

static tas_status begin_epoch(trainer *t, uint64_t epoch)
{
    t->w.epoch = (uint32_t)epoch;
    shuffle_order(t->options.seed, (uint32_t)epoch, t->order, t->count);
    tas_status status = feed_order(&t->w, t->order, t->count);
    t->epoch = status ? 0 : epoch + 1;
    return status;
}

/* Steps to give to the device before its losses are read: about a fifth of a second of them. */
static uint64_t run_length(const trainer *t)
{
    if (!t->options.ahead && t->options.on_step) return 1;
    if (t->step_seconds <= 0) return 1;
    const double steps = 0.2 / t->step_seconds;
    return steps < 1 ? 1 : steps > RING - 1 ? RING - 1 : (uint64_t)steps;
}

/* A step whose examples could not be read comes after others that were done: these are told of. */
static tas_status collect_before(trainer *t, uint64_t last, tas_status status)
{
    char error[sizeof t->model->context->error];
    memcpy(error, t->model->context->error, sizeof error);
    const tas_status earlier = collect(t, last);
    if (earlier == TAS_NOT_FINITE) return earlier;
    memcpy(t->model->context->error, error, sizeof error);
    return status;
}

/* Some steps from *step on, at most up to `last` and within an epoch; then what they left is read. */
static tas_status run_some(trainer *t, uint64_t *step, uint64_t last)
{
    const uint64_t in_epoch = *step % t->steps_an_epoch, epoch = *step / t->steps_an_epoch;
    tas_status status = TAS_OK;
    if (t->epoch != epoch + 1) status = begin_epoch(t, epoch);
    uint64_t run = run_length(t);
    if (run > t->steps_an_epoch - in_epoch) run = t->steps_an_epoch - in_epoch;
    if (run > last - *step) run = last - *step;
    const double start = now_seconds();
    uint64_t done = 0;
    for (; done < run && !status && !(done && t->model->cancelled); done++) {
        const uint64_t next = *step + done + 1;
        status = run_step(t, (uint32_t)next, place_of(t, next), batch_of(t, next));
        if (!status) status = t->w.device->driver->flush(t->w.device);
    }
    if (!status) status = collect(t, *step + done);
    if (status == TAS_BAD_DATA && done > 1) return collect_before(t, *step + done - 1, status);
    if (status && status != TAS_STOPPED) return status; /* stopped: these steps are done all the same */
    *step += done;
    t->step_seconds = (now_seconds() - start) / (double)done;
    if (*step > t->furthest) {
        t->furthest = *step;
        t->failures = t->w.stuck = 0;
    }
    if (status) return status;
    if (!is_snapshot_due(t)) return TAS_OK;
    status = read_snapshot(t, *step);
    return status == TAS_NO_MEMORY ? TAS_OK : status; /* a refusal changes nothing: later, then */
}

static tas_status run_loop(trainer *t, uint64_t last)
{
    tas_status status = TAS_OK;
    while (t->step < last && !status) {
        if (t->model->cancelled && t->step >= t->result.steps) return TAS_STOPPED; /* what was told of is done */
        status = run_some(t, &t->step, last);
        if (status && recover(t, &status)) t->step = t->snapshot.step;
    }
    if (!status && t->model->cancelled) status = TAS_STOPPED;
    return status;
}

/* An update can overflow though loss and gradient were finite: the next step would show it, and after the last one
 * this. */
static tas_status check_weights(trainer *t)
{
    bool bad = false;
    char rates[RATES_TEXT];
    tas_status status = TAS_OK;
    int tries = 0;
    do /* nothing is changed by it */
        status = is_bad(t, &t->w.part[PART_PARAMETERS], t->w.plan.bytes[PART_PARAMETERS] / sizeof(float), &bad);
    while (model_should_retry(t->model, status, &tries));
    if (status || !bad) return status;
    t->result.bad_step = t->result.steps;
    snprintf(t->result.bad_tensor, sizeof t->result.bad_tensor, "the updated weights");
    return fail(
        t->model->context, TAS_NOT_FINITE,
        "step %llu: the updated weights are not finite (%s, weight decay %s) and are of no use; try a smaller lr",
        (unsigned long long)t->result.steps, print_rates(t, t->result.steps, rates),
        format_float(t->options.weight_decay).text);
}

/* A step that updates nothing (the record is set): kernels are built and memory is touched before the clock starts. */
static tas_status warm_up(trainer *t)
{
    workspace *w = &t->w;
    const device_driver *driver = w->device->driver;
    const uint32_t set[2] = {UINT32_MAX, 0}, clear[2] = {0, 0};
    tas_status status = driver->write(w->device, &w->first_bad, 0, set, sizeof set, true);
    if (!status) status = run_step(t, 0, 0, batch_of(t, 1));
    if (!status && t->count % t->options.batch &&
        t->steps >= t->steps_an_epoch) /* the last batch of an epoch is smaller */
        status = run_step(t, 0, 0, t->count % t->options.batch);
    if (!status) status = driver->write(w->device, &w->first_bad, 0, clear, sizeof clear, true);
    return status;
}

/* Memory, the data set, the first snapshot, kernels. */
static tas_status prepare(trainer *t)
{
    bool cut;
    tas_status status = device_alloc_host(t->model->device, t->count * sizeof *t->order, &t->order_memory);
    t->order = (uint32_t *)(void *)t->order_memory.bytes;
    if (!status) status = workspace_open(&t->w, t->model, &t->request, t->options.budget, &cut);
    if (status) return status;
    t->result.cuts += cut;
    model_drop_mirror(t->model); /* they change */
    t->w.seed = t->options.seed;
    status = open_snapshots(t);
    if (status) return status;
    status = feed_open(&t->w, t->data);
    if (status == TAS_NO_MEMORY) status = shrink_tile(t);
    if (!status) status = begin_epoch(t, 0);
    if (!status) status = warm_up(t);
    if (status) recover(t, &status); /* what was not warmed up is built on its way */
    return status;
}

/* After a failure of the device's, what lies on it is not to be relied on. */
static void abandon(trainer *t, tas_status status)
{
    if (t->snapshot.whole && (status == TAS_DEVICE_FAILED || status == TAS_NO_MEMORY))
        model_mark_lost(t->model, t->snapshot.copy[0].bytes);
}

static void close_run(trainer *t)
{
    workspace_close(&t->w);
    device_release_host(t->model->device, &t->order_memory);
    for (int i = 0; i < 2; i++) device_release_host(t->model->device, &t->snapshot.copy[i]);
    free(t);
}

static tas_status open_run(tas_model *model, const tas_data *data, const tas_train_options *options, trainer **out)
{
    tas_device *device = model->device;
    trainer *t = calloc(1, sizeof *t);
    if (!t) return fail(model->context, TAS_NO_MEMORY, "no memory for a run");
    *t = (trainer){.model = model, .data = data, .options = *options, .count = (uint32_t)data->options.count};
    device_reset_peaks(device);
    t->steps_an_epoch = (t->count + (uint64_t)t->options.batch - 1) / t->options.batch;
    t->steps = steps_of(&t->options, t->count);
    t->request = plan_request_for(data, true, t->options.batch, t->options.tile);
    t->request.slots = update_slots(t->options.optimizer);
    if (t->options.noise) plan_request_noise(&t->request, model->network, t->count, t->options.tile);
    tas_status status = profile_pause(device); /* where one is made: the start is not of interest */
    if (!status) status = prepare(t);
    if (!status) status = profile_resume(device);
    t->peak = device->peak_bytes;
    t->host_peak = device->host_peak_bytes;
    abandon(t, status);
    if (!status)
        *out = t;
    else
        close_run(t);
    return status;
}

static tas_noise noise_of(const trainer *t)
{
    static const tas_noise_state states[] = {
        [NOISE_UNKNOWN] = TAS_NOISE_UNKNOWN, [NOISE_AT_LEAST] = TAS_NOISE_AT_LEAST, [NOISE_KNOWN] = TAS_NOISE_KNOWN};
    const noise_scale_range a = noise_scale_result(&t->noise);
    return (tas_noise){.state = states[a.state], .value = a.value, .low = a.low, .high = a.high, .steps = a.steps};
}

/* Where the weights cannot be looked at, the steps since the last snapshot are repeated, as after any failure. */
static tas_status run_and_check(trainer *t, uint64_t last)
{
    const tas_status status = run_loop(t, last);
    if (status == TAS_STOPPED) t->model->cancelled = 0; /* obeyed */
    if (status && status != TAS_STOPPED) return status;
    const uint64_t done = t->step;
    tas_status weights = check_weights(t);
    while (weights && recover(t, &weights)) {
        t->step = t->snapshot.step;
        weights = run_loop(t, done);
        if (!weights || weights == TAS_STOPPED) weights = check_weights(t);
    }
    return weights ? weights : status;
}

/* A stretch of a run, up to the step `last`. */
static tas_status advance(trainer *t, uint64_t last)
{
    tas_device *device = t->model->device;
    device_reset_peaks(device);
    t->start = now_seconds();
    if (t->over) return fail(t->model->context, t->over, "this run has failed before and cannot go on; close it");
    tas_status status = run_and_check(t, last);
    t->before = t->result.seconds;
    if (status == TAS_STOPPED)
        fail(t->model->context, status, "stopped after step %llu", (unsigned long long)t->result.steps);
    else
        t->over = status;
    abandon(t, status);
    if (device->peak_bytes > t->peak) t->peak = device->peak_bytes;
    if (device->host_peak_bytes > t->host_peak) t->host_peak = device->host_peak_bytes;
    t->result.peak_bytes = t->peak;
    t->result.host_bytes = t->host_peak;
    if (t->options.noise) t->result.noise = noise_of(t);
    t->result.tile =
        t->w.plan.tile < t->options.batch ? t->w.plan.tile : t->options.batch; /* a probe's may be larger */
    t->result.resident = t->w.plan.resident;
    t->result.examples_per_s = t->result.seconds > 0 ? (double)t->result.examples / t->result.seconds : 0;
    return status;
}

tas_status tas_run_open(tas_model *model, const tas_data *data, const tas_train_options *options, tas_run **out)
{
    entry_state saved;
    entry_begin(model->context, &saved);
    *out = NULL;
    tas_status status = check_options(model, data, options);
    if (!status) status = check_data(model->network, data);
    if (!status) note_data(model->network, data);
    if (!status) status = open_run(model, data, options, out);
    entry_end(&saved);
    return status;
}

tas_status tas_run_advance(tas_run *run, uint64_t steps, tas_train_result *result)
{
    entry_state saved;
    entry_begin(run->model->context, &saved);
    const uint64_t left = run->steps - run->step;
    const tas_status status = advance(run, run->step + (steps < left ? steps : left));
    if (result) *result = run->result;
    entry_end(&saved);
    return status;
}

uint64_t tas_run_steps(const tas_run *run) { return run->steps; }

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
