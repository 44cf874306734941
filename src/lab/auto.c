/* The batch of a run that is about to begin, from a probe on weights of its own: first a short training at a batch of
 * 64, which gives the gradient noise scale under plain SGD; otherwise the critical batch comes from branches of it, see
 * lab/branch/early.h. Then rounds of a few steps at several batches, which give the duration of a
 * step.
 *
 * Except for the first start, which builds what the run needs anyway, all of it takes a share of the time that the
 * run's steps would take at a batch of 64. Memory is released between the parts, so that a probe never needs more than
 * the run's budget. */
#include "lab/auto.h"

#include "base/format.h"
#include "device/device.h"
#include "lab/advice/reason.h"
#include "lab/branch/branches.h"
#include "lab/branch/early.h"
#include "plan/noise_schedule.h"
#include "stats/running.h"

#include <tassello/lab.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS_LEAST = 24,     /* at a batch of 64: fewer are inconclusive */
    STEPS_MOST = 1 << 16, /* of the training that measures the noise */
    STEPS_FIRST = 2,      /* one by one, to learn how long a step takes */
    BATCHES_LEAST = 3,    /* to be timed */
    ROUNDS_LEAST = 3,
    ROUNDS_MOST = 9,
    STRETCH_MOST = 256, /* steps timed in one piece */
    HEAD = 4096         /* examples on which steps are timed, if the set is on the device */
};
static const double run_share = 0.05, seconds_most = 30, noise_share = 0.6;
static const double piece_seconds = 1;      /* of training, between readings of the clock */
static const double stretch_seconds = 0.05; /* no piece need be longer */
static const double report_from = 2;        /* seconds from which the user is told what takes time */

static const uint32_t batches[] = {4, 16, 64, 256, 1024};
enum { BATCHES = sizeof batches / sizeof *batches };

typedef struct timing {
    double seconds[ROUNDS_MOST]; /* of a step */
    int rounds;
} timing;

typedef struct probe {
    tas_device *device;
    const tas_network *network;
    const tas_data *data, *timed_on;
    tas_train_options options; /* the run's, as the probe takes it */
    uint64_t examples;
    double seconds_most; /* of all of it */
    double begun;        /* when the first start was over */
    double allowed;      /* seconds, from then on */
    double step_seconds; /* at a batch of 64, or of all examples if there are fewer */
    double starting;     /* seconds of a start, the latest one's */
    bool resident;
    noise_scale noise;
    float *loss; /* of each step of the training */
    uint64_t losses;
    timing timing[BATCHES];
    probe_facts known;
} probe;

/* The training that measures the noise ----------------------------------------------------------------------------- */

static int on_step(void *user, const tas_step *step)
{
    probe *p = user;
    if (p->losses < STEPS_MOST) p->loss[p->losses++] = step->loss;
    if (isfinite(step->trace) && isfinite(step->square)) noise_scale_add(&p->noise, step->trace, step->square);
    return 0;
}

/* Whether the last third of the losses is below the first by more than two standard errors. */
static bool falls(const float *loss, uint64_t count)
{
    const uint64_t third = count / 3;
    running first = {0}, last = {0};
    if (third < 2) return false;
    for (uint64_t i = 0; i < third; i++) {
        running_add(&first, (double)loss[i]);
        running_add(&last, (double)loss[count - third + i]);
    }
    return first.mean - last.mean > 2 * hypot(running_error(&first), running_error(&last));
}

/* The steps of the run at a batch of 64; if it is given in steps, that many. */
static double steps_of_run(const probe *p)
{
    const double an_epoch = ceil((double)p->examples / p->options.batch);
    return p->options.steps ? (double)p->options.steps : (double)p->options.epochs * an_epoch;
}

static double seconds_gone(const probe *p) { return now_seconds() - p->begun; }

/* Steps until the clock is read again: about a second of them, and not more than the remaining time. */
static uint64_t piece_of(const tas_train_result *so_far, uint64_t left, double seconds)
{
    if (so_far->steps < STEPS_FIRST) return 1;
    const double steps = fmin(piece_seconds, seconds) * (double)so_far->steps / so_far->seconds;
    return !(steps >= 1) ? 1 : steps < (double)left ? (uint64_t)steps : left;
}

