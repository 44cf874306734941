#include "lab/sweep/grown_stage.h"

#include "base/format.h"
#include "lab/sweep/aggregate.h"
#include "lab/sweep/branch_stage.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/frozen_stage.h"
#include "lab/sweep/json.h"
#include "lab/sweep/json_figures.h"
#include "lab/sweep/trial.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEEDS = 2 };

typedef struct sums {
    running steps, examples, seconds, deciding; /* logarithms, but for the last */
} sums;

/* Of runs at a batch: as it was timed, or by the line through all that were. NaN: not known. */
static double step_seconds(const tas_sweep *s, double batch)
{
    const sweep_batch *timed = sweep_find_timed(s, batch);
    if (timed) return timed->step_seconds;
    return s->advice.time.known ? fit_seconds(&s->advice.time, batch) : NAN;
}

/* Up to the target; otherwise what the clock showed. */
static double training_seconds(const tas_sweep *s, const sweep_run *run, const trial_growth *growth)
{
    double seconds = 0, batch = (double)run->batch, begun = 0;
    for (int i = 0; i <= growth->changes; i++) {
        const double end = i < growth->changes ? (double)growth->change[i].step : run->steps;
        seconds += (end - begun) * step_seconds(s, batch);
        begun = end;
        if (i < growth->changes) batch = growth->change[i].batch;
    }
    return isfinite(seconds) ? seconds : run->seconds;
}

static double examples_at(const sweep_run *run)
{
    for (int i = 0; i < run->points; i++)
        if ((double)run->point[i].step == run->steps) return (double)run->point[i].examples;
    return NAN;
}

static void write_schedule(sweep_grown *out, uint64_t first, const trial_growth *growth)
{
    int used = snprintf(out->schedule, sizeof out->schedule, "%" PRIu64, first);
    for (int i = 0; i < growth->changes && used < (int)sizeof out->schedule; i++)
        used += snprintf(out->schedule + used, sizeof out->schedule - (size_t)used, ",%" PRIu64 ":%" PRIu32,
                         (uint64_t)growth->change[i].step, growth->change[i].batch);
}

static void add(tas_sweep *s, sums *to, const sweep_run *run, const trial_growth *growth)
{
    sweep_grown *out = &s->grown;
    if (!out->seeds++) write_schedule(out, run->batch, growth);
    if (run->outcome != ROW_REACHED) return;
    out->reached++;
    running_add(&to->steps, log(run->steps));
    running_add(&to->examples, log(examples_at(run)));
    running_add(&to->seconds, log(training_seconds(s, run, growth) + growth->seconds));
    running_add(&to->deciding, growth->seconds);
}

static sweep_mean geometric(const running *logs)
{
    sweep_mean out = sweep_mean_of(logs);
    out.value = exp(out.value);
    return out;
}

static tas_status train_one(lab *l, trial *t, sums *to)
{
    sweep_run run;
    trial_growth growth;
    tas_sweep *s = l->sweep;
    t->seed = s->options.seed + SWEEP_GROWN_SEED + (uint64_t)s->grown.seeds;
    snprintf(l->doing, sizeof l->doing, "a growing batch: run %d of %d", s->grown.seeds + 1, SEEDS);
    if (!lab_progress(l, true)) return TAS_STOPPED;
    const tas_status status = trial_run_growing(l, t, &run, &growth);
    if (status) return status;
    add(s, to, &run, &growth);
    free(run.point);
    return TAS_OK;
}

static tas_status train_all(lab *l, const sweep_batch *base)
{
    tas_sweep *s = l->sweep;
    sums all = {0};
    trial t = {.batch = base->batch,
               .lr = base->lr,
               .target = s->target,
               .give_up = INFINITY,
               .examples_most = estimate_examples_most(s),
               .to_target = true,
               .batch_most = tas_growth_most(s->examples, (uint32_t)base->batch, s->options.batch_most)};
    tas_status status = trial_plan_copies(l, &t);
    while (!status && s->grown.seeds < SEEDS) status = train_one(l, &t, &all);
    s->grown.steps = geometric(&all.steps);
    s->grown.examples = geometric(&all.examples);
    s->grown.seconds = geometric(&all.seconds);
    s->grown.seconds_deciding = all.deciding.count ? all.deciding.mean : NAN;
    return status;
}

tas_status grown_stage_run(lab *l)
{
    tas_sweep *s = l->sweep;
    s->grown = (sweep_grown){0};
    if (!s->options.grow) return TAS_OK;
    aggregate_runs(s);
    const sweep_batch *base = branch_stage_base(s);
    if (!base) return TAS_OK;
    l->reserve = l->test_seconds;
    const tas_status status = train_all(l, base);
    l->reserve = 0;
    if (status == TAS_NO_MEMORY) {
        frozen_stage_leave_out(l, "a growing batch: there is not enough memory for it");
        return TAS_OK;
    }
    if (status != TAS_STOPPED || !l->late || l->stopped) return status;
    l->late = false; /* what was measured is kept, and there is time for one test */
    frozen_stage_leave_out(l, s->grown.seeds ? "one of the runs with a growing batch" : "the growing batch");
    return TAS_OK;
}

int tas_sweep_grown(const tas_sweep *sweep, tas_grown *out)
{
    const sweep_grown *g = &sweep->grown;
    *out = (tas_grown){.seeds = g->seeds,
                       .reached = g->reached,
                       .steps = sweep_mean_known(&g->steps) ? g->steps.value : NAN,
                       .examples = sweep_mean_known(&g->examples) ? g->examples.value : NAN,
                       .seconds = sweep_mean_known(&g->seconds) ? g->seconds.value : NAN,
                       .seconds_deciding = g->reached ? g->seconds_deciding : NAN,
                       .schedule = g->schedule};
    return g->seeds > 0;
}

json_t *grown_stage_describe(const tas_sweep *s)
{
    const sweep_grown *g = &s->grown;
    if (!g->seeds) return json_null();
    json_t *out = json_object();
    json_object_set_new(out, "seeds", json_count((uint64_t)g->seeds));
    json_object_set_new(out, "reached", json_count((uint64_t)g->reached));
    json_object_set_new(out, "steps", json_figures_mean(&g->steps));
    json_object_set_new(out, "examples", json_figures_mean(&g->examples));
    json_object_set_new(out, "seconds", json_figures_mean(&g->seconds));
    json_object_set_new(out, "deciding_s", json_known(g->reached ? g->seconds_deciding : NAN));
    json_object_set_new(out, "schedule", json_string(g->schedule));
    return out;
}
