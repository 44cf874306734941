#include "lab/branch/early.h"

#include "base/context.h"
#include "data/dataset.h"
#include "device/device.h"
#include "lab/branch/branches.h"

#include <math.h>

#include <tassello/plan.h>

enum {
    LARGEST = 1024, /* no larger batch is tried */
    REPEATS_MOST = 8,
    ENOUGH = 3, /* of these, if their interval is narrow */
    LOOKS = 3,
    JUDGE = 1024,    /* examples on which losses are compared */
    STEPS_FIRST = 2, /* one by one, to learn how long a step takes */
    STEPS_LEAST = 8
};
static const double training_share = 0.2;  /* of what is allowed, for the short training, at most; */
static const double branches_share = 0.95; /* for it and the branches */
static const double judge_cost = 0.25; /* of an evaluation, in examples trained on: forward alone is about a third */
static const double piece_seconds = 1; /* of training, between readings of the clock */

typedef struct early {
    const early_request *request;
    early_facts *out;
    tas_data *judge;
    tas_model *model;
    tas_run *run;
    tas_train_result result;
    double allowed; /* examples trained on, in all */
} early;

static double time_gone(const early *e) { return now_seconds() - e->out->begun; }

/* Opening ---------------------------------------------------------------------------------------------------------- */

/* A power of two times the base batch, within a tenth of the examples; 0: not even its double is. */
static uint32_t largest_batch(uint32_t base, uint64_t examples)
{
    uint32_t batch = base;
    while (batch * 2 <= LARGEST && batch * 2 <= examples / 10) batch *= 2;
    return batch > base ? batch : 0;
}

/* Evaluations take place while the run is open, within the same budget. */
static tas_status open_within(early *e, uint32_t most)
{
    const early_request *request = e->request;
    tas_train_options options = request->options;
    tas_plan_options wanted;
    tas_plan found;
    const uint64_t examples = request->data->options.count;
    tas_status status = tas_data_head(request->data, examples < JUDGE ? examples : JUDGE, &e->judge);
    if (status) return status;
    tas_plan_options_init(&wanted);
    wanted.batch = most;
    wanted.budget = options.budget;
    wanted.tile = options.tile;
    wanted.shards = options.shards;
    wanted.keep_on_host = options.keep_on_host;
    wanted.optimizer = options.optimizer;
    wanted.clip = options.clip > 0;
    wanted.validation = e->judge;
    wanted.grows = 1; /* branches keep a copy, as those of a growing batch do */
    status = tas_plan_make(request->device, request->network, request->data, NULL, &wanted, &found);
    if (!status) status = tas_model_open(request->device, request->network, options.seed, &e->model);
    if (status) return status;
    options.budget = found.train_budget;
    options.batch_most = most > options.batch ? most : 0;
    options.steps = UINT32_MAX - 2;
    options.noise = 0;
    tas_model_set_budget(e->model, found.validation_budget);
    return tas_run_open(e->model, request->data, &options, &e->run);
}

static void close_all(early *e)
{
    tas_run_close(&e->run);
    tas_model_close(&e->model);
    tas_data_close(&e->judge);
}

/* The short training ----------------------------------------------------------------------------------------------- */

static uint64_t piece_of(const early *e, uint64_t steps)
{
    const tas_train_result *so_far = &e->result;
    if (so_far->steps < STEPS_FIRST) return 1;
    const double piece = piece_seconds * (double)so_far->steps / so_far->seconds;
    return piece < 1 ? 1 : piece < (double)steps ? (uint64_t)piece : steps;
}

/* Up to so many steps, unless a share of the time is over first. */
static tas_status train_to(early *e, uint64_t steps, double seconds)
{
    tas_status status = TAS_OK;
    while (!status && e->result.steps < steps && (e->result.steps < STEPS_FIRST || time_gone(e) < seconds))
        status = tas_run_advance(e->run, piece_of(e, steps - e->result.steps), &e->result);
    return status;
}

/* What is allowed is counted in examples, so that a share of the run means the same whatever else the machine does;
 * only the limit in seconds goes by the clock. */
static tas_status time_first_steps(early *e)
{
    const early_request *request = e->request;
    const tas_status status = train_to(e, STEPS_LEAST, training_share * request->seconds);
    if (status) return status;
    e->out->resident = e->result.resident;
    e->out->step_seconds = e->result.seconds / (double)e->result.steps;
    const double steps = fmin(request->share * request->run_steps, request->seconds / e->out->step_seconds);
    e->allowed = steps * request->options.batch;
    return TAS_OK;
}

/* Branches --------------------------------------------------------------------------------------------------------- */

/* Examples of a repeat, and what stands for its evaluations. One of a larger batch is taken to last as long as one of
 * the base batch, at most. */
