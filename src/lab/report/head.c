/* The report's first screen: what to do, how long it takes, how sure that is, and whether it was checked. */
#include "lab/report/report.h"

#include "base/format.h"
#include "lab/advice/reason.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Cards ------------------------------------------------------------------------------------------------------------ */

static void open_card(buffer *page, const char *name) { buffer_print(page, "<div><dt>%s</dt><dd>", name); }
static void close_card(buffer *page) { buffer_print(page, "</dd></div>\n"); }

static const char *const kinds[] = {"fitted", "measured"}; /* how a figure is known */
static void add_kind(buffer *page, bool measured) { buffer_print(page, " <small>%s</small>", kinds[measured]); }

static const sweep_batch *recommended_batch(const tas_sweep *sweep)
{
    const recommendation *r = &sweep->advice;
    return r->row >= 0 && r->row < sweep->count && r->decided != DECIDED_DEFAULT ? &sweep->batch[r->row] : NULL;
}

static void add_time(const tas_sweep *sweep, buffer *page)
{
    const recommendation *r = &sweep->advice;
    const sweep_batch *b = recommended_batch(sweep);
    const bool measured = b && r->measured && sweep_mean_known(&b->seconds);
    const double seconds = r->seconds;
    open_card(page, "Time to the target");
    if (isfinite(seconds)) {
        buffer_print(page, "<b>%s</b>", format_seconds(seconds).text);
        add_kind(page, measured);
        if (measured) buffer_print(page, " <span>mean of %d seeds</span>", b->seconds.seeds);
        if (isfinite(r->seconds_low) && isfinite(r->seconds_high))
            buffer_print(page, " <span>%s to %s with the next seed (95&nbsp;%%)</span>",
                         format_seconds(r->seconds_low).text, format_seconds(r->seconds_high).text);
    } else {
        buffer_print(page, "<b>not known</b>");
    }
    close_card(page);
}

static void add_decision(const tas_sweep *sweep, buffer *page)
{
    const recommendation *r = &sweep->advice;
    char text[128];
    open_card(page, "Deciding factor");
    buffer_print(page, "<b>%s</b>", reason_decision(r->decided));
    if (r->decider >= 0 && r->decider < sweep->count)
        buffer_print(page, " <span>B = %" PRIu64 ": %s</span>", sweep->batch[r->decider].batch,
                     reason_verdict(r->verdicts[r->decider]));
    else if (r->decided == DECIDED_SPEED && *reason_knee(r, text, sizeof text))
        buffer_print(page, " <span>the time is shortest %s</span>", reason_knee(r, text, sizeof text));
    close_card(page);
}

/* Measured if both batches are; otherwise by the fitted curve. */
static void add_side(const char *name, const recommend_side *side, buffer *page)
{
    char title[64];
    if (!side->batch) return;
    snprintf(title, sizeof title, "%s, B = %" PRIu64, name, side->batch);
    open_card(page, title);
    if (isfinite(side->seconds)) buffer_print(page, "<b>%s&times;</b> the time, ", format_number(side->seconds).text);
    if (isfinite(side->examples))
        buffer_print(page, "%s&times; the examples", format_number(side->examples).text);
    else if (side->verdict == VERDICT_KEPT || side->verdict == VERDICT_NOT_MEASURED)
        buffer_print(page, "not known");
    if (isfinite(side->seconds) || isfinite(side->examples)) add_kind(page, side->measured);
    if (side->verdict != VERDICT_KEPT && (side->verdict != VERDICT_NOT_MEASURED || isfinite(side->examples)))
        buffer_print(page, " <span>%s</span>", reason_verdict(side->verdict));
    close_card(page);
}

static void add_range(const recommendation *r, buffer *page)
{
    open_card(page, r->decided == DECIDED_DEFAULT ? "Range"
                    : r->measure                  ? "Within 5&nbsp;% of the best, of those measured"
                                                  : "Within 5&nbsp;% of the best");
    if (r->range_low < r->range_high)
        buffer_print(page, "<b>%" PRIu64 " to %" PRIu64 "</b>", r->range_low, r->range_high);
    else
        buffer_print(page, "<b>only %" PRIu64 "</b>", r->batch);
    close_card(page);
}

