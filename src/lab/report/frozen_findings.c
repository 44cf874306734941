/* Claims about the gradient and the weights, from measurements at frozen weights and late in the runs. */
#include "lab/report/trend.h"

#include "lab/advice/reason.h"

#include <inttypes.h>
#include <math.h>

/* One of a batch's figures at frozen weights: what was measured, its standard error, what theory expects. */
typedef struct figure {
    double value, error, expected;
} figure;

static figure variance_of(const frozen_figures *f)
{
    return (figure){f->variance, f->variance_error, f->variance_expected};
}

static figure cosine_of(const frozen_figures *f) { return (figure){f->cosine, f->cosine_error, f->cosine_expected}; }

/* A standard deviation's own standard error is s / sqrt(2 (n - 1)), near enough. */
static figure loss_of(const frozen_figures *f)
{
    const double error = f->draws > 1 ? f->loss_spread / sqrt(2.0 * (f->draws - 1)) : NAN;
    return (figure){f->loss_spread, error, f->loss_expected};
}

typedef struct measure {
    const char *claim, *name; /* the name with a capital letter */
    figure (*of)(const frozen_figures *);
    int wanted; /* the sign of the change with the batch that is claimed */
} measure;

static const measure measures[] = {
    {"A larger batch has less variance: its gradient is closer to that of the whole set.",
     "The mean squared distance of a batch's gradient from the full one", variance_of, -1},
    {"A larger batch estimates the direction of the gradient better.",
     "The cosine between a batch's gradient and the full one", cosine_of, +1},
    {"A larger batch estimates the loss better.", "The standard deviation of a batch's loss", loss_of, -1},
};

/* The smallest and the largest batch measured at a point. */
static bool ends_at(const tas_sweep *sweep, const frozen_point *point, const measure *m, int *small, int *large)
{
    *small = *large = -1;
    for (int i = 0; i < sweep->count; i++) {
        if (point->batch[i].draws < 2 || !isfinite(m->of(&point->batch[i]).value)) continue;
        if (*small < 0 || sweep->batch[i].batch < sweep->batch[*small].batch) *small = i;
        if (*large < 0 || sweep->batch[i].batch > sweep->batch[*large].batch) *large = i;
    }
    return *small >= 0 && *small != *large;
}

/* How the figure changes with the batch at one point. */
static finding_verdict say_point(text_buffer *w, const tas_sweep *sweep, const frozen_point *point, const measure *m,
                                 int small, int large)
{
    const figure a = m->of(&point->batch[small]), b = m->of(&point->batch[large]);
    const double change = b.value - a.value, reach = 1.96 * hypot(a.error, b.error);
    format_add(w, " at the %s %s at B = %" PRIu64 " and %s at B = %" PRIu64, point->name, format_number(a.value).text,
               sweep->batch[small].batch, format_number(b.value).text, sweep->batch[large].batch);
    if (!isfinite(reach)) return FINDING_NOT_KNOWN;
    if (fabs(change) > reach) return change * m->wanted > 0 ? FINDING_AGREES : FINDING_DISAGREES;
    format_add(w, ", no difference seen (%s \u00b1 %s)", format_number(change).text, format_number(reach).text);
    return FINDING_NO_DIFFERENCE;
}

/* The same of the batches between the ends. */
static finding_verdict say_between(text_buffer *w, const tas_sweep *sweep, const frozen_point *point, const measure *m,
                                   finding_verdict ends)
{
    trend t = {0};
    trend_change change;
    for (int i = 0; i < sweep->count; i++) {
        const figure f = m->of(&point->batch[i]);
        if (point->batch[i].draws >= 2) trend_add(&t, sweep->batch[i].batch, f.value, f.error, INFINITY);
    }
    const finding_verdict verdict = trend_judge(&t, m->wanted, ends);
    if (verdict == ends) return ends;
    const int sign = (ends == FINDING_AGREES || verdict == FINDING_DISAGREES) ? -m->wanted : m->wanted;
    if (trend_find(&t, sign, &change))
        format_add(w, ", but %s at B = %" PRIu64 " and %s at B = %" PRIu64, format_number(change.from.value).text,
                   change.from.batch, format_number(change.to.value).text, change.to.batch);
    return verdict;
}

/* The ratio of measured to expected over all points and batches. */
static void say_theory(text_buffer *w, const tas_sweep *sweep, const measure *m)
{
    double low = INFINITY, high = -INFINITY;
    int off = 0, all = 0, draws = 0;
    for (int p = 0; p < FROZEN_POINTS; p++)
        for (int i = 0; i < sweep->count && sweep->frozen[p].name; i++) {
            const frozen_figures *f = &sweep->frozen[p].batch[i];
            const figure one = m->of(f);
            if (f->draws < 2 || !isfinite(one.value) || !isfinite(one.expected) || !(one.expected > 0)) continue;
            all++;
            if (f->draws < draws || !draws) draws = f->draws;
            low = fmin(low, one.value / one.expected);
            high = fmax(high, one.value / one.expected);
            if (isfinite(one.error) && fabs(one.value - one.expected) > 3 * one.error) off++;
        }
    if (!all) return;
    format_add(w, " With %d or more draws each, the figures are %s to %s times the theoretical ones", draws,
               format_number(low).text, format_number(high).text);
    if (off)
        format_add(w, "; %d of %d differ by more than three standard errors.", off, all);
    else
        format_add(w, "; none differs by more than three standard errors.");
}

