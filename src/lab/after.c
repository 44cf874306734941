/* After a sweep's runs: gradients at frozen weights, how weights fluctuate, the test set. */
#include "lab/stages.h"

#include "base/base.h"
#include "train/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* The reached batch nearest to 64, and its first figure run: whose weights are frozen. */
static const sweep_run *typical_run(const tas_sweep *s)
{
    const sweep_run *out = NULL;
    for (int i = 0; i < s->runs; i++) {
        const sweep_run *r = &s->run[i];
        if (r->search || r->outcome != ROW_REACHED) continue;
        if (!out || log_distance((double)r->batch, 64) < log_distance((double)out->batch, 64)) out = r;
    }
    return out;
}

static int tell_share(void *user, double share)
{
    (void)share;
    return !lab_tell(user, false);
}

static int stop_step(void *user, const tas_step *step)
{
    (void)step;
    return !lab_tell(user, false);
}

/* Trains again, up to a step of that run; the weights there. */
static tas_status weights_at(lab *l, const sweep_run *r, const uint64_t *steps, float **weights)
{
    const tas_sweep *s = l->sweep;
    const trial t = {
        .batch = r->batch, .seed = r->seed, .lr = r->lr, .search = true, .examples_most = examples_most(s)};
    tas_train_options is = trial_options(l, &t);
    is.on_step = stop_step;
    is.user = l;
    tas_model *model;
    tas_run *open = NULL;
    tas_status status = tas_model_open(l->device, l->network, r->seed, &model);
    if (status) return status;
    status = tas_run_open(model, l->rest, &is, &open);
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
    const trial t = {
        .batch = b->batch, .seed = s->is.seed, .lr = b->lr, .search = true, .examples_most = examples_most(s)};
    weights_facts facts;
    b->fluctuation.value = b->seed_spread.value = NAN;
    if (!figures_of(s, b)) return TAS_OK;
    tas_train_options is = trial_options(l, &t);
    is.on_step = stop_step;
    is.user = l;
    snprintf(l->doing, sizeof l->doing, "B = %" PRIu64 ": how weights fluctuate", b->batch);
    if (!lab_tell(l, true)) return TAS_STOPPED;
    const tas_status status = weights_fluctuate(model, l->rest, &is, stretch_examples(s), STRETCHES, &facts);
    if (status) return status == TAS_NOT_FINITE ? TAS_OK : status;
    b->fluctuation = facts.fluctuation;
    b->seed_spread = facts.seed_spread;
    return TAS_OK;
}

static tas_status freeze(lab *l, const sweep_run *r, const uint64_t *steps, float **weights)
{
    static const char *const names[FROZEN_POINTS] = {"start", "middle", "target"};
    tas_sweep *s = l->sweep;
    uint32_t batches[SWEEP_BATCHES];
    tas_model *model;
    for (int i = 0; i < s->count; i++) batches[i] = (uint32_t)s->batch[i].batch;
    tas_status status = tas_model_open(l->device, l->network, r->seed, &model);
    if (status) return status;
    tas_model_set_budget(model, l->train_bytes);
    for (int i = 0; i < FROZEN_POINTS && !status; i++) {
        snprintf(l->doing, sizeof l->doing, "measures gradients at the %s's weights", names[i]);
        if (!lab_tell(l, true)) status = TAS_STOPPED;
        if (!status) status = weights_write(model, weights[i]);
        if (!status)
            status = frozen_measure(model, l->rest, batches, s->count, FROZEN_DRAWS, s->is.seed, l->train_bytes,
                                    tell_share, l, &s->frozen[i]);
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

tas_status lab_measure(lab *l)
{
    tas_sweep *s = l->sweep;
    const sweep_run *r = typical_run(s);
    float *weights[FROZEN_POINTS] = {NULL};
    tas_status status = TAS_OK;
    if (s->is.brief || !r) return TAS_OK;
    if (s->is.seconds > 0 && lab_seconds(l) + tail_seconds(s) > s->is.seconds) {
        s->short_of_time = true;
        return TAS_OK;
    }
    const uint64_t steps[FROZEN_POINTS] = {0, (uint64_t)(r->steps / 2), (uint64_t)r->steps};
    for (int i = 0; i < FROZEN_POINTS && !status; i++)
        if (!(weights[i] = malloc(l->weight_count * sizeof(float))))
            status = fail(s->context, TAS_NO_MEMORY, "no memory for weights");
    snprintf(l->doing, sizeof l->doing, "trains to the weights at which gradients are measured");
    if (!status && !lab_tell(l, true)) status = TAS_STOPPED;
    if (!status) status = weights_at(l, r, steps, weights);
    if (!status) status = freeze(l, r, steps, weights);
    for (int i = 0; i < FROZEN_POINTS; i++) free(weights[i]);
    return status;
}

tas_status lab_test(lab *l)
{
    tas_sweep *s = l->sweep;
    tas_model *model;
    if (!l->test) return TAS_OK;
    tas_status status = tas_model_open(l->device, l->network, 1, &model);
    if (status) return status;
    tas_model_set_budget(model, l->train_bytes);
    for (int i = 0; i < s->count && !status; i++) {
        tas_score score;
        if (!l->weights[i] || !figures_of(s, &s->batch[i])) continue;
        status = weights_write(model, l->weights[i]);
        if (status == TAS_BAD_DATA) { /* weights of a run that diverged */
            status = TAS_OK;
            continue;
        }
        if (!status) status = tas_evaluate(model, l->test, &score);
        if (status) break;
        s->batch[i].test_loss = score.loss;
        s->batch[i].test_accuracy = score.accuracy < 0 ? NAN : score.accuracy; /* a loss without classes has none */
    }
    tas_model_close(&model);
    return status;
}
