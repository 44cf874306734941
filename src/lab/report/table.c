/* The report's table of batches. */
#include "lab/report/report.h"

#include "base/format.h"
#include "lab/advice/reason.h"
#include "lab/report/plots.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The table -------------------------------------------------------------------------------------------------------- */

static void open_cell(buffer *page, const char *unit)
{
    buffer_print(page, *unit ? "<td data-unit=\"%s\">" : "<td>", unit);
}

static void add_number(buffer *page, double value)
{
    if (isfinite(value))
        buffer_print(page, "<td>%s</td>", format_number(value).text);
    else
        buffer_print(page, "<td class=\"none\">&ndash;</td>");
}

/* Two figures: a spread is not known to more. */
static formatted short_word(double value)
{
    formatted w;
    snprintf(w.text, sizeof w.text, "%.2g", value);
    return w;
}

/* The mean, with the spread over seeds: in percent for a geometric mean. */
static void add_mean(buffer *page, const sweep_mean *m, bool geometric, formatted (*in_words)(double))
{
    if (!sweep_mean_known(m)) {
        add_number(page, NAN);
        return;
    }
    open_cell(page, "");
    buffer_print(page, "%s", in_words(m->value).text);
    if (m->seeds > 1 && m->spread > 0 && isfinite(m->spread)) {
        if (geometric)
            buffer_print(page, " <small>&plusmn;%.0f&nbsp;%%</small>", 100 * expm1(m->spread));
        else
            buffer_print(page, " <small>&plusmn;%s</small>", short_word(m->spread).text);
    }
    buffer_print(page, "</td>");
}

static formatted whole_word(double value) { return format_number(value >= 100 ? round(value) : value); }

static formatted accuracy_word(double value)
{
    formatted w;
    snprintf(w.text, sizeof w.text, "%.4f", value);
    return w;
}

static void add_noise(buffer *page, const noise_scale_range *n)
{
    char text[128];
    if (n->state == NOISE_UNKNOWN || !isfinite(n->low)) {
        add_number(page, NAN);
        return;
    }
    reason_noise(n, text, sizeof text);
    char *interval = strstr(text, " (");
    if (interval) *interval = 0;
    open_cell(page, "");
    buffer_escape(page, text);
    if (interval) buffer_print(page, " <small>%.*s</small>", (int)strcspn(interval + 2, ")"), interval + 2);
    buffer_print(page, "</td>");
}

/* The loss by which batches are refused, and by how much it is above the best of the others: the interval decides. */
static void add_compared(buffer *page, const sweep_batch *b)
{
    if (!sweep_mean_known(&b->loss_compared)) {
        add_number(page, NAN);
        return;
    }
    open_cell(page, "");
    buffer_print(page, "%s", format_number(b->loss_compared.value).text);
    if (isfinite(b->worse_low) && isfinite(b->worse_high))
        buffer_print(page, " <small>%s%s to %s%s</small>", b->worse_low > 0 ? "+" : "", short_word(b->worse_low).text,
                     b->worse_high > 0 ? "+" : "", short_word(b->worse_high).text);
    buffer_print(page, "</td>");
}

static bool in_range(const tas_sweep *sweep, uint64_t batch)
{
    return batch >= sweep->advice.range_low && batch <= sweep->advice.range_high;
}

/* The verdict on a batch. */
static void add_verdict(buffer *page, const tas_sweep *sweep, int i)
{
    const recommendation *r = &sweep->advice;
    const sweep_batch *b = &sweep->batch[i];
    const bool known = r->decided != DECIDED_DEFAULT;
    const double times = known && r->seconds > 0 ? r->row_seconds[i] / r->seconds : NAN;
    buffer_print(page, "<td class=\"words\">");
    if (b->batch == r->batch && known)
        buffer_print(page, "<strong>recommended</strong>");
    else if (r->verdicts[i] != VERDICT_KEPT)
        buffer_escape(page, reason_verdict(r->verdicts[i]));
    else if (known && in_range(sweep, b->batch))
        buffer_print(page, "within 5&nbsp;%% of the best");
    else if (isfinite(times))
        buffer_print(page, "%s times the time%s", format_number(times).text,
                     r->row_measured[i] && r->measured ? "" : " <small>fitted</small>");
    else
        buffer_print(page, "reached the target");
    if (b->diverged && b->diverged < b->seeds)
        buffer_print(page, "; %d of %d seeds diverged", b->diverged, b->seeds);
    else if (b->reached && b->reached < b->seeds)
        buffer_print(page, "; %d of %d seeds reached the target", b->reached, b->seeds);
    if (b->added) buffer_print(page, "; added, since it might have been better");
    if (b->lowered) buffer_print(page, "; rate halved, since a run diverged");
    buffer_print(page, "</td>");
}

bool table_any_test(const tas_sweep *sweep)
{
    for (int i = 0; i < sweep->count; i++)
        if (sweep->test && isfinite(sweep->batch[i].test_loss)) return true;
    return false;
}

