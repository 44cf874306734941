#include "lab/advice/probe.h"

#include <math.h>
#include <string.h>

fit_range probe_scale(const probe_facts *probe)
{
    static const fit_state states[] = {
        [NOISE_UNKNOWN] = FIT_UNKNOWN, [NOISE_AT_LEAST] = FIT_AT_LEAST, [NOISE_KNOWN] = FIT_KNOWN};
    if (probe->branched) return probe->branch.b_crit;
    return (fit_range){states[probe->noise.state], probe->noise.value, probe->noise.low, probe->noise.high};
}

/* The one to go by: branches whose interval is wide, or open above, are taken halfway between its lower end and their
 * value, in log, and at no more than four times the lower end, since a batch too large costs more than one too small;
 * but a low end alone is no reason for less than the default. */
enum { WIDE = 16 };
static double scale_of(const probe_facts *probe)
{
    const fit_range scale = probe_scale(probe);
    if (!probe->branched || (scale.state == FIT_KNOWN && scale.high <= WIDE * scale.low)) return scale.value;
    const double careful = sqrt(scale.low * fmin(scale.value, WIDE * scale.low));
    const double of_default = (double)RECOMMEND_DEFAULT * RECOMMEND_DEFAULT * probe->time.each / probe->time.fixed;
    return fmax(careful, fmin(scale.value, of_default));
}

/* The time to a target at B, without the factor S_min. */
static double time_at(const probe_facts *probe, double batch)
{
    return (1 + scale_of(probe) / batch) * fit_seconds(&probe->time, batch);
}

static double knee_of(const fit_time *time, double scale) { return sqrt(time->fixed / time->each * scale); }

static recommend_unknown why_no_noise_scale(const noise_scale_range *n)
{
    if (n->state != NOISE_KNOWN || !isfinite(n->value) || !isfinite(n->high)) return UNKNOWN_NOISE_OPEN;
    if (!(n->low > 0 && n->high <= 4 * n->low)) return UNKNOWN_NOISE_WIDE;
    return UNKNOWN_NOTHING;
}

static recommend_unknown why_no_critical(const critical_batch *branch)
{
    const critical_obstacle o = branch->obstacle;
    if (o == CRITICAL_ONE_BATCH || o == CRITICAL_ONE_REPEAT) return UNKNOWN_NO_TIME;
    if (o == CRITICAL_RISING || o == CRITICAL_SMALLEST) return UNKNOWN_NOT_FALLING;
    const fit_state state = branch->b_crit.state;
    return state == FIT_KNOWN || state == FIT_AT_LEAST ? UNKNOWN_NOTHING : UNKNOWN_BRANCHES;
}

static recommend_unknown why_not(const probe_facts *probe)
{
    if (probe->no_memory) return UNKNOWN_NO_MEMORY;
    if (!probe->falls) return UNKNOWN_NOT_FALLING;
    if (!probe->plain_sgd && !probe->branched && !probe->too_short && !probe->no_time) return UNKNOWN_NOT_PLAIN_SGD;
    if (probe->coupled && !probe->branched && probe->plain_sgd) return UNKNOWN_COUPLED;
    if (probe->too_short) return UNKNOWN_TOO_SHORT;
    if (probe->no_time) return UNKNOWN_NO_TIME;
    if (probe->few) return UNKNOWN_FEW;
    const recommend_unknown why = probe->branched ? why_no_critical(&probe->branch) : why_no_noise_scale(&probe->noise);
    if (why) return why;
    return probe->time.known && probe->time.fixed > 0 && probe->time.each > 0 ? UNKNOWN_NOTHING : UNKNOWN_STEPS;
}

