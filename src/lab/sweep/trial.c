#include "lab/sweep/trial.h"

#include "lab/sweep/estimate.h"

#include "base/context.h"
#include "data/dataset.h"
#include "lab/sweep/weights.h"
#include "stats/reach.h"
#include "train/feed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tassello/plan.h>

/* Near the target, evaluations are 4 % more examples apart; before it they are rarer, most of all in a search. */
static const double NEXT_FAR = 0.08, QUARTER = 0.25;
/* A run has stopped improving if the deepest target it has reached has not got deeper by this share while its examples
 * grew by this factor. */
static const double IMPROVES = 0.005, PATIENCE = 1.6, PATIENCE_OF_FIGURES = 2, EPOCHS_LEAST = 3;
enum {
    HEALED = 200,       /* steps: a high rate may raise the loss at first and still be the best */
    DEEP_STEPS = 100,   /* of a run that makes the target, at least; */
    GIVE_UP_STEPS = 400 /* and before a run is given up for its plateau */
};

/* One run ---------------------------------------------------------------------------------------------------------- */

typedef struct runner {
    lab *lab;
    const trial *t;
    sweep_run *out;
    tas_model *model;
    tas_run *run;
    tas_growth *growth; /* NULL: the batch stays */
    tas_train_result result;
    noise_scale noise; /* since the last look */
    double batch_loss; /* running mean of the batches' */
    reach_point *seen; /* of each look, the target's own measure; an accuracy is negated */
    reach reach;
    double began; /* the clock */
    int room;
} runner;

static int on_step(void *user, const tas_step *step)
{
    runner *r = user;
    const double share = step->batch > 64 ? 0.5 : step->batch / 128.0; /* a mean over about 128 examples at least */
    if (isfinite(step->trace) && isfinite(step->square)) noise_scale_add(&r->noise, step->trace, step->square);
    r->batch_loss = step->step == 1 ? (double)step->loss : r->batch_loss + share * ((double)step->loss - r->batch_loss);
    if (step->step % 16 && step->batch < 256) return 0;
    return !lab_progress(r->lab, false);
}

/* Steps after which so many examples were trained on: the last batch of an epoch may be smaller. */
uint64_t trial_steps(const tas_sweep *s, uint64_t batch, double examples)
{
    const double all = (double)s->examples, b = (double)batch, epochs = floor(examples / all);
    const double steps = epochs * ceil(all / b) + ceil((examples - epochs * all) / b);
    return steps < 1 ? 1 : (uint64_t)steps;
}

tas_train_options trial_options(const lab *l, const trial *t)
{
    const tas_sweep_options *s = &l->sweep->options;
    tas_train_options options = s->train;
    const double k = (double)options.base_batch / (double)t->batch;
    options.batch = (uint32_t)t->batch;
    options.lr = (float)t->lr;
    options.lr_scaling = TAS_SCALING_NONE; /* t->lr is the batch's own */
    options.seed = t->seed;
    options.steps = trial_steps(l->sweep, t->batch, t->examples_most);
    options.warmup = (uint64_t)llround((double)options.warmup * k);
    if (options.warmup > options.steps) options.warmup = options.steps;
    if (options.decay_steps) options.decay_steps = (uint64_t)fmax(1, round((double)options.decay_steps * k));
    options.budget = t->budget ? t->budget : l->train_bytes;
    options.noise = !t->search && !l->sweep->context->ranks; /* it is measured on one device */
    if (t->batch_most) {
        options.batch_most = t->batch_most;
        options.lr_scaling = tas_growth_scaling(options.optimizer);
        options.base_batch = options.batch;
        options.noise = 1;
    }
    options.ahead = 1;
    options.on_step = NULL;
    options.user = NULL;
    return options;
}

static tas_status make_room(runner *r)
{
    if (r->out->points < r->room) return TAS_OK;
    r->room = r->room ? 2 * r->room : 64;
    sweep_point *points = realloc(r->out->point, (size_t)r->room * sizeof *points);
    if (points) r->out->point = points;
    reach_point *seen = realloc(r->seen, (size_t)r->room * sizeof *seen);
    if (seen) r->seen = seen;
    return points && seen ? TAS_OK : fail(r->lab->sweep->context, TAS_NO_MEMORY, "no memory for the looks of a run");
}

