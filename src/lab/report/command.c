/* The command that trains as the sweep recommends. The only place in the library that spells options of the command. */
#include "base/context.h"
#include "base/format.h"
#include "lab/report/report.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/trial.h"
#include "stats/distributions.h"
#include "stats/reach.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void add_float(buffer *out, const char *option, float value)
{
    buffer_print(out, " %s %s", option, format_float(value).text);
}

static void add_given(buffer *out, const char *option, float value, float usual)
{
    if (value != usual) add_float(out, option, value);
}

/* What belongs to the optimizer and is not usual with it. */
static void add_optimizer(buffer *out, const tas_train_options *train)
{
    const tas_optimizer optimizer = train->optimizer;
    const bool betas =
        optimizer == TAS_ADAM || optimizer == TAS_ADAMW || optimizer == TAS_LION || optimizer == TAS_LAMB;
    const bool momentum = optimizer == TAS_SGD || optimizer == TAS_RMSPROP || optimizer == TAS_LARS;
    tas_train_options usual = {0};
    tas_train_options_choose(&usual, optimizer);
    if (optimizer != TAS_SGD) buffer_print(out, " --optimizer %s", tas_optimizer_name(optimizer));
    if (betas) add_given(out, "--beta1", train->beta1, usual.beta1);
    if (betas) add_given(out, "--beta2", train->beta2, usual.beta2);
    if (optimizer == TAS_RMSPROP) add_given(out, "--alpha", train->alpha, usual.alpha);
    if (usual.epsilon > 0) add_given(out, "--epsilon", train->epsilon, usual.epsilon);
    if (momentum) add_given(out, "--momentum", train->momentum, usual.momentum);
    if (optimizer == TAS_SGD && train->nesterov) buffer_print(out, " --nesterov");
    if (optimizer == TAS_LARS) add_given(out, "--trust", train->trust, usual.trust);
    add_given(out, "--weight-decay", train->weight_decay, 0);
    if (train->decay_on != TAS_DECAY_ON_ALL) buffer_print(out, " --decay-on %s", tas_decay_on_name(train->decay_on));
    add_given(out, "--clip", train->clip, 0);
}

/* How long the command trains: steps, or epochs if steps is 0; both 0: the default, one epoch. */
typedef struct course {
    uint64_t steps, epochs, warmup;
} course;

static bool ends_with_run(tas_schedule schedule)
{
    return schedule == TAS_SCHEDULE_COSINE || schedule == TAS_SCHEDULE_POLYNOMIAL || schedule == TAS_SCHEDULE_ONE_CYCLE;
}

/* Whether `train` can stop at the target: it evaluates held-out examples alone. */
static bool stops(const tas_sweep *sweep)
{
    return isfinite(sweep->target) && !sweep->options.on_train && sweep->validation;
}

/* Steps that suffice for 95 % of seeds, and to see that the run stays at the target; NaN: not known. */
static double enough_steps(const tas_sweep *sweep)
{
    const recommendation *r = &sweep->advice;
    const sweep_mean *own = r->row >= 0 && r->row < sweep->count ? &sweep->batch[r->row].steps : NULL;
    double times = 2; /* of one seed nothing is known */
    if (r->seconds > 0 && isfinite(r->seconds_high))
        times = r->seconds_high / r->seconds;
    else if (own && own->seeds > 1 && own->spread >= 0)
        times = exp(student_quantile(0.95, own->seeds - 1) * own->spread * sqrt(1 + 1.0 / own->seeds));
    return isfinite(r->steps) && r->steps > 0 ? r->steps * times * (stops(sweep) ? REACH_STAY : 1) : NAN;
}

/* Whole epochs, enough for the steps to the target; or the length of the sweep's runs if the schedule ends with the
 * run, or if the warm-up would not fit. Warm-up and decay of a sweep are in steps of a batch of base_batch, and a
 * warm-up is cut to the run, as in trial_options(). */
static course course_of(const tas_sweep *sweep)
{
    const recommendation *r = &sweep->advice;
    const tas_train_options *train = &sweep->options.train;
    const double steps = sweep->examples ? enough_steps(sweep) : NAN;
    const double epochs =
        isfinite(steps) ? ceil(steps * (double)r->batch / (double)sweep->examples) : sweep->options.epochs;
    course c = {.epochs = epochs >= 1 ? (uint64_t)llround(epochs) : 0,
                .warmup = (uint64_t)llround((double)train->warmup * (double)train->base_batch / (double)r->batch)};
    if (!sweep->examples) return c;
    const uint64_t own = trial_steps(sweep, r->batch, estimate_examples_most(sweep));
    const uint64_t in_epochs = (c.epochs ? c.epochs : 1) * ((sweep->examples - 1) / r->batch + 1);
    if (c.warmup > own) c.warmup = own;
    if (ends_with_run(train->schedule) || c.warmup > in_epochs) c.steps = own;
    return c;
}

