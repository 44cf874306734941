/* After a sweep's runs: gradients at frozen weights, how weights fluctuate, the test set. */
#include "lab/sweep/stages.h"

#include "base/base.h"
#include "base/format.h"
#include "train/feed.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The reached batch nearest to 64, and its first figure run: whose weights are frozen. */
static const sweep_run *typical_run(const tas_sweep *s)
{
    const sweep_run *out = NULL;
    for (int i = 0; i < s->runs; i++) {
        const sweep_run *r = &s->run[i];
        if (r->search || r->outcome != ROW_REACHED) continue;
        if (!out || estimate_distance((double)r->batch, 64) < estimate_distance((double)out->batch, 64)) out = r;
    }
    return out;
}

static int tell_share(void *user, double share)
{
    (void)share;
    return !lab_progress(user, false);
}

static int stop_step(void *user, const tas_step *step)
{
    (void)step;
    return !lab_progress(user, false);
}

/* Trains again, up to a step of that run; the weights there. */
static tas_status weights_at(lab *l, const sweep_run *r, const uint64_t *steps, float **weights)
{
    const tas_sweep *s = l->sweep;
    const trial t = {
        .batch = r->batch, .seed = r->seed, .lr = r->lr, .search = true, .examples_most = estimate_examples_most(s)};
    tas_train_options options = trial_options(l, &t);
    options.on_step = stop_step;
    options.user = l;
    tas_model *model;
    tas_run *open = NULL;
    tas_status status = tas_model_open(l->device, l->network, r->seed, &model);
    if (status) return status;
    status = tas_run_open(model, l->rest, &options, &open);
    for (int i = 0; i < FROZEN_POINTS && !status; i++) {
        const uint64_t more = steps[i] - (i ? steps[i - 1] : 0);
        if (more) status = tas_run_advance(open, more, NULL);
        if (!status) status = weights_read(model, weights[i]);
    }
    tas_run_close(&open);
    tas_model_close(&model);
    return status;
}

static uint64_t stretch_examples(const tas_sweep *s) { return s->examples / 10 < STRETCH ? s->examples / 10 : STRETCH; }

/* Short stretches from the target's weights, at the batch's own rate. One that diverges tells that by its absence. */
static tas_status fluctuate(lab *l, tas_model *model, sweep_batch *b)
{
    const tas_sweep *s = l->sweep;
    const trial t = {.batch = b->batch,
                     .seed = s->options.seed,
                     .lr = b->lr,
                     .search = true,
                     .examples_most = estimate_examples_most(s)};
    weight_fluctuation facts;
    b->fluctuation.value = b->seed_spread.value = NAN;
    if (!sweep_count_figures(s, b)) return TAS_OK;
    tas_train_options options = trial_options(l, &t);
    options.on_step = stop_step;
    options.user = l;
    snprintf(l->doing, sizeof l->doing, "B = %" PRIu64 ": how weights fluctuate", b->batch);
    if (!lab_progress(l, true)) return TAS_STOPPED;
    const tas_status status =
        weight_fluctuation_measure(model, l->rest, &options, stretch_examples(s), STRETCHES, &facts);
    if (status) return status == TAS_NOT_FINITE ? TAS_OK : status;
    b->fluctuation = facts.fluctuation;
    b->seed_spread = facts.seed_spread;
    return TAS_OK;
}

/* Batches without figures cost time and are told of nowhere. Figures are put in the sweep's order. */
static tas_status measure_point(lab *l, tas_model *model, frozen_point *point)
{
    const tas_sweep *s = l->sweep;
    uint32_t batches[SWEEP_BATCHES];
    int at[SWEEP_BATCHES], count = 0;
    for (int i = 0; i < s->count; i++) {
        if (!sweep_count_figures(s, &s->batch[i])) continue;
        batches[count] = (uint32_t)s->batch[i].batch;
        at[count++] = i;
    }
    const tas_status status = gradient_variance_measure(model, l->rest, batches, count, FROZEN_DRAWS, s->options.seed,
                                                        l->train_bytes, tell_share, l, point);
    for (int k = count - 1; k >= 0; k--) { /* from the last, since none moves down */
        const frozen_figures facts = point->batch[k];
        point->batch[k] = (frozen_figures){.draws = 0};
        point->batch[at[k]] = facts;
    }
    return status;
}

static tas_status freeze(lab *l, const sweep_run *r, const uint64_t *steps, float **weights)
{
    static const char *const names[FROZEN_POINTS] = {"start", "middle", "target"};
    tas_sweep *s = l->sweep;
    tas_model *model;
    tas_status status = tas_model_open(l->device, l->network, r->seed, &model);
    if (status) return status;
    tas_model_set_budget(model, l->train_bytes);
    for (int i = 0; i < FROZEN_POINTS && !status; i++) {
        snprintf(l->doing, sizeof l->doing, "measures gradients at the %s's weights", names[i]);
        if (!lab_progress(l, true)) status = TAS_STOPPED;
        if (!status) status = weights_write(model, weights[i]);
        if (!status) status = measure_point(l, model, &s->frozen[i]);
        if (status)
            s->frozen[i] = (frozen_point){.name = NULL};
        else
            s->frozen[i].name = names[i], s->frozen[i].step = steps[i];
    }
    if (!status) status = weights_write(model, weights[FROZEN_POINTS - 1]);
    for (int i = 0; i < s->count && !status; i++) status = fluctuate(l, model, &s->batch[i]);

    tas_model_close(&model);
    return status;
}

