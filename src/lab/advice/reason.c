#include "lab/advice/reason.h"

#include "base/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static const char *const verdicts[VERDICT_COUNT] = {
    [VERDICT_KEPT] = "kept",
    [VERDICT_NOT_MEASURED] = "not measured",
    [VERDICT_UNUSABLE] = "has impossible figures",
    [VERDICT_DIVERGED] = "diverged",
    [VERDICT_UNDERTRAINED] = "did not reach the target",
    [VERDICT_MEMORY] = "needs too much memory",
    [VERDICT_LIMIT] = "exceeds the batch limit",
    [VERDICT_DATA] = "exceeds a tenth of the data set",
    [VERDICT_WASTE] = "needs too many examples",
    [VERDICT_LOSS] = "has a worse validation loss",
};

/* At most 14 characters, for a table. */
static const char *const short_verdicts[VERDICT_COUNT] = {
    [VERDICT_KEPT] = "kept",
    [VERDICT_NOT_MEASURED] = "not measured",
    [VERDICT_UNUSABLE] = "impossible",
    [VERDICT_DIVERGED] = "diverged",
    [VERDICT_UNDERTRAINED] = "not reached",
    [VERDICT_MEMORY] = "memory",
    [VERDICT_LIMIT] = "over the limit",
    [VERDICT_DATA] = "over N / 10",
    [VERDICT_WASTE] = "wasteful",
    [VERDICT_LOSS] = "worse loss",
};

static const char *const decisions[DECIDED_COUNT] = {
    [DECIDED_DEFAULT] = "none, too little is known",
    [DECIDED_SPEED] = "the time to the target",
    [DECIDED_GOAL] = "the goal itself",
    [DECIDED_CONVERGENCE] = "which batches reached the target",
    [DECIDED_MEMORY] = "memory",
    [DECIDED_LIMIT] = "the limit on the batch",
    [DECIDED_DATA] = "the size of the data set",
    [DECIDED_WASTE] = "the limit on the examples to the target",
    [DECIDED_LOSS] = "the validation loss",
    [DECIDED_TIMED] = "which batches were timed",
    [DECIDED_STABLE] = "which batches branches have shown to train",
};

static const char *const goals[RECOMMEND_GOALS] = {
    [TAS_GOAL_TIME] = "the time to the target",
    [TAS_GOAL_EXAMPLES] = "the fewest examples to the target",
    [TAS_GOAL_ACCURACY] = "the lowest validation loss",
    [TAS_GOAL_MEMORY] = "the least memory",
};

static const char *const unknowns[UNKNOWN_COUNT] = {
    [UNKNOWN_NOTHING] = "",
    [UNKNOWN_NO_ROWS] = "no batch was measured",
    [UNKNOWN_NONE_REACHED] = "no measured batch reached the target",
    [UNKNOWN_ALL_REFUSED] = "every batch that reached the target exceeds a limit",
    [UNKNOWN_NOT_TIMED] = "the goal's measure is not known for any batch",
    [UNKNOWN_NOISE_OPEN] = "the gradient noise scale has no upper bound yet",
    [UNKNOWN_NOISE_WIDE] = "the gradient noise scale is not known within a factor of 4",
    [UNKNOWN_NOT_PLAIN_SGD] =
        "with momentum or Adam the gradient noise scale does not predict the best batch (a sweep does)",
    [UNKNOWN_NOT_FALLING] = "the loss did not fall at this learning rate",
    [UNKNOWN_TOO_SHORT] = "the run is too short for a probe",
    [UNKNOWN_NO_TIME] = "steps take too long for a probe to compare batches in its time",
    [UNKNOWN_NO_MEMORY] = "a probe needs more memory than there is",
    [UNKNOWN_COUPLED] = ("the gradient noise scale cannot be estimated, as batch normalization makes the examples of a "
                         "batch depend on each other (a sweep does without it)"),
    [UNKNOWN_FEW] = "the set is too small for branches that outlast the optimizer's memory",
    [UNKNOWN_BRANCHES] = "in short branches at several batches the loss changed by no more than chance",
    [UNKNOWN_STEPS] = "steps of several batches could not be timed well enough to compare them",
};

static const char *const confidences[CONFIDENCE_COUNT] = {
    [CONFIDENCE_NONE] = "none", [CONFIDENCE_LOW] = "low", [CONFIDENCE_MEDIUM] = "medium", [CONFIDENCE_HIGH] = "high"};

static const char *const doubts[DOUBT_COUNT] = {
    [DOUBT_NONE] = "",
    [DOUBT_ONE_BATCH] = "only one batch reached the target",
    [DOUBT_NO_CURVE] = "fewer than three batches reached the target",
    [DOUBT_UNMEASURED] = "a batch that was not measured may be better",
    [DOUBT_GAP] = "a batch next to it was not measured",
    [DOUBT_ONE_SEED] = "each batch has only one seed",
    [DOUBT_MISSED] = "some of its seeds missed the target",
};