static void find_frozen(const tas_sweep *sweep, const measure *m, finding *out)
{
    int counts[FINDING_VERDICTS] = {0}, points = 0, small, large;
    *out = (finding){.claim = m->claim, .verdict = FINDING_NOT_KNOWN};
    text_buffer w = {.text = out->seen, .bytes = sizeof out->seen};
    for (int p = 0; p < FROZEN_POINTS; p++) {
        const frozen_point *point = &sweep->frozen[p];
        if (!point->name || !ends_at(sweep, point, m, &small, &large)) continue;
        if (points++)
            format_add(&w, ";");
        else
            format_add(&w, "%s was,", m->name);
        const finding_verdict ends = say_point(&w, sweep, point, m, small, large);
        counts[say_between(&w, sweep, point, m, ends)]++;
    }
    if (!points) {
        format_add(&w, "Not measured%s.", sweep->options.brief ? ": the sweep was brief" : "");
        return;
    }
    format_add(&w, ".");
    const int known = points - counts[FINDING_NOT_KNOWN];
    for (finding_verdict v = FINDING_AGREES; v <= FINDING_DISAGREES; v++)
        if (known && counts[v] == known) out->verdict = v;
    if (known && out->verdict == FINDING_NOT_KNOWN)
        out->verdict = counts[FINDING_AGREES] + counts[FINDING_PARTLY] ? FINDING_PARTLY : FINDING_DISAGREES;
    say_theory(&w, sweep, m);
}

void frozen_findings_variance(const tas_sweep *sweep, finding *out) { find_frozen(sweep, &measures[0], out); }
void frozen_findings_gradient(const tas_sweep *sweep, finding *out) { find_frozen(sweep, &measures[1], out); }
void frozen_findings_cost(const tas_sweep *sweep, finding *out) { find_frozen(sweep, &measures[2], out); }

/* The noise scale -------------------------------------------------------------------------------------------------- */

static bool is_known(const noise_scale_range *n) { return n->state != NOISE_UNKNOWN && isfinite(n->low); }

/* The first and the last window of a batch with a known noise scale; false if there are not two. */
static bool window_ends(const sweep_batch *b, int *first, int *last)
{
    *first = *last = -1;
    for (int i = 0; i < b->noise_windows; i++) {
        if (!is_known(&b->noise_window[i])) continue;
        if (*first < 0) *first = i;
        *last = i;
    }
    return *first < *last;
}

/* The batch to describe: the recommended one, otherwise the one with the most windows. */
static int noise_row(const tas_sweep *sweep)
{
    int best = -1, most = 0, first, last;
    const int row = sweep->advice.row;
    if (row >= 0 && row < sweep->count && window_ends(&sweep->batch[row], &first, &last)) return row;
    for (int i = 0; i < sweep->count; i++)
        if (window_ends(&sweep->batch[i], &first, &last) && sweep->batch[i].noise_windows > most) {
            best = i;
            most = sweep->batch[i].noise_windows;
        }
    return best;
}

static void say_noise(text_buffer *w, const noise_scale_range *n)
{
    char text[128];
    reason_noise(n, text, sizeof text);
    format_add(w, "%s", text);
}

static void say_critical(text_buffer *w, const tas_sweep *sweep, const sweep_batch *b)
{
    const fit_range *critical = &sweep->advice.curve.b_crit;
    const bool plain = sweep->options.train.optimizer == TAS_SGD && !(sweep->options.train.momentum > 0);
    if (is_known(&b->noise)) {
        format_add(w, " From the start to the %s, at B = %" PRIu64 ", it was ",
                   b->outcome == ROW_REACHED ? "target" : "end of its runs", b->batch);
        say_noise(w, &b->noise);
        if (sweep->advice.curve.known && critical->state == FIT_KNOWN)
            format_add(w, "; the fitted critical batch is %s", format_number(critical->value).text);
        format_add(w, ".");
    }
    if (!plain)
        format_add(
            w, " With momentum or Adam it describes the gradient only; the best batch follows from the steps to the "
               "target.");
}

/* Between two windows: from end to end the noise scale may rise, and yet have been higher, or lower, on the way. */
static finding_verdict say_way(text_buffer *w, const sweep_batch *b, int first, int last, finding_verdict ends)
{
    const noise_scale_range *a = &b->noise_window[first], *z = &b->noise_window[last];
    const int sign = ends == FINDING_DISAGREES ? -1 : 1;
    for (int i = first + 1; i < last; i++) {
        const noise_scale_range *n = &b->noise_window[i];
        if (!is_known(n)) continue;
        const bool above = n->low > fmax(a->high, z->high), below = n->high < fmin(a->low, z->low);
        const bool turns = ends == FINDING_NO_DIFFERENCE ? above || below
                                                         : (sign > 0 ? n->low > z->high || n->high < a->low
                                                                     : n->high < z->low || n->low > a->high);
        if (!turns) continue;
        format_add(w, "; but on the way, up to example %s, it was ", format_number(b->noise_end[i]).text);
        say_noise(w, n);
        return FINDING_PARTLY;
    }
    return ends;
}

