#include "lab/sweep/test_stage.h"

#include "base/context.h"
#include "base/format.h"
#include "lab/sweep/aggregate.h"
#include "lab/sweep/frozen_stage.h"
#include "lab/sweep/weights.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static tas_status test_batch(lab *l, tas_model *model, int i)
{
    sweep_batch *b = &l->sweep->batch[i];
    tas_score score;
    snprintf(l->doing, sizeof l->doing, "B = %" PRIu64 ": testing", b->batch);
    (void)lab_progress(l, true);
    if (l->stopped) return TAS_STOPPED;
    tas_status status = weights_write(model, l->weights[i]);
    if (status == TAS_BAD_DATA) return TAS_OK; /* the run diverged */
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

/* The recommended batch if it can be tested, otherwise the first that can; -1: none. */
static int first_tested(lab *l)
{
    tas_sweep *s = l->sweep;
    aggregate_runs(s); /* for the recommendation; it is called again at the end */
    if (s->advice.row >= 0 && is_tested(l, s->advice.row)) return s->advice.row;
    for (int i = 0; i < s->count; i++)
        if (is_tested(l, i)) return i;
    return -1;
}

static void report_untested(lab *l, const bool *untested)
{
    char text[160];
    text_buffer out = {text, sizeof text, 0};
    bool any = false;
    format_add(&out, "the test of B =");
    for (int i = 0; i < l->sweep->count; i++) {
        if (!untested[i]) continue;
        format_add(&out, "%s %" PRIu64, any ? "," : "", l->sweep->batch[i].batch);
        any = true;
    }
    if (any) frozen_stage_leave_out(l, text);
}

/* An evaluation cannot be interrupted. Time is reserved for one, that of the recommended batch; others follow as time
 * allows. */
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
        untested[i] = s->options.seconds > 0 && lab_seconds(l) + l->test_seconds > s->options.seconds;
        if (!untested[i]) status = test_batch(l, model, i);
    }
    if (!status) report_untested(l, untested);
    tas_model_close(&model);
    return status;
}
