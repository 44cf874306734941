#include "lab/sweep/aggregate.h"

#include "lab/advice/reason.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/on_devices.h"
#include "lab/sweep/seen.h"
#include "stats/best.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOWS = 12, LEVELS = 6, STEPS_LEAST = 8 };
static const double BASE = RECOMMEND_DEFAULT;

/* The runs on fresh seeds at a batch's rate, ordered by seed, each seed once. */
typedef struct figure_runs {
    const sweep_run *run[SWEEP_SEEDS];
    int count;
} figure_runs;

static const sweep_run *run_of_seed(const figure_runs *runs, uint64_t seed)
{
    for (int i = 0; i < runs->count; i++)
        if (runs->run[i]->seed == seed) return runs->run[i];
    return NULL;
}

static figure_runs runs_of(const tas_sweep *s, const sweep_batch *b)
{
    figure_runs out = {.count = 0};
    for (int i = 0; i < s->runs; i++) {
        const sweep_run *r = &s->run[i];
        if (!sweep_is_figure(s, b, r) || out.count == SWEEP_SEEDS) continue;
        if (run_of_seed(&out, r->seed)) continue;
        int at = out.count++;
        for (; at > 0 && out.run[at - 1]->seed > r->seed; at--) out.run[at] = out.run[at - 1];
        out.run[at] = r;
    }
    return out;
}

/* Along a run ------------------------------------------------------------------------------------------------------ */

static bool whole(const sweep_point *p) { return isfinite(p->train_loss) && isfinite(p->loss); }

/* Rows of another program may have no training loss. */
static bool has_loss(const tas_sweep *s, const sweep_point *p) { return *s->source ? isfinite(p->loss) : whole(p); }

/* Interpolates between two points. */
static double between(double x, double x0, double x1, double y0, double y1)
{
    return x1 == x0 ? y1 : y0 + (x - x0) / (x1 - x0) * (y1 - y0);
}

double aggregate_loss_at(const sweep_run *run, double level)
{
    const sweep_point *before = NULL;
    for (int i = 0; i < run->points; i++) {
        const sweep_point *p = &run->point[i];
        if (!whole(p)) continue;
        if (p->train_loss <= level)
            return before ? between(level, before->train_loss, p->train_loss, before->loss, p->loss) : p->loss;
        before = p;
    }
    return NAN;
}

static double gap_of(const sweep_point *p) { return p->loss - p->train_loss; }
static double loss_of(const sweep_point *p) { return p->loss; }

static double value_at(const sweep_run *run, double examples, uint64_t step, double (*of)(const sweep_point *))
{
    const sweep_point *before = NULL;
    for (int i = 0; i < run->points; i++) {
        const sweep_point *p = &run->point[i];
        if (!whole(p)) continue;
        const double at = step ? (double)step : examples, here = step ? (double)p->step : (double)p->examples;
        if (here >= at)
            return before ? between(at, step ? (double)before->step : (double)before->examples, here, of(before), of(p))
                          : of(p);
        before = p;
    }
    return NAN;
}

double aggregate_gap_at(const sweep_run *run, double examples, uint64_t step)
{
    return value_at(run, examples, step, gap_of);
}

static double least_train_loss(const sweep_run *run)
{
    double least = NAN;
    for (int i = 0; i < run->points; i++)
        if (whole(&run->point[i])) least = fmin(least, run->point[i].train_loss);
    return least;
}

static const sweep_point *last_point(const sweep_run *run)
{
    for (int i = run->points - 1; i >= 0; i--)
        if (whole(&run->point[i])) return &run->point[i];
    return NULL;
}

/* Means over seeds ------------------------------------------------------------------------------------------------- */

static void add(running *r, double x)
{
    if (isfinite(x)) running_add(r, x);
}

static sweep_mean geometric_mean(const running *logs)
{
    sweep_mean out = sweep_mean_of(logs);
    out.value = exp(out.value);
    return out;
}