const char *reason_verdict(row_verdict verdict) { return verdicts[verdict]; }
const char *reason_short_verdict(row_verdict verdict)
{
    return short_verdicts[verdict] ? short_verdicts[verdict] : verdicts[verdict];
}
const char *reason_decision(recommend_decision decision) { return decisions[decision]; }
const char *reason_confidence(recommend_confidence confidence) { return confidences[confidence]; }

const char *reason_measure(const recommendation *r, char *text, size_t bytes)
{
    text_buffer out = {.text = text, .bytes = bytes};
    if (bytes) text[0] = 0;
    if (r->edge)
        format_add(&out, "the best batch is at the end of the range: also measure %" PRIu64, r->measure);
    else if (r->measure)
        format_add(&out, "also measure %" PRIu64 ", expected to be more than 5 %% better", r->measure);
    return text;
}

static void say_rate(text_buffer *out, double lr)
{
    if (lr > 0) format_add(out, " with learning rate %.3g", lr);
}

static const char *kind_of(const recommendation *r, bool measured)
{
    return measured ? "measured" : r->curve.known ? "fitted" : "estimated";
}

static void say_shallow(text_buffer *out, const recommend_input *in)
{
    if (!(in->shallow_epochs > 0)) return;
    format_add(out,
               " The target is shallow: a batch of %" PRIu64
               " reaches it in %s epochs; a deeper one may give another answer.",
               in->shallow_batch ? in->shallow_batch : RECOMMEND_DEFAULT, format_number(in->shallow_epochs).text);
}

static void say_misses(text_buffer *out, const recommend_row *row)
{
    if (row->missed)
        format_add(out, " %d of %d seeds missed the target, which counts against it.", row->missed,
                   row->missed + row->seeds);
}

static void say_choice(text_buffer *out, const recommend_input *in, const recommendation *r)
{
    const recommend_row *row = &in->rows[r->row];
    format_add(out, "Batch %" PRIu64, r->batch);
    say_rate(out, r->lr);
    if (in->goal != TAS_GOAL_TIME) format_add(out, " (goal: %s)", goals[in->goal]);
    format_add(out, " reached the target in ");
    if (isfinite(r->seconds))
        format_add(out, "%s%s and ", format_seconds(r->seconds).text, r->measured ? "" : " (by the fitted step time)");
    format_add(out, "%s steps (measured: %s of %d seed%s", format_number(r->steps).text,
               row->seeds > 1 ? "mean" : "run", row->seeds, row->seeds > 1 ? "s" : "");
    if (isfinite(r->seconds_low) && isfinite(r->seconds_high))
        format_add(out, "; %s to %s expected with the next", format_seconds(r->seconds_low).text,
                   format_seconds(r->seconds_high).text);
    format_add(out, ").");
}

/* Whether another batch was measured that no limit forbids. */
static bool has_rivals(const recommend_input *in, const recommendation *r)
{
    int rivals = 0;
    for (int i = 0; i < in->count; i++)
        rivals += i != r->row && (r->verdicts[i] == VERDICT_KEPT || r->verdicts[i] == VERDICT_LOSS ||
                                  r->verdicts[i] == VERDICT_DIVERGED || r->verdicts[i] == VERDICT_UNDERTRAINED);
    return rivals > 0;
}

static void say_range(text_buffer *out, const recommend_input *in, const recommendation *r)
{
    static const char *const as_good[2][RECOMMEND_GOALS] = {
        {[TAS_GOAL_TIME] = "are within 5 % of the best time.",
         [TAS_GOAL_EXAMPLES] = "are within 5 % of the fewest examples; this one is the fastest of them.",
         [TAS_GOAL_ACCURACY] = "show no difference in validation loss.",
         [TAS_GOAL_MEMORY] = "are within 5 % of the least memory; this one is the fastest of them."},
        {[TAS_GOAL_TIME] = "are within 5 % of the best time (fitted).",
         [TAS_GOAL_EXAMPLES] = "are within 5 % of the fewest examples (fitted); this one is the fastest of them.",
         [TAS_GOAL_ACCURACY] = "show no difference in validation loss.",
         [TAS_GOAL_MEMORY] = "are within 5 % of the least memory; this one is the fastest of them."}};
    if (r->range_low < r->range_high)
        format_add(out, " %s from %" PRIu64 " to %" PRIu64 " %s", r->measure ? "Measured batches" : "Batches",
                   r->range_low, r->range_high, as_good[r->curve.known][in->goal]);
    else if (has_rivals(in, r))
        format_add(out, " No measured batch next to it is as good.");
}