static tas_status evaluate_on(runner *r, const tas_data *set, double *loss, double *accuracy)
{
    tas_score score;
    tas_status status = tas_evaluate(r->model, set, &score);
    if (status) return status;
    *loss = score.loss;
    *accuracy = score.accuracy < 0 ? NAN : score.accuracy; /* a loss without classes has none */
    return TAS_OK;
}

/* Evaluates the target's measure, or with `all` everything on both sets, and the whole validation set. */
static tas_status look(runner *r, bool all)
{
    const lab *l = r->lab;
    const tas_sweep_options *options = &l->sweep->options;
    tas_status status = make_room(r);
    if (status) return status;
    sweep_point p = {.step = r->result.steps,
                     .examples = r->result.examples,
                     .seconds = r->result.seconds,
                     .deciding = r->growth ? tas_growth_get_cost(r->growth).seconds : 0,
                     .train_loss = NAN,
                     .train_accuracy = NAN,
                     .loss = NAN,
                     .accuracy = NAN,
                     .noise = r->noise};
    double quick_loss = NAN, quick_accuracy = NAN;
    if (all || options->on_train) status = evaluate_on(r, l->train_look, &p.train_loss, &p.train_accuracy);
    if (!status && !options->on_train) status = evaluate_on(r, l->look, &quick_loss, &quick_accuracy);
    if (!status && all) {
        if (l->look == l->held && !options->on_train)
            p.loss = quick_loss, p.accuracy = quick_accuracy;
        else
            status = evaluate_on(r, l->held, &p.loss, &p.accuracy);
    }
    if (status) return status;
    /* Steps are compared in pairs across evaluations: otherwise a large batch, evaluated after each of its first steps,
     * would have no pairs. */
    r->noise = (noise_scale){
        .last_trace = r->noise.last_trace, .last_square = r->noise.last_square, .follows = r->noise.follows};
    const double loss = options->on_train ? p.train_loss : quick_loss,
                 accuracy = options->on_train ? p.train_accuracy : quick_accuracy;
    p.target_value = options->by_accuracy ? accuracy : loss;
    r->seen[r->out->points] = (reach_point){(double)p.examples, options->by_accuracy ? -accuracy : loss};
    r->out->point[r->out->points++] = p;
    return TAS_OK;
}

static double target_of(const runner *r) { return r->lab->sweep->options.by_accuracy ? -r->t->target : r->t->target; }

/* Steps to the next evaluation, and whether it is one of everything. */
static uint64_t next_look(const runner *r, bool *all)
{
    const trial *t = r->t;
    const tas_sweep *s = r->lab->sweep;
    const double done = (double)r->result.examples, batch = tas_run_batch(r->run),
                 quarter = QUARTER * (double)s->examples;
    const bool reached = r->reach.state == REACH_DONE;
    const bool near = s->options.by_accuracy || isnan(t->target) || !(r->batch_loss > REACH_NEAR * t->target);
    const double apart = near ? REACH_INTERVAL : t->search ? REACH_FAR_INTERVAL : NEXT_FAR;
    double next = INFINITY;
    *all = false;
    if (!reached && (isfinite(t->target) || t->patient)) next = done > 0 ? done * (1 + apart) : batch;
    if (!t->search) {
        const double whole = (floor(done / quarter * (1 + 1e-9)) + 1) * quarter;
        if (whole <= next) next = whole, *all = true;
        if (t->look_at > done + 0.5 && t->look_at <= next) next = t->look_at, *all = true;
    }
    if (next > t->examples_most) next = t->examples_most;
    if (next >= t->examples_most) *all |= !t->search;
    const double steps = ceil((next - done) / batch - 1e-9);
    return steps < 1 ? 1 : (uint64_t)steps;
}

/* After some epochs and steps: the first ones say little. */
static bool has_stopped_improving(const runner *r, double patience, uint64_t steps)
{
    const double done = (double)r->result.examples;
    if (done < EPOCHS_LEAST * (double)r->lab->sweep->examples || r->result.steps < steps) return false;
    const double before = reach_deepest(r->seen, r->out->points, done / (patience * REACH_STAY));
    return reach_deepest(r->seen, r->out->points, INFINITY) > before - IMPROVES * fabs(before);
}

