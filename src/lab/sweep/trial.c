#include "lab/sweep/trial.h"

#include "base/context.h"
#include "data/dataset.h"
#include "lab/sweep/weights.h"
#include "train/feed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Near the target, evaluations are 4 % more examples apart; before and after it they are rarer. */
static const double NEXT_NEAR = 0.04, NEXT_FAR = 0.2, QUARTER = 0.25, IS_NEAR = 1.35;
enum { HEALED = 200 }; /* steps: a high rate may raise the loss at first and still be the best */

/* One run ---------------------------------------------------------------------------------------------------------- */

typedef struct runner {
    lab *lab;
    const trial *t;
    sweep_run *out;
    tas_model *model;
    tas_run *run;
    tas_train_result result;
    noise_scale noise; /* since the last look */
    double batch_loss; /* running mean of the batches' */
    double *metric;    /* of each look at the target's own measure; an accuracy is negated */
    int looks, room, points_room;
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
    options.budget = l->train_bytes;
    options.noise = !t->search;
    options.ahead = 1;
    options.on_step = NULL;
    options.user = NULL;
    return options;
}

static tas_status make_room(runner *r)
{
    if (r->out->points == r->points_room) {
        r->points_room = r->points_room ? 2 * r->points_room : 64;
        sweep_point *more = realloc(r->out->point, (size_t)r->points_room * sizeof *more);
        if (!more) return fail(r->lab->sweep->context, TAS_NO_MEMORY, "no memory for the looks of a run");
        r->out->point = more;
    }
    if (r->looks == r->room) {
        r->room = r->room ? 2 * r->room : 64;
        double *more = realloc(r->metric, (size_t)r->room * sizeof *more);
        if (!more) return fail(r->lab->sweep->context, TAS_NO_MEMORY, "no memory for the looks of a run");
        r->metric = more;
    }
    return TAS_OK;
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
    r->out->point[r->out->points++] = p;
    const double loss = options->on_train ? p.train_loss : quick_loss,
                 accuracy = options->on_train ? p.train_accuracy : quick_accuracy;
    r->metric[r->looks++] = options->by_accuracy ? -accuracy : loss;
    return TAS_OK;
}

static double target_of(const tas_sweep *s) { return s->options.by_accuracy ? -s->target : s->target; }

/* Steps to the next evaluation, and whether it is one of everything. */
static uint64_t next_look(const runner *r, bool *all)
{
    const trial *t = r->t;
    const tas_sweep *s = r->lab->sweep;
    const double done = (double)r->result.examples, batch = (double)t->batch, quarter = QUARTER * (double)s->examples;
    const bool reached = r->out->outcome == ROW_REACHED, quick = !reached && isfinite(s->target);
    const bool near = s->options.by_accuracy || !(r->batch_loss > IS_NEAR * s->target);
    double next = INFINITY;
    *all = false;
    if (quick) next = done * (1 + (near ? NEXT_NEAR : NEXT_FAR)) + (done > 0 ? 0 : batch);
    if (!t->search) {
        const double whole = (floor(done / quarter * (1 + 1e-9)) + 1) * quarter;
        if (whole <= next) next = whole, *all = true;
        if (t->look_at > done + 0.5 && t->look_at <= next) next = t->look_at, *all = true;
    }
    if (next > t->examples_most) next = t->examples_most;
    if (next >= t->examples_most) *all |= !t->search || !quick;
    const double steps = ceil((next - done) / batch - 1e-9);
    return steps < 1 ? 1 : (uint64_t)steps;
}

/* Whether a search can be given up: behind the best so far, or far above its start. */
static bool should_give_up(const runner *r)
{
    const double first = r->metric[0], last = r->metric[r->looks - 1];
    if (!r->t->search || r->out->outcome == ROW_REACHED) return false;
    if ((double)r->result.examples > r->t->give_up) return true;
    return !r->lab->sweep->options.by_accuracy && r->result.steps >= HEALED && last > 1.5 * first;
}

static bool is_over(const runner *r)
{
    const trial *t = r->t;
    const double done = (double)r->result.examples;
    if (done >= t->examples_most || r->result.steps >= tas_run_steps(r->run)) return true;
    return r->out->outcome == ROW_REACHED && (t->to_target || done >= t->examples_least);
}

static void judge(runner *r, bool diverged)
{
    const row_outcome outcome =
        diverged ? ROW_DIVERGED
                 : outcome_of_run(r->metric, (size_t)r->looks,
                                  isfinite(r->lab->sweep->target) ? target_of(r->lab->sweep) : -INFINITY, true);
    r->out->outcome = outcome;
}

/* After an evaluation: whether the target was reached just now. */
static bool note_crossing(runner *r)
{
    const tas_sweep *s = r->lab->sweep;
    sweep_run *out = r->out;
    if (out->outcome != ROW_REACHED) noise_scale_merge(&out->noise, &out->point[out->points - 1].noise);
    if (out->outcome == ROW_REACHED || !isfinite(s->target) || !(r->metric[r->looks - 1] <= target_of(s))) return false;
    out->outcome = ROW_REACHED;
    out->steps = (double)r->result.steps;
    out->seconds = r->result.seconds;
    return true;
}

static tas_status follow(runner *r)
{
    bool all = true;
    tas_status status = look(r, !r->t->search);
    while (!status) {
        const uint64_t steps = next_look(r, &all);
        status = tas_run_advance(r->run, steps, &r->result);
        if (!status && !lab_progress(r->lab, false)) status = TAS_STOPPED;
        if (status == TAS_NOT_FINITE) {
            const bool reached = r->out->outcome == ROW_REACHED; /* and diverged afterwards */
            if (!reached) judge(r, true);
            return TAS_OK;
        }
        if (!status) status = look(r, all);
        if (status) break;
        if (note_crossing(r) && !all && !r->t->search) status = look(r, true);
        if (status) break;
        if (is_over(r) || should_give_up(r)) {
            if (r->out->outcome != ROW_REACHED) judge(r, false);
            return TAS_OK;
        }
    }
    return status;
}

tas_status trial_run(lab *l, const trial *t, sweep_run *out, float *weights)
{
    tas_train_options options = trial_options(l, t);
    runner r = {.lab = l, .t = t, .out = out};
    *out = (sweep_run){.batch = t->batch,
                       .seed = t->seed,
                       .lr = t->lr,
                       .search = t->search,
                       .give_up = t->give_up,
                       .start = t->start,
                       .target = isfinite(l->sweep->target) ? l->sweep->target : 0,
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
    if (!status) status = follow(&r);
    if (!status && weights) status = weights_read(r.model, weights);
    /* If they overflowed, the model has those of an earlier step, which depends on time. */
    if (!status && weights && r.result.weights_step != r.result.steps) weights[0] = NAN;
    out->memory = r.result.peak_bytes;
    if (r.looks) out->final_metric = r.metric[r.looks - 1];
    tas_run_close(&r.run);
    tas_model_close(&r.model);
    free(r.metric);
    if (!status) return TAS_OK;
    free(out->point);
    out->point = NULL;
    out->points = 0;
    return status;
}
