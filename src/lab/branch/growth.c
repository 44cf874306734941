#include "lab/branch/growth.h"

#include "base/context.h"
#include "stats/noise_scale.h"
#include "stats/running.h"
#include "train/run.h"

#include <math.h>
#include <stdlib.h>

enum {
    REPEATS = 3,
    STEPS_LEAST = 4, /* of a branch at its largest batch, */
    STEPS_MOST = 32  /* and more are not needed */
};
static const double first_epochs = 0.5, factor = 2; /* when the batch is decided: in examples, by this factor apart */
static const double last_share = 0.9;               /* of the run, after which it would not pay anymore */

struct tas_growth {
    tas_run *run;
    const tas_data *judge;
    tas_growth_options options;
    double due, last; /* examples: of the next decision; after which there is none */
    int decided, decisions;
    bool by_noise;
    double allowed; /* examples of branches per decision */
    tas_batch_change change[TAS_BATCH_CHANGES];
    int changes;
    tas_growth_cost cost;
};

void tas_growth_options_init(tas_growth_options *options)
{
    *options = (tas_growth_options){.size = sizeof *options, .share = 0.05};
}

tas_lr_scaling tas_growth_scaling(tas_optimizer which) { return branches_rule(which); }

uint32_t tas_growth_most(uint64_t examples, uint32_t least, uint32_t most)
{
    uint64_t batch = least;
    while (batch * 2 <= examples / 10 && (!most || batch * 2 <= most) && batch < 1u << 23) batch *= 2;
    return (uint32_t)batch;
}

/* Opening -----------------------------------------------------------------------------------------------------------
 */

/* A rate that depends on the number of steps would be another one if the run were repeated with the batches that it
 * had. */
static bool follows_steps(const tas_train_options *options)
{
    const tas_schedule s = options->schedule;
    return s != TAS_SCHEDULE_CONSTANT && s != TAS_SCHEDULE_STEP && s != TAS_SCHEDULE_EXPONENTIAL;
}

static tas_status check(const tas_run *run, const tas_growth_options *options)
{
    tas_context *context = run->model->context;
    const tas_train_options *train = &run->options;
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options.size is %zu, expected %zu: initialize with tas_growth_options_init()", options->size,
                    sizeof *options);
    if (!(options->share > 0 && options->share <= 1))
        return fail(context, TAS_BAD_ARGUMENT, "share %g: expected a number above 0, at most 1", options->share);
    if (train->change_count || train->schedule == TAS_SCHEDULE_SEESAW)
        return fail(context, TAS_BAD_ARGUMENT, "a run that has batches to come: expected one whose batch may grow");
    if (!train->steps && follows_steps(train))
        return fail(context, TAS_BAD_ARGUMENT,
                    "the %s schedule depends on the number of steps, which a growing batch changes: expected a run of "
                    "steps, or a constant, step or exponential schedule",
                    tas_schedule_name(train->schedule));
    if (train->lr_scaling != TAS_SCALING_NONE || train->lr == 0) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "a growing batch needs a scaling of the rate");
}

/* Moments at which the batch is decided, and the examples that branches may take at each. */
static void plan_decisions(tas_growth *g)
{
    const tas_train_options *train = &g->run->options;
    const double examples = g->run->count;
    const double all = train->steps ? (double)train->steps * train->batch : (double)train->epochs * examples;
    g->due = fmin(first_epochs * examples, all / 4);
    g->last = last_share * all;
    for (double at = g->due; at <= g->last; at *= factor) g->decisions++;
    g->allowed = g->decisions ? g->options.share * all / g->decisions : 0;
}

tas_status tas_growth_open(tas_run *run, const tas_data *judge, const tas_growth_options *options, tas_growth **out)
{
    const tas_train_options *train = &run->options;
    *out = NULL;
    tas_status status = check(run, options);
    if (status) return status;
    tas_growth *g = calloc(1, sizeof *g);
    if (!g) return fail(run->model->context, TAS_NO_MEMORY, "no memory for a growing batch");
    *g = (tas_growth){.run = run, .judge = judge, .options = *options};
    g->by_noise = train->optimizer == TAS_SGD && train->momentum == 0 && train->noise &&
                  !noise_schedule_obstacle(run->model->network, train->batch, run->count);
    plan_decisions(g);
    *out = g;
    return TAS_OK;
}

void tas_growth_close(tas_growth **growth)
{
    free(*growth);
    *growth = NULL;
}

/* Decisions ---------------------------------------------------------------------------------------------------------
 */

static double examples_done(const tas_growth *g) { return (double)g->run->result.examples; }

uint64_t tas_growth_left(const tas_growth *g)
{
    if (g->due > g->last) return UINT64_MAX;
    const double steps = ceil((g->due - examples_done(g)) / tas_run_batch(g->run));
    return steps >= 1 ? (uint64_t)steps : 0;
}

