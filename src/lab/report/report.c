/* The report: one self-contained page without scripts. */
#include "lab/report/report.h"

#include "base/file.h"
#include "base/format.h"
#include "lab/advice/reason.h"
#include "lab/report/findings.h"
#include "lab/report/gnuplot.h"
#include "lab/sweep/output.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The first screen ------------------------------------------------------------------------------------------------- */

static void open_card(buffer *page, const char *name) { buffer_print(page, "<div><dt>%s</dt><dd>", name); }
static void close_card(buffer *page) { buffer_print(page, "</dd></div>\n"); }

static void add_time(const recommendation *r, buffer *page)
{
    open_card(page, "Time to the target");
    if (isfinite(r->seconds)) {
        buffer_print(page, "<b>%s</b>", format_seconds(r->seconds).text);
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
    open_card(page, "Deciding factor");
    buffer_print(page, "<b>%s</b>", reason_decision(r->decided));
    if (r->decider >= 0 && r->decider < sweep->count)
        buffer_print(page, " <span>B = %" PRIu64 ": %s</span>", sweep->batch[r->decider].batch,
                     reason_verdict(r->verdicts[r->decider]));
    else if (r->decided == DECIDED_SPEED && isfinite(r->knee))
        buffer_print(page, " <span>the time is shortest near B = %s</span>", format_number(r->knee).text);
    close_card(page);
}

static void add_side(const char *name, const recommend_side *side, buffer *page)
{
    char head[64];
    if (!side->batch) return;
    snprintf(head, sizeof head, "%s, B = %" PRIu64, name, side->batch);
    open_card(page, head);
    if (isfinite(side->seconds)) buffer_print(page, "<b>%s&times;</b> the time, ", format_number(side->seconds).text);
    if (isfinite(side->examples))
        buffer_print(page, "%s&times; the examples", format_number(side->examples).text);
    else if (side->verdict == VERDICT_KEPT || side->verdict == VERDICT_NOT_MEASURED)
        buffer_print(page, "not known");
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
    open_card(page, "Confidence");
    buffer_print(page, "<b>%s</b>", reason_confidence(r->confidence));
    if (r->probability > 0.99)
        buffer_print(page,
                     " <span>probability above 0.99 that no other measured batch is more than 5&nbsp;%% better</span>");
    else if (isfinite(r->probability))
        buffer_print(
            page, " <span>probability at least %.2f that no other measured batch is more than 5&nbsp;%% better</span>",
            floor(r->probability * 100) / 100);
    char more[128];
    if (r->measure) buffer_print(page, " <span>%s</span>", reason_measure(r, more, sizeof more));
    close_card(page);
}

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

static void add_head(const tas_sweep *sweep, buffer *page)
{
    const recommendation *r = &sweep->advice;
    buffer command = {0};
    command_write(sweep, &command);
    buffer_print(page, "<header>\n<p class=\"what\">Batch size sweep of <strong>");
    buffer_escape(page, sweep->net);
    buffer_print(page, "</strong> on <strong>");
    buffer_escape(page, *sweep->data ? sweep->data : "arrays");
    buffer_print(page, "</strong>, ");
    buffer_escape(page, *sweep->device_name ? sweep->device_name : sweep->device);
    buffer_print(page, "</p>\n<h1>%s batch %" PRIu64, r->decided == DECIDED_DEFAULT ? "Start with" : "Use", r->batch);
    if (r->lr > 0 && isfinite(r->lr)) buffer_print(page, ", learning rate %.3g", r->lr);
    buffer_print(page, "</h1>\n<pre class=\"command\" tabindex=\"0\" aria-label=\"The command to copy\"><code>");
    if (command.text && !command.failed) add_words(command.text, page);
    page->failed |= command.failed;
    buffer_print(page, "</code></pre>\n");
    free(command.text);
    if (*sweep->target_words) {
        buffer_print(page, "<p class=\"target\">Target: ");
        buffer_escape(page, sweep->target_words);
        buffer_print(page, "</p>\n");
    }
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

static void add_advice(const tas_sweep *sweep, buffer *page)
{
    const recommendation *r = &sweep->advice;
    buffer_print(page, "<section aria-label=\"The recommendation\">\n<dl class=\"cards\">\n");
    add_time(r, page);
    add_decision(sweep, page);
    add_range(r, page);
    add_side("Half", &r->half, page);
    add_side("Double", &r->twice, page);
    add_sureness(r, page);
    buffer_print(page, "</dl>\n");
    add_reason(sweep, page);
    buffer_print(page, "</section>\n<section>\n<h2>The batches</h2>\n");
    table_write(sweep, page);
    buffer_print(page, "</section>\n");
}

/* Claims and plots ------------------------------------------------------------------------------------------------- */

typedef struct section {
    const char *heading;
    plot_fn fill;
    find_fn find;
    const char *none; /* why, if there is no plot */
} section;

static const section sections[] = {
    {"Speed", plots_speed, findings_speed, "no batch was timed"},
    {"Memory", plots_memory, findings_memory, "no memory figures"},
    {"Variance of the gradient", plots_variance, frozen_findings_variance, "not measured at frozen weights"},
    {"Precision of the gradient", plots_cosine, frozen_findings_gradient, "not measured at frozen weights"},
    {"Precision of the loss", plots_cost, frozen_findings_cost, "not measured at frozen weights"},
    {"Noise scale over training", plots_noise, frozen_findings_noise, "not known for any part of a run"},
    {"Fluctuation of the weights", plots_weights, frozen_findings_weights, "not measured at any batch"},
    {"Steps and examples", plots_steps, findings_convergence, "no batch reached the target"},
    {"Validation loss", plots_loss, findings_loss, "no validation loss is known"},
    {"Gap and overfitting", plots_gap, findings_overfitting, "training and validation loss are never both known"},
    {"Time to the target", plots_time, findings_good_start, "no batch that reached the target was timed"},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

static void add_finding(const finding *f, buffer *page)
{
    static const char *const classes[FINDING_VERDICTS] = {[FINDING_NOT_KNOWN] = "unknown",
                                                          [FINDING_AGREES] = "agrees",
                                                          [FINDING_NO_DIFFERENCE] = "even",
                                                          [FINDING_DISAGREES] = "disagrees",
                                                          [FINDING_PARTLY] = "even"};
    static const char *const signs[FINDING_VERDICTS] = {[FINDING_NOT_KNOWN] = "?",
                                                        [FINDING_AGREES] = "&#10003;",
                                                        [FINDING_NO_DIFFERENCE] = "&asymp;",
                                                        [FINDING_DISAGREES] = "&#10007;",
                                                        [FINDING_PARTLY] = "&frac12;"};
    buffer_print(page, "<p><span class=\"claim\">Claim: ");
    buffer_escape(page, f->claim);
    buffer_print(page, "</span> Measured: ");
    buffer_escape(page, f->seen);
    buffer_print(page, " <span class=\"verdict %s\"><span aria-hidden=\"true\">%s</span> %s</span></p>\n",
                 classes[f->verdict], signs[f->verdict], findings_verdict(f->verdict));
}

static tas_status add_picture(const tas_sweep *sweep, const plot *p, buffer *page)
{
    buffer script = {0}, svg = {0};
    plot_script(p, &script);
    tas_status status = script.failed ? fail(sweep->context, TAS_NO_MEMORY, "no memory for a plot")
                                      : gnuplot_run(sweep->context, script.text, &svg);
    buffer_print(page, "<figure>\n");
    if (!status && !gnuplot_embed(page, svg.text, p->id, p->title, p->title))
        status = fail(sweep->context, TAS_BAD_FILE, "gnuplot drew no complete picture of \"%s\"", p->title);
    buffer_print(page, "</figure>\n");
    free(script.text);
    free(svg.text);
    return status;
}

static tas_status add_section(const tas_sweep *sweep, const section *s, plot *p, buffer *page)
{
    tas_status status = TAS_OK;
    finding f;
    memset(p, 0, sizeof *p);
    s->fill(sweep, p);
    s->find(sweep, &f);
    buffer_print(page, "<section class=\"claimed\" id=\"%s\">\n<h3>%s</h3>\n", p->id, s->heading);
    const bool measured = plot_measured(p) > 0;
    if (measured)
        status = add_picture(sweep, p, page);
    else
        buffer_print(page, "<p class=\"missing\">No plot: %s.</p>\n", s->none);
    add_finding(&f, page);
    if (measured) {
        buffer_print(page,
                     "<details><summary>The figures</summary>\n<div class=\"scroll\" tabindex=\"0\" "
                     "role=\"region\" aria-label=\"The figures of %s\">\n",
                     s->heading);
        plot_table(p, page);
        buffer_print(page, "</div></details>\n");
    }
    buffer_print(page, "</section>\n");
    return status;
}

/* The page --------------------------------------------------------------------------------------------------------- */

static void add_date(buffer *page)
{
    char day[32];
    const time_t now = time(NULL);
    struct tm parts;
    if (gmtime_r(&now, &parts) && strftime(day, sizeof day, "%Y-%m-%d", &parts))
        buffer_print(page, "<footer>Written on %s by tassello sweep.</footer>\n", day);
}

tas_status report_page(const tas_sweep *sweep, buffer *page)
{
    tas_status status = TAS_OK;
    plot *p = malloc(sizeof *p);
    if (!p) return fail(sweep->context, TAS_NO_MEMORY, "no memory for the report");
    buffer_print(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Batch size of ");
    buffer_escape(page, sweep->net);
    buffer_print(page, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", style_sheet);
    add_head(sweep, page);
    add_advice(sweep, page);
    buffer_print(page, "<section>\n<h2>Common claims, and what was measured</h2>\n<div class=\"plots\">\n");
    for (int i = 0; i < SECTIONS && !status; i++) status = add_section(sweep, &sections[i], p, page);
    buffer_print(page, "</div>\n</section>\n<section>\n<h2>Not measured</h2>\n");
    protocol_unmeasured(sweep, page);
    buffer_print(page, "</section>\n<section>\n<h2>How it was measured</h2>\n");
    protocol_write(sweep, page);
    buffer_print(page, "</section>\n</main>\n");
    add_date(page);
    buffer_print(page, "</body>\n</html>\n");
    free(p);
    if (!status && page->failed) status = fail(sweep->context, TAS_NO_MEMORY, "no memory for the report");
    return status;
}

tas_status tas_sweep_report(const tas_sweep *sweep, const char *file)
{
    entry_state saved;
    buffer page = {0};
    entry_begin(sweep->context, &saved);
    tas_status status = file && *file ? report_page(sweep, &page)
                                      : fail(sweep->context, TAS_BAD_ARGUMENT, "the report has no file name");
    if (!status) status = output_write(sweep->context, file, page.text, page.bytes);
    free(page.text);
    entry_end(&saved);
    return status;
}

/* Before the work -------------------------------------------------------------------------------------------------- */

static tas_status check_folder(tas_context *context, const char *file)
{
    struct stat about;
    tas_status status = TAS_OK;
    if (!stat(file, &about) && S_ISDIR(about.st_mode))
        return fail(context, TAS_BAD_FILE, "%s: is a folder; expected a file", file);
    char *copy = strdup(file);
    if (!copy) return fail(context, TAS_NO_MEMORY, "%s: no memory to write it", file);
    const char *folder = dirname(copy);
    if (stat(folder, &about))
        status = fail(context, TAS_BAD_FILE, "%s: cannot be written: the folder %s: %s", file, folder, strerror(errno));
    else if (!S_ISDIR(about.st_mode))
        status = fail(context, TAS_BAD_FILE, "%s: cannot be written: %s is not a folder", file, folder);
    free(copy);
    return status;
}

/* Starts a file and removes it again: this checks permission, space and read-only mounts at once. */
tas_status tas_report_check(tas_context *context, const char *file)
{
    entry_state saved;
    buffer version = {0};
    entry_begin(context, &saved);
    tas_status status =
        file && *file ? check_folder(context, file) : fail(context, TAS_BAD_ARGUMENT, "the report has no file name");
    if (!status) status = file_check(context, file);
    if (!status) status = gnuplot_run(context, NULL, &version);
    if (!status && (!version.text || strncmp(version.text, "gnuplot ", 8)))
        status = fail(context, TAS_BAD_FILE,
                      "gnuplot in PATH does not print its version; on Debian: apt install gnuplot-nox");
    free(version.text);
    entry_end(&saved);
    return status;
}
