/* Claims about speed, memory, convergence and loss; frozen_findings.c has those about the gradient. */
#include "lab/report/findings.h"

#include "base/format.h"
#include "lab/advice/reason.h"
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

static writer begin(finding *out, const char *claim)
{
    *out = (finding){.claim = claim, .verdict = FINDING_NOT_KNOWN};
    return (writer){.text = out->seen, .bytes = sizeof out->seen};
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

static bool list_outcome(writer *w, const tas_sweep *sweep, row_outcome outcome, const char *words)
{
    int found = 0;
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        if (b->outcome == outcome) say(w, "%s %" PRIu64, found++ ? "," : words, b->batch);
    }
    if (found) say(w, ".");
    return found > 0;
}

/* Speed ------------------------------------------------------------------------------------------------------------ */

static bool is_timed(const sweep_batch *b) { return above_0(b->examples_per_s); }

/* A clock's noise is a fraction of what it measures: differences below 5 %, or below twice the misfit of the line, do
 * not count. */
void findings_speed(const tas_sweep *sweep, finding *out)
{
    writer w = begin(out, "A larger batch trains faster (more examples per second).");
    const fit_time *t = &sweep->advice.time;
    int small, large;
    if (!findings_ends(sweep, is_timed, &small, &large)) {
        say(&w, "Fewer than two batches were timed.");
        return;
    }
    const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
    const double times = b->examples_per_s / a->examples_per_s;
    const double least = t->known && 2 * t->misfit > 0.05 ? 2 * t->misfit : 0.05; /* that a clock can resolve */
    say(&w, "%s examples per second at B = %" PRIu64 ", %s at B = %" PRIu64, number_word(a->examples_per_s).text,
        a->batch, number_word(b->examples_per_s).text, b->batch);
    if (fabs(log(times)) <= least) {
        out->verdict = FINDING_NO_DIFFERENCE;
        say(&w, ": no difference seen (\u00b1 %.0f %%).", 100 * least);
    } else {
        out->verdict = times > 1 ? FINDING_AGREES : FINDING_DISAGREES;
        say(&w, ": %s times as many.", number_word(times).text);
    }
    if (!t->known) return;
    say(&w, " A step takes about %s plus %s per example", seconds_word(t->fixed).text, seconds_word(t->each).text);
    if (t->each > 0)
        say(&w, ": half of the maximum speed of %s examples per second is reached near B = %s",
            number_word(1 / t->each).text, number_word(t->fixed / t->each).text);
    say(&w, ".");
}

/* Memory ----------------------------------------------------------------------------------------------------------- */

static uint64_t memory_of(const sweep_batch *b) { return b->memory_used ? b->memory_used : b->memory_forecast; }
static bool has_memory(const sweep_batch *b) { return b->outcome != ROW_OVER_BUDGET && memory_of(b) > 0; }
static word mebibytes(uint64_t bytes) { return number_word((double)bytes / 1048576); }

static void say_forecast(writer *w, const tas_sweep *sweep)
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
        say(w, " The forecast was exact to the byte.");
    else if (both)
        say(w, " The forecast was off by at most %s %%.", number_word(100 * most).text);
}

/* Runs from a state that were made on another device say nothing about memory here. */
static void say_elsewhere(writer *w, const tas_sweep *sweep)
{
    int planned = 0;
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        planned += b->memory_elsewhere && !b->memory_used && b->memory_forecast;
    }
    if (planned == 1)
        say(w, " The runs of one batch were made on another device or with another budget: its memory is the planned "
               "one.");
    else if (planned)
        say(w,
            " The runs of %d batches were made on another device or with another budget: their memory is the planned "
            "one.",
            planned);
}

static void say_tiles(writer *w, const tas_sweep *sweep)
{
    uint64_t first = 0;
    for (int i = 0; i < sweep->count; i++)
        if (sweep->batch[i].tiles > 1 && (!first || sweep->batch[i].batch < first)) first = sweep->batch[i].batch;
    if (first)
        say(w,
            " From B = %" PRIu64
            " on, batches are split into tiles that fit the budget, which does not change results.",
            first);
}