static double repeat_cost(const early *e, const branches_request *b)
{
    return b->batches * ((double)b->examples + judge_cost * LOOKS * (double)e->judge->options.count);
}

/* Steps before the branches: a quarter of the examples that one has, as later its progress would be hard to tell from
 * chance. */
static uint64_t training_steps(const early *e, const branches_request *b)
{
    const tas_train_options *options = &e->request->options;
    const double steps = (double)(b->examples / 4 / options->batch), least = 2 * (double)branches_memory(options);
    return (uint64_t)fmin(fmax(steps, least), training_share * e->allowed / options->batch);
}

/* The base batch, `stride` times as much, and so on up to `most`. Branches that the epoch has no room for are empty. */
static branches_request request_up_to(const early *e, uint32_t most, uint32_t stride)
{
    const tas_train_options *options = &e->request->options;
    const uint64_t epoch = e->request->data->options.count / 2 / most * most;
    const uint64_t wanted = (uint64_t)branches_steps(options) * most;
    branches_request b = {.enough = ENOUGH,
                          .examples = wanted <= epoch       ? wanted
                                      : wanted / 2 <= epoch ? epoch
                                                            : 0,
                          .looks = LOOKS,
                          .confidence = EARLY_CONFIDENCE,
                          .rate_power = branches_rate_power(options->optimizer),
                          .judge = e->judge,
                          .seed = options->seed + 1};
    for (uint64_t batch = options->batch; batch <= most; batch *= stride) b.batch[b.batches++] = (uint32_t)batch;
    return b;
}

/* The largest batch of which the fewest repeats fit into what is allowed, with those in between if they fit as well. */
static bool plan_branches(early *e, uint32_t most, branches_request *out)
{
    static const struct {
        uint32_t most, stride; /* times the base batch */
        int repeats;           /* at least */
    } plans[] = {{16, 2, 3}, {16, 4, 3}, {8, 2, 3}, {4, 2, 3}, {4, 4, 3}, {2, 2, 3}, {4, 4, 2}, {2, 2, 2}};
    e->out->few = true;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        const uint32_t top = plans[i].most * e->request->options.batch;
        if (top > most) continue;
        *out = request_up_to(e, top, plans[i].stride);
        if (!out->examples) continue;
        e->out->few = false;
        const double training = (double)(training_steps(e, out) * e->request->options.batch);
        const double repeats = floor((branches_share * e->allowed - training) / repeat_cost(e, out));
        out->repeats = (int)fmin(repeats, REPEATS_MOST);
        if (out->repeats >= plans[i].repeats) return true;
    }
    e->out->no_time = !e->out->few;
    return false;
}

/* To a quarter of the batches that were timed, and to four times them. */
static void keep_times(early *e, const branches_request *request, const branches_cost *cost)
{
    fit_time_point points[CRITICAL_BATCHES];
    int count = 0;
    for (int i = 0; i < request->batches; i++)
        if (cost->step_seconds[i] > 0) points[count++] = (fit_time_point){request->batch[i], cost->step_seconds[i], 1};
    const int used = fit_rising_time(points, count, &e->out->time);
    if (!used) return;
    e->out->timed_least = (uint64_t)points[0].batch / 4;
    e->out->timed_most = 4 * (uint64_t)points[used - 1].batch;
}

/* All from one state: at others, progress would be another one. */
static tas_status make_branches(early *e, uint32_t most)
{
    critical_input in;
    branches_cost cost;
    branches_request request;
    if (!plan_branches(e, most, &request)) return TAS_OK;
    tas_status status = train_to(e, training_steps(e, &request), training_share * e->request->seconds);
    const uint64_t wait = branches_wait(e->run, &request);
    if (!status && wait) status = tas_run_advance(e->run, wait, &e->result);
    request.seconds = fmax(branches_share * e->request->seconds - time_gone(e), 1e-3); /* 0: no limit */
    if (!status) status = branches_make(e->run, &request, &in, &cost);
    if (status) return status;
    critical_find(&in, &e->out->found);
    keep_times(e, &request, &cost);
    return TAS_OK;
}

tas_status early_find(const early_request *request, early_facts *out)
{
    early e = {.request = request, .out = out};
    const uint32_t most = largest_batch(request->options.batch, request->data->options.count);
    *out = (early_facts){.found = {.obstacle = CRITICAL_ONE_BATCH}, .few = !most, .begun = now_seconds()};
    if (!most) return TAS_OK;
    tas_status status = open_within(&e, most);
    out->begun = now_seconds();
    if (!status) status = time_first_steps(&e);
    if (!status) status = make_branches(&e, most);
    close_all(&e);
    return status;
}