/* The bound that forbids a batch, or DECIDED_SPEED. Examples to the target are E_min (1 + B / B_noise). */
static recommend_decision bound_at(const probe_facts *probe, uint64_t batch)
{
    const recommend_limits *l = &probe->limits;
    if (l->batch_most && batch > l->batch_most) return DECIDED_LIMIT;
    if (batch > 1 && batch > recommend_limits_batch(l)) return DECIDED_DATA;
    if (batch > 1 && l->waste > 0 && 1 + (double)batch / scale_of(probe) > l->waste) return DECIDED_WASTE;
    if (probe->branched && batch > RECOMMEND_DEFAULT && (double)batch > probe->branch.stable_most)
        return DECIDED_STABLE;
    if (probe->timed_most && batch > probe->timed_most) return DECIDED_TIMED;
    return DECIDED_SPEED;
}

static recommend_side side_at(const probe_facts *probe, uint64_t batch, uint64_t chosen)
{
    static const row_verdict verdicts[DECIDED_COUNT] = {
        [DECIDED_SPEED] = VERDICT_NOT_MEASURED, [DECIDED_LIMIT] = VERDICT_LIMIT,
        [DECIDED_DATA] = VERDICT_DATA,          [DECIDED_WASTE] = VERDICT_WASTE,
        [DECIDED_TIMED] = VERDICT_NOT_MEASURED, [DECIDED_STABLE] = VERDICT_NOT_MEASURED};
    if (!batch) return (recommend_side){0, VERDICT_NOT_MEASURED, NAN, NAN, false};
    const double scale = scale_of(probe);
    return (recommend_side){.batch = batch,
                            .verdict = verdicts[bound_at(probe, batch)],
                            .seconds = time_at(probe, (double)batch) / time_at(probe, (double)chosen),
                            .examples = ((double)batch + scale) / ((double)chosen + scale)};
}

static double rate_at(const probe_facts *probe, double batch)
{
    const double scale = scale_of(probe), base = RECOMMEND_DEFAULT;
    if (probe->branched) return probe->lr * pow(batch / base, probe->rate_power);
    return probe->lr * (1 + scale / base) / (1 + scale / batch);
}

enum { PROBE_MOST = 1 << 20 }; /* no larger batch is recommended without measuring it */

static void fill_probed(const probe_facts *probe, recommendation *out)
{
    const double wanted = log2(out->knee);
    uint64_t batch = wanted < 0 ? 1 : wanted > 20 ? PROBE_MOST : (uint64_t)1 << lround(wanted);
    for (; bound_at(probe, batch) != DECIDED_SPEED; batch /= 2) out->decided = bound_at(probe, batch);
    for (; batch < probe->timed_least && bound_at(probe, 2 * batch) == DECIDED_SPEED; batch *= 2)
        out->decided = DECIDED_TIMED;
    const double best = time_at(probe, (double)batch);
    out->batch = out->range_low = out->range_high = batch;
    while (out->range_low > 1 && time_at(probe, (double)(out->range_low / 2)) <= 1.05 * best) out->range_low /= 2;
    while (out->range_high < PROBE_MOST && bound_at(probe, out->range_high * 2) == DECIDED_SPEED &&
           time_at(probe, (double)(out->range_high * 2)) <= 1.05 * best)
        out->range_high *= 2;
    out->lr = rate_at(probe, (double)batch);
    out->half = side_at(probe, batch / 2, batch);
    out->twice = side_at(probe, batch * 2, batch);
}

bool probe_recommend(const probe_facts *probe, recommendation *out)
{
    memset(out, 0, sizeof *out);
    if (!recommend_limits_usable(&probe->limits) || !(probe->lr > 0 && isfinite(probe->lr))) return false;
    const recommend_input none = {.limits = probe->limits, .lr = probe->lr};
    recommend_default(&none, why_not(probe), out); /* and what a probe cannot know */
    out->time = probe->time;
    out->knee = NAN;
    out->knee_high = INFINITY;
    if (out->unknown) return true;
    out->decided = DECIDED_SPEED;
    out->confidence = CONFIDENCE_LOW; /* the noise scale only approximates the critical batch */
    const fit_range scale = probe_scale(probe);
    out->knee = knee_of(&probe->time, scale_of(probe));
    out->knee_low = knee_of(&probe->time, scale.low);
    out->knee_high = knee_of(&probe->time, scale.high);
    fill_probed(probe, out);
    return true;
}