static void add_sureness(const recommendation *r, buffer *page)
{
    char text[128];
    open_card(page, "Confidence");
    buffer_print(page, "<b>%s</b>", reason_confidence(r->confidence));
    if (*reason_sureness(r, text, sizeof text)) buffer_print(page, " <span>%s</span>", text);
    if (r->measure) buffer_print(page, " <span>%s</span>", reason_measure(r, text, sizeof text));
    close_card(page);
}

/* The checks ------------------------------------------------------------------------------------------------------- */

static void add_check(const tas_sweep *sweep, const sweep_check *c, buffer *page)
{
    buffer_print(page, "<span>B = %" PRIu64 ", lr %s, seed %" PRIu64 ": ", c->batch, format_number(c->lr).text,
                 c->seed);
    if (c->reached && isfinite(c->seconds))
        buffer_print(page, "reached the target in %s", format_seconds(c->seconds).text);
    else
        buffer_print(page, c->reached ? "reached the target" : "did not reach the target");
    if (isfinite(c->promised_low) && isfinite(c->promised_high))
        buffer_print(page, " (promised: %s to %s)", format_seconds(c->promised_low).text,
                     format_seconds(c->promised_high).text);
    if (isfinite(c->loss)) buffer_print(page, ", mean validation loss %s", format_number(c->loss).text);
    if (isfinite(c->accuracy) && sweep_mean_known(&sweep->batch[0].best_accuracy))
        buffer_print(page, ", accuracy %.4f", c->accuracy);
    buffer_print(page, c->held ? "; as promised</span>" : "; fell short</span>");
}

/* The command, run once more on a seed that nothing was chosen by; candidates that fell short come first. */
static void add_checks(const tas_sweep *sweep, buffer *page)
{
    if (sweep->advice.decided == DECIDED_DEFAULT) return;
    const sweep_check *last = sweep->checks ? &sweep->check[sweep->checks - 1] : NULL;
    buffer_print(page, "<div class=\"long\"><dt>Check of the command</dt><dd>");
    buffer_print(page, "<b>%s</b>", !last ? "not made" : last->held ? "it holds" : "it fell short");
    if (last) add_kind(page, true);
    for (int i = 0; i < sweep->checks; i++) add_check(sweep, &sweep->check[i], page);
    close_card(page);
}

/* How deep the target is ------------------------------------------------------------------------------------------- */

static void add_depth(const tas_sweep *sweep, buffer *page)
{
    if (!sweep->base_batch || !isfinite(sweep->base_epochs)) return;
    const bool shallow = sweep_is_shallow(sweep);
    buffer_print(page, "<p class=\"%s\">", shallow ? "warning" : "target");
    if (shallow) buffer_print(page, "<strong>A shallow target.</strong> ");
    buffer_print(page, "At its rate in the table, B = %" PRIu64 " reaches it after %s epoch%s", sweep->base_batch,
                 format_number(sweep->base_epochs).text, sweep->base_epochs == 1 ? "" : "s");
    const double best = sweep->base_best,
                 away = sweep->options.by_accuracy ? best - sweep->target : 100 * (1 - best / sweep->target);
    if (isfinite(best) && away > 0)
        buffer_print(page, "; the best %s it was seen to reach, %s, is %s%s",
                     sweep->options.by_accuracy ? "accuracy" : "loss", format_number(best).text,
                     format_number(away).text, sweep->options.by_accuracy ? " higher" : "&nbsp;% lower");
    buffer_print(page, ".%s</p>\n",
                 shallow ? " Longer training may need another batch and another rate: see every target below." : "");
}

/* The page's head -------------------------------------------------------------------------------------------------- */