/* One batch -------------------------------------------------------------------------------------------------------- */

/* least: with fewer seeds it counts as not measured. */
static void find_outcome(sweep_batch *b, const figure_runs *runs, int least)
{
    b->seeds = runs->count;
    b->reached = b->diverged = 0;
    for (int i = 0; i < runs->count; i++) {
        b->reached += runs->run[i]->outcome == ROW_REACHED;
        b->diverged += runs->run[i]->outcome == ROW_DIVERGED;
    }
    if (!runs->count) return;  /* keeps what the sweep found */
    if (runs->count < least) { /* the sweep was interrupted: one seed is not enough */
        b->outcome = ROW_NOT_MEASURED;
        return;
    }
    if (b->missed_check) {
        b->outcome = 2 * b->diverged > runs->count ? ROW_DIVERGED : ROW_UNDERTRAINED;
        snprintf(b->why, sizeof b->why, "missed the target when its command was checked");
        return;
    }
    b->outcome = 2 * b->reached > runs->count    ? ROW_REACHED
                 : 2 * b->diverged > runs->count ? ROW_DIVERGED
                                                 : ROW_UNDERTRAINED;
}

static void find_steps(const tas_sweep *s, sweep_batch *b, const figure_runs *runs)
{
    running steps = {0}, examples = {0}, epochs = {0}, seconds = {0};
    for (int i = 0; i < runs->count; i++) {
        if (runs->run[i]->outcome != ROW_REACHED) continue;
        const double log_steps = log(runs->run[i]->steps), log_examples = log_steps + log((double)b->batch);
        add(&steps, log_steps);
        add(&examples, log_examples);
        add(&epochs, log_examples - log((double)s->examples));
        if (b->step_seconds > 0) add(&seconds, log_steps + log(b->step_seconds));
    }
    b->steps = geometric_mean(&steps);
    b->examples = geometric_mean(&examples);
    b->epochs = geometric_mean(&epochs);
    b->seconds = geometric_mean(&seconds);
}

static void find_losses(const tas_sweep *s, sweep_batch *b, const figure_runs *runs)
{
    running best_loss = {0}, last_loss = {0}, best_accuracy = {0}, last_accuracy = {0}, epochs_to_best = {0};
    for (int i = 0; i < runs->count; i++) {
        const sweep_run *r = runs->run[i];
        const sweep_point *best = NULL, *last = NULL;
        double accuracy = NAN;
        for (int k = 0; k < r->points; k++) {
            const sweep_point *p = &r->point[k];
            if (!has_loss(s, p)) continue;
            if (!best || p->loss < best->loss) best = p;
            accuracy = fmax(accuracy, p->accuracy);
            last = p;
        }
        if (!best || r->outcome == ROW_DIVERGED) continue;
        add(&best_loss, best->loss);
        add(&last_loss, last->loss);
        add(&best_accuracy, accuracy);
        add(&last_accuracy, last->accuracy);
        add(&epochs_to_best, (double)best->examples / (double)s->examples);
    }
    b->best_loss = sweep_mean_of(&best_loss);
    b->last_loss = sweep_mean_of(&last_loss);
    b->best_accuracy = sweep_mean_of(&best_accuracy);
    b->last_accuracy = sweep_mean_of(&last_accuracy);
    b->epochs_to_best = sweep_mean_of(&epochs_to_best);
}

/* The window that so many examples lie in. */
static int window_of(double examples, double longest)
{
    int w = 0;
    while (w < WINDOWS - 1 && examples >= longest * (w + 1) / WINDOWS) w++;
    return w;
}

