#include "lab/sweep/timing.h"

#include "base/context.h"
#include "data/dataset.h"
#include "lab/sweep/trial.h"
#include "stats/median.h"

#include <stdio.h>

enum { ROUNDS = 5, ROUNDS_FEW = 3 };
static const double ROUND_SECONDS = 0.06, FEW_BELOW = 180; /* of one batch's round; of a time limit */

/* Seconds per step in one round; the first steps are not counted. */
static tas_status time_round(lab *l, const sweep_batch *b, double *seconds)
{
    const trial t = {.batch = b->batch,
                     .seed = l->sweep->options.seed,
                     .lr = 0x1p-20,
                     .target = NAN,
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

static void set_time(sweep_batch *b, double *seconds, int rounds)
{
    b->step_seconds = median_of(seconds, (size_t)rounds);
    b->rounds = rounds;
    b->examples_per_s = (double)b->batch / b->step_seconds;
}

tas_status timing_steps(lab *l)
{
    tas_sweep *s = l->sweep;
    double seconds[SWEEP_BATCHES][ROUNDS];
    const int rounds = s->options.seconds > 0 && s->options.seconds < FEW_BELOW ? ROUNDS_FEW : ROUNDS;
    snprintf(l->doing, sizeof l->doing, "timing steps");
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < s->count; i++) {
            if (!lab_progress_resumed(l, false)) return TAS_STOPPED;
            if (!sweep_batch_fits(&s->batch[i])) continue;
            tas_status status = time_round(l, &s->batch[i], &seconds[i][round]);
            if (status == TAS_NOT_FINITE)
                return fail(s->context, status,
                            "the loss is not finite at the initial weights, whatever the learning rate; check the "
                            "data, and mean and std on the input line of the network");
            if (status) return status;
        }
    for (int i = 0; i < s->count; i++)
        if (sweep_batch_fits(&s->batch[i])) set_time(&s->batch[i], seconds[i], rounds);
    return TAS_OK;
}

/* Alone, so not interleaved with the others: against a drift of the clock the batch that is recommended now is timed
 * between its rounds, and the new one is held against it. */
tas_status timing_batch(lab *l, int i)
{
    tas_sweep *s = l->sweep;
    const int base = s->advice.row >= 0 && s->advice.row < s->count ? s->advice.row : i;
    double seconds[ROUNDS], beside[ROUNDS];
    snprintf(l->doing, sizeof l->doing, "timing steps");
    for (int round = 0; round < ROUNDS_FEW; round++) {
        if (!lab_progress_resumed(l, false)) return TAS_STOPPED;
        tas_status status = time_round(l, &s->batch[i], &seconds[round]);
        if (!status) status = time_round(l, &s->batch[base], &beside[round]);
        if (status) return status;
    }
    set_time(&s->batch[i], seconds, ROUNDS_FEW);
    if (base == i || !(s->batch[base].step_seconds > 0)) return TAS_OK;
    s->batch[i].step_seconds *= s->batch[base].step_seconds / median_of(beside, ROUNDS_FEW);
    s->batch[i].examples_per_s = (double)s->batch[i].batch / s->batch[i].step_seconds;
    return TAS_OK;
}

/* From the evaluation set of the runs. The first evaluation builds kernels and is not counted. */
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
    l->test_seconds = (now_seconds() - begun) * (double)l->test->options.count / (double)l->look->options.count;
    tas_model_close(&model);
    return status;
}
