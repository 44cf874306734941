#include "lab/sweep/forecast.h"

#include "base/context.h"
#include "base/format.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/setup.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void forecast_update(lab *l)
{
    tas_sweep *s = l->sweep;
    bool of[SWEEP_BATCHES];
    int tests = 0;
    double left = estimate_target_seconds(s);
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        of[i] = sweep_batch_fits(b) && !b->why[0];
        if (!of[i]) continue;
        tests++;
        left += estimate_batch_seconds(s, b, s->options.seeds);
    }
    l->seconds_left = left + tests * l->test_seconds + (estimate_out_of_reach(s) ? 0 : estimate_measure_seconds(s, of));
}

/* Why the forecast changed: how far the target is, or how far the runs went without reaching it. */
static void say_why(const tas_sweep *s, char *text, size_t bytes)
{
    const double epochs = (double)s->examples, vain = estimate_most_without(s);
    const sweep_batch *best = NULL;
    for (int i = 0; i < s->count; i++)
        if (isfinite(estimate_fewest(s, s->batch[i].batch)) &&
            (!best || estimate_fewest(s, s->batch[i].batch) < estimate_fewest(s, best->batch)))
            best = &s->batch[i];
    if (best)
        snprintf(text, bytes, "B = %" PRIu64 " reached the target in %s epochs", best->batch,
                 format_number(estimate_fewest(s, best->batch) / epochs).text);
    else if (vain > 0)
        snprintf(text, bytes, "the target was not reached in %s epochs", format_number(vain / epochs).text);
    else
        snprintf(text, bytes, "the target is known");
}

void forecast_correct(lab *l)
{
    const tas_sweep *s = l->sweep;
    char why[128];
    forecast_update(l);
    const double now = lab_seconds(l), total = now + l->seconds_left;
    if (l->seconds_left < 0.1 * total) return; /* too late to matter */
    if (!(l->reported_total > 0) || (total < 1.3 * l->reported_total + 1 && total > 0.6 * l->reported_total - 1))
        return;
    l->reported_total = total;
    say_why(s, why, sizeof why);
    lab_note(l, "forecast: about %s in total, %s of it remaining%s: %s", format_seconds(total).text,
             format_seconds(l->seconds_left).text,
             s->options.seconds > 0 && total > s->options.seconds ? ", more than the time limit allows" : "", why);
}

/* By the same rule as may_begin(). */
tas_status forecast_check(lab *l)
{
    const tas_sweep *s = l->sweep;
    const sweep_batch *shortest = NULL;
    double least = INFINITY;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (!sweep_batch_fits(b)) continue;
        const double seconds = estimate_batch_seconds(s, b, SETUP_SEEDS_LEAST) + estimate_tail_seconds(l, b);
        if (seconds < least) least = seconds, shortest = b;
    }
    least += estimate_target_seconds(s);
    if (!(s->options.seconds > 0) || l->earlier_seconds > 0 || lab_seconds(l) + least < s->options.seconds || !shortest)
        return TAS_OK;
    return fail(s->context, TAS_BAD_ARGUMENT,
                "a time limit of %s is too short: %s%stwo runs of B = %" PRIu64
                ", the fastest batch, and what follows are expected to take %s, after %s of timing steps",
                format_seconds(s->options.seconds).text, isfinite(s->target) ? "" : "making the target, ",
                estimate_search_seconds(s, shortest) > 0 ? "the search for a rate, " : "", shortest->batch,
                format_seconds(least).text, format_seconds(lab_seconds(l)).text);
}