static void tell_limit(const probe *p, const tas_train_result *so_far)
{
    const double expected = so_far->seconds / (double)so_far->steps * run_share * steps_of_run(p);
    if (expected > report_from)
        note(p->device->context, "probing for a batch size: at most %s",
             format_seconds(fmin(p->seconds_most, expected)).text);
}

/* As many steps as their share of the run's, unless the time is up first. */
static tas_status train_within(probe *p, tas_run *run)
{
    const double share = noise_share * run_share * steps_of_run(p), seconds = noise_share * p->seconds_most;
    const uint64_t steps = share < STEPS_MOST ? (uint64_t)share : STEPS_MOST;
    tas_train_result result = {0};
    tas_status status = TAS_OK;
    while (result.steps < steps && !status && (result.steps == 0 || seconds_gone(p) < seconds)) {
        status = tas_run_advance(run, piece_of(&result, steps - result.steps, seconds - seconds_gone(p)), &result);
        if (!status && result.steps == STEPS_FIRST) tell_limit(p, &result);
    }
    if (status) return status;
    p->resident = result.resident;
    p->step_seconds = result.seconds / (double)result.steps;
    p->allowed = fmin(p->seconds_most, run_share * steps_of_run(p) * p->step_seconds);
    p->known.no_time = result.steps < (uint64_t)(noise_share * STEPS_LEAST);
    return TAS_OK;
}

/* A loss that is not finite is an answer: it did not fall. */
static tas_status measure_noise(probe *p)
{
    tas_train_options options = p->options;
    tas_model *model;
    tas_run *run = NULL;
    options.noise = 1;
    options.preconditioned_noise = 0;
    options.on_step = on_step;
    options.user = p;
    options.steps = STEPS_MOST;
    p->loss = malloc(STEPS_MOST * sizeof *p->loss);
    if (!p->loss) return fail(p->device->context, TAS_NO_MEMORY, "no memory for the losses of a probe");
    tas_status status = tas_model_open(p->device, p->network, options.seed, &model);
    if (status) return status;
    status = tas_run_open(model, p->data, &options, &run);
    p->begun = now_seconds(); /* the run needs what was built before */
    if (!status) status = train_within(p, run);
    tas_run_close(&run);
    tas_model_close(&model);
    if (status == TAS_NOT_FINITE) {
        p->losses = 0;
        status = TAS_OK;
    }
    p->known.falls = p->known.no_time || falls(p->loss, p->losses); /* not decided from a few steps */
    p->known.noise = noise_scale_result(&p->noise);
    return status;
}

/* The critical batch of other optimizers --------------------------------------------------------------------------- */

static tas_status make_branches(probe *p)
{
    const early_request request = {.device = p->device,
                                   .network = p->network,
                                   .data = p->data,
                                   .options = p->options,
                                   .run_steps = steps_of_run(p),
                                   .share = run_share,
                                   .seconds = p->seconds_most};
    early_facts facts;
    const tas_status status = early_find(&request, &facts);
    p->known.branched = true;
    p->known.branch = facts.found;
    p->known.no_time = facts.no_time;
    p->known.few = facts.few;
    p->known.rate_power = branches_rate_power(p->options.optimizer);
    p->known.time = facts.time;
    p->known.timed_least = facts.timed_least;
    p->known.timed_most = facts.timed_most;
    p->known.falls = status != TAS_NOT_FINITE;
    p->begun = facts.begun;
    p->step_seconds = facts.step_seconds;
    p->resident = facts.resident;
    p->allowed = fmin(p->seconds_most, run_share * steps_of_run(p) * p->step_seconds);
    return status == TAS_NOT_FINITE ? TAS_OK : status;
}

/* The time of a step ----------------------------------------------------------------------------------------------- */

static double time_left(const probe *p) { return p->allowed - seconds_gone(p); }

/* Seconds that time_stretch() takes for such steps. */
static double stretch_cost(const probe *p, double step, double slice) { return fmax(slice, step) + step + p->starting; }

