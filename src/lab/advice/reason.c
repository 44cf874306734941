/* The recommendation in words. */
#include "lab/advice/reason.h"

#include "base/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static const char *const verdicts[VERDICT_COUNT] = {
    [VERDICT_KEPT] = "kept",
    [VERDICT_NOT_MEASURED] = "not measured",
    [VERDICT_UNUSABLE] = "figures that cannot be",
    [VERDICT_DIVERGED] = "diverged",
    [VERDICT_UNDERTRAINED] = "did not reach the target",
    [VERDICT_MEMORY] = "over the memory allowed",
    [VERDICT_LIMIT] = "above the limit that was set",
    [VERDICT_DATA] = "above a tenth of the data set",
    [VERDICT_WASTE] = "takes too many examples",
    [VERDICT_LOSS] = "has a worse validation loss",
};

static const char *const decisions[DECIDED_COUNT] = {
    [DECIDED_DEFAULT] = "nothing: too little is known",
    [DECIDED_SPEED] = "the speed knee",
    [DECIDED_GOAL] = "the goal itself",
    [DECIDED_CONVERGENCE] = "which batches reached the target",
    [DECIDED_MEMORY] = "memory",
    [DECIDED_LIMIT] = "the limit that was set on the batch",
    [DECIDED_DATA] = "the size of the data set",
    [DECIDED_WASTE] = "the limit on the examples to the target",
    [DECIDED_LOSS] = "the validation loss",
    [DECIDED_TIMED] = "which batches were timed",
};

static const char *const goals[GOAL_COUNT] = {
    [GOAL_TIME] = "fastest to the target",
    [GOAL_EXAMPLES] = "fewest examples to the target",
    [GOAL_ACCURACY] = "lowest validation loss",
    [GOAL_MEMORY] = "least memory",
};

static const char *const unknowns[UNKNOWN_COUNT] = {
    [UNKNOWN_NOTHING] = "",
    [UNKNOWN_NO_ROWS] = "no batch was measured",
    [UNKNOWN_NONE_REACHED] = "no batch that was measured reached the target",
    [UNKNOWN_ALL_REFUSED] = "each batch that reached the target is beyond a limit",
    [UNKNOWN_NOT_TIMED] = "what the goal asks for was not measured",
    [UNKNOWN_NOISE_OPEN] = "the gradient noise scale is not bounded yet",
    [UNKNOWN_NOISE_WIDE] = "the gradient noise scale is not known within a factor of 4",
    [UNKNOWN_NOT_PLAIN_SGD] =
        "with momentum or Adam the gradient noise scale does not tell the best batch; a sweep does",
    [UNKNOWN_NOT_FALLING] = "the loss did not fall at this learning rate",
    [UNKNOWN_TOO_SHORT] = "the run is too short to be probed",
    [UNKNOWN_NO_TIME] = "steps take so long that the time of a probe was over before it could compare batches",
    [UNKNOWN_NO_MEMORY] = "a probe wants more memory than there is",
};

static const char *const sure[CONFIDENCE_COUNT] = {[CONFIDENCE_NONE] = "not at all",
                                                   [CONFIDENCE_LOW] = "little",
                                                   [CONFIDENCE_MEDIUM] = "fairly",
                                                   [CONFIDENCE_HIGH] = "well"};

const char *reason_verdict(row_verdict verdict) { return verdicts[verdict]; }
const char *reason_decision(recommend_decision decision) { return decisions[decision]; }
const char *reason_confidence(recommend_confidence how) { return sure[how]; }

const char *reason_measure(const recommendation *r, char *text, size_t bytes)
{
    writer out = {.text = text, .bytes = bytes};
    if (bytes) text[0] = 0;
    if (r->edge)
        say(&out, "the best lies at the end of what was measured: measure further, %" PRIu64 " too", r->measure);
    else if (r->measure)
        say(&out, "measure %" PRIu64 " too, which is expected to be better by more than 5 %%", r->measure);
    return text;
}

static void say_rate(writer *out, double lr)
{
    if (lr > 0) say(out, " with learning rate %.3g", lr);
}