void frozen_findings_noise(const tas_sweep *sweep, finding *out)
{
    *out = (finding){.claim = "The gradient noise scale, which sets the useful batch size, grows during training."};
    text_buffer w = {.text = out->seen, .bytes = sizeof out->seen};
    const int row = noise_row(sweep);
    int first, last;
    if (row < 0 && sweep->count && sweep->batch[0].noise_obstacle) {
        format_add(&w, "It was not estimated: %s.", sweep->batch[0].noise_obstacle);
        return;
    }
    if (row < 0) {
        format_add(&w, "The noise scale is known for fewer than two stretches of any run.");
        for (int i = 0; i < sweep->count; i++)
            if (is_known(&sweep->batch[i].noise)) {
                say_critical(&w, sweep, &sweep->batch[i]);
                return;
            }
        return;
    }
    const sweep_batch *b = &sweep->batch[row];
    window_ends(b, &first, &last);
    const noise_scale_range *a = &b->noise_window[first], *z = &b->noise_window[last];
    format_add(&w, "At B = %" PRIu64 " it was ", b->batch);
    say_noise(&w, a);
    format_add(&w, " up to example %s and ", format_number(b->noise_end[first]).text);
    say_noise(&w, z);
    format_add(&w, " up to example %s", format_number(b->noise_end[last]).text);
    if (b->noise_group > 1) format_add(&w, ", from groups of %u examples", b->noise_group);
    if (z->low > a->high)
        out->verdict = FINDING_AGREES;
    else if (z->high < a->low)
        out->verdict = FINDING_DISAGREES;
    else
        out->verdict = FINDING_NO_DIFFERENCE;
    if (out->verdict == FINDING_NO_DIFFERENCE) format_add(&w, ": no difference seen, since the intervals overlap");
    out->verdict = say_way(&w, b, first, last, out->verdict);
    format_add(&w, ".");
    say_critical(&w, sweep, b);
}

/* The weights ------------------------------------------------------------------------------------------------------ */

static bool fluctuates(const sweep_batch *b) { return sweep_mean_known(&b->fluctuation); }
static const sweep_mean *fluctuation_of(const sweep_batch *b) { return &b->fluctuation; }
static const sweep_mean *seed_spread_of(const sweep_batch *b) { return &b->seed_spread; }
static bool is_spread(const sweep_batch *b) { return sweep_mean_known(&b->seed_spread); }

static finding_verdict say_fall(text_buffer *w, const sweep_batch *a, const sweep_batch *b, const sweep_mean *less,
                                const sweep_mean *more)
{
    difference d;
    format_add(w, "%s at B = %" PRIu64 " and %s at B = %" PRIu64, format_number(less->value).text, a->batch,
               format_number(more->value).text, b->batch);
    if (!findings_compare(less, more, &d)) {
        format_add(w, ", without an interval.");
        return FINDING_NOT_KNOWN;
    }
    const bool seen = fabs(d.value) > d.reach;
    format_add(w, seen ? " (a difference of %s \u00b1 %s)." : ": no difference seen (%s \u00b1 %s).",
               format_number(d.value).text, format_number(d.reach).text);
    return !seen ? FINDING_NO_DIFFERENCE : d.value < 0 ? FINDING_AGREES : FINDING_DISAGREES;
}

void frozen_findings_weights(const tas_sweep *sweep, finding *out)
{
    *out =
        (finding){.claim = "A larger batch has less variance, also of the weights late in training and between seeds."};
    text_buffer w = {.text = out->seen, .bytes = sizeof out->seen};
    int small, large;
    if (findings_ends(sweep, fluctuates, &small, &large)) {
        const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
        format_add(&w, "In short stretches from the weights at the target, the weights fluctuate by ");
        out->verdict = say_fall(&w, a, b, &a->fluctuation, &b->fluctuation);
        out->verdict = trend_describe_means(sweep, fluctuates, fluctuation_of, false, -1, out->verdict, &w);
    } else {
        format_add(&w, "The fluctuation of the weights was measured at fewer than two batches.");
    }
    if (findings_ends(sweep, is_spread, &small, &large)) {
        const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
        format_add(&w, " Stretches from the same weights that differ only in the shuffle end at a distance of ");
        finding_verdict ends = say_fall(&w, a, b, &a->seed_spread, &b->seed_spread);
        ends = trend_describe_means(sweep, is_spread, seed_spread_of, false, -1, ends, &w);
        if (out->verdict == FINDING_NOT_KNOWN)
            out->verdict = ends;
        else if (ends != FINDING_NOT_KNOWN && ends != out->verdict)
            out->verdict = FINDING_PARTLY;
    }
    if (*out->seen && out->verdict != FINDING_NOT_KNOWN)
        format_add(
            &w,
            " (Squared distances relative to the squared norm of the weights; each batch at its own learning rate.)");
}