void findings_memory(const tas_sweep *sweep, finding *out)
{
    writer w = begin(out, "A larger batch needs more memory.");
    int small, large;
    if (!findings_ends(sweep, has_memory, &small, &large)) {
        say(&w, "The memory of fewer than two batches is known.");
        return;
    }
    const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
    const uint64_t less = memory_of(a), more = memory_of(b);
    out->verdict = more > less ? FINDING_AGREES : more < less ? FINDING_DISAGREES : FINDING_NO_DIFFERENCE;
    say(&w, "%s MiB at B = %" PRIu64 ", %s MiB at B = %" PRIu64, mebibytes(less).text, a->batch, mebibytes(more).text,
        b->batch);
    if (more == less)
        say(&w, ": no difference (\u00b1 0 bytes).");
    else
        say(&w, ": %s bytes %s for each additional example.",
            number_word(fabs((double)more - (double)less) / (double)(b->batch - a->batch)).text,
            more > less ? "more" : "less");
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

static void say_hyperbola(writer *w, const fit_curve *c)
{
    if (!c->known || c->b_crit.state == FIT_UNKNOWN) return;
    const fit_range *r = &c->b_crit;
    say(w, " By the fitted curve, batches above the critical batch cost more examples, batches below it more steps. It "
           "is ");
    if (r->state == FIT_AT_LEAST)
        say(w, "at least %s.", number_word(r->low).text);
    else if (r->state == FIT_AT_MOST)
        say(w, "at most %s.", number_word(r->high).text);
    else
        say(w, "%s (%s to %s).", number_word(r->value).text, number_word(r->low).text, number_word(r->high).text);
}

/* Examples are compared as logarithms, as their means over seeds are geometric. */
static void compare_examples(const sweep_batch *a, const sweep_batch *b, finding *out, writer *w)
{
    sweep_mean less = a->examples, more = b->examples;
    difference d;
    less.value = log(less.value);
    more.value = log(more.value);
    const double times = exp(more.value - less.value);
    say(w,
        "To the target, B = %" PRIu64 " took %s steps and %s examples, B = %" PRIu64 " took %s steps and %s examples",
        a->batch, number_word(round(a->steps.value)).text, number_word(a->examples.value).text, b->batch,
        number_word(round(b->steps.value)).text, number_word(b->examples.value).text);
    if (!findings_compare(&less, &more, &d)) {
        say(w, ": %s times the examples, from one seed, without an interval.", number_word(times).text);
    } else if (fabs(d.value) <= d.reach) {
        out->verdict = FINDING_NO_DIFFERENCE;
        say(w, ": no difference seen in examples (\u00b1 %s %%).", number_word(100 * expm1(d.reach)).text);
    } else {
        out->verdict = d.value > 0 ? FINDING_AGREES : FINDING_DISAGREES;
        say(w, ": %s times the examples (%s to %s), in %s times the steps.", number_word(times).text,
            number_word(exp(d.value - d.reach)).text, number_word(exp(d.value + d.reach)).text,
            number_word(b->steps.value / a->steps.value).text);
    }
}

void findings_convergence(const tas_sweep *sweep, finding *out)
{
    writer w = begin(out, "A larger batch is harder to train: it needs more epochs, or diverges.");
    int small, large;
    const bool two = findings_ends(sweep, has_reached, &small, &large);
    if (two)
        compare_examples(&sweep->batch[small], &sweep->batch[large], out, &w);
    else
        say(&w, "Fewer than two batches reached the target.");
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

static bool has_loss(const sweep_batch *b) { return sweep_mean_known(&b->best_loss); }
static bool has_gap_at_loss(const sweep_batch *b) { return sweep_mean_known(&b->gap_equal_loss); }
static bool has_gap_at_epochs(const sweep_batch *b) { return sweep_mean_known(&b->gap_equal_epochs); }
static bool has_gap_at_steps(const sweep_batch *b) { return sweep_mean_known(&b->gap_equal_steps); }

/* "0.050 at B = 64 and 0.062 at B = 1024: ..." and the verdict on "b is more". */
static finding_verdict say_means(writer *w, const sweep_batch *a, const sweep_batch *b, const sweep_mean *less,
                                 const sweep_mean *more)
{
    difference d;
    say(w, "%s at B = %" PRIu64 " and %s at B = %" PRIu64, number_word(less->value).text, a->batch,
        number_word(more->value).text, b->batch);
    if (!findings_compare(less, more, &d)) {
        say(w, " (from one seed, without an interval).");
        return FINDING_NOT_KNOWN;
    }
    if (fabs(d.value) <= d.reach) {
        say(w, ": no difference seen (%s \u00b1 %s).", number_word(d.value).text, number_word(d.reach).text);
        return FINDING_NO_DIFFERENCE;
    }
    say(w, ": a difference of %s (\u00b1 %s).", number_word(d.value).text, number_word(d.reach).text);
    return d.value > 0 ? FINDING_AGREES : FINDING_DISAGREES;
}

void findings_loss(const tas_sweep *sweep, finding *out)
{
    writer w = begin(out, "A larger batch ends at a worse validation loss.");
    int small, large;
    if (!findings_ends(sweep, has_loss, &small, &large)) {
        say(&w, "The validation loss of fewer than two batches is known.");
        return;
    }
    const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
    const char *const where =
        sweep->options.goal == TAS_GOAL_ACCURACY ? "" : "At equal training loss "; /* see aggregate.c */
    say(&w, "The best validation loss of a run was ");
    out->verdict = say_means(&w, a, b, &a->best_loss, &b->best_loss);
    int least = small;
    for (int i = 0; i < sweep->count; i++)
        if (has_loss(&sweep->batch[i]) && sweep->batch[i].best_loss.value < sweep->batch[least].best_loss.value)
            least = i;
    say(&w, " The lowest, %s, was that of B = %" PRIu64 ".", number_word(sweep->batch[least].best_loss.value).text,
        sweep->batch[least].batch);
    for (int i = 0; i < sweep->count; i++)
        if (sweep->batch[i].worse_low > 0 && isfinite(sweep->batch[i].worse_high) && has_loss(&sweep->batch[i]))
            say(&w, " %sB = %" PRIu64 " is worse than the best by %s to %s.", where, sweep->batch[i].batch,
                number_word(sweep->batch[i].worse_low).text, number_word(sweep->batch[i].worse_high).text);
}

void findings_overfitting(const tas_sweep *sweep, finding *out)
{
    writer w = begin(out, "A larger batch overfits: its gap between validation and training loss is wider.");
    int small, large;
    if (findings_ends(sweep, has_gap_at_loss, &small, &large)) {
        const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
        say(&w, "At equal training loss (%s), the fair comparison, the gap was ", number_word(sweep->equal_loss).text);
        out->verdict = say_means(&w, a, b, &a->gap_equal_loss, &b->gap_equal_loss);
    } else {
        say(&w, "Fewer than two batches reached the same training loss, at which gaps can be compared.");
    }
    if (findings_ends(sweep, has_gap_at_epochs, &small, &large)) {
        const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
        say(&w, " After equal epochs (%s), when a large batch is merely less trained, it was ",
            number_word(sweep->equal_epochs).text);
        say_means(&w, a, b, &a->gap_equal_epochs, &b->gap_equal_epochs);
    }
    if (findings_ends(sweep, has_gap_at_steps, &small, &large)) {
        const sweep_batch *a = &sweep->batch[small], *b = &sweep->batch[large];
        say(&w, " After equal steps (%" PRIu64 "), when a large batch has seen more examples, it was ",
            sweep->equal_steps);
        say_means(&w, a, b, &a->gap_equal_steps, &b->gap_equal_steps);
    }
}

/* A good start ----------------------------------------------------------------------------------------------------- */

/* The least time to the target among the batches from low to high that reached it; NaN: none is known. */
static double least_time(const tas_sweep *sweep, uint64_t low, uint64_t high, int *where)
{
    double least = NAN;
    for (int i = 0; i < sweep->count; i++) {
        const double seconds = sweep->advice.row_seconds[i];
        const uint64_t batch = sweep->batch[i].batch;
        if (sweep->batch[i].outcome != ROW_REACHED || !above_0(seconds)) continue;
        if (batch < low || batch > high || seconds >= least) continue;
        least = seconds;
        *where = i;
    }
    return least;
}

void findings_good_start(const tas_sweep *sweep, finding *out)
{
    writer w = begin(out, "32 to 128 is a good start; finding the best batch takes experiments.");
    int best = -1, start = -1;
    const double least = least_time(sweep, 1, UINT64_MAX, &best);
    const double within = least_time(sweep, RECOMMEND_DEFAULT_LOW, RECOMMEND_DEFAULT_HIGH, &start);
    if (best < 0) {
        say(&w, "The time to the target is not known for any batch.");
        return;
    }
    say(&w, "The fastest to the target was B = %" PRIu64 ", expected in %s.", sweep->batch[best].batch,
        seconds_word(least).text);
    if (start < 0) {
        say(&w, " No batch from 32 to 128 has a time to the target.");
        return;
    }
    if (start == best)
        say(&w, " It is in that range.");
    else
        say(&w, " The fastest from 32 to 128 was B = %" PRIu64 ", in %s: %s times as long.", sweep->batch[start].batch,
            seconds_word(within).text, number_word(within / least).text);
    out->verdict = within <= 1.05 * least ? FINDING_AGREES : FINDING_DISAGREES;
}
