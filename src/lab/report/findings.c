/* Claims about speed, memory, convergence and loss; frozen_findings.c has those about the gradient. */
#include "lab/report/findings.h"

#include "base/format.h"
#include "lab/report/trend.h"
#include "stats/distributions.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char *const verdicts[FINDING_VERDICTS] = {
    [FINDING_NOT_KNOWN] = "not known",
    [FINDING_AGREES] = "agrees with the claim",
    [FINDING_NO_DIFFERENCE] = "no difference seen",
    [FINDING_DISAGREES] = "disagrees with the claim",
    [FINDING_PARTLY] = "agrees in part",
};

const char *findings_verdict(finding_verdict verdict) { return verdicts[verdict]; }

static text_buffer begin(finding *out, const char *claim)
{
    *out = (finding){.claim = claim, .verdict = FINDING_NOT_KNOWN};
    return (text_buffer){.text = out->seen, .bytes = sizeof out->seen};
}

bool findings_compare(const sweep_mean *a, const sweep_mean *b, difference *out)
{
    if (!sweep_mean_known(a) || !sweep_mean_known(b) || a->seeds < 2 || b->seeds < 2) return false;
    if (!(a->spread >= 0) || !(b->spread >= 0) || isinf(a->spread) || isinf(b->spread)) return false;
    const double va = a->spread * a->spread / a->seeds, vb = b->spread * b->spread / b->seeds, v = va + vb;
    out->value = b->value - a->value;
    out->reach = v > 0 ? student_95(v * v / (va * va / (a->seeds - 1) + vb * vb / (b->seeds - 1))) * sqrt(v) : 0;
    return isfinite(out->reach);
}

bool findings_ends(const tas_sweep *sweep, bool (*knows)(const sweep_batch *), int *small, int *large)
{
    *small = *large = -1;
    for (int i = 0; i < sweep->count; i++) {
        if (!knows(&sweep->batch[i])) continue;
        if (*small < 0 || sweep->batch[i].batch < sweep->batch[*small].batch) *small = i;
        if (*large < 0 || sweep->batch[i].batch > sweep->batch[*large].batch) *large = i;
    }
    return *small >= 0 && sweep->batch[*small].batch < sweep->batch[*large].batch;
}

static bool above_0(double value) { return isfinite(value) && value > 0; }

static bool list_outcome(text_buffer *w, const tas_sweep *sweep, row_outcome outcome, const char *words)
{
    int found = 0;
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        if (b->outcome == outcome) format_add(w, "%s %" PRIu64, found++ ? "," : words, b->batch);
    }
    if (found) format_add(w, ".");
    return found > 0;
}

/* Speed ------------------------------------------------------------------------------------------------------------ */

static bool is_timed(const sweep_batch *b) { return above_0(b->examples_per_s); }

/* `least`: the relative difference of two speeds that can be told apart. */
static finding_verdict describe_speeds(text_buffer *w, const tas_sweep *sweep, double least, finding_verdict ends)
{
    trend t = {.logarithms = true};
    for (int i = 0; i < sweep->count; i++)
        if (is_timed(&sweep->batch[i]))
            trend_add(&t, sweep->batch[i].batch, log(sweep->batch[i].examples_per_s),
                      least / (sqrt(2) * student_95(INFINITY)), INFINITY);
    return trend_describe(&t, +1, ends, w);
}

/* A clock's noise is a fraction of what it measures: differences below 5 %, or below twice the misfit of the line, do
 * not count. */