/* The duration of a step at a batch, from a stretch of about `seconds`; the step before it is not timed. */
static tas_status time_stretch(probe *p, tas_model *model, int which, double seconds)
{
    timing *to = &p->timing[which];
    tas_train_options options = p->options;
    tas_train_result result = {0};
    tas_run *run;
    const double begun = now_seconds();
    options.batch = batches[which];
    options.steps = 1 + STRETCH_MOST;
    options.lr = 0; /* the weights do not change, so that no loss can overflow */
    tas_status status = tas_run_open(model, p->timed_on, &options, &run);
    if (status) return status;
    status = tas_run_advance(run, 1, &result);
    const double first = result.seconds, steps = seconds / (to->rounds ? to->seconds[0] : first);
    if (!status)
        status = tas_run_advance(run, steps < 1 ? 1 : steps < STRETCH_MOST ? (uint64_t)steps : STRETCH_MOST, &result);
    const double each = (result.seconds - first) / (double)(result.steps - 1);
    if (!status && each > 0) to->seconds[to->rounds++] = each;
    tas_run_close(&run);
    p->starting = now_seconds() - begun - result.seconds;
    return status;
}

/* The first round: from the smallest batch on, as long as this round and two more fit. A batch takes at most four times
 * as long as one of a quarter; the duration at 64 is known. */
static tas_status time_first(probe *p, tas_model *model, double slice, int *count)
{
    const double begun = now_seconds();
    tas_status status = TAS_OK;
    for (*count = 0; *count < BATCHES && !status && batches[*count] <= p->examples; ++*count) {
        const int i = *count;
        const double step = i && batches[i] > RECOMMEND_DEFAULT ? 4 * p->timing[i - 1].seconds[0] : p->step_seconds;
        const double whole = stretch_cost(p, step, slice), earlier = now_seconds() - begun;
        if (ROUNDS_LEAST * whole + (ROUNDS_LEAST - 1) * earlier > time_left(p)) break;
        status = time_stretch(p, model, i, slice);
        if (!p->timing[i].rounds) break; /* the clock is too coarse */
    }
    p->known.no_time = *count < BATCHES_LEAST && *count < BATCHES && batches[*count] <= p->examples;
    return status;
}

/* In rounds, so that a drifting clock affects all batches alike. */
static tas_status time_rounds(probe *p, tas_model *model, int *count)
{
    const double slice = fmin(stretch_seconds, time_left(p) / (4 * ROUNDS_LEAST * BATCHES));
    tas_status status = time_first(p, model, slice, count);
    for (int round = 1; round < ROUNDS_MOST && !status && !p->known.no_time; round++)
        for (int i = 0; i < *count && !status; i++)
            if (stretch_cost(p, p->timing[i].seconds[0], slice) < time_left(p))
                status = time_stretch(p, model, i, slice);
    return status;
}

/* Other programs only ever make a step longer. */
static double least_of(const timing *t)
{
    double least = INFINITY;
    for (int i = 0; i < t->rounds; i++) least = fmin(least, t->seconds[i]);
    return least;
}

static tas_status time_steps(probe *p)
{
    tas_data *head = NULL;
    tas_model *model = NULL;
    fit_time_point points[BATCHES];
    int count = 0;
    tas_status status = TAS_OK;
    if (p->resident && p->examples > HEAD) status = tas_data_head(p->data, HEAD, &head);
    p->timed_on = head ? head : p->data; /* a short set would not be streamed as the whole set is */
    if (!status) status = tas_model_open(p->device, p->network, p->options.seed, &model);
    if (!status) status = time_rounds(p, model, &count);
    for (int i = 0; i < count; i++)
        points[i] =
            (fit_time_point){.batch = batches[i], .seconds = least_of(&p->timing[i]), .weight = p->timing[i].rounds};
    const int used = status ? 0 : fit_rising_time(points, count, &p->known.time);
    if (used) p->known.timed_most = 4 * batches[used - 1];
    tas_model_close(&model);
    tas_data_close(&head);
    return status;
}

/* The answer ------------------------------------------------------------------------------------------------------- */

static bool settles(const probe *p)
{
    probe_facts known = p->known; /* as if it were timed */
    recommendation r;
    known.time = (fit_time){.known = true, .fixed = 1, .each = 1};
    return probe_recommend(&known, &r) && r.decided != DECIDED_DEFAULT;
}

