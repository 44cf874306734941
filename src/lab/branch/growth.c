#include "lab/branch/growth.h"

#include "base/context.h"
#include "base/json_text.h"
#include "stats/noise_scale.h"
#include "stats/running.h"
#include "train/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* Of branches at the batch and at a multiple of it. More repeats are made if they leave as much for later as they take;
 * the last row need not. */
static const int repeats[] = {4, 2};
enum {
    SIZES = sizeof repeats / sizeof *repeats,
    LOOKS = 4, /* at each branch */
    GAIN = 3,  /* by which momentum and Adam raise the critical batch above the noise scale, at least */
    FACTOR_FIRST = 4,
    FACTOR_MOST = 8 /* of one decision */
};

static const double first_epochs = 1.0 / 16, factor = 1.5; /* when the batch is decided: in examples, so far apart */
static const double last_share = 0.9;                      /* of the run, after which it would not pay anymore */

struct tas_growth {
    tas_run *run;
    const tas_data *judge;
    tas_growth_options options;
    double due, last; /* examples: of the next decision; after which there is none */
    int decided;
    bool has_noise, by_noise; /* the noise scale is measured; and it alone decides */
    int factor;               /* of the batch, that branches try next */
    tas_batch_change change[TAS_BATCH_CHANGES];
    int changes;
    tas_growth_cost cost;
};

void tas_growth_options_init(tas_growth_options *options)
{
    *options = (tas_growth_options){.size = sizeof *options, .share = 0.05};
}

/* Also for SGD: `mlp` with momentum 0.9, lr 0.0141 at 64, to a validation loss of 0.3512, seeds 31 to 33, grew to 256
 * at most and took 1.51 s with the root of k, 1.52 s with k^0.75 and 1.70 s with k, at 0.438 ms + 13.6 us B a step;
 * without momentum (lr 0.14, seed 31) 2.30, 2.38 and 2.70 s. With 16 times the rate a branch ended at a loss of 2.9. */
tas_lr_scaling tas_growth_scaling(tas_optimizer which)
{
    (void)which;
    return TAS_SCALING_SQRT;
}

uint32_t tas_growth_most(uint64_t examples, uint32_t least, uint32_t most)
{
    uint64_t batch = least;
    while (batch * 2 <= examples / 10 && (!most || batch * 2 <= most) && batch < 1u << 23) batch *= 2;
    return (uint32_t)batch;
}

/* Opening ---------------------------------------------------------------------------------------------------------- */

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

/* When the batch is decided. */
static void plan_decisions(tas_growth *g)
{
    const tas_train_options *train = &g->run->options;
    const double examples = g->run->count;
    const double all = train->steps ? (double)train->steps * train->batch : (double)train->epochs * examples;
    g->due = fmin(first_epochs * examples, all / 4);
    g->last = last_share * all;
    g->factor = FACTOR_FIRST;
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
    g->has_noise = train->noise && !noise_schedule_obstacle(run->model->network, train->batch, run->count);
    g->by_noise = g->has_noise && train->optimizer == TAS_SGD && train->momentum == 0;
    plan_decisions(g);
    *out = g;
    return TAS_OK;
}

void tas_growth_close(tas_growth **growth)
{
    free(*growth);
    *growth = NULL;
}

/* Going on from a text -------------------------------------------------------------------------------------------- */

/* Of the decisions: null if there is none to come. The batches so far are the run's own. */
tas_status tas_growth_save(const tas_growth *g, char **text)
{
    char judge[65];
    *text = NULL;
    const tas_status status = tas_data_fingerprint(g->judge, judge);
    if (status) return status;
    json_t *o =
        json_pack("{s:o?, s:f, s:f, s:b, s:i, s:i, s:I, s:f, s:s}", "due", isfinite(g->due) ? json_real(g->due) : NULL,
                  "last", g->last, "share", g->options.share, "noise", g->has_noise, "decided", g->decided, "factor",
                  g->factor, "examples", (json_int_t)g->cost.examples, "seconds", g->cost.seconds, "judge", judge);
    if (o) *text = json_text(o, JSON_COMPACT);
    json_decref(o);
    return *text ? TAS_OK : fail(g->run->model->context, TAS_NO_MEMORY, "no memory for the state of a growing batch");
}

/* A finite number from 0 on; *fits becomes false otherwise. */
static double read_number(const json_t *in, const char *key, double most, bool *fits)
{
    const json_t *value = json_object_get(in, key);
    const double x = json_is_number(value) ? json_number_value(value) : NAN;
    *fits &= x >= 0 && x <= most;
    return x >= 0 && x <= most ? x : 0;
}

