/* The target of rows per evaluation, and which runs reach it. */
#include "lab/advise/advise.h"

#include "base/context.h"
#include "base/format.h"
#include "lab/sweep/estimate.h"
#include "stats/median.h"
#include "stats/reach.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { HALVINGS = 30, BASE = 64 };
static const double ABOVE_BEST = 1.02; /* as the sweep's own deepest target */
static const double APART = 1.3;       /* evaluations further apart in examples blur the steps to a target */

/* The evaluations of a run that have the target's measure. */
typedef struct course {
    int count;
    reach_point point[ROWS_POINTS];
    double value[ROWS_POINTS];
    int from[ROWS_POINTS]; /* their places in the run */
} course;

static void follow(const sweep_run *run, course *out)
{
    out->count = 0;
    for (int i = 0; i < run->points; i++) {
        const sweep_point *p = &run->point[i];
        if (isnan(p->target_value)) continue;
        out->from[out->count] = i;
        out->value[out->count] = p->target_value;
        out->point[out->count++] = (reach_point){(double)p->examples, p->target_value};
    }
}

/* The default target ----------------------------------------------------------------------------------------------- */

static double least_of(const course *c)
{
    double least = INFINITY;
    for (int i = 0; i < c->count; i++)
        if (c->value[i] < least) least = c->value[i];
    return least;
}

