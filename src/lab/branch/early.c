#include "lab/branch/early.h"

#include "base/context.h"
#include "data/dataset.h"
#include "device/device.h"
#include "lab/branch/branches.h"

#include <math.h>

#include <tassello/plan.h>

enum {
    SMALLEST = 32,
    LARGEST = 1024,      /* no larger batch is tried, */
    LARGEST_LEAST = 128, /* and none at all if this one does not fit */
    REPEATS_LEAST = 3,
    REPEATS_MOST = 8,
    JUDGE = 1024,    /* examples on which losses are compared */
    STEPS_FIRST = 2, /* one by one, to learn how long a step takes */
    STEPS_LEAST = 8
};
static const double training_share = 0.2; /* of the time, for the short training, at most; */
static const double branches_share = 0.7; /* for it and the branches; the rest is for timing steps */
static const double judge_cost = 0.4;     /* of an evaluation, in examples trained on: forward alone is about a third */
static const double piece_seconds = 1;    /* of training, between readings of the clock */

typedef struct early {
    const early_request *request;
    early_facts *out;
    tas_data *judge;
    tas_model *model;
    tas_run *run;
    tas_train_result result;
    double allowed; /* seconds in all */
} early;

static double time_gone(const early *e) { return now_seconds() - e->out->begun; }

/* Opening ---------------------------------------------------------------------------------------------------------- */

/* A power of two times the smallest batch, within a tenth of the examples; 0: even the least is not. */
static uint32_t largest_batch(uint64_t examples)
{
    uint32_t batch = LARGEST;
    while (batch >= LARGEST_LEAST && batch > examples / 10) batch /= 2;
    return batch >= LARGEST_LEAST ? batch : 0;
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

static tas_status time_first_steps(early *e)
{
    const early_request *request = e->request;
    const tas_status status = train_to(e, STEPS_LEAST, training_share * request->seconds);
    if (status) return status;
    e->out->resident = e->result.resident;
    e->out->step_seconds = e->result.seconds / (double)e->result.steps;
    e->allowed = fmin(request->seconds, request->share * request->run_steps * e->out->step_seconds);
    return TAS_OK;
}

/* Branches --------------------------------------------------------------------------------------------------------- */

/* Seconds of a repeat, at most: a step below the base batch is taken to last as long as one at it; an example above it,
 * too. */
static double repeat_seconds(const early *e, const branches_request *b)
{
    const double base = e->request->options.batch, each = e->out->step_seconds / base;
    double examples = 0;
    for (int i = 0; i < b->batches; i++)
        examples += (double)b->examples * fmax(1, base / b->batch[i]) + judge_cost * (double)e->judge->options.count;
    return each * examples;
}

static branches_request request_up_to(const early *e, uint32_t most, uint64_t steps)
{
    branches_request b = {.repeats = REPEATS_MOST,
                          .enough = REPEATS_LEAST,
                          .rule = branches_rule(e->request->options.optimizer),
                          .judge = e->judge,
                          .seed = e->request->options.seed + 1};
    for (uint32_t batch = SMALLEST; batch <= most; batch *= 2) b.batch[b.batches++] = batch;
    b.examples = branches_examples(steps * most, most, e->request->data->options.count / 2);
    return b;
}

/* The largest batch, and the longest branches, of which the least repeats fit into the time. False: none does. */
static bool plan_branches(const early *e, uint32_t most, double seconds, branches_request *out)
{
    static const uint64_t steps[] = {16, 8, 4}; /* of a branch at the largest batch */
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (uint32_t batch = most; batch >= (i < 2 ? 2 : 1) * LARGEST_LEAST; batch /= 2) {
            *out = request_up_to(e, batch, steps[i]);
            if (REPEATS_LEAST * repeat_seconds(e, out) <= seconds) return true;
            if (i < 2 && batch <= LARGEST / 2) break; /* rather shorter branches at larger batches */
        }
    return false;
}

/* After half as many examples as a branch has: later, its progress would be hard to tell from chance. */
static tas_status make_branches(early *e, uint32_t most)
{
    critical_input in;
    branches_request request;
    const double left = branches_share * e->allowed - time_gone(e);
    e->out->no_time = !plan_branches(e, most, left, &request);
    if (e->out->no_time) return TAS_OK;
    tas_status status = train_to(e, request.examples / 2 / e->request->options.batch, training_share * e->allowed);
    const uint64_t wait = branches_wait(e->run, request.examples);
    if (!status && wait) status = tas_run_advance(e->run, wait, &e->result);
    request.seconds = branches_share * e->allowed - time_gone(e);
    if (!status) status = branches_make(e->run, &request, &in, NULL);
    if (!status) critical_find(&in, &e->out->found);
    return status;
}

tas_status early_find(const early_request *request, early_facts *out)
{
    early e = {.request = request, .out = out};
    const uint32_t most = largest_batch(request->data->options.count);
    *out = (early_facts){.found = {.obstacle = CRITICAL_ONE_BATCH}, .begun = now_seconds()};
    if (!most) return TAS_OK;
    tas_status status = open_within(&e, most);
    out->begun = now_seconds();
    if (!status) status = time_first_steps(&e);
    if (!status) status = make_branches(&e, most);
    close_all(&e);
    return status;
}
