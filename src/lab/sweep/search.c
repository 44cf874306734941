#include "lab/sweep/search.h"

#include "base/context.h"
#include "base/format.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/forecast.h"
#include "lab/sweep/rate_search.h"
#include "lab/sweep/resume.h"
#include "lab/sweep/setup.h"
#include "lab/sweep/state.h"
#include "lab/sweep/trial.h"
#include "lab/sweep/weights.h"
#include "train/feed.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double CONFIRM = 1.2, EQUAL = 0.03; /* times the best; in log */

/* A run of a search. *value is to be minimized; INFINITY if the run was given up or diverged. */
static tas_status try_rate(lab *l, const trial *t, double *value, bool *diverged)
{
    const tas_sweep *s = l->sweep;
    sweep_run out;
    snprintf(l->doing, sizeof l->doing, "B = %" PRIu64 ": searching for a rate, lr %s", t->batch,
             format_number(t->lr).text);
    const tas_status status = resume_trial(l, t, &out, NULL);
    if (status) return status;
    *diverged = out.outcome == ROW_DIVERGED;
    *value = *diverged ? INFINITY : isfinite(s->target) ? out.steps * (double)t->batch : out.final_metric;
    if (isnan(*value)) *value = INFINITY;
    return TAS_OK;
}

/* The best rate on one seed is often lucky. The rates that came near it are tried on a second seed, and the best mean
 * of logarithms wins. Among rates that are practically equal the lowest wins: above the best rate the curve is steep,
 * and seeds differ there. */
static tas_status confirm(lab *l, trial t, rate_search *r)
{
    const double near = CONFIRM * r->entry[r->best].value;
    double mean[RATE_SEARCH_RUNS], best = INFINITY;
    t.seed = l->sweep->options.seed + SWEEP_SECOND_SEED;
    t.give_up = isfinite(l->sweep->target) ? 2 * near : INFINITY;
    for (int i = 0; i < r->count; i++) {
        double value;
        bool diverged;
        mean[i] = INFINITY;
        if (!(r->entry[i].value <= near)) continue;
        t.lr = (double)(float)rate_search_rate(r, i);
        tas_status status = try_rate(l, &t, &value, &diverged);
        if (status) return status;
        mean[i] = 0.5 * (log(value) + log(r->entry[i].value));
        if (mean[i] < best) best = mean[i];
    }
    int chosen = r->best; /* if no rate succeeded twice */
    for (int i = 0; i < r->count && isfinite(best); i++)
        if (mean[i] <= best + EQUAL && (mean[chosen] > best + EQUAL || r->entry[i].half < r->entry[chosen].half))
            chosen = i;
    r->best = chosen;
    return TAS_OK;
}

/* Searches for the best rate for `t`: fewest examples to the target or, without a target, the best final metric. Once a
 * whole search has found no rate that reaches the target, further batches try only a few, unless one of these does. */
static tas_status search(lab *l, trial t, rate_search *r)
{
    const tas_sweep *s = l->sweep;
    const bool to_target = isfinite(s->target);
    double give_up;
    t.search = t.to_target = true;
    t.seed = s->options.seed;
    t.start = r->lr;
    const int most = to_target && estimate_out_of_reach(s) ? ESTIMATE_RATES : RATE_SEARCH_RUNS;
    while ((r->best >= 0 || r->count < most) && rate_search_next(r, &t.lr, &give_up)) {
        double value;
        bool diverged;
        t.lr = (double)(float)t.lr;
        t.give_up = to_target ? fmin(give_up, estimate_any_reached(s) ? 4 * estimate_examples(s, t.batch) : INFINITY)
                              : INFINITY;
        tas_status status = try_rate(l, &t, &value, &diverged);
        if (status) return status;
        rate_search_record(r, value, diverged);
    }
    return r->best < 0 || !to_target ? TAS_OK : confirm(l, t, r);
}

static double scaled_rate(const tas_sweep *s, double lr, uint64_t batch)
{
    const double k = (double)batch / (s->options.train.base_batch ? s->options.train.base_batch : ESTIMATE_BASE);
    return s->options.train.lr_scaling == TAS_SCALING_LINEAR ? lr * k
           : s->options.train.lr_scaling == TAS_SCALING_SQRT ? lr * sqrt(k)
                                                             : lr;
}

/* One run at the scaled rate. */
static tas_status run_scaled(lab *l, trial t, rate_search *r)
{
    sweep_run out;
    t.search = t.to_target = true;
    t.seed = l->sweep->options.seed;
    snprintf(l->doing, sizeof l->doing, "making the target at B = %" PRIu64, t.batch);
    const tas_status status = resume_trial(l, &t, &out, NULL);
    if (status) return status;
    r->count = 1, r->best = 0;
    r->entry[0].value = out.outcome == ROW_DIVERGED ? INFINITY : out.final_metric;
    return TAS_OK;
}