static void find_noise(sweep_batch *b, const figure_runs *runs)
{
    noise_scale all = {0}, window[WINDOWS] = {0};
    uint64_t longest = 0;
    for (int i = 0; i < runs->count; i++) {
        const sweep_run *r = runs->run[i];
        noise_scale_merge(&all, &r->noise);
        if (r->points && r->point[r->points - 1].examples > longest) longest = r->point[r->points - 1].examples;
    }
    b->noise = noise_scale_result(&all);
    b->noise_windows = longest ? WINDOWS : 0;
    for (int i = 0; i < runs->count; i++) {
        const sweep_run *r = runs->run[i];
        for (int k = 1; k < r->points; k++) {
            const double middle = 0.5 * (double)(r->point[k - 1].examples + r->point[k].examples);
            noise_scale_merge(&window[window_of(middle, (double)longest)], &r->point[k].noise);
        }
    }
    for (int w = 0; w < b->noise_windows; w++) {
        b->noise_end[w] = (double)longest * (w + 1) / WINDOWS;
        b->noise_window[w] = noise_scale_result(&window[w]);
    }
}

/* Gaps: where all batches can be compared -------------------------------------------------------------------------- */

static void find_equal_moments(tas_sweep *s)
{
    s->equal_loss = s->equal_epochs = NAN;
    s->equal_steps = 0;
    for (int i = 0; i < s->count; i++) {
        const figure_runs runs = runs_of(s, &s->batch[i]);
        for (int k = 0; k < runs.count; k++) {
            const sweep_point *last = last_point(runs.run[k]);
            if (runs.run[k]->outcome != ROW_REACHED || !last || !last->step) continue;
            s->equal_loss = fmax(s->equal_loss, least_train_loss(runs.run[k]));
            s->equal_epochs = fmin(s->equal_epochs, (double)last->examples / (double)s->examples);
            if (!s->equal_steps || last->step < s->equal_steps) s->equal_steps = last->step;
        }
    }
}

static void find_gaps(const tas_sweep *s, sweep_batch *b)
{
    enum { LOSS, EPOCHS, STEPS, MOMENTS };
    const figure_runs runs = runs_of(s, b);
    const double examples = s->equal_epochs * (double)s->examples;
    running gap[MOMENTS] = {{0}}, loss[MOMENTS] = {{0}};
    for (int i = 0; i < runs.count; i++) {
        const sweep_run *r = runs.run[i];
        if (r->outcome != ROW_REACHED) continue;
        add(&gap[LOSS], aggregate_loss_at(r, s->equal_loss) - s->equal_loss);
        add(&gap[EPOCHS], aggregate_gap_at(r, examples, 0));
        add(&gap[STEPS], aggregate_gap_at(r, 0, s->equal_steps));
        add(&loss[LOSS], aggregate_loss_at(r, s->equal_loss));
        add(&loss[EPOCHS], value_at(r, examples, 0, loss_of));
        add(&loss[STEPS], value_at(r, 0, s->equal_steps, loss_of));
    }
    b->gap_equal_loss = sweep_mean_of(&gap[LOSS]);
    b->gap_equal_epochs = sweep_mean_of(&gap[EPOCHS]);
    b->gap_equal_steps = sweep_mean_of(&gap[STEPS]);
    b->loss_equal_loss = sweep_mean_of(&loss[LOSS]);
    b->loss_equal_epochs = sweep_mean_of(&loss[EPOCHS]);
    b->loss_equal_steps = sweep_mean_of(&loss[STEPS]);
}

/* The validation loss by which batches are compared: at equal training loss, the lowest that all runs reached. The
 * lowest validation loss of each run would not do. Runs go on for equal epochs at least, after which a large batch is
 * merely less trained (measured: 0.347 at B = 64 and 0.412 at 1024, with the same gap at equal training loss), so the
 * answer to the goal, the least time to the target, would be refused for how far its run went. And the runs of a brief
 * sweep end at the target, so that all their lowest losses equal the target. If accuracy is the goal it is the lowest
 * loss. */
static double loss_to_compare(const tas_sweep *s, const sweep_run *r)
{
    double best = NAN;
    if (s->options.goal != TAS_GOAL_ACCURACY) return aggregate_loss_at(r, s->equal_loss);
    for (int i = 0; i < r->points; i++)
        if (has_loss(s, &r->point[i])) best = fmin(best, r->point[i].loss);
    return best;
}

