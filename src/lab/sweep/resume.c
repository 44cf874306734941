#include "lab/sweep/resume.h"

#include "base/context.h"
#include "base/format.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/forecast.h"
#include "lab/sweep/state.h"
#include "lab/sweep/weights.h"
#include "model/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tas_status add_run(tas_sweep *s, const sweep_run *run)
{
    if (s->runs == s->runs_room) {
        s->runs_room = s->runs_room ? 2 * s->runs_room : 64;
        sweep_run *more = realloc(s->run, (size_t)s->runs_room * sizeof *more);
        if (!more) return fail(s->context, TAS_NO_MEMORY, "no memory for the runs of a sweep");
        s->run = more;
    }
    s->run[s->runs++] = *run;
    return TAS_OK;
}

/* Without the point at which it is given up, which depends on earlier runs: see state_find(). */
static run_key key_of(const trial *t)
{
    return (run_key){.batch = t->batch,
                     .seed = t->seed,
                     .lr = t->lr,
                     .kind = t->patient     ? RUN_DEEP
                             : t->search    ? RUN_SEARCH
                             : t->to_target ? RUN_TO_TARGET
                                            : RUN_FIGURES,
                     .target = isfinite(t->target) ? t->target : 0,
                     .most = t->examples_most,
                     .least = t->examples_least,
                     .look = t->look_at};
}

static tas_status keep_weights(const lab *l, const run_key *key, const float *weights)
{
    tas_model *model;
    char *path = state_weights(l->state, key);
    if (!path) return TAS_NO_MEMORY;
    tas_status status = tas_model_open(l->device, l->network, 1, &model);
    if (!status) status = weights_write(model, weights);
    if (!status) status = tas_model_save(model, path);
    tas_model_close(&model);
    free(path);
    return status == TAS_BAD_DATA ? TAS_OK : status; /* they overflowed: a sweep that resumes repeats the run */
}

static bool recall_weights(const lab *l, const run_key *key, float *weights)
{
    tas_model *model;
    char *path = state_weights(l->state, key);
    if (!path) return false;
    tas_status status = tas_model_load(l->device, path, &model);
    free(path);
    if (status) return false;
    bool same = !strcmp(tas_network_text(model->network), tas_network_text(l->network));
    if (same) same = !weights_read(model, weights);
    tas_model_close(&model);
    return same;
}

static bool has_time(const lab *l, const sweep_batch *b, double seconds)
{
    const double limit = l->sweep->options.seconds;
    return !(limit > 0) || lab_seconds(l) + seconds + estimate_tail_seconds(l, b) < limit;
}

/* Whether the waiting batch is expected to end in time. Checked at its first run that is not in the state, since runs
 * that are take no time. */
static bool may_begin(lab *l)
{
    tas_sweep *s = l->sweep;
    sweep_batch *b = l->waiting;
    l->waiting = NULL;
    if (!b) return true;
    const int figures = sweep_count_figures(s, b);
    const double wanted = estimate_batch_seconds(s, b, l->waiting_seeds);
    if (has_time(l, b, wanted)) return true;
    if (!figures) snprintf(b->why, sizeof b->why, "short of time: expected to take %s", format_seconds(wanted).text);
    l->late = true;
    return false;
}

/* The run from the state; false if it has none, or lacks its weights. */
static bool recall(lab *l, const run_key *key, double give_up, sweep_run *out, float *weights)
{
    if (!l->state || !state_find(l->state, key, give_up, out)) return false;
    if (weights && !recall_weights(l, key, weights)) {
        free(out->point);
        return false;
    }
    if (out->elsewhere && !out->search && !l->noted_elsewhere) {
        l->noted_elsewhere = true;
        lab_note(l,
                 "state: some runs were made on another device or with another budget; their memory is not used here");
    }
    return true;
}

/* The first run that reaches the target, or ends without it, shows how far the target is. */
static void take_measure(lab *l, const sweep_run *r)
{
    const bool vain = r->outcome == ROW_UNDERTRAINED && r->points &&
                      (double)r->point[r->points - 1].examples >= estimate_examples_most(l->sweep);
    if (l->corrected || !isfinite(l->sweep->target) || r->target != l->sweep->target ||
        !(r->outcome == ROW_REACHED || vain))
        return;
    l->corrected = true;
    forecast_correct(l);
}

tas_status resume_trial(lab *l, const trial *t, sweep_run *out, float *weights)
{
    tas_sweep *s = l->sweep;
    const run_key key = key_of(t);
    tas_status status;
    if (recall(l, &key, t->give_up, out, weights)) {
        status = add_run(s, out);
        return status || lab_progress_resumed(l, false) ? status : TAS_STOPPED;
    }
    forecast_update(l);
    if (!may_begin(l) || !lab_progress(l, true)) return TAS_STOPPED;
    status = trial_run(l, t, out, weights);
    if (status == TAS_STOPPED && l->state) state_save_elapsed(l->state, lab_seconds(l));
    if (status) return status;
    status = add_run(s, out);
    if (!status && l->state && weights) status = keep_weights(l, &key, weights);
    if (!status && l->state) status = state_save(l->state, &key, out);
    if (!status && l->state) status = state_save_elapsed(l->state, lab_seconds(l));
    if (!status) take_measure(l, out);
    return status;
}

bool resume_has(const lab *l, const trial *t)
{
    const run_key key = key_of(t);
    sweep_run run;
    if (!l->state || !state_find(l->state, &key, t->give_up, &run)) return false;
    free(run.point);
    return true;
}
