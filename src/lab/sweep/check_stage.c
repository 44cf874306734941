/* The command that the advice ends with is run on a fresh seed, and what it did stands beside what was promised. If it
 * falls short, that run counts against its batch as another seed does, and the next candidate is checked. A batch that
 * missed the target is out. */
#include "lab/sweep/check_stage.h"

#include "base/context.h"
#include "base/format.h"
#include "lab/sweep/aggregate.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/resume.h"
#include "lab/sweep/trial.h"
#include "stats/reach.h"

#include <inttypes.h>
#include <math.h>

/* Means over the evaluations by which it is judged whether the run has stayed at the target: from where it was reached
 * on, or else of the last quarter. */
static void read_end(const sweep_run *run, sweep_check *out)
{
    const double all = run->points ? (double)run->point[run->points - 1].examples : 0;
    running loss = {0}, accuracy = {0};
    for (int i = 0; i < run->points; i++) {
        const sweep_point *p = &run->point[i];
        const bool counts =
            isfinite(run->steps) ? (double)p->step >= run->steps : REACH_STAY * (double)p->examples >= all;
        if (!counts || !isfinite(p->loss)) continue;
        running_add(&loss, p->loss);
        running_add(&accuracy, p->accuracy);
    }
    out->loss = loss.count ? loss.mean : NAN;
    out->accuracy = accuracy.count ? accuracy.mean : NAN;
}

/* A step takes as long as when steps were timed, so that other load on the machine does not fail the check. */
static sweep_check compare(const tas_sweep *s, const sweep_batch *b, const sweep_run *run)
{
    sweep_check out = {.batch = b->batch,
                       .seed = run->seed,
                       .lr = run->lr,
                       .promised_low = s->advice.seconds_low,
                       .promised_high = s->advice.seconds_high,
                       .reached = run->outcome == ROW_REACHED,
                       .steps = run->steps,
                       .examples = run->steps * (double)b->batch,
                       .seconds = run->steps * b->step_seconds};
    read_end(run, &out);
    out.held = out.reached && !(out.seconds > out.promised_high);
    return out;
}

static tas_status check_command(lab *l, sweep_batch *b, int number)
{
    tas_sweep *s = l->sweep;
    sweep_run run;
    const trial t = {.batch = b->batch,
                     .seed = s->options.seed + SWEEP_CHECK_SEED + (uint64_t)number,
                     .lr = b->lr,
                     .target = s->target,
                     .give_up = INFINITY,
                     .examples_most = estimate_examples_most(s),
                     .to_target = true};
    snprintf(l->doing, sizeof l->doing, "B = %" PRIu64 ": checking the advice on a fresh seed", b->batch);
    l->reserve = estimate_measure_seconds(s, (bool[SWEEP_BATCHES]){false}) + l->test_seconds;
    const tas_status status = resume_trial(l, &t, &run, NULL);
    l->reserve = 0;
    if (status) return status;
    s->check[number] = compare(s, b, &run);
    s->checks = number + 1;
    b->failed_check = !s->check[number].held;
    b->missed_check = !s->check[number].reached;
    return TAS_OK;
}

static bool was_checked(const tas_sweep *s, uint64_t batch)
{
    for (int i = 0; i < s->checks; i++)
        if (s->check[i].batch == batch) return true;
    return false;
}

tas_status check_stage_run(lab *l)
{
    tas_sweep *s = l->sweep;
    tas_status status = TAS_OK;
    s->checks = 0;
    for (int number = 0; number < SWEEP_CHECKS && !status; number++) {
        aggregate_runs(s);
        const int row = s->advice.row;
        if (row < 0 || s->advice.decided == DECIDED_DEFAULT || was_checked(s, s->batch[row].batch)) break;
        status = check_command(l, &s->batch[row], number);
        if (!status && s->check[number].held) break;
    }
    if (status != TAS_STOPPED || !l->late || l->stopped) return status;
    l->late = false; /* there was no time for it, which the report says */
    return TAS_OK;
}