/* Measures nothing if the answer is known without. */
static tas_status probe_run(probe *p)
{
    probe_facts *k = &p->known;
    k->falls = true;
    k->plain_sgd = p->options.optimizer == TAS_SGD && p->options.momentum == 0;
    k->too_short = run_share * steps_of_run(p) < STEPS_LEAST;
    k->coupled = noise_schedule_obstacle(p->network, p->options.batch, p->examples) != NULL;
    if (k->too_short || (k->coupled && k->plain_sgd)) return TAS_OK;
    tas_status status = k->plain_sgd ? measure_noise(p) : make_branches(p);
    if (!status && !k->time.known && settles(p)) {
        status = time_steps(p);
        k->no_time &= !k->branched; /* the branches had theirs */
    }
    free(p->loss);
    if (status != TAS_NO_MEMORY) return status;
    k->no_memory = true; /* the run itself may fit */
    return TAS_OK;
}

static bool is_linear(const probe *p) { return branches_rule(p->options.optimizer) == TAS_SCALING_LINEAR; }

/* The rate at a batch that was not found by a probe. */
static double scaled_rate(const probe *p, uint64_t batch)
{
    const double k = (double)batch / RECOMMEND_DEFAULT;
    return (double)p->options.lr * (is_linear(p) ? k : sqrt(k));
}

static tas_status conclude(const probe *p, tas_train_options *options, char *reason, size_t bytes)
{
    recommendation r;
    if (!probe_recommend(&p->known, &r))
        return fail(p->device->context, TAS_BAD_ARGUMENT, "lr %g: expected a rate above 0 to choose a batch with",
                    (double)options->lr);
    const bool scaled = isnan(r.lr);
    if (scaled) r.lr = scaled_rate(p, r.batch);
    options->batch = (uint32_t)r.batch;
    options->lr = (float)r.lr;
    reason_write_probe(&p->known, &r, reason, bytes);
    if (scaled && bytes) {
        text_buffer out = {.text = reason, .bytes = bytes, .used = strlen(reason)};
        format_add(&out, " The learning rate for a batch of %d is scaled %s.", RECOMMEND_DEFAULT,
                   is_linear(p) ? "with the batch" : "with the square root of the batch");
    }
    return TAS_OK;
}

static tas_status choose(probe *p, tas_train_options *options, char *reason, size_t bytes)
{
    tas_context *context = p->device->context;
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options.size is %zu, expected %zu: initialize with tas_train_options_init()", options->size,
                    sizeof *options);
    if (options->lr_scaling != TAS_SCALING_NONE)
        return fail(context, TAS_BAD_ARGUMENT,
                    "choosing a batch also chooses its rate: expected no scaling of the rate");
    if (options->change_count || options->schedule == TAS_SCHEDULE_SEESAW)
        return fail(context, TAS_BAD_ARGUMENT, "a batch is chosen for a whole run: expected no changes of it");
    const tas_status status = probe_run(p);
    return status ? status : conclude(p, options, reason, bytes);
}

tas_status auto_choose(tas_device *device, const tas_network *network, const tas_data *train, double seconds,
                       tas_train_options *options, char *reason, size_t reason_bytes)
{
    entry_state saved;
    entry_begin(device->context, &saved);
    probe p = {.device = device,
               .network = network,
               .data = train,
               .options = *options,
               .seconds_most = seconds,
               .examples = tas_data_count(train)};
    p.options.batch = p.examples < RECOMMEND_DEFAULT ? (uint32_t)p.examples : RECOMMEND_DEFAULT;
    p.options.schedule = TAS_SCHEDULE_CONSTANT; /* the schedule of the run is relative to its rate */
    p.options.warmup = 0;
    p.options.audit = 0;
    p.options.audit_step = 0;
    p.options.on_trace = NULL;
    p.options.ahead = 1;
    p.options.on_step = NULL;
    p.options.noise = 0;
    p.known.lr = options->lr;
    p.known.limits.examples = p.examples;
    const tas_status status = choose(&p, options, reason, reason_bytes);
    entry_end(&saved);
    return status;
}

tas_status tas_auto_batch(tas_device *device, const tas_network *network, const tas_data *train,
                          tas_train_options *options, char *reason, size_t reason_bytes)
{
    return auto_choose(device, network, train, seconds_most, options, reason, reason_bytes);
}
