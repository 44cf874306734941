/* The report: one self-contained page without scripts. */
#include "lab/report/report.h"

#include "base/file.h"
#include "lab/report/findings.h"
#include "lab/report/gnuplot.h"
#include "lab/report/plots.h"
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

/* Claims and plots ------------------------------------------------------------------------------------------------- */

typedef struct section {
    const char *heading;
    plot_fn fill, more; /* more: a second plot; NULL */
    find_fn find;       /* NULL: no claim is about it */
    const char *note;   /* how to read it; "" */
    const char *none;   /* why, if there is no plot; NULL: then the section is left out */
} section;

#define BARS "Bars: 95 % intervals at equal training loss; the others are in the figures."

static const section training[] = {
    {"Time to the target", plots_time, plots_targets, findings_good_start, "",
     "no batch that reached the target was timed"},
    {"Examples against steps", plots_trade, plots_steps, findings_convergence,
     "Each point is one batch, larger to the left. A batch twice as large halves the steps while the points stay near "
     "the horizontal line; above it, examples are spent without need.",
     "no batch reached the target"},
    {"Losses during training", plots_progress, plots_clock, NULL,
     "Means over seeds, at each batch's own rate. Seconds are steps times the median time of a step.", NULL},
    {"Learning rates", plots_rates, NULL, NULL,
     "Runs of the search. A ring: the rate that was chosen. A cross at the top: runs at that rate diverged, or did not "
     "reach the target of the search.",
     NULL},
    {"Gap and overfitting", plots_gap, NULL, findings_overfitting, BARS,
     "training and validation loss are never both known"},
    {"Validation loss", plots_loss, plots_effort, findings_loss, BARS, "no validation loss is known"},
    {"Critical batch over training", plots_critical, NULL, NULL,
     "Critical batch: the largest that keeps 80 % of the progress that the smallest batch makes with the same "
     "examples, "
     "from branches of one run. B_crit: where a run needs twice the fewest examples, as in the fitted curve.",
     NULL},
    {"A growing batch", plots_grown, NULL, NULL,
     "Fixed batches above the line needed more than the run whose batch grew, those below it less.", NULL},
};

#undef BARS

static const section mechanics[] = {
    {"Speed", plots_speed, NULL, findings_speed, "", "no batch was timed"},
    {"Memory", plots_memory, NULL, findings_memory, "", "no memory figures"},
    {"Variance of the gradient", plots_variance, NULL, frozen_findings_variance, "", "not measured at frozen weights"},
    {"Precision of the gradient", plots_cosine, NULL, frozen_findings_gradient, "", "not measured at frozen weights"},
    {"Precision of the loss", plots_cost, NULL, frozen_findings_cost, "", "not measured at frozen weights"},
    {"Noise scale over training", plots_noise, NULL, frozen_findings_noise,
     "Bars: the 95 % interval of one batch; those of the others are in the figures.",
     "not known for any part of a run"},
    {"Fluctuation of the weights", plots_weights, NULL, frozen_findings_weights, "", "not measured at any batch"},
};

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
    plot_legend(p, page);
    buffer_print(page, "</figure>\n");
    free(script.text);
    free(svg.text);
    return status;
}

static void add_figures(const char *heading, const plot *p, buffer *page)
{
    buffer_print(page,
                 "<details><summary>Figures: %s</summary>\n<div class=\"scroll\" tabindex=\"0\" "
                 "role=\"region\" aria-label=\"The figures of %s: %s\">\n",
                 p->title, heading, p->title);
    plot_table(p, page);
    buffer_print(page, "</div></details>\n");
}

