#include "lab/sweep/estimate.h"

#include "lab/sweep/frozen_stage.h"
#include "stats/reach.h"

#include <math.h>

enum {
    SEARCHES = 9, /* runs of a search, about (measured), */
    DEEPER = 5,   /* of one that begins at the best rate for an easier target, */
    TARGETS = 8,  /* and of the search that makes the target */
    EPOCHS_MOST = 20,
    EPOCHS_LEAST = 3
};
static const double DEPTH_MOST = 3;     /* times the examples of the base batch: larger batches need more */
static const double LOOKS_COST = 1.35;  /* a run with its evaluations, relative to its training alone */
static const double DEPTH_SHARE = 0.12; /* of a time limit, for the run that shows how deep the target can be */
static const double SEEDS_DIFFER = 1.3; /* a fresh seed may take longer than those so far */
static const double SLACK = 0.25;       /* seconds until the clock is read again */

double estimate_distance(double a, double b) { return fabs(log(a / b)); }

double estimate_run_seconds(const sweep_batch *b, double examples)
{
    return b->step_seconds / (double)b->batch * examples * LOOKS_COST + 0.1;
}

void estimate_learn_pace(tas_sweep *s, const sweep_batch *b, double examples, double seconds)
{
    const double forget = 0.8;
    s->taken = forget * s->taken + seconds;
    s->paced = forget * s->paced + estimate_run_seconds(b, examples);
}

/* Whether a run has reached the deepest target, not an easier one. */
static bool reached(const tas_sweep *s, const sweep_run *r) { return isfinite(r->steps) && r->target == s->target; }

bool estimate_any_reached(const tas_sweep *s)
{
    for (int i = 0; i < s->runs; i++)
        if (reached(s, &s->run[i])) return true;
    return false;
}

double estimate_fewest(const tas_sweep *s, uint64_t batch)
{
    double fewest = INFINITY;
    for (int i = 0; i < s->runs; i++)
        if (s->run[i].batch == batch && reached(s, &s->run[i]) && s->run[i].steps * (double)batch < fewest)
            fewest = s->run[i].steps * (double)batch;
    return fewest;
}

/* The critical batch by E(B) = E_min (1 + B / B_crit), from the smallest and the largest batch so far. Seeds differ,
 * and small batches say little about it: so it is kept within a factor of 8 of 64. */
static double guess_critical(const tas_sweep *s)
{
    uint64_t small = 0, large = 0;
    for (int i = 0; i < s->runs; i++) {
        const uint64_t batch = s->run[i].batch;
        if (!reached(s, &s->run[i])) continue;
        if (!small || batch < small) small = batch;
        if (batch > large) large = batch;
    }
    if (small == large) return ESTIMATE_BASE;
    const double ratio = estimate_fewest(s, large) / estimate_fewest(s, small);
    const double critical = ratio > 1 ? ((double)large - ratio * (double)small) / (ratio - 1) : INFINITY;
    return fmin(fmax(critical, ESTIMATE_BASE / 8), ESTIMATE_BASE * 8);
}

double estimate_most_without(const tas_sweep *s)
{
    double most = 0;
    for (int i = 0; i < s->runs; i++) {
        const sweep_run *r = &s->run[i];
        if (r->target == s->target && r->outcome == ROW_UNDERTRAINED && r->points)
            most = fmax(most, (double)r->point[r->points - 1].examples);
    }
    return most;
}

bool estimate_out_of_reach(const tas_sweep *s)
{
    if (estimate_any_reached(s)) return false;
    for (int i = 0; i < s->count; i++)
        if (s->batch[i].searches && s->batch[i].outcome == ROW_UNDERTRAINED && !(s->batch[i].lr > 0)) return true;
    return false;
}

/* As measured; otherwise by that curve through the nearest batch that was; otherwise as the run that made the target,
 * or as if B = 64 took one epoch, or as many as runs have taken without reaching the target. */
double estimate_examples(const tas_sweep *s, uint64_t batch)
{
    double known = ESTIMATE_BASE, examples = s->depth > 0 ? s->depth : (double)s->examples, nearest = INFINITY;
    if (!estimate_any_reached(s)) examples = fmax(examples, estimate_most_without(s));
    const double critical = guess_critical(s);
    for (int i = 0; i < s->runs; i++) {
        const uint64_t other = s->run[i].batch;
        const double away = estimate_distance((double)other, (double)batch);
        if (!reached(s, &s->run[i]) || away >= nearest) continue;
        nearest = away;
        known = (double)other;
        examples = estimate_fewest(s, other);
    }
    return examples * (1 + (double)batch / critical) / (1 + known / critical);
}

double estimate_examples_least(const tas_sweep *s)
{
    if (s->options.brief) return 0;
    return (s->options.epochs > 0 ? s->options.epochs : EPOCHS_LEAST) * (double)s->examples;
}

double estimate_examples_most(const tas_sweep *s)
{
    if (s->options.epochs > 0) return s->options.epochs * (double)s->examples;
    return fmax(EPOCHS_MOST * (double)s->examples, ceil(DEPTH_MOST * s->depth));
}