/* What is left out here is left out for all batches alike, or told by name: s->short_of_time is for batches and seeds.
 */
static void leave_out(lab *l, const char *what)
{
    writer out = {l->sweep->left_out, sizeof l->sweep->left_out, strlen(l->sweep->left_out)};
    say(&out, "%s%s", out.used ? "; " : "", what);
    lab_note(l, "short of time: left out %s", what);
}

tas_status frozen_stage_run(lab *l)
{
    tas_sweep *s = l->sweep;
    const sweep_run *r = typical_run(s);
    float *weights[FROZEN_POINTS] = {NULL};
    tas_status status = TAS_OK;
    if (s->options.brief || !r) return TAS_OK;
    if (s->options.seconds > 0 && lab_seconds(l) + estimate_tail_seconds(l, NULL) > s->options.seconds) {
        leave_out(l, "gradients at frozen weights, and how weights fluctuate");
        return TAS_OK;
    }
    l->reserve = estimate_test_seconds(l, 1);
    const uint64_t steps[FROZEN_POINTS] = {0, (uint64_t)(r->steps / 2), (uint64_t)r->steps};
    for (int i = 0; i < FROZEN_POINTS && !status; i++)
        if (!(weights[i] = malloc(l->weight_count * sizeof(float))))
            status = fail(s->context, TAS_NO_MEMORY, "no memory for weights");
    snprintf(l->doing, sizeof l->doing, "trains to the weights at which gradients are measured");
    if (!status && !lab_progress(l, true)) status = TAS_STOPPED;
    if (!status) status = weights_at(l, r, steps, weights);
    if (!status) status = freeze(l, r, steps, weights);
    for (int i = 0; i < FROZEN_POINTS; i++) free(weights[i]);
    l->reserve = 0;
    if (status != TAS_STOPPED || !l->late || l->stopped) return status;
    l->late = false; /* what was measured is kept, and one test was reckoned with */
    leave_out(l, "some of what is measured at frozen weights");
    return TAS_OK;
}

/* The test set -------------------------------------------------------------------------------------------------------
 */

static tas_status test_batch(lab *l, tas_model *model, int i)
{
    sweep_batch *b = &l->sweep->batch[i];
    tas_score score;
    snprintf(l->doing, sizeof l->doing, "B = %" PRIu64 ": tests", b->batch);
    (void)lab_progress(l, true);
    if (l->stopped) return TAS_STOPPED;
    tas_status status = weights_write(model, l->weights[i]);
    if (status == TAS_BAD_DATA) return TAS_OK; /* weights of a run that diverged */
    const double begun = now_seconds();
    if (!status) status = tas_evaluate(model, l->test, &score);
    if (status) return status;
    l->test_seconds = now_seconds() - begun;
    b->test_loss = score.loss;
    b->test_accuracy = score.accuracy < 0 ? NAN : score.accuracy; /* a loss without classes has none */
    return TAS_OK;
}

static bool is_tested(const lab *l, int i)
{
    return l->weights[i] && sweep_count_figures(l->sweep, &l->sweep->batch[i]);
}

/* The batch that is recommended; without one, the first that can be tested. -1: none can. */
static int first_tested(lab *l)
{
    tas_sweep *s = l->sweep;
    aggregate_runs(s); /* for the advice; again at the end, when all is known */
    if (s->advice.row >= 0 && is_tested(l, s->advice.row)) return s->advice.row;
    for (int i = 0; i < s->count; i++)
        if (is_tested(l, i)) return i;
    return -1;
}

static void say_untested(lab *l, const bool *untested)
{
    char text[160];
    writer out = {text, sizeof text, 0};
    bool any = false;
    say(&out, "the test of B =");
    for (int i = 0; i < l->sweep->count; i++) {
        if (!untested[i]) continue;
        say(&out, "%s %" PRIu64, any ? "," : "", l->sweep->batch[i].batch);
        any = true;
    }
    if (any) leave_out(l, text);
}

/* An evaluation cannot be cut off: what is recommended is tested in any case, which time is kept for, and others where
 * there is time. */
tas_status test_stage_run(lab *l)
{
    tas_sweep *s = l->sweep;
    bool untested[SWEEP_BATCHES] = {false};
    tas_model *model;
    if (!l->test) return TAS_OK;
    const int first = first_tested(l);
    if (first < 0) return TAS_OK;
    tas_status status = tas_model_open(l->device, l->network, 1, &model);
    if (status) return status;
    tas_model_set_budget(model, l->train_bytes);
    status = test_batch(l, model, first);
    for (int i = 0; i < s->count && !status; i++) {
        if (i == first || !is_tested(l, i)) continue;
        untested[i] = s->options.seconds > 0 && lab_seconds(l) + estimate_test_seconds(l, 1) > s->options.seconds;
        if (!untested[i]) status = test_batch(l, model, i);
    }
    if (!status) say_untested(l, untested);
    tas_model_close(&model);
    return status;
}