void findings_speed(const tas_sweep *sweep, finding *out)
{
    text_buffer w = begin(out, "A larger batch trains faster (more examples per second).");
    const fit_time *t = &sweep->advice.time;
    int small, large;
    if (!findings_ends(sweep, is_timed, &small, &large)) {
        format_add(&w, "Fewer than two batches were timed.");
        return;
    }
    const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
    const double times = b->examples_per_s / a->examples_per_s;
    const double least = t->known && 2 * t->misfit > 0.05 ? 2 * t->misfit : 0.05; /* that a clock can resolve */
    format_add(&w, "%s examples per second at B = %" PRIu64 ", %s at B = %" PRIu64,
               format_number(a->examples_per_s).text, a->batch, format_number(b->examples_per_s).text, b->batch);
    if (fabs(log(times)) <= least) {
        out->verdict = FINDING_NO_DIFFERENCE;
        format_add(&w, ": no difference seen (\u00b1 %.0f %%).", 100 * least);
    } else {
        out->verdict = times > 1 ? FINDING_AGREES : FINDING_DISAGREES;
        format_add(&w, ": %s times as many (\u00b1 %.0f %%).", format_number(times).text, 100 * least);
    }
    out->verdict = describe_speeds(&w, sweep, least, out->verdict);
    if (!t->known) return;
    format_add(&w, " A step takes about %s plus %s per example", format_seconds(t->fixed).text,
               format_seconds(t->each).text);
    if (t->each > 0)
        format_add(&w, ": half of the maximum speed of %s examples per second is reached near B = %s",
                   format_number(1 / t->each).text, format_number(t->fixed / t->each).text);
    format_add(&w, ".");
}

/* Memory ----------------------------------------------------------------------------------------------------------- */

static uint64_t memory_of(const sweep_batch *b) { return b->memory_used ? b->memory_used : b->memory_forecast; }
static bool has_memory(const sweep_batch *b) { return b->outcome != ROW_OVER_BUDGET && memory_of(b) > 0; }
static double mebibytes_of(const sweep_batch *b) { return (double)memory_of(b) / 1048576; }

static void say_forecast(text_buffer *w, const tas_sweep *sweep)
{
    double most = 0;
    int both = 0;
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        if (!b->memory_used || !b->memory_forecast) continue;
        both++;
        most = fmax(most, fabs((double)b->memory_used / (double)b->memory_forecast - 1));
    }
    if (both && most == 0)
        format_add(w, " The forecast was exact to the byte.");
    else if (both)
        format_add(w, " The forecast was off by at most %s %%.", format_number(100 * most).text);
}

/* Runs from a state that were made on another device say nothing about memory here. */
static void say_elsewhere(text_buffer *w, const tas_sweep *sweep)
{
    int planned = 0;
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        planned += b->memory_elsewhere && !b->memory_used && b->memory_forecast;
    }
    if (planned == 1)
        format_add(
            w, " The runs of one batch were made on another device or with another budget: its memory is the planned "
               "one.");
    else if (planned)
        format_add(
            w,
            " The runs of %d batches were made on another device or with another budget: their memory is the planned "
            "one.",
            planned);
}

static void say_tiles(text_buffer *w, const tas_sweep *sweep)
{
    uint64_t first = 0;
    for (int i = 0; i < sweep->count; i++)
        if (sweep->batch[i].tiles > 1 && (!first || sweep->batch[i].batch < first)) first = sweep->batch[i].batch;
    if (first)
        format_add(w,
                   " From B = %" PRIu64
                   " on, batches are split into tiles that fit the budget, which does not change results.",
                   first);
}

void findings_memory(const tas_sweep *sweep, finding *out)
{
    text_buffer w = begin(out, "A larger batch needs more memory.");
    int small, large;
    if (!findings_ends(sweep, has_memory, &small, &large)) {
        format_add(&w, "The memory of fewer than two batches is known.");
        return;
    }
    const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
    const uint64_t less = memory_of(a), more = memory_of(b);
    out->verdict = more > less ? FINDING_AGREES : more < less ? FINDING_DISAGREES : FINDING_NO_DIFFERENCE;
    format_add(&w, "%s at B = %" PRIu64 ", %s at B = %" PRIu64, format_bytes(less).text, a->batch,
               format_bytes(more).text, b->batch);
    if (more == less)
        format_add(&w, ": no difference (\u00b1 0 bytes).");
    else
        format_add(&w, ": %s bytes %s for each additional example.",
                   format_number(fabs((double)more - (double)less) / (double)(b->batch - a->batch)).text,
                   more > less ? "more" : "less");
    trend t = {0};
    for (int i = 0; i < sweep->count; i++)
        if (has_memory(&sweep->batch[i]))
            trend_add(&t, sweep->batch[i].batch, mebibytes_of(&sweep->batch[i]), 0, INFINITY);
    out->verdict = trend_describe(&t, +1, out->verdict, &w);
    say_tiles(&w, sweep);
    list_outcome(&w, sweep, ROW_OVER_BUDGET, " Over the budget: B =");
    say_forecast(&w, sweep);
    say_elsewhere(&w, sweep);
}

