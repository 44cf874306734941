#include "lab/report/trend.h"

#include "stats/distributions.h"

#include <inttypes.h>
#include <math.h>

void trend_add(trend *t, uint64_t batch, double value, double error, double freedom)
{
    if (!isfinite(value) || !(error >= 0) || isinf(error) || !(freedom > 0) || t->count == SWEEP_BATCHES) return;
    int at = t->count++;
    for (; at > 0 && t->point[at - 1].batch > batch; at--) t->point[at] = t->point[at - 1];
    t->point[at] = (trend_point){batch, value, error, freedom};
}

void trend_add_mean(trend *t, uint64_t batch, const sweep_mean *mean)
{
    if (!sweep_mean_known(mean) || mean->seeds < 2) return;
    trend_add(t, batch, t->logarithms ? log(mean->value) : mean->value, mean->spread / sqrt(mean->seeds),
              mean->seeds - 1);
}

/* Welch: the degrees of freedom of the sum of two variances. */
static double reach_of(const trend_point *a, const trend_point *b, double level)
{
    const double va = a->error * a->error, vb = b->error * b->error, v = va + vb;
    const double inverse = va * va / a->freedom + vb * vb / b->freedom;
    if (!(v > 0)) return 0;
    return student_quantile((1 + level) / 2, inverse > 0 ? v * v / inverse : INFINITY) * sqrt(v);
}

bool trend_find(const trend *t, int sign, trend_change *out)
{
    const int pairs = t->count * (t->count - 1) / 2;
    double clearest = 1;
    for (int i = 0; i < t->count; i++)
        for (int j = i + 1; j < t->count; j++) {
            const trend_point *a = &t->point[i], *b = &t->point[j];
            const double change = b->value - a->value, reach = reach_of(a, b, 1 - 0.05 / pairs);
            const double clear = reach > 0 ? fabs(change) / reach : INFINITY;
            const bool larger = isinf(clear) && isinf(clearest) && fabs(change) > fabs(out->value);
            if (change * sign <= 0 || !(clear > clearest || larger)) continue;
            clearest = clear;
            *out = (trend_change){*a, *b, change, reach};
        }
    return clearest > 1;
}

finding_verdict trend_judge(const trend *t, int wanted, finding_verdict ends)
{
    trend_change change;
    if (ends == FINDING_AGREES) return trend_find(t, -wanted, &change) ? FINDING_PARTLY : ends;
    if (ends == FINDING_DISAGREES) return trend_find(t, wanted, &change) ? FINDING_PARTLY : ends;
    if (ends != FINDING_NO_DIFFERENCE) return ends;
    return trend_find(t, wanted, &change) ? FINDING_PARTLY : trend_find(t, -wanted, &change) ? FINDING_DISAGREES : ends;
}

static void describe_change(const trend *t, const trend_change *c, text_buffer *w)
{
    const double from = t->logarithms ? exp(c->from.value) : c->from.value,
                 to = t->logarithms ? exp(c->to.value) : c->to.value;
    format_add(w, "from B = %" PRIu64 " to B = %" PRIu64 " it %s from %s to %s", c->from.batch, c->to.batch,
               c->value > 0 ? "grows" : "falls", format_number(from).text, format_number(to).text);
    if (t->logarithms)
        format_add(w, " (%s to %s times, by the interval for all pairs together)",
                   format_number(exp(c->value - c->reach)).text, format_number(exp(c->value + c->reach)).text);
    else
        format_add(w, " (%s \u00b1 %s, by the interval for all pairs together)", format_number(c->value).text,
                   format_number(c->reach).text);
}

finding_verdict trend_describe(const trend *t, int wanted, finding_verdict ends, text_buffer *w)
{
    trend_change change;
    const finding_verdict verdict = trend_judge(t, wanted, ends);
    const int between = t->count - 2, sign = ends == FINDING_DISAGREES ? -wanted : wanted;
    if (between < 1 || ends == FINDING_NOT_KNOWN) return verdict;
    if (ends == FINDING_NO_DIFFERENCE && verdict == ends) {
        format_add(w, " Nor does any batch between them differ beyond the intervals.");
    } else if (ends == FINDING_NO_DIFFERENCE) {
        trend_find(t, verdict == FINDING_PARTLY ? wanted : -wanted, &change);
        format_add(w, " But in between it is not the same: ");
        describe_change(t, &change, w);
        format_add(w, ".");
    } else if (verdict == FINDING_PARTLY) {
        trend_find(t, -sign, &change);
        format_add(w, " But it is not monotone: ");
        describe_change(t, &change, w);
        format_add(w, ".");
    } else {
        format_add(w, " No change in the other direction was seen at the %s between them.",
                   between == 1 ? "batch" : "batches");
    }
    return verdict;
}

finding_verdict trend_describe_means(const tas_sweep *sweep, bool (*knows)(const sweep_batch *),
                                     const sweep_mean *(*of)(const sweep_batch *), bool logarithms, int wanted,
                                     finding_verdict ends, text_buffer *w)
{
    trend t = {.logarithms = logarithms};
    for (int i = 0; i < sweep->count; i++)
        if (knows(&sweep->batch[i])) trend_add_mean(&t, sweep->batch[i].batch, of(&sweep->batch[i]));
    return trend_describe(&t, wanted, ends, w);
}
