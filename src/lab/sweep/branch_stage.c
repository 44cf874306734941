#include "lab/sweep/branch_stage.h"

#include "base/context.h"
#include "base/format.h"
#include "lab/branch/branches.h"
#include "lab/sweep/aggregate.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/frozen_stage.h"
#include "lab/sweep/json.h"
#include "lab/sweep/trial.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum {
    REPEATS = 8,
    REPEATS_ENOUGH = 4, /* if the interval is then within a factor of 3 */
    MOMENTS = 6,        /* halvings of the examples to the target, if there are no levels */
    LOOKS = 4,          /* at each branch */
    LARGEST = 1024,     /* no larger batch is tried */
    SECONDS_LEAST = 30, /* without a limit: so many, or */
    SECONDS_PART = 8    /* one in so many of those that the sweep took */
};

/* The run ---------------------------------------------------------------------------------------------------------- */

const sweep_batch *branch_stage_base(const tas_sweep *s)
{
    const double wanted = s->base_batch ? (double)s->base_batch : ESTIMATE_BASE;
    const sweep_batch *out = NULL;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (!(b->lr > 0) || b->outcome == ROW_DIVERGED || !sweep_mean_known(&b->examples)) continue;
        if (!out || estimate_distance((double)b->batch, wanted) < estimate_distance((double)out->batch, wanted))
            out = b;
    }
    return out;
}

/* Examples at which branches are made: where the base batch comes by each level, or at halves of its way. Ascending. */
static int list_moments(const tas_sweep *s, const sweep_batch *base, double *moments)
{
    int count = 0;
    for (int i = 0; i < s->levels; i++)
        if (s->level[i].epochs > 0 && isfinite(s->level[i].epochs) &&
            (!count || s->level[i].epochs * (double)s->examples > moments[count - 1]))
            moments[count++] = s->level[i].epochs * (double)s->examples;
    for (int i = MOMENTS - 1; i >= 0 && !s->levels; i--) moments[count++] = ldexp(base->examples.value, -i);
    return count;
}

/* From half of the base batch on, doubling. */
static branches_request request_up_to(const lab *l, const sweep_batch *base, uint64_t most)
{
    const tas_sweep *s = l->sweep;
    branches_request out = {.repeats = REPEATS,
                            .apart = branches_memory(&s->options.train),
                            .enough = REPEATS_ENOUGH,
                            .looks = LOOKS,
                            .examples = branches_steps(&s->options.train) * most,
                            .rate_power = branches_rate_power(s->options.train.optimizer),
                            .judge = s->options.on_train ? l->train_look : l->look,
                            .seed = s->options.seed + SWEEP_SECOND_SEED};
    for (uint64_t batch = base->batch > 1 ? base->batch / 2 : 1; batch <= most; batch *= 2)
        out.batch[out.batches++] = (uint32_t)batch;
    return out;
}

/* Of a moment, as long as an example takes with the base batch; half of it with the smallest. */
static double seconds_of(const sweep_batch *base, const branches_request *r)
{
    return base->step_seconds / (double)base->batch * (double)r->examples * (r->batches + 1) * REPEATS_ENOUGH;
}

/* What is left, or a share of what the sweep took so far. */
static double seconds_for(const lab *l)
{
    const double limit = l->sweep->options.seconds, so_far = lab_seconds(l);
    return limit > 0 ? limit - l->reserve - so_far : fmax(SECONDS_LEAST, so_far / SECONDS_PART);
}

/* To the largest batch whose branches fit into the epoch, the examples to the target and the time. Without any,
 * .batches is 0. */
static branches_request request_of(const lab *l, const sweep_batch *base, const double *moments, int count)
{
    const tas_sweep *s = l->sweep;
    const double seconds = seconds_for(l);
    branches_request out = {.batches = 0}, wanted;
    for (uint64_t most = base->batch > 1 ? base->batch : 2; most <= LARGEST; most *= 2) {
        if (most > base->batch && most > s->examples / 10) break;
        wanted = request_up_to(l, base, most);
        if (wanted.examples > s->examples || (double)wanted.examples > moments[count - 1]) break;
        if (out.batches && seconds_of(base, &wanted) * count > seconds) break;
        out = wanted;
    }
    return out;
}

/* Moments ---------------------------------------------------------------------------------------------------------- */

static void keep(tas_sweep *s, const tas_train_result *at, const critical_input *in, const critical_batch *found)
{
    sweep_branch *b = &s->branch[s->branches++];
    *b = (sweep_branch){.step = at->steps,
                        .examples = at->examples,
                        .loss = critical_before(in),
                        .critical = found->critical,
                        .b_crit = found->b_crit,
                        .why = critical_why(found->obstacle),
                        .progress = found->progress,
                        .repeats = in->repeats,
                        .batches = in->batches};
    for (int i = 0; i < in->batches; i++) {
        b->batch[i] = in->batch[i];
        b->difference[i] = found->difference[i];
        b->error[i] = found->error[i];
    }
}

static int on_branch(void *user) { return !lab_progress(user, false); }

static tas_status make_branches(lab *l, tas_run *run, branches_request *request, const tas_train_result *at)
{
    critical_input in;
    critical_batch found;
    snprintf(l->doing, sizeof l->doing, "branches after %" PRIu64 " steps", at->steps);
    if (!lab_progress(l, true)) return TAS_STOPPED;
    request->on_branch = on_branch;
    request->user = l;
    request->seed += REPEATS; /* other orders at each moment */
    const tas_status status = branches_make(run, request, &in, NULL);
    if (status) return status;
    critical_find(&in, &found);
    keep(l->sweep, at, &in, &found);
    return TAS_OK;
}