static bool is_at_end(const runner *r)
{
    return (double)r->result.examples >= r->t->examples_most || r->result.steps >= tas_run_steps(r->run);
}

/* Whether it is no use going on to the target: behind the best so far, far above its start, or on a plateau above it.
 * Schedules that end with the run bring it down at its end. */
static bool should_give_up(const runner *r)
{
    const tas_sweep *s = r->lab->sweep;
    const double first = r->seen[0].value, last = r->seen[r->out->points - 1].value;
    const bool constant = s->options.train.schedule == TAS_SCHEDULE_CONSTANT;
    if (r->reach.state != REACH_NOT || isnan(r->t->target)) return false;
    if (!r->t->search) return constant && has_stopped_improving(r, PATIENCE_OF_FIGURES, GIVE_UP_STEPS);
    if ((double)r->result.examples > r->t->give_up) return true;
    if (constant && has_stopped_improving(r, PATIENCE, GIVE_UP_STEPS)) return true;
    return !s->options.by_accuracy && r->result.steps >= HEALED && last > 1.5 * first;
}

/* Without a target. */
static bool is_out_of_patience(const runner *r)
{
    if (!r->t->patient) return false;
    if (r->t->seconds_most > 0 && now_seconds() - r->began > r->t->seconds_most) return true;
    return has_stopped_improving(r, PATIENCE, DEEP_STEPS);
}

static bool is_over(const runner *r)
{
    const trial *t = r->t;
    if (r->reach.state == REACH_GAVE_BACK) return true;
    if (is_at_end(r)) return true;
    return r->reach.state == REACH_DONE && (t->to_target || (double)r->result.examples >= t->examples_least);
}

/* After an evaluation, `over`: after the last one. */
static void judge_reach(runner *r, bool over)
{
    if (isfinite(r->t->target)) r->reach = reach_find(r->seen, r->out->points, target_of(r), over);
}

/* Without a target reached: as its curve is. */
static row_outcome outcome_without(const runner *r)
{
    double *values = malloc((size_t)r->out->points * sizeof *values);
    row_outcome outcome = ROW_UNDERTRAINED;
    for (int i = 0; values && i < r->out->points; i++) values[i] = r->seen[i].value;
    if (values) outcome = outcome_of_run(values, (size_t)r->out->points, -INFINITY, true);
    free(values);
    return outcome;
}

/* What the whole run comes to. */
static void conclude(runner *r, bool finite)
{
    sweep_run *out = r->out;
    judge_reach(r, true);
    const int at = r->reach.state == REACH_DONE && finite ? r->reach.at : -1, last = out->points - 1;
    out->outcome = !finite || r->reach.state == REACH_GAVE_BACK ? ROW_DIVERGED
                   : at >= 0                                    ? ROW_REACHED
                                                                : outcome_without(r);
    if (at >= 0) {
        out->steps = (double)out->point[at].step;
        out->seconds = out->point[at].seconds;
    }
    for (int i = 1; i <= (at >= 0 ? at : last); i++) noise_scale_merge(&out->noise, &out->point[i].noise);
    const double deepest = reach_deepest(r->seen, out->points, INFINITY);
    out->final_metric = r->t->patient && isfinite(deepest) ? deepest : r->seen[last].value;
}

/* As many examples as so many steps at the present batch take, which may grow meanwhile. */
static tas_status advance_growing(runner *r, uint64_t steps)
{
    const double until = (double)r->result.examples + (double)steps * tas_run_batch(r->run);
    tas_status status = TAS_OK;
    while (!status && (double)r->result.examples < until && !is_at_end(r)) {
        const double more = ceil((until - (double)r->result.examples) / tas_run_batch(r->run));
        const uint64_t left = tas_growth_left(r->growth);
        status = tas_run_advance(r->run, left < more ? left : (uint64_t)more, &r->result);
        if (!status && !is_at_end(r)) status = tas_growth_decide(r->growth);
    }
    return status;
}

static tas_status advance(runner *r, uint64_t steps)
{
    return r->growth ? advance_growing(r, steps) : tas_run_advance(r->run, steps, &r->result);
}