/* Convergence ------------------------------------------------------------------------------------------------------ */

static bool has_reached(const sweep_batch *b)
{
    return b->outcome == ROW_REACHED && sweep_mean_known(&b->examples) && b->examples.value > 0 &&
           sweep_mean_known(&b->steps) && b->steps.value > 0;
}

static const sweep_mean *examples_of(const sweep_batch *b) { return &b->examples; }

static void say_hyperbola(text_buffer *w, const fit_curve *c)
{
    if (!c->known || c->b_crit.state == FIT_UNKNOWN) return;
    const fit_range *r = &c->b_crit;
    format_add(w, " By the fitted curve, the critical batch is ");
    if (r->state == FIT_AT_LEAST)
        format_add(w, "at least %s", format_number(r->low).text);
    else if (r->state == FIT_AT_MOST)
        format_add(w, "at most %s", format_number(r->high).text);
    else
        format_add(w, "%s (%s to %s)", format_number(r->value).text, format_number(r->low).text,
                   format_number(r->high).text);
    format_add(w, ": batches above it cost more examples, batches below it more steps.");
}

/* Examples are compared as logarithms, as their means over seeds are geometric. */
static void compare_examples(const sweep_batch *a, const sweep_batch *b, finding *out, text_buffer *w)
{
    sweep_mean less = a->examples, more = b->examples;
    difference d;
    less.value = log(less.value);
    more.value = log(more.value);
    const double times = exp(more.value - less.value);
    format_add(w,
               "To the target, B = %" PRIu64 " took %s steps and %s examples, B = %" PRIu64
               " took %s steps and %s examples",
               a->batch, format_number(a->steps.value).text, format_number(a->examples.value).text, b->batch,
               format_number(b->steps.value).text, format_number(b->examples.value).text);
    if (!findings_compare(&less, &more, &d)) {
        format_add(w, ": %s times the examples, from one seed, without an interval.", format_number(times).text);
    } else if (fabs(d.value) <= d.reach) {
        out->verdict = FINDING_NO_DIFFERENCE;
        format_add(w, ": no difference seen in examples (\u00b1 %s %%).", format_number(100 * expm1(d.reach)).text);
    } else {
        out->verdict = d.value > 0 ? FINDING_AGREES : FINDING_DISAGREES;
        format_add(w, ": %s times the examples (%s to %s), in %s times the steps.", format_number(times).text,
                   format_number(exp(d.value - d.reach)).text, format_number(exp(d.value + d.reach)).text,
                   format_number(b->steps.value / a->steps.value).text);
    }
}

void findings_convergence(const tas_sweep *sweep, finding *out)
{
    text_buffer w = begin(out, "A larger batch is harder to train: it needs more epochs, or diverges.");
    int small, large;
    const bool two = findings_ends(sweep, has_reached, &small, &large);
    if (two) {
        compare_examples(&sweep->batch[small], &sweep->batch[large], out, &w);
        out->verdict = trend_describe_means(sweep, has_reached, examples_of, true, +1, out->verdict, &w);
    } else {
        format_add(&w, "Fewer than two batches reached the target.");
    }
    uint64_t last = 0;
    for (int i = 0; i < sweep->count; i++)
        if (has_reached(&sweep->batch[i]) && sweep->batch[i].batch > last) last = sweep->batch[i].batch;
    for (int i = 0; i < sweep->count; i++)
        if (sweep->batch[i].outcome == ROW_DIVERGED && last && sweep->batch[i].batch > last)
            out->verdict = FINDING_AGREES;
    list_outcome(&w, sweep, ROW_DIVERGED, " Diverged: B =");
    list_outcome(&w, sweep, ROW_UNDERTRAINED, " Did not reach the target: B =");
    say_hyperbola(&w, &sweep->advice.curve);
}