uint64_t estimate_target_batch(const tas_sweep *s)
{
    return s->examples < 10 * ESTIMATE_BASE ? (s->examples + 9) / 10 : ESTIMATE_BASE;
}

static double seconds_for(const tas_sweep *s, const sweep_batch *b, double examples)
{
    const double expected = estimate_run_seconds(b, examples);
    return s->paced > 0 ? expected * fmax(1, s->taken / s->paced) : expected;
}

static double figure_seconds(const tas_sweep *s, const sweep_batch *b)
{
    const double most = estimate_examples_most(s), target = fmin(REACH_STAY * estimate_examples(s, b->batch), most);
    return seconds_for(s, b, fmax(target, fmin(estimate_examples_least(s), most)));
}

double estimate_search_seconds(const tas_sweep *s, const sweep_batch *b)
{
    if (s->options.scale || b->lr > 0 || b->lr_given > 0) return 0;
    const double easier = isfinite(s->search_target) ? SEARCHES * s->search_depth / s->depth : 0;
    const double rates = estimate_out_of_reach(s) ? ESTIMATE_RATES : easier > 0 ? easier + DEEPER : SEARCHES;
    return rates *
           seconds_for(s, b, fmin(1.2 * REACH_STAY * estimate_examples(s, b->batch), estimate_examples_most(s)));
}

double estimate_batch_seconds(const tas_sweep *s, const sweep_batch *b, int seeds)
{
    const double search = estimate_search_seconds(s, b);
    if (search > 0 && estimate_out_of_reach(s)) return search; /* no runs follow it */
    return search + (seeds - sweep_count_figures(s, b)) * figure_seconds(s, b);
}

static const sweep_batch *nearest_timed(const tas_sweep *s, uint64_t batch)
{
    const sweep_batch *nearest = NULL;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (!(b->step_seconds > 0)) continue;
        if (!nearest || estimate_distance((double)b->batch, (double)batch) <
                            estimate_distance((double)nearest->batch, (double)batch))
            nearest = b;
    }
    return nearest;
}

/* One epoch at each rate tried, and a run until it stops improving, of which little is known before. */
double estimate_target_seconds(const tas_sweep *s)
{
    const sweep_batch *b = nearest_timed(s, estimate_target_batch(s));
    if (isfinite(s->target) || !b) return 0;
    const int rates = s->options.scale ? 1 : TARGETS;
    return fmax(rates - s->runs, 1) * seconds_for(s, b, (double)s->examples) + estimate_depth_seconds(s);
}

double estimate_depth_seconds(const tas_sweep *s)
{
    const sweep_batch *b = nearest_timed(s, estimate_target_batch(s));
    const double whole = b ? seconds_for(s, b, estimate_examples_most(s)) : 0;
    return s->options.seconds > 0 ? fmin(whole, DEPTH_SHARE * s->options.seconds) : whole;
}

double estimate_check_seconds(const tas_sweep *s)
{
    double most = 0;
    for (int i = 0; i < s->count; i++)
        if (sweep_count_figures(s, &s->batch[i]))
            most = fmax(most, SEEDS_DIFFER *
                                  seconds_for(s, &s->batch[i], REACH_STAY * estimate_examples(s, s->batch[i].batch)));
    return most;
}

/* frozen_stage.c trains to the target once more, at the batch nearest to 64. */
static double again_seconds(const tas_sweep *s, const bool *of)
{
    const sweep_batch *nearest = NULL;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (!of[i]) continue;
        if (!nearest || estimate_distance((double)b->batch, ESTIMATE_BASE) <
                            estimate_distance((double)nearest->batch, ESTIMATE_BASE))
            nearest = b;
    }
    if (!nearest) return 0;
    return nearest->step_seconds / (double)nearest->batch *
           fmin(estimate_examples(s, nearest->batch), estimate_examples_most(s));
}

double estimate_measure_seconds(const tas_sweep *s, const bool *of)
{
    double rate = 0, sum = 0, stretches = again_seconds(s, of);
    if (s->options.brief) return 0;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (!of[i]) continue;
        const double stretch = fmax(fmin(0.1 * (double)s->examples, FROZEN_STAGE_EXAMPLES), 16.0 * (double)b->batch);
        rate = fmax(rate, b->examples_per_s);
        sum += FROZEN_STAGE_DRAWS * (double)b->batch;
        stretches += FROZEN_STAGE_STRETCHES * seconds_for(s, b, stretch);
    }
    return rate > 0 ? FROZEN_POINTS * (sum + (double)s->examples) / rate + stretches : 0;
}

double estimate_tail_seconds(const lab *l, const sweep_batch *also)
{
    const tas_sweep *s = l->sweep;
    bool of[SWEEP_BATCHES];
    for (int i = 0; i < s->count; i++) of[i] = &s->batch[i] == also || sweep_count_figures(s, &s->batch[i]);
    return estimate_measure_seconds(s, of) + estimate_check_seconds(s) + l->test_seconds + SLACK;
}