tas_status search_target(lab *l, double lr, double *best_lr)
{
    tas_sweep *s = l->sweep;
    rate_search r;
    const uint64_t batch = estimate_target_batch(s);
    trial t = {.batch = batch,
               .lr = s->options.scale ? (double)(float)scaled_rate(s, lr, batch) : lr,
               .give_up = INFINITY,
               .examples_most = (double)s->examples};
    rate_search_begin(&r, t.lr, 1.02, 1.1);
    tas_status status = s->options.scale ? run_scaled(l, t, &r) : search(l, t, &r);
    if (status) return status;
    if (r.best < 0 || !isfinite(r.entry[r.best].value))
        return fail(s->context, TAS_NOT_FINITE,
                    "B = %" PRIu64
                    ": no learning rate near %g gave a finite loss after one epoch; check the data and the "
                    "network",
                    batch, t.lr);
    if (!s->options.scale) *best_lr = rate_search_best(&r);
    s->target = r.entry[r.best].value;
    snprintf(s->target_words, sizeof s->target_words, "%s loss %s, what B = %" PRIu64 " reaches in one epoch at lr %s",
             s->options.on_train ? "training" : "validation", format_number(s->target).text, batch,
             format_number(rate_search_best(&r)).text);
    forecast_correct(l);
    return TAS_OK;
}

/* If no run has reached the target: rate and batch of the run that came nearest. */
static void nearest_so_far(const tas_sweep *s, double *lr, double *batch)
{
    double least = INFINITY;
    for (int i = 0; i < s->runs; i++) {
        const sweep_run *r = &s->run[i];
        if (r->target != s->target || r->outcome == ROW_DIVERGED || !(r->final_metric < least)) continue;
        least = r->final_metric;
        *lr = r->lr;
        *batch = (double)r->batch;
    }
}

/* Where a search starts: at the rate of the nearest batch that has one, by eps_max / (1 + B_0 / B) with B_0 = 64. */
static double guess_rate(const tas_sweep *s, double lr, uint64_t batch)
{
    double known = ESTIMATE_BASE, nearest = INFINITY;
    if (estimate_out_of_reach(s)) nearest_so_far(s, &lr, &known);
    for (int i = 0; i < s->count; i++) {
        const double away = estimate_distance((double)s->batch[i].batch, (double)batch);
        if (!(s->batch[i].lr > 0) || !(away < nearest) || s->batch[i].outcome == ROW_DIVERGED) continue;
        nearest = away;
        known = (double)s->batch[i].batch;
        lr = s->batch[i].lr;
    }
    return lr * (1 + ESTIMATE_BASE / known) / (1 + ESTIMATE_BASE / (double)batch);
}

/* One batch -------------------------------------------------------------------------------------------------------- */

/* No rate reached the target: all diverged, or some were given up as too slow. */
static void explain_lost(const tas_sweep *s, sweep_batch *b, const rate_search *r)
{
    double most = 0;
    bool slow = false;
    for (int i = 0; i < r->count; i++) slow |= !r->entry[i].diverged;
    for (int i = 0; i < s->runs; i++) {
        const sweep_run *run = &s->run[i];
        if (run->batch == b->batch && run->points) most = fmax(most, (double)run->point[run->points - 1].examples);
    }
    b->outcome = slow ? ROW_UNDERTRAINED : ROW_DIVERGED;
    if (slow)
        snprintf(b->why, sizeof b->why, "did not reach the target in %.3g epochs at any of %d rates",
                 most / (double)s->examples, r->count);
    else
        snprintf(b->why, sizeof b->why, "diverged at all of %d rates", r->count);
}

/* The index of a batch's first run to this target in the state; INT_MAX: none. */
static int stored_index(const lab *l, uint64_t batch)
{
    const sweep_run *r;
    for (int i = 0; l->state && (r = state_run(l->state, i)); i++)
        if (r->batch == batch && r->target == l->sweep->target) return i;
    return INT_MAX;
}

/* A search of which the state has some runs starts where it started then, whatever is known of other batches now. */
static double first_rate(const lab *l, double lr, uint64_t batch)
{
    const int turn = stored_index(l, batch);
    const sweep_run *r;
    for (int i = turn; turn < INT_MAX && (r = state_run(l->state, i)); i++)
        if (r->batch == batch && r->target == l->sweep->target && r->start > 0) return r->start;
    return guess_rate(l->sweep, lr, batch);
}

static tas_status find_rate(lab *l, sweep_batch *b, double lr)
{
    const tas_sweep *s = l->sweep;
    rate_search r;
    if (s->options.scale || b->lr_given > 0) {
        b->lr = b->lr_given > 0 ? b->lr_given : (double)(float)scaled_rate(s, lr, b->batch);
        return TAS_OK;
    }
    rate_search_begin(&r, first_rate(l, lr, b->batch), 1.2, 1.5);
    tas_status status = search(l, (trial){.batch = b->batch, .examples_most = estimate_examples_most(s)}, &r);
    if (status) return status;
    b->searches = r.count;
    b->lr_edge = r.edge;
    if (r.best >= 0) {
        b->lr = (double)(float)rate_search_best(&r);
        return TAS_OK;
    }
    explain_lost(s, b, &r);
    return TAS_OK;
}