/* A second plot stands beside the first one, or below it. */
static tas_status add_section(const tas_sweep *sweep, const section *s, plot pair[2], buffer *page)
{
    tas_status status = TAS_OK;
    finding f;
    memset(pair, 0, 2 * sizeof *pair);
    s->fill(sweep, &pair[0]);
    if (s->more) s->more(sweep, &pair[1]);
    const bool drawn[2] = {plot_measured(&pair[0]) > 0, plot_measured(&pair[1]) > 0};
    if (!drawn[0] && !drawn[1] && (!s->none || *sweep->source)) return TAS_OK; /* other programs' rows have no more */
    buffer_print(page, "<section class=\"claimed%s\" id=\"%s\">\n<h3>%s</h3>\n", drawn[0] && drawn[1] ? " wide" : "",
                 pair[0].id, s->heading);
    if (drawn[0] || drawn[1]) buffer_print(page, "<div class=\"pair\">\n");
    for (int i = 0; i < 2 && !status; i++)
        if (drawn[i]) status = add_picture(sweep, &pair[i], page);
    if (drawn[0] || drawn[1])
        buffer_print(page, "</div>\n");
    else
        buffer_print(page, "<p class=\"missing\">No plot: %s.</p>\n", s->none);
    if (*s->note && (drawn[0] || drawn[1])) buffer_print(page, "<p class=\"key\">%s</p>\n", s->note);
    if (s->find) {
        s->find(sweep, &f);
        add_finding(&f, page);
    }
    for (int i = 0; i < 2; i++)
        if (drawn[i]) add_figures(s->heading, &pair[i], page);
    buffer_print(page, "</section>\n");
    return status;
}

static tas_status add_sections(const tas_sweep *sweep, const section *list, size_t count, buffer *page)
{
    tas_status status = TAS_OK;
    plot *pair = malloc(2 * sizeof *pair);
    if (!pair) return fail(sweep->context, TAS_NO_MEMORY, "no memory for the report");
    buffer_print(page, "<div class=\"plots\">\n");
    for (size_t i = 0; i < count && !status; i++) status = add_section(sweep, &list[i], pair, page);
    buffer_print(page, "</div>\n");
    free(pair);
    return status;
}

/* The page --------------------------------------------------------------------------------------------------------- */

static void add_date(const tas_sweep *sweep, buffer *page)
{
    char day[32];
    const time_t now = time(NULL);
    struct tm parts;
    if (gmtime_r(&now, &parts) && strftime(day, sizeof day, "%Y-%m-%d", &parts))
        buffer_print(page, "<footer>Written on %s by tassello %s.</footer>\n", day,
                     *sweep->source ? "advise" : "sweep");
}

static void open_page(const tas_sweep *sweep, buffer *page)
{
    buffer_print(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Batch size of ");
    buffer_escape(page, *sweep->source ? sweep->source : sweep->net);
    buffer_print(page, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", style_sheet);
}

tas_status report_page(const tas_sweep *sweep, buffer *page)
{
    open_page(sweep, page);
    head_write(sweep, page);
    buffer_print(page, "<section>\n<h2>The batches</h2>\n");
    table_write(sweep, page);
    buffer_print(page, "</section>\n");
    targets_write(sweep, page);
    on_devices_write(sweep, page);
    buffer_print(page, "<section>\n<h2>Training: claims, and what was measured</h2>\n");
    tas_status status = add_sections(sweep, training, sizeof training / sizeof *training, page);
    buffer_print(page, "</section>\n<section>\n<h2>Speed, memory and gradients: claims, and what was measured</h2>\n");
    if (!status) status = add_sections(sweep, mechanics, sizeof mechanics / sizeof *mechanics, page);
    if (!*sweep->source) {
        buffer_print(page, "</section>\n<section>\n<h2>Tiles</h2>\n");
        tiles_write(sweep, page);
    }
    buffer_print(page, "</section>\n<section>\n<h2>Not measured</h2>\n");
    protocol_unmeasured(sweep, page);
    buffer_print(page, "</section>\n<section>\n<h2>How it was measured</h2>\n");
    protocol_write(sweep, page);
    buffer_print(page, "</section>\n</main>\n");
    add_date(sweep, page);
    buffer_print(page, "</body>\n</html>\n");
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