static tas_status follow(runner *r)
{
    bool all = true;
    tas_status status = look(r, !r->t->search);
    while (!status) {
        const uint64_t steps = next_look(r, &all);
        status = advance(r, steps);
        if (!status && !lab_progress(r->lab, false)) status = TAS_STOPPED;
        if (status == TAS_NOT_FINITE) {
            conclude(r, false);
            return TAS_OK;
        }
        if (!status) status = look(r, all);
        if (status) break;
        judge_reach(r, false);
        if (is_over(r) || should_give_up(r) || is_out_of_patience(r)) {
            if (!all && !r->t->search) status = look(r, true);
            if (!status) conclude(r, true);
            return status;
        }
    }
    return status;
}

static tas_status open_growth(runner *r)
{
    const lab *l = r->lab;
    tas_growth_options options;
    if (!r->t->batch_most) return TAS_OK;
    tas_growth_options_init(&options);
    return tas_growth_open(r->run, l->sweep->options.on_train ? l->train_look : l->look, &options, &r->growth);
}

/* Up to the end of the run, or to where it reached the target. */
static void keep_growth(const runner *r, trial_growth *out)
{
    int count;
    const sweep_run *run = r->out;
    const sweep_point *last = &run->point[r->reach.state == REACH_DONE ? r->reach.at : run->points - 1];
    const tas_batch_change *list = tas_growth_changes(r->growth, &count);
    *out = (trial_growth){.seconds = last->deciding};
    for (int i = 0; i < count && list[i].step < last->step; i++) out->change[out->changes++] = list[i];
}

static void learn_pace(const runner *r)
{
    tas_sweep *s = r->lab->sweep;
    const sweep_batch *b = sweep_find_timed(s, (double)r->t->batch);
    if (b) estimate_learn_pace(s, b, (double)r->result.examples, now_seconds() - r->began);
}

static tas_status run_trial(lab *l, const trial *t, sweep_run *out, float *weights, trial_growth *growth)
{
    tas_train_options options = trial_options(l, t);
    runner r = {.lab = l, .t = t, .out = out, .reach = {REACH_NOT, -1}, .began = now_seconds()};
    *out = (sweep_run){.batch = t->batch,
                       .seed = t->seed,
                       .lr = t->lr,
                       .search = t->search,
                       .give_up = t->give_up,
                       .start = t->start,
                       .target = isfinite(t->target) ? t->target : 0,
                       .outcome = ROW_UNDERTRAINED,
                       .steps = NAN,
                       .seconds = NAN,
                       .final_metric = NAN};
    options.on_step = on_step;
    options.user = &r;
    tas_status status = tas_model_open(l->device, l->network, t->seed, &r.model);
    if (status) return status;
    tas_model_set_budget(r.model, l->look_bytes);
    status = tas_run_open(r.model, l->rest, &options, &r.run);
    if (!status) status = open_growth(&r);
    if (!status) status = follow(&r);
    if (!status && growth) keep_growth(&r, growth);
    if (!status && weights) status = weights_read(r.model, weights);
    /* If they overflowed, the model has those of an earlier step, which depends on time. */
    if (!status && weights && r.result.weights_step != r.result.steps) weights[0] = NAN;
    out->memory = r.result.peak_bytes;
    tas_growth_close(&r.growth);
    tas_run_close(&r.run);
    tas_model_close(&r.model);
    free(r.seen);
    if (!status) learn_pace(&r);
    if (!status) return TAS_OK;
    free(out->point);
    out->point = NULL;
    out->points = 0;
    return status;
}

tas_status trial_run(lab *l, const trial *t, sweep_run *out, float *weights)
{
    return run_trial(l, t, out, weights, NULL);
}

tas_status trial_plan_copies(const lab *l, trial *t)
{
    tas_plan found;
    tas_plan_options options;
    const tas_train_options train = trial_options(l, t);
    tas_plan_options_init(&options);
    options.batch = train.batch;
    options.batch_most = train.batch_most;
    options.shards = train.shards;
    options.budget = l->train_bytes;
    options.optimizer = train.optimizer;
    options.clip = train.clip > 0;
    options.noise = train.noise;
    options.grows = 1;
    const tas_status status = tas_plan_make(l->device, l->network, l->rest, NULL, &options, &found);
    t->budget = found.train_budget;
    return status;
}

tas_status trial_run_growing(lab *l, const trial *t, sweep_run *out, trial_growth *growth)
{
    return run_trial(l, t, out, NULL, growth);
}