static void add_schedule(buffer *out, const tas_train_options *train, uint64_t batch, uint64_t warmup)
{
    const double k = (double)train->base_batch / (double)batch;
    if (warmup) buffer_print(out, " --warmup %" PRIu64, warmup); /* one of 0 steps cannot be asked for */
    if (train->schedule == TAS_SCHEDULE_CONSTANT) return;
    buffer_print(out, " --schedule %s", tas_schedule_name(train->schedule));
    if (train->schedule == TAS_SCHEDULE_ONE_CYCLE) {
        add_float(out, "--rise", train->rise);
    } else if (train->schedule == TAS_SCHEDULE_STEP || train->schedule == TAS_SCHEDULE_EXPONENTIAL) {
        buffer_print(out, " --decay-steps %.0f", fmax(1, round((double)train->decay_steps * k)));
        add_float(out, "--decay", train->decay);
    } else {
        add_given(out, "--lr-end", train->lr_end, 0);
        if (train->schedule == TAS_SCHEDULE_POLYNOMIAL) add_float(out, "--power", train->power);
    }
}

/* As few digits as read as the same number. */
static void add_target(buffer *out, const tas_sweep *sweep)
{
    char text[32];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, sweep->target);
        if (strtod(text, NULL) == sweep->target) break;
    }
    buffer_print(out, " --until-%s %s", sweep->options.by_accuracy ? "accuracy" : "loss", text);
}

static void add_length(buffer *out, const course *c)
{
    if (c->steps)
        buffer_print(out, " --steps %" PRIu64, c->steps);
    else if (c->epochs)
        buffer_print(out, " --epochs %" PRIu64, c->epochs);
}

bool command_known(const tas_sweep *sweep) { return sweep->advice.decided != DECIDED_DEFAULT && !*sweep->source; }

void command_write(const tas_sweep *sweep, buffer *out)
{
    const recommendation *r = &sweep->advice;
    const tas_train_options *train = &sweep->options.train;
    const course c = course_of(sweep);
    tas_train_options plain;
    tas_train_options_init(&plain);
    buffer_print(out, "tassello train ");
    buffer_quote(out, *sweep->net ? sweep->net : "NET");
    buffer_print(out, " ");
    buffer_quote(out, *sweep->data ? sweep->data : "DATA");
    buffer_print(out, " --batch %" PRIu64, r->batch);
    if (train->shards != plain.shards) buffer_print(out, " --shards %u", train->shards);
    if (r->lr > 0 && isfinite(r->lr)) add_float(out, "--lr", (float)r->lr);
    add_optimizer(out, train);
    add_schedule(out, train, r->batch, c.warmup);
    add_length(out, &c);
    if (stops(sweep)) add_target(out, sweep);
    if (sweep->options.seed != plain.seed)
        buffer_print(out, " --seed %" PRIu64, sweep->options.seed); /* it selects what is held out */
    if (sweep->options.examples) buffer_print(out, " --examples %" PRIu64, sweep->options.examples);
    if (sweep->validation) buffer_print(out, " --validation %" PRIu64, sweep->validation);
    if (sweep->options.budget) buffer_print(out, " --budget %" PRIu64, sweep->options.budget);
    if (*sweep->device) {
        buffer_print(out, " --device ");
        buffer_quote(out, sweep->device);
    }
}

void command_write_end(const tas_sweep *sweep, buffer *out)
{
    const course c = course_of(sweep);
    const recommendation *r = &sweep->advice;
    const bool missed = r->row >= 0 && r->row < sweep->count && sweep->row[r->row].missed;
    /* The length of the sweep's runs, or none is known, or not all seeds get there. */
    const bool own = c.steps || missed || !isfinite(enough_steps(sweep));
    char most[64];
    if (c.steps)
        snprintf(most, sizeof most, "%" PRIu64 " steps", c.steps);
    else
        snprintf(most, sizeof most, "%" PRIu64 " epoch%s", c.epochs ? c.epochs : 1, c.epochs > 1 ? "s" : "");
    if (stops(sweep))
        buffer_print(out, "It stops at the target, and after %s at the latest%s.", most,
                     own ? "" : ", which is enough for 95 % of seeds");
    else
        buffer_print(out, "It trains for %s%s%s.", most, own ? "" : ", enough for 95 % of seeds",
                     sweep->options.on_train ? "; there is no stop at a training loss" : "");
}

char *tas_sweep_command_end(const tas_sweep *sweep)
{
    entry_state saved;
    buffer out = {0};
    if (!command_known(sweep)) return NULL;
    entry_begin(sweep->context, &saved);
    command_write_end(sweep, &out);
    entry_end(&saved);
    if (!out.failed) return out.text;
    free(out.text);
    return NULL;
}

char *tas_sweep_command(const tas_sweep *sweep)
{
    entry_state saved;
    buffer out = {0};
    if (!command_known(sweep)) return NULL;
    entry_begin(sweep->context, &saved);
    command_write(sweep, &out);
    entry_end(&saved);
    if (!out.failed) return out.text;
    free(out.text);
    return NULL;
}