/* The lowest target that the run reaches: infinite if it has none. */
static double depth_of(const course *c)
{
    double low = least_of(c), high = low;
    for (int i = 0; i < c->count; i++)
        if (isfinite(c->value[i]) && c->value[i] > high) high = c->value[i];
    if (!isfinite(low) || reach_find(c->point, c->count, high, true).state != REACH_DONE) return INFINITY;
    if (reach_find(c->point, c->count, low, true).state == REACH_DONE) return low;
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = 0.5 * (low + high);
        if (reach_find(c->point, c->count, middle, true).state == REACH_DONE)
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* Of a batch: the lowest mean over seeds of the best loss that a rate has; and the lowest target that most seeds of a
 * rate reach. */
typedef struct batch_depth {
    double best, depth;
} batch_depth;

static batch_depth depth_at_rate(const tas_sweep *s, uint64_t batch, double lr, course *c)
{
    double *depth = malloc((size_t)s->runs * sizeof *depth), sum = 0;
    int count = 0;
    for (int i = 0; i < s->runs && depth; i++) {
        if (s->run[i].batch != batch || s->run[i].lr != lr) continue;
        follow(&s->run[i], c);
        sum += least_of(c);
        depth[count++] = depth_of(c);
    }
    batch_depth out = {INFINITY, INFINITY};
    if (count) {
        qsort(depth, (size_t)count, sizeof *depth, median_order);
        out = (batch_depth){sum / count, depth[count / 2]};
    }
    free(depth);
    return out;
}

/* Whether no run before this one has its batch and rate. */
static bool is_first(const tas_sweep *s, int run)
{
    for (int i = 0; i < run; i++)
        if (s->run[i].batch == s->run[run].batch && s->run[i].lr == s->run[run].lr) return false;
    return true;
}

static batch_depth depth_of_batch(const tas_sweep *s, uint64_t batch, course *c)
{
    batch_depth out = {INFINITY, INFINITY};
    for (int i = 0; i < s->runs; i++) {
        if (s->run[i].batch != batch || !is_first(s, i)) continue;
        const batch_depth at_rate = depth_at_rate(s, batch, s->run[i].lr, c);
        if (at_rate.best < out.best) out.best = at_rate.best;
        if (at_rate.depth < out.depth) out.depth = at_rate.depth;
    }
    return out;
}

/* Batches ascend: of two that are as near, the smaller one. */
static int nearest_to_base(const tas_sweep *s)
{
    int nearest = 0;
    for (int i = 1; i < s->count; i++)
        if (estimate_distance((double)s->batch[i].batch, BASE) <
            estimate_distance((double)s->batch[nearest].batch, BASE) - 1e-9)
            nearest = i;
    return nearest;
}

/* 1.02 times the best loss of the base batch, or the lowest target that more than half of the batches reach. */
static tas_status choose_target(tas_sweep *s, course *c)
{
    double depth[SWEEP_BATCHES];
    const int base = nearest_to_base(s);
    for (int i = 0; i < s->count; i++) {
        const batch_depth d = depth_of_batch(s, s->batch[i].batch, c);
        depth[i] = d.depth;
        if (i == base) s->base_best = d.best;
    }
    qsort(depth, (size_t)s->count, sizeof *depth, median_order);
    const double most = depth[s->count / 2] * (1 + 1e-9), near_best = ABOVE_BEST * s->base_best;
    s->target = isfinite(near_best) && near_best >= most ? near_best : most;
    if (!isfinite(s->target) || !(s->target > 0))
        return fail(s->context, TAS_NOT_REACHED,
                    "%s: no target can be chosen: most batches have no loss that they kept; give a target", s->source);
    snprintf(s->target_words, sizeof s->target_words,
             s->target == near_best ? "loss %s (1.02 times the best of B = %" PRIu64 ")"
                                    : "loss %s (the lowest that most batches reach; the best of B = %" PRIu64 " is %s)",
             format_number(s->target).text, s->base_batch, format_number(s->base_best).text);
    return TAS_OK;
}

/* On the way to it ------------------------------------------------------------------------------------------------- */

static bool is_finite(const course *c)
{
    for (int i = 0; i < c->count; i++)
        if (!isfinite(c->value[i])) return false;
    return true;
}

static void judge(const tas_sweep *s, sweep_run *run, const course *c)
{
    const reach r = reach_find(c->point, c->count, s->target, true);
    run->target = s->target;
    if (r.state == REACH_DONE) {
        const sweep_point *p = &run->point[c->from[r.at]];
        run->outcome = ROW_REACHED;
        run->steps = (double)(p->step ? p->step : 1);
        run->seconds = p->seconds > 0 ? p->seconds : NAN;
    } else if (r.state == REACH_GAVE_BACK || !is_finite(c)) {
        run->outcome = ROW_DIVERGED;
    } else {
        run->outcome = c->count ? outcome_of_run(c->value, (size_t)c->count, -INFINITY, true) : ROW_UNDERTRAINED;
    }
    for (int i = c->count - 1; i >= 0 && isnan(run->final_metric); i--)
        if (isfinite(c->value[i])) run->final_metric = c->value[i];
}

/* A target that untrained weights meet says nothing. */
static tas_status check_start(const tas_sweep *s, const sweep_run *run, const course *c)
{
    if (!c->count || c->point[0].examples > 0 || !(c->value[0] <= s->target)) return TAS_OK;
    return fail(s->context, TAS_BAD_ARGUMENT,
                "%s: the target %s is met before training (loss %s after 0 examples at batch %" PRIu64
                ", lr %g, seed %" PRIu64 "); expected a lower one",
                s->source, format_number(s->target).text, format_number(c->value[0]).text, run->batch, run->lr,
                run->seed);
}

/* What can be told from the evaluations about how sharp the steps are. */
typedef struct sharpness {
    int reached, first, apart; /* runs: that reached it; at their first evaluation; after a long gap */
    double most;               /* the longest of those gaps, as a ratio of examples */
} sharpness;

static void look_before(const sweep_run *run, const course *c, double target, sharpness *out)
{
    const int at = reach_find(c->point, c->count, target, true).at;
    if (run->outcome != ROW_REACHED || at < 0) return;
    out->reached++;
    if (at == 0) {
        out->first++;
        return;
    }
    const double ratio = c->point[at].examples / fmax(c->point[at - 1].examples, 1);
    out->apart += ratio > APART && c->point[at - 1].examples > 0;
    if (c->point[at - 1].examples > 0) out->most = fmax(out->most, ratio);
}

static void note_sharpness(tas_sweep *s, const sharpness *found)
{
    if (found->first)
        advise_note(s,
                    "%d of %d runs are at the target at their first evaluation, so that their steps may be fewer than "
                    "shown: evaluate earlier, or take a lower target.",
                    found->first, found->reached);
    if (found->apart)
        advise_note(s,
                    "%d of %d runs reach the target at an evaluation that is up to %s times as many examples from the "
                    "start as the one before: the steps are as coarse as that.",
                    found->apart, found->reached, format_number(found->most).text);
}

tas_status advise_target_set(tas_sweep *s, const tas_advise_options *options)
{
    course *c = malloc(sizeof *c);
    sharpness found = {.most = 1};
    tas_status status = TAS_OK;
    if (!c) return fail(s->context, TAS_NO_MEMORY, "%s: no memory for its runs", s->source);
    s->base_batch = s->batch[nearest_to_base(s)].batch;
    if (isnan(options->target_loss)) {
        status = choose_target(s, c);
    } else {
        s->target = options->target_loss;
        snprintf(s->target_words, sizeof s->target_words, "loss %s", format_number(s->target).text);
    }
    for (int i = 0; i < s->runs && !status; i++) {
        follow(&s->run[i], c);
        status = check_start(s, &s->run[i], c);
        judge(s, &s->run[i], c);
        look_before(&s->run[i], c, s->target, &found);
    }
    if (!status) note_sharpness(s, &found);
    free(c);
    return status;
}