static bool read_decisions(const json_t *in, tas_growth *g)
{
    bool fits = true;
    g->due = json_is_null(json_object_get(in, "due")) ? INFINITY : read_number(in, "due", 1e300, &fits);
    g->decided = (int)read_number(in, "decided", 1e6, &fits);
    g->factor = (int)read_number(in, "factor", FACTOR_MOST, &fits);
    g->cost.examples = (uint64_t)read_number(in, "examples", 0x1p53, &fits);
    g->cost.seconds = read_number(in, "seconds", 1e15, &fits);
    const course *c = &g->run->course;
    for (int i = 1; i < c->segments; i++)
        g->change[g->changes++] = (tas_batch_change){c->segment[i].step, c->segment[i].batch};
    return fits && g->factor >= 2 && !(g->factor & (g->factor - 1));
}

/* What decisions depend on beside the run: its length, the share of the branches, whether noise is measured, the judge.
 */
static bool same_plan(const json_t *in, const tas_growth *g, const char *judge)
{
    bool fits = true;
    const char *there = json_string_value(json_object_get(in, "judge"));
    const double last = read_number(in, "last", 1e300, &fits), share = read_number(in, "share", 1, &fits);
    return fits && last == g->last && share == g->options.share &&
           json_is_true(json_object_get(in, "noise")) == g->has_noise && there && !strcmp(there, judge);
}

tas_status tas_growth_resume(tas_run *run, const tas_data *judge, const tas_growth_options *options, const char *text,
                             tas_growth **out)
{
    char hex[65];
    tas_status status = tas_growth_open(run, judge, options, out);
    if (!status) status = tas_data_fingerprint(judge, hex);
    json_t *in = status ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!status && (!json_is_object(in) || !read_decisions(in, *out)))
        status = fail(run->model->context, TAS_BAD_DATA, "the state of a growing batch is damaged");
    if (!status && !same_plan(in, *out, hex))
        status =
            fail(run->model->context, TAS_BAD_ARGUMENT,
                 "decisions on the batch were planned for a run of another length, another share of branches, "
                 "other examples to compare losses on, or with noise measured if it is not now: expected the same");
    json_decref(in);
    if (status && *out) tas_growth_close(out);
    return status;
}

/* Decisions -------------------------------------------------------------------------------------------------------- */

static double examples_done(const tas_growth *g) { return (double)g->run->result.examples; }

uint64_t tas_growth_left(const tas_growth *g)
{
    if (g->due > g->last) return UINT64_MAX;
    const double steps = ceil((g->due - examples_done(g)) / tas_run_batch(g->run));
    return steps >= 1 ? (uint64_t)steps : 0;
}

/* The largest power of two that is at most the critical batch as a multiple of the batch, (1 + T / x) / (1 - T), for a
 * batch of x times B_crit. */
static int factor_within(double x, int most)
{
    int out = 1;
    while (2 * out <= most && 2 * out * (1 - CRITICAL_TOLERANCE) * x <= x + CRITICAL_TOLERANCE) out *= 2;
    return out;
}

int growth_factor(const critical_input *in)
{
    running least = {0}, most = {0};
    const double k = in->batch[1] / in->batch[0];
    for (int r = 0; r < in->repeats; r++) {
        if (isinf(in->loss[1][r])) return 1;
        if (!isfinite(in->loss[1][r]) || !isfinite(in->loss[0][r])) continue;
        running_add(&least, in->before[r] - in->loss[0][r]);
        running_add(&most, in->before[r] - in->loss[1][r]);
    }
    if (!least.count) return 1;
    if (most.mean >= least.mean - CRITICAL_TOLERANCE * fmax(least.mean, 0)) return (int)k;
    const double kept = most.mean / least.mean;
    return least.mean > 0 && kept * k > 1 ? factor_within((1 - kept) / (kept * k - 1), (int)k) : 1;
}

/* Whether a multiple of the batch is allowed at all. */
static bool may_become(const tas_growth *g, double batch)
{
    return batch <= g->run->request.batch && batch <= g->run->count / 10;
}

static branches_request request_of(const tas_growth *g, int k, int size)
{
    const tas_run *run = g->run;
    const uint32_t batch = tas_run_batch(run), most = batch * (uint32_t)k;
    return (branches_request){.batch = {batch, most},
                              .batches = 2,
                              .repeats = repeats[size],
                              .looks = LOOKS,
                              .examples = (uint64_t)branches_steps(&run->options) * most,
                              .rule = run->options.lr_scaling,
                              .judge = g->judge,
                              .seed = run->options.seed + (uint64_t)(1 + g->decided) * 1000003};
}