/* Steps to the moment, and on to where branches fit into the epoch. */
static tas_status advance_to(tas_run *run, uint64_t batch, const branches_request *request, double examples,
                             tas_train_result *at)
{
    const double steps = round((examples - (double)at->examples) / (double)batch);
    tas_status status = steps >= 1 ? tas_run_advance(run, (uint64_t)steps, at) : TAS_OK;
    const uint64_t more = status ? 0 : branches_wait(run, request);
    return more ? tas_run_advance(run, more, at) : status;
}

static tas_status follow(lab *l, tas_run *run, uint64_t batch, branches_request *request, const double *moments,
                         int count)
{
    tas_sweep *s = l->sweep;
    tas_train_result at = {0};
    tas_status status = TAS_OK;
    for (int i = 0; i < count && !status && s->branches < SWEEP_BRANCHES; i++) {
        status = advance_to(run, batch, request, moments[i], &at);
        if (status == TAS_NOT_FINITE) return TAS_OK; /* what there is until here is kept */
        const bool again = s->branches && s->branch[s->branches - 1].step == at.steps;
        if (!status && at.steps && !again) status = make_branches(l, run, request, &at);
    }
    return status;
}

static int on_step(void *user, const tas_step *step) { return step->step % 16 == 0 && !lab_progress(user, false); }

static tas_status train(lab *l, const sweep_batch *base, branches_request *request, const double *moments, int count)
{
    trial t = {.batch = base->batch,
               .seed = l->sweep->options.seed,
               .lr = base->lr,
               .search = true, /* without its noise scale */
               .examples_most = fmax(estimate_examples_most(l->sweep), 2 * moments[count - 1]),
               .batch_most = request->batch[request->batches - 1]};
    tas_model *model;
    tas_run *run = NULL;
    tas_status status = trial_plan_copies(l, &t);
    if (status) return status;
    t.batch_most = 0; /* which would scale the rate */
    tas_train_options options = trial_options(l, &t);
    options.batch_most = request->batch[request->batches - 1];
    options.on_step = on_step;
    options.user = l;
    status = tas_model_open(l->device, l->network, t.seed, &model);
    if (status) return status;
    tas_model_set_budget(model, l->look_bytes);
    status = tas_run_open(model, l->rest, &options, &run);
    if (!status) status = follow(l, run, base->batch, request, moments, count);
    tas_run_close(&run);
    tas_model_close(&model);
    return status;
}

tas_status branch_stage_run(lab *l)
{
    tas_sweep *s = l->sweep;
    double moments[SWEEP_TARGETS]; /* at least MOMENTS */
    if (!s->options.branch) return TAS_OK;
    aggregate_runs(s); /* the levels, and the examples to the target */
    const sweep_batch *base = branch_stage_base(s);
    if (!base) return TAS_OK;
    const int count = list_moments(s, base, moments);
    l->reserve = l->test_seconds;
    branches_request request = count ? request_of(l, base, moments, count) : (branches_request){.batches = 0};
    if (!request.batches) {
        l->reserve = 0;
        frozen_stage_leave_out(l, "branches: the target is reached before a branch would end");
        return TAS_OK;
    }
    const tas_status status = train(l, base, &request, moments, count);
    l->reserve = 0;
    if (status == TAS_NO_MEMORY) {
        frozen_stage_leave_out(l, "branches: there is not enough memory for them");
        return TAS_OK;
    }
    if (status != TAS_STOPPED || !l->late || l->stopped) return status;
    l->late = false; /* what was measured is kept, and there is time for one test */
    frozen_stage_leave_out(l, "some of the branches");
    return TAS_OK;
}

/* JSON ------------------------------------------------------------------------------------------------------------- */

static void put(json_t *to, const char *name, json_t *value) { json_object_set_new(to, name, value); }

/* NAME, NAME_low, NAME_high; an end that does not exist is null. */
static void put_range(json_t *to, const char *name, const fit_range *r)
{
    char end[32];
    const bool low = r->state == FIT_KNOWN || r->state == FIT_AT_LEAST,
               high = r->state == FIT_KNOWN || r->state == FIT_AT_MOST;
    put(to, name, json_known(low && high ? r->value : NAN));
    snprintf(end, sizeof end, "%s_low", name);
    put(to, end, json_known(low ? r->low : NAN));
    snprintf(end, sizeof end, "%s_high", name);
    put(to, end, json_known(high ? r->high : NAN));
}

static json_t *moment_json(const tas_sweep *s, const sweep_branch *b)
{
    json_t *out = json_object(), *batches = json_array();
    put(out, "step", json_count(b->step));
    put(out, "examples", json_count(b->examples));
    put(out, "epochs", json_known((double)b->examples / (double)s->examples));
    put(out, "loss", json_known(b->loss));
    put_range(out, "critical_batch", &b->critical);
    put_range(out, "b_crit", &b->b_crit);
    put(out, "unknown_because", *b->why ? json_string(b->why) : json_null());
    put(out, "progress", json_known(b->progress));
    put(out, "repeats", json_count((uint64_t)b->repeats));
    for (int i = 0; i < b->batches; i++) {
        json_t *one = json_object();
        put(one, "batch", json_count((uint64_t)b->batch[i]));
        put(one, "difference", json_known(b->difference[i]));
        put(one, "difference_error", json_known(b->error[i]));
        json_array_append_new(batches, one);
    }
    put(out, "batches", batches);
    return out;
}

json_t *branch_stage_describe(const tas_sweep *s)
{
    json_t *out = json_array();
    for (int i = 0; i < s->branches; i++) json_array_append_new(out, moment_json(s, &s->branch[i]));
    return out;
}
