#include "lab/sweep/search.h"

#include "base/context.h"
#include "base/format.h"
#include "lab/sweep/aggregate.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/forecast.h"
#include "lab/sweep/rate_search.h"
#include "lab/sweep/resume.h"
#include "lab/sweep/setup.h"
#include "lab/sweep/state.h"
#include "lab/sweep/timing.h"
#include "lab/sweep/trial.h"
#include "lab/sweep/weights.h"
#include "train/feed.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double CONFIRM = 1.2, EQUAL = 0.03; /* times the best; in log */
static const double STABLE = 0.5;                /* a rate is at most this share of the lowest that diverged */
enum { NEIGHBORS = 3 };                          /* added, at most */

/* A run of a search. *value is to be minimized; INFINITY if the run was given up or diverged. */
static tas_status try_rate(lab *l, const trial *t, double *value, bool *diverged)
{
    sweep_run out;
    snprintf(l->doing, sizeof l->doing, "B = %" PRIu64 ": searching for a rate, lr %s", t->batch,
             format_number(t->lr).text);
    const tas_status status = resume_trial(l, t, &out, NULL);
    if (status) return status;
    *diverged = out.outcome == ROW_DIVERGED;
    *value = *diverged ? INFINITY : isfinite(t->target) ? out.steps * (double)t->batch : out.final_metric;
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
    t.search = t.to_target = true;
    t.start = r->lr;
    t.seed = l->sweep->options.seed + SWEEP_SECOND_SEED;
    t.give_up = 2 * near;
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

/* Once a whole search has found no rate that reaches the target, further batches try only a few, unless one of these
 * does. */
tas_status search_rates(lab *l, trial t, rate_search *r)
{
    const tas_sweep *s = l->sweep;
    const double easier = t.target == s->target ? 1 : s->search_depth / s->depth;
    double give_up;
    t.search = t.to_target = true;
    t.seed = s->options.seed;
    t.start = r->lr;
    const int most = isfinite(t.target) && estimate_out_of_reach(s) ? ESTIMATE_RATES : RATE_SEARCH_RUNS;
    while ((r->best >= 0 || r->count < most) && rate_search_next(r, &t.lr, &give_up)) {
        const bool known = estimate_any_reached(s) || s->depth > 0;
        double value, limit = known ? 4 * easier * estimate_examples(s, t.batch) : INFINITY;
        bool diverged;
        t.lr = (double)(float)t.lr;
        t.give_up = isfinite(t.target) ? fmin(give_up, limit) : INFINITY;
        tas_status status = try_rate(l, &t, &value, &diverged);
        if (status) return status;
        rate_search_record(r, value, diverged);
    }
    return TAS_OK;
}

double search_scaled_rate(const tas_sweep *s, double lr, uint64_t batch)
{
    const double k = (double)batch / (s->options.train.base_batch ? s->options.train.base_batch : ESTIMATE_BASE);
    return s->options.train.lr_scaling == TAS_SCALING_LINEAR ? lr * k
           : s->options.train.lr_scaling == TAS_SCALING_SQRT ? lr * sqrt(k)
                                                             : lr;
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

static bool is_target(const tas_sweep *s, double target) { return target == s->target || target == s->search_target; }

/* The index of a batch's first run to the sweep's targets in the state; INT_MAX: none. */
static int stored_index(const lab *l, uint64_t batch)
{
    const sweep_run *r;
    for (int i = 0; l->state && (r = state_run(l->state, i)); i++)
        if (r->batch == batch && is_target(l->sweep, r->target)) return i;
    return INT_MAX;
}

/* A search of which the state has some runs starts where it started then, whatever is known of other batches now. */
static double first_rate(const lab *l, double lr, uint64_t batch)
{
    const int turn = stored_index(l, batch);
    const sweep_run *r;
    for (int i = turn; turn < INT_MAX && (r = state_run(l->state, i)); i++)
        if (r->batch == batch && is_target(l->sweep, r->target) && r->start > 0) return r->start;
    return guess_rate(l->sweep, lr, batch);
}

/* The lowest rate at which a run of the batch diverged, whatever its target and seed; NaN: none did. */
static double edge_of_stability(const tas_sweep *s, uint64_t batch)
{
    double lowest = NAN;
    for (int i = 0; i < s->runs; i++)
        if (s->run[i].batch == batch && s->run[i].outcome == ROW_DIVERGED) lowest = fmin(lowest, s->run[i].lr);
    return lowest;
}

/* A rate for the sprint is not one to train with: near the edge of stability seeds differ in whether they diverge. */
static void keep_distance(const tas_sweep *s, sweep_batch *b)
{
    b->lr_edge_of_stability = edge_of_stability(s, b->batch);
    if (b->lr > STABLE * b->lr_edge_of_stability) b->lr = (double)(float)(STABLE * b->lr_edge_of_stability);
}

/* First at an easier target, which takes less; then judged at the deepest, where lower rates are often better. */
static tas_status find_rate(lab *l, sweep_batch *b, double lr)
{
    const tas_sweep *s = l->sweep;
    rate_search r;
    trial t = {.batch = b->batch, .target = s->target, .examples_most = estimate_examples_most(s)};
    if (s->options.scale || b->lr_given > 0) {
        b->lr = b->lr_given > 0 ? b->lr_given : (double)(float)search_scaled_rate(s, lr, b->batch);
        return TAS_OK;
    }
    double first = first_rate(l, lr, b->batch);
    bool reached_easier = false;
    if (isfinite(s->search_target)) {
        t.target = s->search_target;
        rate_search_begin(&r, first, 1.2, 1.5);
        tas_status status = search_rates(l, t, &r);
        if (status) return status;
        b->searches = r.count;
        reached_easier = r.best >= 0;
        if (reached_easier) first = rate_search_best(&r);
        t.target = s->target;
    }
    rate_search_begin(&r, first, 1.2, 1.5);
    r.downward = reached_easier;
    tas_status status = search_rates(l, t, &r);
    if (!status && r.best >= 0) status = confirm(l, t, &r);
    if (status) return status;
    b->searches += r.count;
    b->lr_edge = r.edge;
    if (r.best < 0) {
        explain_lost(s, b, &r);
        return TAS_OK;
    }
    b->lr = (double)(float)rate_search_best(&r);
    keep_distance(s, b);
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
                         .target = s->target,
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

static bool any_diverged(const tas_sweep *s, const sweep_batch *b)
{
    for (int i = 0; i < s->runs; i++) {
        const sweep_run *r = &s->run[i];
        if (sweep_is_figure(s, b, r) && r->outcome == ROW_DIVERGED) return true;
    }
    return false;
}

/* A rate that was searched for and diverges on a fresh seed is too near to the edge: once, half of it is tried. */
static tas_status run_batch(lab *l, int i, double lr)
{
    tas_sweep *s = l->sweep;
    sweep_batch *b = &s->batch[i];
    l->waiting = b;
    l->waiting_seeds = SETUP_SEEDS_LEAST;
    tas_status status = find_rate(l, b, lr);
    if (status || b->why[0]) return status;
    status = run_figures(l, i, SETUP_SEEDS_LEAST);
    if (status || !any_diverged(s, b) || s->options.scale || b->lr_given > 0) return status;
    b->lowered = true;
    keep_distance(s, b);
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

static tas_status visit_batch(lab *l, int i, double lr)
{
    l->visited[i] = true;
    l->reserve = estimate_tail_seconds(l, &l->sweep->batch[i]);
    return out_of_time(l, i, run_batch(l, i, lr));
}

/* Gives each batch with runs on fresh seeds as many as were asked for, one after the other. */
static tas_status add_seeds(lab *l)
{
    tas_sweep *s = l->sweep;
    tas_status status = TAS_OK;
    for (int seeds = SETUP_SEEDS_LEAST + 1; seeds <= s->options.seeds && !status; seeds++)
        for (int i = 0; i < s->count && !status; i++) {
            sweep_batch *b = &s->batch[i];
            if (!sweep_batch_fits(b) || b->why[0] || sweep_count_figures(s, b) >= seeds) continue;
            l->waiting = b;
            l->waiting_seeds = seeds;
            l->reserve = estimate_tail_seconds(l, b);
            status = out_of_time(l, i, run_figures(l, i, seeds));
        }
    return status;
}

/* Half or twice the best batch, if it was not asked for and is expected to be better by 5 %, and the same of that. */
static tas_status add_neighbors(lab *l, double lr)
{
    tas_sweep *s = l->sweep;
    tas_status status = TAS_OK;
    for (int added = 0; added < NEIGHBORS && !status && !s->short_of_time; added++) {
        int i = -1;
        aggregate_runs(s);
        if (!s->advice.measure || s->rates_given || s->count == SWEEP_BATCHES) break;
        status = setup_add_batch(l, s->advice.measure, &i);
        if (status || i < 0) break;
        status = timing_batch(l, i);
        if (!status) status = visit_batch(l, i, lr);
        if (!status) status = add_seeds(l);
    }
    return status;
}

tas_status search_batches(lab *l, double lr)
{
    tas_status status = TAS_OK;
    for (int i; !status && (i = next_batch(l)) >= 0;) {
        status = visit_batch(l, i, lr);
        if (!status) forecast_correct(l);
    }
    if (!status) status = add_seeds(l);
    if (!status) status = add_neighbors(l, lr);
    l->waiting = NULL;
    l->reserve = 0;
    return status;
}