/* Loss and gap ----------------------------------------------------------------------------------------------------- */

static const sweep_mean *best_loss_of(const sweep_batch *b) { return &b->best_loss; }
static const sweep_mean *gap_of(const sweep_batch *b) { return &b->gap_equal_loss; }
static bool has_loss(const sweep_batch *b) { return sweep_mean_known(&b->best_loss); }
static bool has_gap_at_loss(const sweep_batch *b) { return sweep_mean_known(&b->gap_equal_loss); }
static bool has_gap_at_epochs(const sweep_batch *b) { return sweep_mean_known(&b->gap_equal_epochs); }
static bool has_gap_at_steps(const sweep_batch *b) { return sweep_mean_known(&b->gap_equal_steps); }

/* "0.050 at B = 64 and 0.062 at B = 1024: ..." and the verdict on "b is more". */
static finding_verdict say_means(text_buffer *w, const sweep_batch *a, const sweep_batch *b, const sweep_mean *less,
                                 const sweep_mean *more)
{
    difference d;
    format_add(w, "%s at B = %" PRIu64 " and %s at B = %" PRIu64, format_number(less->value).text, a->batch,
               format_number(more->value).text, b->batch);
    if (!findings_compare(less, more, &d)) {
        format_add(w, " (from one seed, without an interval).");
        return FINDING_NOT_KNOWN;
    }
    if (fabs(d.value) <= d.reach) {
        format_add(w, ": no difference seen (%s \u00b1 %s).", format_number(d.value).text, format_number(d.reach).text);
        return FINDING_NO_DIFFERENCE;
    }
    format_add(w, ": a difference of %s (\u00b1 %s).", format_number(d.value).text, format_number(d.reach).text);
    return d.value > 0 ? FINDING_AGREES : FINDING_DISAGREES;
}

void findings_loss(const tas_sweep *sweep, finding *out)
{
    text_buffer w = begin(out, "A larger batch ends at a worse validation loss.");
    int small, large;
    if (!findings_ends(sweep, has_loss, &small, &large)) {
        format_add(&w, "The validation loss of fewer than two batches is known.");
        return;
    }
    const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
    const char *const where =
        sweep->options.goal == TAS_GOAL_ACCURACY ? "" : "At equal training loss "; /* see aggregate.c */
    format_add(&w, "The best validation loss of a run was ");
    out->verdict = say_means(&w, a, b, &a->best_loss, &b->best_loss);
    out->verdict = trend_describe_means(sweep, has_loss, best_loss_of, false, +1, out->verdict, &w);
    int least = small;
    for (int i = 0; i < sweep->count; i++)
        if (has_loss(&sweep->batch[i]) && sweep->batch[i].best_loss.value < sweep->batch[least].best_loss.value)
            least = i;
    format_add(&w, " The lowest, %s, was that of B = %" PRIu64 ".",
               format_number(sweep->batch[least].best_loss.value).text, sweep->batch[least].batch);
    for (int i = 0; i < sweep->count; i++)
        if (sweep->batch[i].worse_low > 0 && isfinite(sweep->batch[i].worse_high) && has_loss(&sweep->batch[i]))
            format_add(&w,
                       " %sB = %" PRIu64 " is worse than the best of the others by %s to %s (95 %% for all together).",
                       where, sweep->batch[i].batch, format_number(sweep->batch[i].worse_low).text,
                       format_number(sweep->batch[i].worse_high).text);
}