static sweep_mean find_loss_compared(const tas_sweep *s, const sweep_batch *b)
{
    const figure_runs runs = runs_of(s, b);
    running losses = {0};
    for (int i = 0; i < runs.count; i++)
        if (runs.run[i]->outcome == ROW_REACHED) add(&losses, loss_to_compare(s, runs.run[i]));
    return sweep_mean_of(&losses);
}

/* Each batch with the best of the others, seed by seed. Not a batch with one seed, or with mostly failed ones: it
 * cannot be chosen itself. */
static void compare_losses(tas_sweep *s)
{
    best_table table = {.seeds = SWEEP_SEEDS};
    best_interval worse[BEST_ROWS];
    uint64_t seed[SWEEP_SEEDS];
    sweep_batch *row[SWEEP_BATCHES];
    int seeds = 0;
    for (int i = 0; i < s->count; i++) {
        sweep_batch *b = &s->batch[i];
        const figure_runs runs = runs_of(s, b);
        b->loss_compared = find_loss_compared(s, b);
        b->worse_low = -INFINITY;
        b->worse_high = INFINITY;
        if (b->outcome != ROW_REACHED) continue;
        row[table.rows] = b;
        double *loss = table.loss[table.rows++];
        for (int k = 0; k < SWEEP_SEEDS; k++) loss[k] = NAN;
        for (int k = 0; k < runs.count; k++) {
            int column = 0;
            while (column < seeds && seed[column] != runs.run[k]->seed) column++;
            if (column == SWEEP_SEEDS) continue;
            if (column == seeds) seed[seeds++] = runs.run[k]->seed;
            if (runs.run[k]->outcome == ROW_REACHED) loss[column] = loss_to_compare(s, runs.run[k]);
        }
    }
    best_compare(&table, worse);
    for (int i = 0; i < table.rows; i++) {
        row[i]->worse_low = worse[i].low;
        row[i]->worse_high = worse[i].high;
    }
}

/* Every target down to the deepest --------------------------------------------------------------------------------- */

/* The batch nearest to 64 that most of its runs reached the target with; NULL: none. */
static const sweep_batch *base_of(const tas_sweep *s)
{
    const sweep_batch *base = NULL;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (b->outcome != ROW_REACHED) continue;
        if (!base || estimate_distance((double)b->batch, BASE) < estimate_distance((double)base->batch, BASE)) base = b;
    }
    return base;
}

/* Targets on the way: what the base batch's first run has reached by 1/32, 1/16, ... and all of its examples. */
static void find_targets(tas_sweep *s, const sweep_batch *base)
{
    const figure_runs runs = runs_of(s, base);
    const sweep_run *first = NULL;
    int count;
    for (int i = runs.count - 1; i >= 0; i--)
        if (runs.run[i]->outcome == ROW_REACHED) first = runs.run[i];
    reach_point *seen = first ? seen_of_run(s, first, &count) : NULL;
    for (int k = LEVELS - 1; k > 0 && seen; k--) {
        const double examples = first->steps * (double)base->batch * exp2(-k);
        const double target = reach_deepest(seen, count, examples),
                     last = s->options.by_accuracy ? -s->target : s->target;
        const double before = s->levels ? s->level[s->levels - 1].target : INFINITY;
        if (!isfinite(target) || examples < STEPS_LEAST * (double)base->batch || !(target > last)) continue;
        if (s->levels && !(target < (s->options.by_accuracy ? -before : before))) continue;
        s->level[s->levels++].target = s->options.by_accuracy ? -target : target;
    }
    free(seen);
    s->level[s->levels++].target = s->target;
}

/* Steps of a run to a target; NaN: not reached. What it gave back later it has not reached. */
static double steps_to(const tas_sweep *s, const sweep_run *r, double target)
{
    if (target == s->target || r->outcome == ROW_DIVERGED) return r->outcome == ROW_REACHED ? r->steps : NAN;
    const reach found = seen_reach(s, r, target);
    return found.state == REACH_DONE ? (double)r->point[found.at].step : NAN;
}

