#include "lab/sweep/frozen_stage.h"

#include "base/context.h"
#include "base/format.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/gradient_variance.h"
#include "lab/sweep/trial.h"
#include "lab/sweep/weight_fluctuation.h"
#include "lab/sweep/weights.h"
#include "train/feed.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first run on a fresh seed that reached the target, of the batch nearest to 64: its weights are frozen. */
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

static int on_share(void *user, double share)
{
    (void)share;
    return !lab_progress(user, false);
}

static int on_step(void *user, const tas_step *step)
{
    (void)step;
    return !lab_progress(user, false);
}

/* Repeats that run and reads the weights after some of its steps. */
static tas_status weights_at(lab *l, const sweep_run *r, const uint64_t *steps, float **weights)
{
    const tas_sweep *s = l->sweep;
    const trial t = {.batch = r->batch,
                     .seed = r->seed,
                     .lr = r->lr,
                     .search = true,
                     .target = NAN,
                     .examples_most = estimate_examples_most(s)};
    tas_train_options options = trial_options(l, &t);
    options.on_step = on_step;
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

static uint64_t stretch_examples(const tas_sweep *s)
{
    return s->examples / 10 < FROZEN_STAGE_EXAMPLES ? s->examples / 10 : FROZEN_STAGE_EXAMPLES;
}

/* Short stretches from the weights at the target, at the batch's own rate. If one diverges, there is no figure. */
static tas_status fluctuate(lab *l, tas_model *model, sweep_batch *b)
{
    const tas_sweep *s = l->sweep;
    const trial t = {.batch = b->batch,
                     .seed = s->options.seed,
                     .lr = b->lr,
                     .search = true,
                     .target = NAN,
                     .examples_most = estimate_examples_most(s)};
    weight_fluctuation facts;
    b->fluctuation.value = b->seed_spread.value = NAN;
    if (!sweep_count_figures(s, b)) return TAS_OK;
    tas_train_options options = trial_options(l, &t);
    options.on_step = on_step;
    options.user = l;
    snprintf(l->doing, sizeof l->doing, "B = %" PRIu64 ": measuring the fluctuation of weights", b->batch);
    if (!lab_progress(l, true)) return TAS_STOPPED;
    const tas_status status =
        weight_fluctuation_measure(model, l->rest, &options, stretch_examples(s), FROZEN_STAGE_STRETCHES, &facts);
    if (status) return status == TAS_NOT_FINITE ? TAS_OK : status;
    b->fluctuation = facts.fluctuation;
    b->seed_spread = facts.seed_spread;
    return TAS_OK;
}

/* Only batches with runs on fresh seeds: others are reported nowhere. Figures are stored in the order of the sweep. */
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
    const tas_status status = gradient_variance_measure(model, l->rest, batches, count, FROZEN_STAGE_DRAWS,
                                                        s->options.seed, l->train_bytes, on_share, l, point);
    for (int k = count - 1; k >= 0; k--) { /* from the last, since figures only move up */
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
        snprintf(l->doing, sizeof l->doing, "measuring gradients at the weights of the %s", names[i]);
        if (!lab_progress(l, true)) status = TAS_STOPPED;
        if (!status) status = weights_write(model, weights[i]);
        if (!status && !l->network->coupled) status = measure_point(l, model, &s->frozen[i]);
        if (status || l->network->coupled) /* gradients of examples would not be independent */
            s->frozen[i] = (frozen_point){.name = NULL};
        else
            s->frozen[i].name = names[i], s->frozen[i].step = steps[i];
    }
    if (!status) status = weights_write(model, weights[FROZEN_POINTS - 1]);
    for (int i = 0; i < s->count && !status; i++) status = fluctuate(l, model, &s->batch[i]);

    tas_model_close(&model);
    return status;
}

void frozen_stage_leave_out(lab *l, const char *what)
{
    text_buffer out = {l->sweep->left_out, sizeof l->sweep->left_out, strlen(l->sweep->left_out)};
    format_add(&out, "%s%s", out.used ? "; " : "", what);
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
        frozen_stage_leave_out(l, "gradients at frozen weights, and the fluctuation of weights");
        return TAS_OK;
    }
    l->reserve = l->test_seconds;
    const uint64_t steps[FROZEN_POINTS] = {0, (uint64_t)(r->steps / 2), (uint64_t)r->steps};
    for (int i = 0; i < FROZEN_POINTS && !status; i++)
        if (!(weights[i] = malloc(l->weight_count * sizeof(float))))
            status = fail(s->context, TAS_NO_MEMORY, "no memory for weights");
    snprintf(l->doing, sizeof l->doing, "training to the weights at which gradients are measured");
    if (!status && !lab_progress(l, true)) status = TAS_STOPPED;
    if (!status) status = weights_at(l, r, steps, weights);
    if (!status) status = freeze(l, r, steps, weights);
    for (int i = 0; i < FROZEN_POINTS; i++) free(weights[i]);
    l->reserve = 0;
    if (status != TAS_STOPPED || !l->late || l->stopped) return status;
    l->late = false; /* what was measured is kept, and there is time for one test */
    frozen_stage_leave_out(l, "some of the measurements at frozen weights");
    return TAS_OK;
}