static void say_choice(writer *out, const recommend_input *in, const recommendation *r)
{
    say(out, "Batch %" PRIu64, r->batch);
    say_rate(out, r->lr);
    if (in->goal != GOAL_TIME) say(out, " (goal: %s)", goals[in->goal]);
    if (isfinite(r->seconds))
        say(out, " is expected to reach the target in %s (%s to %s for the next seed) and %s steps.",
            seconds_word(r->seconds).text, seconds_word(r->seconds_low).text, seconds_word(r->seconds_high).text,
            number_word(round(r->steps)).text);
    else
        say(out, " is expected to reach the target in %s steps.", number_word(round(r->steps)).text);
}

static void say_range(writer *out, const recommend_input *in, const recommendation *r)
{
    static const char *const as_good[GOAL_COUNT] = {
        [GOAL_TIME] = "are within 5 % of the best time.",
        [GOAL_EXAMPLES] = "are within 5 % of the fewest examples, and this is the fastest of them.",
        [GOAL_ACCURACY] = "show no difference in validation loss.",
        [GOAL_MEMORY] = "are within 5 % of the least memory, and this is the fastest of them.",
    };
    if (r->range_low < r->range_high)
        say(out, " %s from %" PRIu64 " to %" PRIu64 " %s", r->measure ? "Of those measured, batches" : "Batches",
            r->range_low, r->range_high, as_good[in->goal]);
    else
        say(out, " Of the batches measured none next to it is as good.");
}

/* "65.0 (59.6 to 70.9)", or the end that is known. */
static void say_interval(writer *out, double low, double value, double high)
{
    if (low > 0 && isfinite(high))
        say(out, "%s (%s to %s)", number_word(value).text, number_word(low).text, number_word(high).text);
    else if (low > 0)
        say(out, "at least %s", number_word(low).text);
    else
        say(out, "at most %s", number_word(high).text);
}

static void say_knee(writer *out, const recommendation *r, const char *scale, double low, double value, double high)
{
    const fit_time *t = &r->time;
    if (!t->known || isnan(r->knee)) return;
    if (t->each == 0) {
        say(out, " A step takes %s whatever the batch, so that steps alone count.", seconds_word(t->fixed).text);
        return;
    }
    say(out, " A step takes %s and %s more for each example, and the %s is ", seconds_word(t->fixed).text,
        seconds_word(t->each).text, scale);
    say_interval(out, low, value, high);
    if (r->knee_high < 1) {
        say(out, ": the smallest batch is the fastest.");
        return;
    }
    say(out, ": time is least near a batch of ");
    say_interval(out, r->knee_low, r->knee, r->knee_high);
    say(out, ".");
}

static void say_decision(writer *out, const recommend_input *in, const recommendation *r)
{
    if (r->decided == DECIDED_SPEED && isnan(r->knee)) /* fewer than three batches, or times of one */
        say(out, " What decided: the expected time to the target; too little was measured to tell the speed knee.");
    else
        say(out, " What decided: %s.", r->decided == DECIDED_GOAL ? goals[in->goal] : decisions[r->decided]);
    if (r->decider >= 0) {
        const recommend_row *row = &in->rows[r->decider];
        const row_verdict v = r->verdicts[r->decider];
        const bool place = v == VERDICT_MEMORY || v == VERDICT_LIMIT || v == VERDICT_DATA;
        say(out, " Batch %" PRIu64 "%s %s", row->batch, place ? " is" : "", verdicts[v]);
        if (r->decided == DECIDED_LOSS && isfinite(row->worse_low) && isfinite(row->worse_high))
            say(out, " (by %s to %s%s)", number_word(row->worse_low).text, number_word(row->worse_high).text,
                in->goal == GOAL_ACCURACY ? "" : ", at equal training loss");
        say(out, ".");
    }
    const fit_range *b = &r->curve.b_crit;
    if (in->goal == GOAL_TIME && r->curve.known) say_knee(out, r, "critical batch", b->low, b->value, b->high);
}