/* "65.0 (59.6 to 70.9, fitted)", or the end that is known: "at least 59.6 (fitted)". */
static void say_interval(text_buffer *out, double low, double value, double high, const char *kind)
{
    if (low > 0 && isfinite(high))
        format_add(out, "%s (%s to %s, %s)", format_number(value).text, format_number(low).text,
                   format_number(high).text, kind);
    else if (low > 0)
        format_add(out, "at least %s (%s)", format_number(low).text, kind);
    else
        format_add(out, "at most %s (%s)", format_number(high).text, kind);
}

const char *reason_knee(const recommendation *r, char *text, size_t bytes)
{
    text_buffer out = {.text = text, .bytes = bytes};
    if (bytes) text[0] = 0;
    if (!recommend_knee_known(r) || r->time.each == 0 || r->knee_high < 1) return text;
    format_add(&out, r->knee_low > 0 && isfinite(r->knee_high) ? "near a batch of " : "at a batch of ");
    say_interval(&out, r->knee_low, r->knee, r->knee_high, kind_of(r, false));
    return text;
}

static void say_knee(text_buffer *out, const recommendation *r, const char *scale, double low, double value,
                     double high)
{
    const fit_time *t = &r->time;
    char text[128];
    if (!t->known || !(low > 0 || isfinite(high))) return;
    if (t->each == 0) {
        format_add(out, " A step takes %s at any batch size, so only the number of steps counts.",
                   format_seconds(t->fixed).text);
        return;
    }
    format_add(out, " A step takes %s plus %s per example, and the %s is ", format_seconds(t->fixed).text,
               format_seconds(t->each).text, scale);
    say_interval(out, low, value, high, kind_of(r, false));
    if (r->knee_high < 1)
        format_add(out, ": the smallest batch is the fastest.");
    else if (*reason_knee(r, text, sizeof text))
        format_add(out, ": the time is shortest %s.", text);
    else
        format_add(out, ".");
}

static void say_decision(text_buffer *out, const recommend_input *in, const recommendation *r)
{
    format_add(out, " Deciding factor: %s", r->decided == DECIDED_GOAL ? goals[in->goal] : decisions[r->decided]);
    if (r->decided == DECIDED_SPEED && !r->curve.known) /* fewer than three batches */
        format_add(out, "; too little was measured to fit a curve");
    format_add(out, ".");
    if (r->decider >= 0) {
        const recommend_row *row = &in->rows[r->decider];
        format_add(out, " Batch %" PRIu64 " %s", row->batch, verdicts[r->verdicts[r->decider]]);
        if (r->decided == DECIDED_LOSS && isfinite(row->worse_low) && isfinite(row->worse_high))
            format_add(out, " (by %s to %s%s)", format_number(row->worse_low).text, format_number(row->worse_high).text,
                       in->goal == TAS_GOAL_ACCURACY ? "" : ", at equal training loss");
        format_add(out, ".");
    }
    const fit_range *b = &r->curve.b_crit;
    if (in->goal == TAS_GOAL_TIME && r->curve.known) say_knee(out, r, "critical batch", b->low, b->value, b->high);
}

static void say_side(text_buffer *out, const char *name, const recommendation *r, const recommend_side *side)
{
    if (!side->batch) return;
    const bool failed = side->verdict == VERDICT_DIVERGED || side->verdict == VERDICT_UNDERTRAINED;
    format_add(out, " %s the batch (%" PRIu64 ")", name, side->batch);
    if (failed)
        format_add(out, " %s", verdicts[side->verdict]);
    else if (isfinite(side->seconds))
        format_add(out, " takes %s times the time and %s times the examples", format_number(side->seconds).text,
                   format_number(side->examples).text);
    else if (isfinite(side->examples))
        format_add(out, " takes %s times the examples, in an unknown time", format_number(side->examples).text);
    else
        format_add(out, " was not measured");
    if (!failed && isfinite(side->examples)) {
        format_add(out, " (%s", kind_of(r, side->measured));
        if (side->verdict != VERDICT_KEPT) format_add(out, "; %s", verdicts[side->verdict]);
        format_add(out, ")");
    }
    format_add(out, ".");
}

const char *reason_sureness(const recommendation *r, char *text, size_t bytes)
{
    static const char *const of_what = "that no other measured batch is more than 5 % better";
    if (r->doubt)
        snprintf(text, bytes, "%s", doubts[r->doubt]);
    else if (r->probability > 0.99)
        snprintf(text, bytes, "probability above 0.99 %s", of_what);
    else if (!isnan(r->probability))
        snprintf(text, bytes, "probability at least %.2f %s", floor(r->probability * 100) / 100, of_what);
    else if (bytes)
        text[0] = 0;
    return text;
}

static void say_confidence(text_buffer *out, const recommendation *r)
{
    char text[128];
    format_add(out, " Confidence: %s", confidences[r->confidence]);
    if (*reason_sureness(r, text, sizeof text)) format_add(out, " (%s)", text);
    if (r->measure) format_add(out, "; %s", reason_measure(r, text, sizeof text));
    format_add(out, ".");
}

