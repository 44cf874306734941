/* How long a sweep's parts take: steps are timed, the rest is forecast from them. */
#include "lab/sweep/stages.h"

#include "base/base.h"
#include "base/format.h"
#include "data/dataset.h"
#include "train/feed.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BASE = 64,
    ROUNDS = 5,   /* of the timing */
    SEARCHES = 9, /* runs that a search takes, about (measured); */
    TARGETS = 8,  /* and that of the target */
    EPOCHS_MOST = 20,
    EPOCHS_LEAST = 3
};
static const double ROUND_SECONDS = 0.06, LOOKS_COST = 1.35; /* of a timing; looks, as a share of a run */
static const double SLACK = 0.25; /* seconds from a step's end to the next look at the clock */

/* Timing -------------------------------------------------------------------------------------------------------------
 */

bool sweep_batch_fits(const sweep_batch *b) { return b->outcome != ROW_OVER_BUDGET; }

/* Seconds of one step in one round, with a short start that is not counted. */
static tas_status time_round(lab *l, const sweep_batch *b, double *seconds)
{
    const trial t = {.batch = b->batch,
                     .seed = l->sweep->options.seed,
                     .lr = 0x1p-20,
                     .search = true,
                     .examples_most = 1e6 * (double)b->batch};
    tas_train_options options = trial_options(l, &t);
    tas_train_result result = {.seconds = 0};
    tas_model *model;
    tas_run *run = NULL;
    tas_status status = tas_model_open(l->device, l->network, options.seed, &model);
    if (status) return status;
    status = tas_run_open(model, l->rest, &options, &run);
    if (!status) status = tas_run_advance(run, 2, &result);
    double one = result.seconds / 2;
    if (!status) {
        const double wanted = one > 0 ? ROUND_SECONDS / one : 1000;
        const uint64_t steps = wanted < 3 ? 3 : wanted > 1000 ? 1000 : (uint64_t)wanted;
        const double before = result.seconds;
        status = tas_run_advance(run, steps, &result);
        *seconds = (result.seconds - before) / (double)steps;
    }
    tas_run_close(&run);
    tas_model_close(&model);
    return status;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bool lab_progress_resumed(lab *l, bool now)
{
    if (lab_progress(l, now)) return true;
    if (l->stopped || !(l->earlier_seconds > 0)) return false;
    l->late = false;
    return true;
}

tas_status timing_steps(lab *l)
{
    tas_sweep *s = l->sweep;
    double seconds[SWEEP_BATCHES][ROUNDS];
    const int rounds = s->options.seconds > 0 && s->options.seconds < 180 ? 3 : ROUNDS;
    snprintf(l->doing, sizeof l->doing, "times steps");
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < s->count; i++) {
            if (!lab_progress_resumed(l, false)) return TAS_STOPPED;
            if (!sweep_batch_fits(&s->batch[i])) continue;
            tas_status status = time_round(l, &s->batch[i], &seconds[i][round]);
            if (status == TAS_NOT_FINITE)
                return fail(s->context, status,
                            "the loss is not finite at the first weights or close to them, whatever the rate; look at "
                            "the data, and at mean and std of the input in the network's text");
            if (status) return status;
        }
    for (int i = 0; i < s->count; i++) {
        sweep_batch *b = &s->batch[i];
        if (!sweep_batch_fits(b)) continue;
        qsort(seconds[i], (size_t)rounds, sizeof *seconds[i], by_size);
        b->step_seconds = seconds[i][rounds / 2];
        b->rounds = rounds;
        b->examples_per_s = (double)b->batch / b->step_seconds;
    }
    return TAS_OK;
}

/* From the set of the looks, whose first evaluation builds kernels and is not counted. */
tas_status timing_test(lab *l)
{
    tas_model *model;
    tas_score score;
    double begun = 0;
    if (!l->test) return TAS_OK;
    tas_status status = tas_model_open(l->device, l->network, l->sweep->options.seed, &model);
    if (status) return status;
    tas_model_set_budget(model, l->train_bytes);
    for (int i = 0; i < 2 && !status; i++) {
        begun = now_seconds();
        status = lab_progress_resumed(l, false) ? tas_evaluate(model, l->look, &score) : TAS_STOPPED;
    }
    l->test_seconds = (now_seconds() - begun) * (double)l->test->is.count / (double)l->look->is.count;
    tas_model_close(&model);
    return status;
}

/* Forecasts ----------------------------------------------------------------------------------------------------------
 */

double estimate_distance(double a, double b) { return fabs(log(a / b)); }

bool estimate_any_reached(const tas_sweep *s)
{
    for (int i = 0; i < s->runs; i++)
        if (isfinite(s->run[i].steps)) return true;
    return false;
}