static void say_side(writer *out, const char *name, const recommend_side *side)
{
    if (!side->batch) return;
    say(out, " %s, %" PRIu64 ",", name, side->batch);
    if (side->verdict == VERDICT_DIVERGED || side->verdict == VERDICT_UNDERTRAINED)
        say(out, " %s", verdicts[side->verdict]);
    else if (isfinite(side->seconds))
        say(out, " would take %s times as long and %s times the examples", number_word(side->seconds).text,
            number_word(side->examples).text);
    else if (isfinite(side->examples))
        say(out, " would take %s times the examples, in a time that is not known", number_word(side->examples).text);
    else
        say(out, " was not measured");
    if (isfinite(side->examples) && side->verdict != VERDICT_KEPT) say(out, " (%s)", verdicts[side->verdict]);
    say(out, ".");
}

static void say_sureness(writer *out, const recommendation *r)
{
    say(out, " How sure: %s", sure[r->confidence]);
    if (r->probability > 0.99)
        say(out, "; the chance that no other batch measured is better by more than 5 %% is above 0.99");
    else if (!isnan(r->probability))
        say(out, "; the chance that no other batch measured is better by more than 5 %% is at least %.2f",
            floor(r->probability * 100) / 100);
    char more[128];
    if (r->measure) say(out, "; %s", reason_measure(r, more, sizeof more));
    say(out, ".");
}

static void say_default(writer *out, const recommendation *r)
{
    say(out, "Batch %" PRIu64, r->batch);
    say_rate(out, r->lr);
    if (r->range_low < r->range_high) say(out, ", in a range of %" PRIu64 " to %" PRIu64, r->range_low, r->range_high);
    say(out,
        ", since %s. 32 to 128 is a good start for most networks: enough examples to keep a device busy, few enough "
        "for "
        "many updates an epoch.",
        unknowns[r->unknown]);
    if (r->batch != RECOMMEND_DEFAULT) say(out, " Limits, or runs that failed, move it from %d.", RECOMMEND_DEFAULT);
}

void reason_write(const recommend_input *input, const recommendation *r, char *text, size_t bytes)
{
    writer out = {.text = text, .bytes = bytes};
    if (bytes) text[0] = 0;
    if (r->decided == DECIDED_DEFAULT) {
        say_default(&out, r);
        return;
    }
    say_choice(&out, input, r);
    say_range(&out, input, r);
    say_decision(&out, input, r);
    say_side(&out, "Half the batch", &r->half);
    say_side(&out, "Twice the batch", &r->twice);
    say_sureness(&out, r);
}

void reason_write_probe(const probe_facts *probe, const recommendation *r, char *text, size_t bytes)
{
    writer out = {.text = text, .bytes = bytes};
    if (bytes) text[0] = 0;
    if (r->decided == DECIDED_DEFAULT) {
        say_default(&out, r);
        return;
    }
    say(&out, "Batch %" PRIu64, r->batch);
    say_rate(&out, r->lr);
    say(&out, ", interpolated from a probe and not measured.");
    if (r->range_low < r->range_high)
        say(&out, " From %" PRIu64 " to %" PRIu64 " the time should be within 5 %%.", r->range_low, r->range_high);
    say(&out, " What decided: %s.", decisions[r->decided]);
    say_knee(&out, r, "gradient noise scale", probe->noise.low, probe->noise.value, probe->noise.high);
    say_side(&out, "Half the batch", &r->half);
    say_side(&out, "Twice the batch", &r->twice);
    say_sureness(&out, r);
}

void reason_noise(const noise_scale_range *answer, char *text, size_t bytes)
{
    if (answer->state == NOISE_KNOWN)
        snprintf(text, bytes, "%s (%s to %s)", number_word(answer->value).text, number_word(answer->low).text,
                 number_word(answer->high).text);
    else if (answer->state == NOISE_AT_LEAST)
        snprintf(text, bytes, "at least %s", number_word(answer->low).text);
    else
        snprintf(text, bytes, "not known yet");
}