static bool any_accuracy(const tas_sweep *sweep)
{
    for (int i = 0; i < sweep->count; i++)
        if (sweep_mean_known(&sweep->batch[i].best_accuracy)) return true;
    return false;
}

/* Columns that not every sweep has. */
typedef struct shown {
    bool own; /* memory and noise scale: the runs were made here, not by another program */
    bool accuracy, test;
    bool training; /* gap and loss compared: rows of another program may have no training loss */
} shown;

static shown find_shown(const tas_sweep *sweep)
{
    shown out = {.own = !*sweep->source, .accuracy = any_accuracy(sweep), .test = table_any_test(sweep)};
    out.training = out.own;
    for (int i = 0; i < sweep->count; i++)
        out.training |=
            sweep_mean_known(&sweep->batch[i].gap_equal_loss) || sweep_mean_known(&sweep->batch[i].loss_compared);
    return out;
}

static void add_heads(buffer *page, const shown *shows)
{
    const struct {
        const char *name;
        bool shown;
    } heads[] = {{"Batch", true},
                 {"Learning rate", true},
                 {"Examples/s", true},
                 {"Memory, MiB", shows->own},
                 {"Steps", true},
                 {"Epochs", true},
                 {"Time to target", true},
                 {"Validation loss", true},
                 {"Accuracy", shows->accuracy},
                 {"Test loss", shows->test},
                 {"Test accuracy", shows->test && shows->accuracy},
                 {"Gap", shows->training},
                 {"Noise scale", shows->own},
                 {"Loss compared", shows->training},
                 {"Verdict", true}};
    buffer_print(page, "<thead><tr>");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (heads[i].shown) buffer_print(page, "<th scope=\"col\">%s</th>", heads[i].name);
    buffer_print(page, "</tr></thead>\n");
}

static void add_row(buffer *page, const tas_sweep *sweep, int i, const shown *shows)
{
    const sweep_batch *b = &sweep->batch[i];
    const bool best = sweep->advice.decided != DECIDED_DEFAULT && b->batch == sweep->advice.batch;
    const uint64_t memory = b->memory_used ? b->memory_used : b->memory_forecast;
    buffer_print(page, "<tr%s><th scope=\"row\">%" PRIu64 "</th>", best ? " class=\"best\"" : "", b->batch);
    add_number(page, b->lr > 0 ? b->lr : NAN);
    add_number(page, b->examples_per_s > 0 ? b->examples_per_s : NAN);
    if (shows->own) add_number(page, memory ? (double)memory / 1048576 : NAN);
    add_mean(page, &b->steps, true, whole_word);
    add_mean(page, &b->epochs, true, format_number);
    add_mean(page, &b->seconds, true, format_seconds);
    add_mean(page, &b->best_loss, false, format_number);
    if (shows->accuracy) add_mean(page, &b->best_accuracy, false, accuracy_word);
    if (shows->test) add_number(page, b->test_loss);
    if (shows->test && shows->accuracy) {
        if (isfinite(b->test_accuracy))
            buffer_print(page, "<td>%s</td>", accuracy_word(b->test_accuracy).text);
        else
            add_number(page, NAN);
    }
    if (shows->training) add_mean(page, &b->gap_equal_loss, false, format_number);
    if (shows->own) add_noise(page, &b->noise);
    if (shows->training) add_compared(page, b);
    add_verdict(page, sweep, i);
    buffer_print(page, "</tr>\n");
}

static void add_key(buffer *page, const tas_sweep *sweep, const shown *shows)
{
    buffer_print(page,
                 "<p class=\"key\">Steps, epochs and time are to the target, without evaluation. Validation loss%s the "
                 "best of a run.",
                 shows->accuracy ? " and accuracy are" : " is");
    if (shows->training) buffer_print(page, " The gap is validation loss minus training loss, at equal training loss.");
    buffer_print(page, " All are measured: means over %sseeds &plusmn; standard deviation.",
                 shows->own ? "fresh " : "");
    if (shows->training)
        buffer_print(page,
                     " The loss compared is the validation loss %s, and below it the interval of its difference from "
                     "the lowest of the others (95&nbsp;%%, for all batches together): a batch whose interval lies "
                     "above 0 has a worse loss.",
                     sweep->options.goal == TAS_GOAL_ACCURACY ? "at its lowest" : "at equal training loss");
    buffer_print(page, "</p>\n");
}

void table_write(const tas_sweep *sweep, buffer *page)
{
    const shown shows = find_shown(sweep);
    int order[SWEEP_BATCHES];
    plots_order(sweep, order);
    buffer_print(page, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"The batches\">\n"
                       "<table class=\"batches\">\n");
    add_heads(page, &shows);
    buffer_print(page, "<tbody>\n");
    for (int i = 0; i < sweep->count; i++) add_row(page, sweep, order[i], &shows);
    buffer_print(page, "</tbody></table></div>\n");
    add_key(page, sweep, &shows);
}