/* Lines do not break within an option. */
static void add_words(char *command, buffer *page)
{
    for (char *end; command; command = end) {
        const bool option = *command == '-';
        end = strchr(command, ' ');
        if (end) *end++ = 0;
        if (option) buffer_print(page, "<span>");
        buffer_escape(page, command);
        buffer_print(page, "%s%s", option ? "</span>" : "", end ? " " : "");
    }
}

static void add_subject(const tas_sweep *sweep, buffer *page)
{
    if (*sweep->source) {
        buffer_print(page, "Batch size by the runs in <strong>");
        buffer_escape(page, sweep->source);
        buffer_print(page, "</strong>");
        return;
    }
    buffer_print(page, "Batch size sweep of <strong>");
    buffer_escape(page, sweep->net);
    buffer_print(page, "</strong> on <strong>");
    buffer_escape(page, *sweep->data ? sweep->data : "arrays");
    buffer_print(page, "</strong>, ");
    buffer_escape(page, *sweep->device_name ? sweep->device_name : sweep->device);
}

static void add_command(const tas_sweep *sweep, buffer *page)
{
    buffer command = {0};
    command_write(sweep, &command);
    buffer_print(page, "<pre class=\"command\" tabindex=\"0\" aria-label=\"The command to copy\"><code>");
    if (command.text && !command.failed) add_words(command.text, page);
    page->failed |= command.failed;
    buffer_print(page, "</code></pre>\n");
    free(command.text);
    buffer_print(page, "<p class=\"target\">");
    command_write_end(sweep, page);
    buffer_print(page, "</p>\n");
}

static void add_title(const tas_sweep *sweep, buffer *page)
{
    const recommendation *r = &sweep->advice;
    buffer_print(page, "<header>\n<p class=\"what\">");
    add_subject(sweep, page);
    buffer_print(page, "</p>\n<h1>");
    if (r->decided == DECIDED_DEFAULT)
        buffer_print(page, "No batch to recommend yet");
    else
        buffer_print(page, "Use batch %" PRIu64, r->batch);
    if (r->decided != DECIDED_DEFAULT && r->lr > 0 && isfinite(r->lr))
        buffer_print(page, ", learning rate %.3g", r->lr);
    buffer_print(page, "</h1>\n");
    if (command_known(sweep)) add_command(sweep, page);
    if (*sweep->target_words) {
        buffer_print(page, "<p class=\"target\">Target: ");
        buffer_escape(page, sweep->target_words);
        buffer_print(page, "</p>\n");
    }
    add_depth(sweep, page);
    buffer_print(page, "</header>\n");
}

static void add_paragraph(const char *class, const char *text, buffer *page)
{
    buffer_print(page, "<p class=\"%s\">", class);
    buffer_escape(page, text);
    buffer_print(page, "</p>");
}

/* Collapsed, so that the table stays on the first screen. On paper nothing can be expanded, and not every browser lets
 * a style do it: so it is repeated there. */
static void add_reason(const tas_sweep *sweep, buffer *page)
{
    if (!*sweep->reason) return;
    if (sweep->advice.decided == DECIDED_DEFAULT) {
        add_paragraph("reason", sweep->reason, page);
    } else {
        buffer_print(page, "<details><summary>The full reason</summary>");
        add_paragraph("reason", sweep->reason, page);
        buffer_print(page, "</details>\n");
        add_paragraph("paper", sweep->reason, page);
    }
    buffer_print(page, "\n");
}

void head_write(const tas_sweep *sweep, buffer *page)
{
    const recommendation *r = &sweep->advice;
    add_title(sweep, page);
    buffer_print(page, "<section aria-label=\"The recommendation\">\n<dl class=\"cards\">\n");
    add_time(sweep, page);
    add_decision(sweep, page);
    add_range(r, page);
    add_side("Half", &r->half, page);
    add_side("Double", &r->twice, page);
    add_sureness(r, page);
    if (!*sweep->source) add_checks(sweep, page);
    buffer_print(page, "</dl>\n");
    add_reason(sweep, page);
    buffer_print(page, "</section>\n");
}