/* The fewest examples in which a run at a batch came to the target; INFINITY while none did. */
static double fewest_examples(const tas_sweep *s, uint64_t batch)
{
    double fewest = INFINITY;
    for (int i = 0; i < s->runs; i++)
        if (s->run[i].batch == batch && s->run[i].steps * (double)batch < fewest)
            fewest = s->run[i].steps * (double)batch;
    return fewest;
}

/* The critical batch that the smallest and the largest batch so far speak for, E(B) = E_min (1 + B / B_crit), within
 * factors of 8 of 64: seeds differ, and small batches tell little of it. */
static double guess_critical(const tas_sweep *s)
{
    uint64_t small = 0, large = 0;
    for (int i = 0; i < s->runs; i++) {
        const uint64_t batch = s->run[i].batch;
        if (!isfinite(s->run[i].steps)) continue;
        if (!small || batch < small) small = batch;
        if (batch > large) large = batch;
    }
    if (small == large) return BASE;
    const double ratio = fewest_examples(s, large) / fewest_examples(s, small);
    const double critical = ratio > 1 ? ((double)large - ratio * (double)small) / (ratio - 1) : INFINITY;
    return fmin(fmax(critical, BASE / 8), BASE * 8);
}

/* The most examples after which a run had not come to the target. */
static double most_without(const tas_sweep *s)
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

/* Examples to the target at a batch: as measured, else by that curve through the nearest that is, else as if B = 64
 * took one epoch, or what runs have taken in vain. */
double estimate_examples(const tas_sweep *s, uint64_t batch)
{
    double known = BASE, examples = (double)s->examples, nearest = INFINITY;
    if (!estimate_any_reached(s)) examples = fmax(examples, most_without(s));
    const double critical = guess_critical(s);
    for (int i = 0; i < s->runs; i++) {
        const uint64_t other = s->run[i].batch;
        const double away = estimate_distance((double)other, (double)batch);
        if (!isfinite(s->run[i].steps) || away >= nearest) continue;
        nearest = away;
        known = (double)other;
        examples = fewest_examples(s, other);
    }
    return examples * (1 + (double)batch / critical) / (1 + known / critical);
}

static double seconds_for(const sweep_batch *b, double examples)
{
    return b->step_seconds / (double)b->batch * examples * LOOKS_COST + 0.1;
}

double estimate_examples_least(const tas_sweep *s)
{
    if (s->options.brief) return 0;
    return (s->options.epochs > 0 ? s->options.epochs : EPOCHS_LEAST) * (double)s->examples;
}

double estimate_examples_most(const tas_sweep *s)
{
    return (s->options.epochs > 0 ? s->options.epochs : EPOCHS_MOST) * (double)s->examples;
}

static double figure_seconds(const tas_sweep *s, const sweep_batch *b)
{
    const double most = estimate_examples_most(s), target = fmin(estimate_examples(s, b->batch), most);
    return seconds_for(b, fmax(target, fmin(estimate_examples_least(s), most)));
}

static double search_seconds(const tas_sweep *s, const sweep_batch *b)
{
    if (s->options.scale || b->lr > 0 || b->lr_given > 0) return 0;
    const int rates = estimate_out_of_reach(s) ? RATES_FEW : SEARCHES;
    return rates * seconds_for(b, fmin(1.2 * estimate_examples(s, b->batch), estimate_examples_most(s)));
}

double estimate_batch_seconds(const tas_sweep *s, const sweep_batch *b, int seeds)
{
    const double search = search_seconds(s, b);
    if (search > 0 && estimate_out_of_reach(s)) return search; /* and nothing after it */
    return search + (seeds - sweep_count_figures(s, b)) * figure_seconds(s, b);
}

uint64_t estimate_target_batch(const tas_sweep *s) { return s->examples < 10 * BASE ? (s->examples + 9) / 10 : BASE; }

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

/* To make the target: an epoch at each rate that is tried. */
static double target_seconds(const tas_sweep *s)
{
    const sweep_batch *b = nearest_timed(s, estimate_target_batch(s));
    if (isfinite(s->target) || !b) return 0;
    const int rates = s->options.scale ? 1 : TARGETS;
    return fmax(rates - s->runs, 1) * seconds_for(b, (double)s->examples);
}

/* After the runs --------------------------------------------------------------------------------------------------- */

/* To train again to the target, at the batch nearest to 64: see after.c. */
static double again_seconds(const tas_sweep *s, const bool *of)
{
    const sweep_batch *nearest = NULL;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (!of[i]) continue;
        if (!nearest || estimate_distance((double)b->batch, BASE) < estimate_distance((double)nearest->batch, BASE))
            nearest = b;
    }
    if (!nearest) return 0;
    return nearest->step_seconds / (double)nearest->batch *
           fmin(estimate_examples(s, nearest->batch), estimate_examples_most(s));
}