/* Whether a batch counts at a target: to the deepest one as for the advice, so that curve and best batch are the same;
 * to others if most of its runs reached them. */
static bool level_counts(const tas_sweep *s, const sweep_level *level, int i)
{
    const sweep_batch *b = &s->batch[i];
    return level->reached[i] > 0 &&
           (level->target == s->target ? b->outcome == ROW_REACHED : 2 * level->reached[i] > runs_of(s, b).count);
}

/* Seconds to the target, if a seed that misses it is followed by another one. */
static double level_cost(const tas_sweep *s, const sweep_level *level, int i)
{
    return level->seconds[i].value * runs_of(s, &s->batch[i]).count / level->reached[i];
}

static void fill_level(const tas_sweep *s, sweep_level *level, int i)
{
    const sweep_batch *b = &s->batch[i];
    const figure_runs runs = runs_of(s, b);
    running steps = {0}, examples = {0}, seconds = {0};
    for (int k = 0; k < runs.count; k++) {
        const double log_steps = log(steps_to(s, runs.run[k], level->target));
        add(&steps, log_steps);
        add(&examples, log_steps + log((double)b->batch));
        if (b->step_seconds > 0) add(&seconds, log_steps + log(b->step_seconds));
    }
    level->steps[i] = geometric_mean(&steps);
    level->examples[i] = geometric_mean(&examples);
    level->seconds[i] = geometric_mean(&seconds);
    level->reached[i] = level->steps[i].seeds;
    const recommend_limits limits = {.batch_most = s->options.batch_most, .examples = s->examples};
    const bool known = level_counts(s, level, i) && sweep_mean_known(&level->seconds[i]) &&
                       b->batch <= recommend_limits_batch(&limits);
    if (known && (level->best < 0 || level_cost(s, level, i) < level_cost(s, level, level->best))) level->best = i;
}

static void fit_level(const tas_sweep *s, sweep_level *level)
{
    fit_point points[SWEEP_BATCHES];
    int count = 0;
    for (int i = 0; i < s->count; i++) {
        const sweep_mean *m = &level->steps[i];
        if (level_counts(s, level, i))
            points[count++] =
                (fit_point){(double)s->batch[i].batch, log(m->value), m->seeds > 1 ? m->spread : 0, m->seeds};
    }
    fit_steps(points, count, &level->curve);
}

static void find_levels(tas_sweep *s)
{
    const sweep_batch *base = base_of(s);
    s->levels = 0;
    if (!base || !isfinite(s->target)) return;
    find_targets(s, base);
    for (int k = 0; k < s->levels; k++) {
        sweep_level *level = &s->level[k];
        level->best = -1;
        for (int i = 0; i < s->count; i++) fill_level(s, level, i);
        fit_level(s, level);
        const sweep_mean *of_base = &level->examples[base - s->batch];
        level->epochs = sweep_mean_known(of_base) ? of_base->value / (double)s->examples : NAN;
    }
    s->base_batch = base->batch;
    s->base_epochs = s->level[s->levels - 1].epochs;
    if (!isfinite(s->base_best))
        s->base_best = s->options.by_accuracy ? base->best_accuracy.value : base->best_loss.value;
}

/* The recommendation ----------------------------------------------------------------------------------------------- */

/* The mean of the steps that runs took which did not reach the target; 0: there is none, or it is not known. */
static double find_missed_steps(const figure_runs *runs)
{
    running steps = {0};
    for (int i = 0; i < runs->count; i++) {
        const sweep_run *r = runs->run[i];
        if (r->outcome != ROW_REACHED && r->points) running_add(&steps, (double)r->point[r->points - 1].step);
    }
    return steps.mean;
}