void findings_overfitting(const tas_sweep *sweep, finding *out)
{
    text_buffer w = begin(out, "A larger batch overfits: its gap between validation and training loss is wider.");
    int small, large;
    if (findings_ends(sweep, has_gap_at_loss, &small, &large)) {
        const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
        format_add(&w, "At equal training loss (%s), the fair comparison, the gap was ",
                   format_number(sweep->equal_loss).text);
        out->verdict = say_means(&w, a, b, &a->gap_equal_loss, &b->gap_equal_loss);
        out->verdict = trend_describe_means(sweep, has_gap_at_loss, gap_of, false, +1, out->verdict, &w);
    } else {
        format_add(&w, "Fewer than two batches reached the same training loss, at which gaps can be compared.");
    }
    if (findings_ends(sweep, has_gap_at_epochs, &small, &large)) {
        const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
        format_add(&w, " After equal epochs (%s), when a large batch is merely less trained, it was ",
                   format_number(sweep->equal_epochs).text);
        say_means(&w, a, b, &a->gap_equal_epochs, &b->gap_equal_epochs);
    }
    if (findings_ends(sweep, has_gap_at_steps, &small, &large)) {
        const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
        format_add(&w, " After equal steps (%" PRIu64 "), when a large batch has seen more examples, it was ",
                   sweep->equal_steps);
        say_means(&w, a, b, &a->gap_equal_steps, &b->gap_equal_steps);
    }
}

/* A good start ----------------------------------------------------------------------------------------------------- */

static bool has_time(const sweep_batch *b)
{
    return b->outcome == ROW_REACHED && sweep_mean_known(&b->seconds) && b->seconds.value > 0;
}

/* The batch from low to high with the least time to the target, as measured; NULL: none has one. */
static const sweep_batch *fastest(const tas_sweep *sweep, uint64_t low, uint64_t high)
{
    const sweep_batch *best = NULL;
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        if (!has_time(b) || b->batch < low || b->batch > high) continue;
        if (!best || b->seconds.value < best->seconds.value) best = b;
    }
    return best;
}

/* Times are compared as logarithms, as their means over seeds are geometric. The start is good up to a time 5 % longer.
 */
static finding_verdict compare_times(text_buffer *w, const sweep_batch *best, const sweep_batch *start)
{
    sweep_mean less = best->seconds, more = start->seconds;
    difference d;
    const double times = more.value / less.value;
    less.value = log(less.value);
    more.value = log(more.value);
    format_add(w, " The fastest from 32 to 128 was B = %" PRIu64 ", in %s: %s times as long", start->batch,
               format_seconds(start->seconds.value).text, format_number(times).text);
    if (!findings_compare(&less, &more, &d)) {
        format_add(w, ", from one seed, without an interval.");
        return times <= 1.05 ? FINDING_AGREES : FINDING_NOT_KNOWN;
    }
    format_add(w, " (%s to %s).", format_number(exp(d.value - d.reach)).text,
               format_number(exp(d.value + d.reach)).text);
    return times <= 1.05 ? FINDING_AGREES : d.value - d.reach <= log(1.05) ? FINDING_NO_DIFFERENCE : FINDING_DISAGREES;
}

void findings_good_start(const tas_sweep *sweep, finding *out)
{
    text_buffer w = begin(out, "32 to 128 is a good start; finding the best batch takes experiments.");
    const sweep_batch *best = fastest(sweep, 1, UINT64_MAX),
                      *start = fastest(sweep, RECOMMEND_DEFAULT_LOW, RECOMMEND_DEFAULT_HIGH);
    if (!best) {
        format_add(&w, "The time to the target is not known for any batch.");
        return;
    }
    format_add(&w, "The fastest to the target, as measured, was B = %" PRIu64 ", in %s.", best->batch,
               format_seconds(best->seconds.value).text);
    if (!start) {
        format_add(&w, " No batch from 32 to 128 has a time to the target.");
        return;
    }
    if (start != best) {
        out->verdict = compare_times(&w, best, start);
        return;
    }
    format_add(&w, " It is in that range.");
    out->verdict = FINDING_AGREES;
}