/* The measurements at frozen weights, of some of the batches. */
static double measure_seconds(const tas_sweep *s, const bool *of)
{
    double rate = 0, sum = 0, stretches = again_seconds(s, of);
    if (s->options.brief) return 0;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (!of[i]) continue;
        const double stretch = fmax(fmin(0.1 * (double)s->examples, STRETCH), 16.0 * (double)b->batch);
        rate = fmax(rate, b->examples_per_s);
        sum += FROZEN_DRAWS * (double)b->batch;
        stretches += STRETCHES * seconds_for(b, stretch);
    }
    return rate > 0 ? FROZEN_POINTS * (sum + (double)s->examples) / rate + stretches : 0;
}

double estimate_test_seconds(const lab *l, int batches) { return batches * l->test_seconds; }

double estimate_tail_seconds(const lab *l, const sweep_batch *also)
{
    const tas_sweep *s = l->sweep;
    bool of[SWEEP_BATCHES];
    for (int i = 0; i < s->count; i++) of[i] = &s->batch[i] == also || sweep_count_figures(s, &s->batch[i]);
    return measure_seconds(s, of) + estimate_test_seconds(l, 1) + SLACK;
}

int sweep_count_figures(const tas_sweep *s, const sweep_batch *b)
{
    int count = 0;
    for (int i = 0; i < s->runs; i++)
        count += !s->run[i].search && s->run[i].batch == b->batch && s->run[i].lr == b->lr;
    return count;
}

void forecast_update(lab *l)
{
    tas_sweep *s = l->sweep;
    bool of[SWEEP_BATCHES];
    int tests = 0;
    double left = target_seconds(s);
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        of[i] = sweep_batch_fits(b) && !b->why[0];
        if (!of[i]) continue;
        tests++;
        left += estimate_batch_seconds(s, b, s->options.seeds);
    }
    l->seconds_left = left + estimate_test_seconds(l, tests) + (estimate_out_of_reach(s) ? 0 : measure_seconds(s, of));
}

/* Why the forecast is another: what the nearest of the runs to the target took, or what they took in vain. */
static void say_why(const tas_sweep *s, char *text, size_t bytes)
{
    const double epochs = (double)s->examples, vain = most_without(s);
    const sweep_batch *best = NULL;
    for (int i = 0; i < s->count; i++)
        if (isfinite(fewest_examples(s, s->batch[i].batch)) &&
            (!best || fewest_examples(s, s->batch[i].batch) < fewest_examples(s, best->batch)))
            best = &s->batch[i];
    if (best)
        snprintf(text, bytes, "B = %" PRIu64 " came to the target in %s epochs", best->batch,
                 number_word(fewest_examples(s, best->batch) / epochs).text);
    else if (vain > 0)
        snprintf(text, bytes, "%s epochs did not come to the target", number_word(vain / epochs).text);
    else
        snprintf(text, bytes, "the target is known");
}

void forecast_correct(lab *l)
{
    const tas_sweep *s = l->sweep;
    char why[128];
    forecast_update(l);
    const double now = lab_seconds(l), total = now + l->seconds_left;
    if (l->seconds_left < 0.1 * total) return; /* it is too late for that */
    if (!(l->reported_total > 0) || (total < 1.3 * l->reported_total + 1 && total > 0.6 * l->reported_total - 1))
        return;
    l->reported_total = total;
    say_why(s, why, sizeof why);
    lab_note(l, "forecast: about %s in all, %s of it yet to come%s: %s", seconds_word(total).text,
             seconds_word(l->seconds_left).text,
             s->options.seconds > 0 && total > s->options.seconds ? ", more than there is time for" : "", why);
}

/* What must fit, but for what earlier sessions have run: the target, where it is to be made, and the shortest batch; as
 * may_begin() has it. */
tas_status forecast_check(lab *l)
{
    const tas_sweep *s = l->sweep;
    const sweep_batch *shortest = NULL;
    double least = INFINITY;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (!sweep_batch_fits(b)) continue;
        const double seconds = estimate_batch_seconds(s, b, SEEDS_LEAST) + estimate_tail_seconds(l, b);
        if (seconds < least) least = seconds, shortest = b;
    }
    least += target_seconds(s);
    if (!(s->options.seconds > 0) || l->earlier_seconds > 0 || lab_seconds(l) + least < s->options.seconds || !shortest)
        return TAS_OK;
    return fail(s->context, TAS_BAD_ARGUMENT,
                "a time limit of %s is too short: %s%stwo runs of B = %" PRIu64
                ", the fastest, and what follows them are expected to take %s, and %s went by in timing steps",
                seconds_word(s->options.seconds).text, isfinite(s->target) ? "" : "to make the target, ",
                search_seconds(s, shortest) > 0 ? "the search for a rate, " : "", shortest->batch,
                seconds_word(least).text, seconds_word(lab_seconds(l)).text);
}