static void fill_row(const tas_sweep *s, const sweep_batch *b, recommend_row *row)
{
    const figure_runs runs = runs_of(s, b);
    *row = (recommend_row){.batch = b->batch,
                           .lr = b->lr,
                           .outcome = b->outcome,
                           .seconds = b->step_seconds,
                           .log_steps = log(b->steps.value),
                           .log_spread = b->steps.seeds > 1 ? b->steps.spread : 0,
                           .seeds = b->steps.seeds,
                           .missed = b->seeds - b->reached,
                           .missed_steps = find_missed_steps(&runs),
                           .loss = b->loss_compared.value,
                           .worse_low = b->worse_low,
                           .worse_high = b->worse_high,
                           .memory = (double)(b->memory_used ? b->memory_used : b->memory_forecast)};
}

static double default_rate(const tas_sweep *s)
{
    for (int i = 0; i < s->count; i++)
        if (s->batch[i].batch == RECOMMEND_DEFAULT && s->batch[i].lr > 0) return s->batch[i].lr;
    return s->options.train.lr;
}

static void advise(tas_sweep *s)
{
    fit_time_point times[SWEEP_BATCHES];
    int timed = 0;
    for (int i = 0; i < s->count; i++) {
        fill_row(s, &s->batch[i], &s->row[i]);
        if (s->batch[i].step_seconds > 0)
            times[timed++] =
                (fit_time_point){(double)s->batch[i].batch, s->batch[i].step_seconds, (double)s->batch[i].rounds};
    }
    s->input = (recommend_input){
        .rows = s->row,
        .count = s->count,
        .goal = s->options.goal,
        .limits = {.waste = s->options.waste, .batch_most = s->options.batch_most, .examples = s->examples},
        .lr = default_rate(s),
        .shallow_epochs = sweep_is_shallow(s) ? s->base_epochs : 0,
        .shallow_batch = s->base_batch};
    fit_step_time(times, timed, &s->input.time);
    recommend(&s->input, &s->advice);
    reason_write(&s->input, &s->advice, s->reason, sizeof s->reason);
    on_devices_advise(s);
}

static void note_nearest(tas_sweep *s, const sweep_run *run, double x)
{
    if (!isfinite(x) || (s->nearest_batch && (s->options.by_accuracy ? x <= s->nearest : x >= s->nearest))) return;
    s->nearest = x;
    s->nearest_batch = run->batch;
}

/* If no batch reached the target, the one that came nearest. Runs of a search have only their final metric. */
static void find_nearest(tas_sweep *s)
{
    s->nearest = NAN;
    s->nearest_batch = 0;
    for (int i = 0; i < s->runs; i++) {
        const sweep_run *run = &s->run[i];
        if (run->search) note_nearest(s, run, s->options.by_accuracy ? -run->final_metric : run->final_metric);
        for (int k = 0; k < run->points; k++) {
            const sweep_point *p = &run->point[k];
            note_nearest(s, run,
                         s->options.on_train ? (s->options.by_accuracy ? p->train_accuracy : p->train_loss)
                                             : (s->options.by_accuracy ? p->accuracy : p->loss));
        }
    }
}

void aggregate_runs(tas_sweep *s)
{
    for (int i = 0; i < s->count; i++) {
        sweep_batch *b = &s->batch[i];
        const figure_runs runs = runs_of(s, b);
        find_outcome(b, &runs, *s->source ? 1 : 2);
        find_steps(s, b, &runs);
        find_losses(s, b, &runs);
        find_noise(b, &runs);
        for (int k = 0; k < runs.count; k++) {
            const sweep_run *run = runs.run[k];
            b->memory_elsewhere |= run->elsewhere;
            if (!run->elsewhere && run->memory > b->memory_used) b->memory_used = run->memory;
        }
    }
    find_equal_moments(s);
    for (int i = 0; i < s->count; i++) find_gaps(s, &s->batch[i]);
    compare_losses(s);
    find_levels(s);
    find_nearest(s);
    advise(s);
}