static double look_at(const tas_sweep *s, uint64_t batch)
{
    uint64_t most = 1;
    if (s->options.brief) return 0;
    for (int i = 0; i < s->count; i++)
        if (sweep_batch_fits(&s->batch[i]) && s->batch[i].batch > most) most = s->batch[i].batch;
    return floor(estimate_examples_least(s) / (double)most) * (double)batch;
}

/* Runs on fresh seeds, until the batch has `seeds`. */
static tas_status run_figures(lab *l, int i, int seeds)
{
    tas_sweep *s = l->sweep;
    sweep_batch *b = &s->batch[i];
    for (int k = sweep_count_figures(s, b); k < seeds; k++) {
        sweep_run out;
        const trial t = {.batch = b->batch,
                         .seed = s->options.seed + 1 + (uint64_t)k,
                         .lr = b->lr,
                         .give_up = INFINITY,
                         .examples_most = estimate_examples_most(s),
                         .to_target = s->options.brief,
                         .examples_least = estimate_examples_least(s),
                         .look_at = look_at(s, b->batch)};
        if (!k && !l->weights[i] && !(l->weights[i] = malloc(l->weight_count * sizeof(float))))
            return fail(s->context, TAS_NO_MEMORY, "no memory for weights");
        snprintf(l->doing, sizeof l->doing, "B = %" PRIu64 ": training at lr %s, seed %d of %d", b->batch,
                 format_number(b->lr).text, k + 1, s->options.seeds);
        tas_status status = resume_trial(l, &t, &out, k ? NULL : l->weights[i]);
        if (status) return status;
    }
    return TAS_OK;
}

static tas_status run_batch(lab *l, int i, double lr)
{
    sweep_batch *b = &l->sweep->batch[i];
    l->waiting = b;
    l->waiting_seeds = SETUP_SEEDS_LEAST;
    tas_status status = find_rate(l, b, lr);
    if (status || b->why[0]) return status;
    return run_figures(l, i, SETUP_SEEDS_LEAST);
}

/* The batch that reaches the target in the least time; 64 while none has. */
static double best_batch(const tas_sweep *s)
{
    double best = ESTIMATE_BASE, least = INFINITY;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (!sweep_count_figures(s, b)) continue;
        const double seconds = estimate_examples(s, b->batch) / (double)b->batch * b->step_seconds;
        if (seconds < least) least = seconds, best = (double)b->batch;
    }
    return best;
}

/* Batches with runs in the state come first, in the order of these runs: what a search finds depends on what is known
 * before it, and which batch is best depends on timings, which are new in each session. */
static int next_batch(const lab *l)
{
    const tas_sweep *s = l->sweep;
    const double best = best_batch(s);
    double least = INFINITY;
    int next = -1, first = INT_MAX;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (!sweep_batch_fits(b) || l->visited[i]) continue;
        const int turn = stored_index(l, b->batch);
        const double away = estimate_distance((double)b->batch, best);
        if (next >= 0 && (turn > first || (turn == first && !(away < least)))) continue;
        next = i, first = turn, least = away;
    }
    return next;
}

/* Runs end before the limit, so that there is time for measurements and the test. */
static tas_status out_of_time(lab *l, int i, tas_status status)
{
    tas_sweep *s = l->sweep;
    sweep_batch *b = &s->batch[i];
    if (status != TAS_STOPPED || !l->late || l->stopped) return status;
    l->late = false;
    s->short_of_time = true;
    if (!b->why[0] && !sweep_count_figures(s, b))
        snprintf(b->why, sizeof b->why, "short of time: %s",
                 b->lr > 0 ? "its first run was cut off" : "the search for its rate was cut off");
    return TAS_OK;
}

tas_status search_batches(lab *l, double lr)
{
    tas_sweep *s = l->sweep;
    tas_status status = TAS_OK;
    for (int i; !status && (i = next_batch(l)) >= 0;) {
        l->visited[i] = true;
        l->reserve = estimate_tail_seconds(l, &s->batch[i]);
        status = out_of_time(l, i, run_batch(l, i, lr));
        if (!status) forecast_correct(l);
    }
    for (int seeds = SETUP_SEEDS_LEAST + 1; seeds <= s->options.seeds && !status; seeds++)
        for (int i = 0; i < s->count && !status; i++) {
            sweep_batch *b = &s->batch[i];
            if (!sweep_batch_fits(b) || b->why[0] || sweep_count_figures(s, b) >= seeds) continue;
            l->waiting = b;
            l->waiting_seeds = seeds;
            l->reserve = estimate_tail_seconds(l, b);
            status = out_of_time(l, i, run_figures(l, i, seeds));
        }
    l->waiting = NULL;
    l->reserve = 0;
    return status;
}