static void say_usual_start(text_buffer *out, const recommendation *r)
{
    format_add(out, " 32 to 128 is a good start for most networks: large enough to keep a device busy, small enough "
                    "for many updates per epoch.");
    if (r->batch != RECOMMEND_DEFAULT) format_add(out, " Limits or failed runs rule out %d.", RECOMMEND_DEFAULT);
}

/* Of a probe: training goes on with that batch. */
static void say_default(text_buffer *out, const recommendation *r)
{
    format_add(out, "Batch %" PRIu64, r->batch);
    say_rate(out, r->lr);
    if (r->range_low < r->range_high)
        format_add(out, ", in a range of %" PRIu64 " to %" PRIu64, r->range_low, r->range_high);
    format_add(out, ", because %s.", unknowns[r->unknown]);
    say_usual_start(out, r);
}

/* Of a sweep: what is missing. */
static void say_nothing(text_buffer *out, const recommend_input *in, const recommendation *r)
{
    int listed = 0, missing = 0;
    format_add(out, "No batch is recommended, because %s.", unknowns[r->unknown]);
    for (int i = 0; i < in->count; i++) missing += r->verdicts[i] == VERDICT_NOT_MEASURED;
    if (missing) format_add(out, " Not measured, or not with enough seeds: ");
    for (int i = 0; i < in->count && missing; i++)
        if (r->verdicts[i] == VERDICT_NOT_MEASURED)
            format_add(out, "%s%" PRIu64, listed++ ? ", " : "", in->rows[i].batch);
    if (missing) format_add(out, ".");
    say_usual_start(out, r);
}

/* The choice is by the curve through all batches, which is right more often than the means of a few seeds. */
static void say_faster(text_buffer *out, const recommend_input *in, const recommendation *r)
{
    int faster = -1;
    for (int i = 0; i < in->count && in->goal == TAS_GOAL_TIME && r->measured && r->curve.known; i++)
        if (i != r->row && r->verdicts[i] == VERDICT_KEPT && r->row_measured[i] && r->row_seconds[i] < r->seconds &&
            (faster < 0 || r->row_seconds[i] < r->row_seconds[faster]))
            faster = i;
    if (faster >= 0)
        format_add(out,
                   " Batch %" PRIu64
                   " took less on these seeds (%s), but not by more than chance: the curve through all "
                   "batches decides.",
                   in->rows[faster].batch, format_seconds(r->row_seconds[faster]).text);
}

void reason_write(const recommend_input *input, const recommendation *r, char *text, size_t bytes)
{
    text_buffer out = {.text = text, .bytes = bytes};
    if (bytes) text[0] = 0;
    if (r->decided == DECIDED_DEFAULT) {
        say_nothing(&out, input, r);
        return;
    }
    say_choice(&out, input, r);
    say_shallow(&out, input);
    say_misses(&out, &input->rows[r->row]);
    say_range(&out, input, r);
    say_faster(&out, input, r);
    say_decision(&out, input, r);
    say_side(&out, "Half", r, &r->half);
    say_side(&out, "Twice", r, &r->twice);
    say_confidence(&out, r);
}

void reason_write_probe(const probe_facts *probe, const recommendation *r, char *text, size_t bytes)
{
    text_buffer out = {.text = text, .bytes = bytes};
    if (bytes) text[0] = 0;
    if (r->decided == DECIDED_DEFAULT) {
        say_default(&out, r);
        return;
    }
    format_add(&out, "Batch %" PRIu64, r->batch);
    say_rate(&out, r->lr);
    format_add(&out, ", interpolated from a probe, not measured.");
    if (r->range_low < r->range_high)
        format_add(&out, " From %" PRIu64 " to %" PRIu64 " the time should be within 5 %%.", r->range_low,
                   r->range_high);
    format_add(&out, " Deciding factor: %s.", decisions[r->decided]);
    const fit_range scale = probe_scale(probe);
    say_knee(&out, r, probe->branched ? "critical batch, by branches (80 %)," : "gradient noise scale", scale.low,
             scale.value, scale.high);
    say_side(&out, "Half", r, &r->half);
    say_side(&out, "Twice", r, &r->twice);
    say_confidence(&out, r);
}

void reason_noise(const noise_scale_range *answer, char *text, size_t bytes)
{
    if (answer->state == NOISE_KNOWN)
        snprintf(text, bytes, "%s (%s to %s)", format_number(answer->value).text, format_number(answer->low).text,
                 format_number(answer->high).text);
    else if (answer->state == NOISE_AT_LEAST)
        snprintf(text, bytes, "at least %s", format_number(answer->low).text);
    else
        snprintf(text, bytes, "not known yet");
}