bool growth_doubles(const critical_input *in, int row)
{
    running progress = {0}, difference = {0};
    for (int r = 0; r < in->repeats; r++) {
        if (isinf(in->loss[row][r])) return false;
        if (!isfinite(in->loss[row][r]) || !isfinite(in->loss[0][r])) continue;
        running_add(&progress, in->before - in->loss[0][r]);
        running_add(&difference, in->loss[row][r] - in->loss[0][r]);
    }
    return difference.count && difference.mean <= CRITICAL_TOLERANCE * fmax(progress.mean, 0);
}

/* The batch, and its doubles up to the largest that is tried; false if the examples do not suffice for one. */
static bool request_branches(const tas_growth *g, branches_request *out)
{
    const tas_run *run = g->run;
    const uint32_t batch = tas_run_batch(run);
    const double allowed = g->allowed * (g->decided + 1) - (double)g->cost.examples;
    for (int doubles = 2; doubles >= 1; doubles--) {
        const uint64_t most = (uint64_t)batch << doubles;
        if (most > run->request.batch || most > run->count / 10) continue;
        for (int repeats = REPEATS; repeats >= 2; repeats--) {
            const double each = fmin(allowed / (repeats * (doubles + 1)), (double)(STEPS_MOST * most));
            *out = (branches_request){.batches = doubles + 1,
                                      .repeats = repeats,
                                      .examples = branches_examples((uint64_t)fmax(each, 0), most, run->count),
                                      .rule = run->options.lr_scaling,
                                      .judge = g->judge,
                                      .seed = run->options.seed + (uint64_t)(1 + g->decided) * 1000003};
            for (int i = 0; i <= doubles; i++) out->batch[i] = batch << i;
            if (each >= (double)(STEPS_LEAST * most)) return true;
        }
    }
    return false;
}

static tas_status decide_by_branches(tas_growth *g, int *doublings)
{
    critical_input in;
    branches_cost cost;
    branches_request request;
    if (!request_branches(g, &request)) return TAS_OK;
    const tas_status status = branches_make(g->run, &request, &in, &cost);
    if (status) return status;
    g->cost.examples += cost.examples;
    while (*doublings + 1 < in.batches && growth_doubles(&in, *doublings + 1)) ++*doublings;
    return TAS_OK;
}

/* (B + B_noise) / (2 B + B_noise) >= 1 - T */
static void decide_by_noise(const tas_growth *g, int *doublings)
{
    const noise_scale_range noise = noise_scale_result(&g->run->noise);
    const double scale = noise.state == NOISE_KNOWN ? noise.value : noise.state == NOISE_AT_LEAST ? noise.low : 0;
    const double enough = 1 / CRITICAL_TOLERANCE - 2;
    for (uint64_t batch = tas_run_batch(g->run); scale >= enough * (double)batch; batch *= 2) ++*doublings;
}

static tas_status grow(tas_growth *g, int doublings)
{
    tas_run *run = g->run;
    uint32_t batch = tas_run_batch(run);
    for (; doublings > 0; doublings--) {
        if (batch * 2 > run->request.batch || batch * 2 > run->count / 10) break;
        batch *= 2;
    }
    if (batch == tas_run_batch(run) || g->changes == TAS_BATCH_CHANGES) return TAS_OK;
    const tas_status status = run_change_batch(run, batch);
    if (status == TAS_BAD_ARGUMENT) return TAS_OK; /* a layer cannot take its statistics from such a batch */
    if (!status) g->change[g->changes++] = (tas_batch_change){run->step, batch};
    return status;
}

static tas_status decide(tas_growth *g)
{
    int doublings = 0;
    tas_status status = TAS_OK;
    if (g->by_noise)
        decide_by_noise(g, &doublings);
    else
        status = decide_by_branches(g, &doublings);
    if (!status) status = grow(g, doublings);
    if (status) return status;
    g->decided++;
    while (g->due <= examples_done(g)) g->due *= factor;
    return TAS_OK;
}

/* Branches begin where the epoch has room for them: until then the decision is put off. */
tas_status tas_growth_decide(tas_growth *g)
{
    branches_request request;
    const double begun = now_seconds();
    if (tas_growth_left(g)) return TAS_OK;
    const uint64_t wait = !g->by_noise && request_branches(g, &request) ? branches_wait(g->run, request.examples) : 0;
    if (wait) {
        g->due = examples_done(g) + fmin((double)wait * tas_run_batch(g->run), g->run->count);
        return TAS_OK;
    }
    const tas_status status = decide(g);
    g->cost.seconds += now_seconds() - begun;
    return status;
}

const tas_batch_change *tas_growth_changes(const tas_growth *g, int *count)
{
    *count = g->changes;
    return g->change;
}

tas_growth_cost tas_growth_get_cost(const tas_growth *g)
{
    tas_growth_cost cost = g->cost;
    cost.decisions = g->decided;
    return cost;
}