static double cost_of(const branches_request *r) { return (double)(r->repeats * r->batches) * (double)r->examples; }

/* The longest that fit into what is left. */
static bool fit_branches(const tas_growth *g, int k, branches_request *out)
{
    const double left = g->options.share * examples_done(g) - (double)g->cost.examples;
    for (int i = 0; i < SIZES; i++) {
        *out = request_of(g, k, i);
        if (out->examples > g->run->count) continue; /* longer than an epoch */
        if (cost_of(out) * (i + 1 < SIZES ? 2 : 1) <= left) return true;
    }
    return false;
}

/* At the batch and at the largest multiple that there are examples for; false if there is none. */
static bool request_branches(const tas_growth *g, branches_request *out)
{
    for (int k = g->factor; k >= 2; k /= 2)
        if (may_become(g, (double)k * tas_run_batch(g->run)) && fit_branches(g, k, out)) return true;
    return false;
}

/* When there will be examples for the shortest. */
static double next_affordable(const tas_growth *g)
{
    const branches_request request = request_of(g, 2, SIZES - 1);
    const bool possible = may_become(g, request.batch[1]) && request.examples <= g->run->count;
    return possible ? ((double)g->cost.examples + cost_of(&request)) / g->options.share : INFINITY;
}

/* A multiple that fails is not tried again next time, but half of it; one that is as good makes room for its double. */
static tas_status decide_by_branches(tas_growth *g, const branches_request *request, int *times)
{
    critical_input in;
    branches_cost cost;
    const int k = (int)(request->batch[1] / request->batch[0]);
    const tas_status status = branches_make(g->run, request, &in, &cost);
    if (status) return status;
    g->cost.examples += cost.examples;
    *times = growth_factor(&in);
    if (*times == k && g->factor < FACTOR_MOST) g->factor *= 2;
    if (*times == 1 && g->factor > 2) g->factor /= 2;
    return TAS_OK;
}

static int decide_by_noise(const tas_growth *g)
{
    if (!g->has_noise) return 1;
    const noise_scale_range noise = noise_scale_result(&g->run->noise);
    const double scale = noise.state == NOISE_KNOWN ? noise.value : noise.state == NOISE_AT_LEAST ? noise.low : 0;
    const double b_crit = g->by_noise ? scale : GAIN * scale;
    return scale > 0 ? factor_within(tas_run_batch(g->run) / b_crit, g->by_noise ? FACTOR_MOST : 2) : 1;
}

static tas_status grow(tas_growth *g, int times)
{
    tas_run *run = g->run;
    uint32_t batch = tas_run_batch(run);
    for (; times > 1 && may_become(g, 2.0 * batch); times /= 2) batch *= 2;
    if (batch == tas_run_batch(run) || g->changes == TAS_BATCH_CHANGES) return TAS_OK;
    const tas_status status = run_change_batch(run, batch);
    if (status == TAS_BAD_ARGUMENT) return TAS_OK; /* a layer cannot take its statistics from such a batch */
    if (!status) g->change[g->changes++] = (tas_batch_change){run->step, batch};
    return status;
}

static tas_status decided(tas_growth *g, int times)
{
    const tas_status status = grow(g, times);
    if (status) return status;
    g->decided++;
    g->due = examples_done(g) * factor;
    return TAS_OK;
}

/* Branches begin when there are examples for them and the epoch has room: until then the decision is put off, and the
 * noise scale looked at again. */
static bool may_branch(tas_growth *g, branches_request *request)
{
    const double done = examples_done(g);
    if (!request_branches(g, request)) {
        const double affordable = fmax(next_affordable(g), done + 1);
        g->due = g->has_noise ? fmin(affordable, done * factor) : affordable;
        return false;
    }
    const uint64_t wait = branches_wait(g->run, request);
    if (wait) g->due = done + fmin((double)wait * tas_run_batch(g->run), g->run->count);
    return !wait;
}

tas_status tas_growth_decide(tas_growth *g)
{
    branches_request request;
    const double begun = now_seconds();
    if (tas_growth_left(g)) return TAS_OK;
    if (!may_become(g, 2.0 * tas_run_batch(g->run))) {
        g->due = INFINITY;
        return TAS_OK;
    }
    int times = decide_by_noise(g);
    if (times > 1 || g->by_noise) return decided(g, times);
    if (!may_branch(g, &request)) return TAS_OK;
    tas_status status = decide_by_branches(g, &request, &times);
    if (!status) status = decided(g, times);
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
