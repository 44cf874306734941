#include "sweep_print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELL = 48 };

typedef struct cell {
    char text[CELL];
} cell;

/* With so many decimals; "-" if the number is not known. */
static cell fixed(double value, int decimals)
{
    cell c;
    snprintf(c.text, CELL, "%.*f", decimals, value);
    return isfinite(value) ? c : (cell){"-"};
}

/* Three figures: a rate is known within a factor, a speed within a few percent. */
static cell figures(double value)
{
    cell c;
    char text[FLOAT_TEXT];
    snprintf(c.text, CELL, "%s", cli_figures(value, 3, text));
    return isfinite(value) ? c : (cell){"-"};
}

static cell seconds(double value)
{
    static const struct {
        double below, unit;
        const char *name;
    } units[] = {{1e-3, 1e-6, "us"}, {1, 1e-3, "ms"}, {120, 1, "s"}, {7200, 60, "min"}, {INFINITY, 3600, "h"}};
    int i = 0;
    while (i < 4 && value >= units[i].below) i++;
    cell c;
    snprintf(c.text, CELL, "%.30s %s", figures(value / units[i].unit).text, units[i].name);
    return isfinite(value) ? c : (cell){"-"};
}

/* "12 (8 to 20)", ">= 8", "<= 20". */
static cell interval(double low, double value, double high)
{
    cell c = {"-"};
    if (isfinite(value) && isfinite(high))
        snprintf(c.text, CELL, "%.12s (%.12s to %.12s)", figures(value).text, figures(low).text, figures(high).text);
    else if (low > 0 && isfinite(low))
        snprintf(c.text, CELL, ">= %.30s", figures(low).text);
    else if (isfinite(high))
        snprintf(c.text, CELL, "<= %.30s", figures(high).text);
    return c;
}

/* The table -------------------------------------------------------------------------------------------------------- */

typedef struct column {
    const char *name;
    int width;
    bool wide; /* with --wide alone */
    cell (*of)(const tas_sweep_row *row);
} column;

static cell lr_of(const tas_sweep_row *row)
{
    cell c = {"-"};
    if (isfinite(row->lr)) snprintf(c.text, CELL, "%.3g", row->lr);
    return c;
}

static cell speed_of(const tas_sweep_row *row) { return fixed(row->examples_per_s, 0); }
/* Means over seeds are no whole numbers. */
static cell mean_steps(double steps) { return steps < 99.95 ? figures(steps) : fixed(steps, 0); }

static cell steps_of(const tas_sweep_row *row) { return mean_steps(row->steps); }
static cell epochs_of(const tas_sweep_row *row) { return fixed(row->epochs, 2); }
static cell time_of(const tas_sweep_row *row) { return seconds(row->seconds); }
static cell compared_of(const tas_sweep_row *row) { return fixed(row->compared, 4); }
static cell loss_of(const tas_sweep_row *row) { return fixed(row->loss, 4); }
static cell accuracy_of(const tas_sweep_row *row) { return fixed(row->accuracy, 4); }
static cell test_loss_of(const tas_sweep_row *row) { return fixed(row->test_loss, 4); }
static cell test_accuracy_of(const tas_sweep_row *row) { return fixed(row->test_accuracy, 4); }

static cell memory_of(const tas_sweep_row *row)
{
    cell c = {"-"};
    char text[BYTES_TEXT];
    if (row->memory) snprintf(c.text, CELL, "%s", cli_bytes(row->memory, text));
    return c;
}

static cell worse_of(const tas_sweep_row *row)
{
    cell c = {"-"};
    if (isfinite(row->worse_low) && isfinite(row->worse_high))
        snprintf(c.text, CELL, "%+.4f to %+.4f", row->worse_low, row->worse_high);
    return c;
}

static cell seeds_of(const tas_sweep_row *row)
{
    cell c;
    snprintf(c.text, CELL, "%d/%d", row->reached, row->seeds);
    return c;
}

/* Without the wide ones, and with a short verdict, a line has 80 columns. */
static const column columns[] = {
    {"lr", 9, false, lr_of},
    {"examples/s", 11, false, speed_of},
    {"memory", 11, true, memory_of},
    {"steps", 8, false, steps_of},
    {"epochs", 7, false, epochs_of},
    {"time", 9, false, time_of},
    {"loss", 8, false, compared_of},
    {"worse by (95 %)", 20, true, worse_of},
    {"lowest", 8, true, loss_of},
    {"accuracy", 10, true, accuracy_of},
    {"test loss", 11, true, test_loss_of},
    {"test accuracy", 15, true, test_accuracy_of},
    {"seeds", 7, false, seeds_of},
};
enum { COLUMNS = sizeof columns / sizeof *columns, BATCH_WIDTH = 5 };

/* A sweep whose runs end at the target has no loss at an equal training loss: then it is the lowest that a run saw. */
static bool any_compared(const tas_sweep *sweep)
{
    tas_sweep_row row;
    for (size_t i = 0; tas_sweep_batch(sweep, i, &row); i++)
        if (isfinite(row.compared)) return true;
    return false;
}

static void print_row(FILE *out, const tas_sweep_row *row, bool wide, bool compared, bool advised)
{
    fprintf(out, "%*u", BATCH_WIDTH, row->batch);
    for (const column *c = columns; c < columns + COLUMNS; c++)
        if (wide || !c->wide)
            fprintf(out, "%*s", c->width, (c->of == compared_of && !compared ? loss_of : c->of)(row).text);
    fprintf(out, "  %s\n", advised ? "recommended" : wide ? row->verdict : row->short_verdict);
}

/* What is said of a row beside its figures. */
static void print_note(FILE *out, const tas_sweep_row *row, int width)
{
    char text[512];
    const bool worse = isfinite(row->worse_high) && row->worse_low > 0;
    if (!*row->why && !worse) return;
    int used = snprintf(text, sizeof text, "B = %u: ", row->batch);
    if (worse)
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "its loss is worse than the best of the others by %.4f to %.4f (95 %% for all together)%s",
                         row->worse_low, row->worse_high, *row->why ? "; " : "");
    snprintf(text + used, sizeof text - (size_t)used, "%s", row->why);
    fprintf(out, "%*s", BATCH_WIDTH + 1, "");
    cli_print_wrapped(out, text, BATCH_WIDTH + 1, BATCH_WIDTH + 1, width);
}

static void print_key(FILE *out, const tas_sweep *sweep, bool compared, int width)
{
    char text[256];
    tas_sweep_facts facts;
    tas_sweep_get_facts(sweep, &facts);
    if (compared && isfinite(facts.compared_at))
        snprintf(text, sizeof text,
                 "Steps, epochs and time are measured, to the target. loss: validation loss at a training loss of %s, "
                 "by which batches are compared.",
                 figures(facts.compared_at).text);
    else
        snprintf(text, sizeof text,
                 "Steps, epochs and time are measured, to the target. loss: the lowest validation loss of a run.");
    fprintf(out, "%*s", BATCH_WIDTH + 1, "");
    cli_print_wrapped(out, text, BATCH_WIDTH + 1, BATCH_WIDTH + 1, width);
}

static void print_table(const tas_sweep *sweep, FILE *out, bool wide, int width)
{
    const bool compared = any_compared(sweep);
    tas_sweep_row row;
    tas_advice advice;
    tas_sweep_advice(sweep, &advice);
    fprintf(out, "%*s", BATCH_WIDTH, "batch");
    for (const column *c = columns; c < columns + COLUMNS; c++)
        if (wide || !c->wide) fprintf(out, "%*s", c->width, c->name);
    fprintf(out, "  verdict\n");
    for (size_t i = 0; tas_sweep_batch(sweep, i, &row); i++)
        print_row(out, &row, wide, compared, advice.known && row.batch == advice.batch);
    print_key(out, sweep, compared, width);
    for (size_t i = 0; tas_sweep_batch(sweep, i, &row); i++) print_note(out, &row, width);
}

/* Targets on the way ----------------------------------------------------------------------------------------------- */

/* To one target alone, that of the table. */
static void print_critical(const tas_sweep *sweep, FILE *out)
{
    tas_advice a;
    tas_sweep_advice(sweep, &a);
    const cell critical = interval(a.b_crit_low, a.b_crit, a.b_crit_high);
    const bool known = strcmp(critical.text, "-") != 0;
    fprintf(out, "critical     batch %s%s\n", known ? critical.text : "not known", known ? " (fitted)" : "");
}

static void print_levels(const tas_sweep *sweep, FILE *out)
{
    tas_level level;
    tas_sweep_facts facts;
    if (!tas_sweep_level(sweep, 1, &level)) {
        print_critical(sweep, out);
        return;
    }
    tas_sweep_get_facts(sweep, &facts);
    char epochs[32];
    snprintf(epochs, sizeof epochs, "epochs (B=%u)", facts.base_batch);
    fprintf(out, "targets      %7s  %15s  %22s  %5s  %9s\n", facts.by_accuracy ? "accuracy" : "loss", epochs,
            "critical batch, fitted", "best", "its time");
    for (size_t i = 0; tas_sweep_level(sweep, i, &level); i++)
        fprintf(out, "             %7s  %15s  %22s  %5s  %9s\n", figures(level.target).text, figures(level.epochs).text,
                interval(level.b_crit_low, level.b_crit, level.b_crit_high).text,
                fixed(level.best ? level.best : NAN, 0).text, seconds(level.best_seconds).text);
}

/* The critical batch at moments of one run; why it is not known there takes the place of the number. */
static void print_branches(const tas_sweep *sweep, FILE *out)
{
    tas_sweep_moment m;
    if (!tas_sweep_branch(sweep, 0, &m)) return;
    fprintf(out, "branches     %7s  %10s  %8s  critical batch, by branches (95 %%)\n", "steps", "examples", "loss");
    for (size_t i = 0; tas_sweep_branch(sweep, i, &m); i++) {
        const cell critical = interval(m.critical_low, m.critical, m.critical_high);
        fprintf(out, "             %7llu  %10llu  %8s  %s\n", (unsigned long long)m.step,
                (unsigned long long)m.examples, figures(m.loss).text,
                strcmp(critical.text, "-") ? critical.text
                : *m.why                   ? m.why
                                           : "not known");
    }
}

/* A forecast, which batch several devices would use. */
static void print_devices(const tas_sweep *sweep, FILE *out)
{
    tas_sweep_devices d;
    if (!tas_sweep_on_devices(sweep, 1, &d)) return;
    fprintf(out, "devices      %7s %7s %9s %8s %8s %7s\n", "devices", "batch", "its time", "speed-up", "examples",
            "knee");
    for (size_t i = 0; tas_sweep_on_devices(sweep, i, &d); i++)
        fprintf(out, "             %7u %7u %9s %8s %8s %7s%s\n", d.devices, d.batch, seconds(d.seconds).text,
                figures(d.speedup).text, figures(d.examples).text, figures(d.knee).text,
                d.wasted ? "  above critical" : "");
}

/* How deep the target is: what is left to gain, for the batch at which that is judged. Whether that is shallow is for
 * the advice to say. */
static void print_depth(const tas_sweep *sweep, FILE *out, int width)
{
    char text[256];
    tas_sweep_facts f;
    tas_sweep_get_facts(sweep, &f);
    if (!f.base_batch || isnan(f.base_epochs)) return;
    const int used =
        snprintf(text, sizeof text, "B = %u reaches it after %s epochs", f.base_batch, figures(f.base_epochs).text);
    if (isfinite(f.base_best) && f.by_accuracy)
        snprintf(text + used, sizeof text - (size_t)used, "; its best is %.4f", f.base_best);
    else if (isfinite(f.base_best) && f.base_best < f.target)
        snprintf(text + used, sizeof text - (size_t)used, "; its best, %.4f, is %s %% lower", f.base_best,
                 figures(100 * (1 - f.base_best / f.target)).text);
    fprintf(out, "depth        ");
    cli_print_wrapped(out, text, TEXT_COLUMN, TEXT_COLUMN, width);
}

/* The advice ------------------------------------------------------------------------------------------------------- */

static void print_check(FILE *out, const tas_check *c, int width)
{
    char text[512];
    int used = snprintf(text, sizeof text, "B = %u with learning rate %s on seed %llu ", c->batch, figures(c->lr).text,
                        (unsigned long long)c->seed);
    if (c->reached)
        used += snprintf(text + used, sizeof text - (size_t)used, "reached the target in %s and %s steps",
                         seconds(c->seconds).text, fixed(c->steps, 0).text);
    else
        used += snprintf(text + used, sizeof text - (size_t)used, "did not reach the target");
    if (isfinite(c->promised_low) && isfinite(c->promised_high))
        used += snprintf(text + used, sizeof text - (size_t)used, " (promised: %s to %s)",
                         seconds(c->promised_low).text, seconds(c->promised_high).text);
    if (isfinite(c->loss))
        used += snprintf(text + used, sizeof text - (size_t)used, ", with a mean loss of %.4f", c->loss);
    if (isfinite(c->accuracy))
        used += snprintf(text + used, sizeof text - (size_t)used, "%s accuracy %.4f",
                         isfinite(c->loss) ? " and" : ", with", c->accuracy);
    snprintf(text + used, sizeof text - (size_t)used, c->held ? ": as promised." : ": not as promised.");
    fprintf(out, "check        ");
    cli_print_wrapped(out, text, TEXT_COLUMN, TEXT_COLUMN, width);
}

static void print_grown(const tas_sweep *sweep, FILE *out, int width)
{
    char text[640];
    tas_grown g;
    if (!tas_sweep_grown(sweep, &g)) return;
    int used = snprintf(text, sizeof text, "%d of %d runs reached the target", g.reached, g.seeds);
    if (g.reached)
        used += snprintf(text + used, sizeof text - (size_t)used, " in %s, %s steps and %s examples (measured)",
                         seconds(g.seconds).text, fixed(g.steps, 0).text, fixed(g.examples, 0).text);
    snprintf(text + used, sizeof text - (size_t)used, "; the first with --batch-schedule %s", g.schedule);
    fprintf(out, "growing      ");
    cli_print_wrapped(out, text, TEXT_COLUMN, TEXT_COLUMN, width);
}

/* The command is one line, to be copied; how it ends stands below it, and above it whether it was checked. */
static void print_command(const tas_sweep *sweep, FILE *out, int width)
{
    tas_check check;
    char *command = tas_sweep_command(sweep), *end = command ? tas_sweep_command_end(sweep) : NULL;
    if (command && !tas_sweep_check(sweep, 0, &check)) fprintf(out, "check        not made\n");
    if (command) fprintf(out, "command      %s\n", command);
    if (end) {
        fprintf(out, "%*s", TEXT_COLUMN, "");
        cli_print_wrapped(out, end, TEXT_COLUMN, TEXT_COLUMN, width);
    }
    free(command);
    free(end);
}

void sweep_print_result(const tas_sweep *sweep, FILE *out, bool wide)
{
    const int width = cli_text_width(out);
    tas_advice advice;
    tas_check check;
    if (*tas_sweep_target(sweep)) {
        fprintf(out, "target       ");
        cli_print_wrapped(out, tas_sweep_target(sweep), TEXT_COLUMN, TEXT_COLUMN, width);
    }
    print_depth(sweep, out, width);
    if (isfinite(tas_sweep_seconds(sweep))) fprintf(out, "took         %s\n", seconds(tas_sweep_seconds(sweep)).text);
    print_table(sweep, out, wide, width);
    print_levels(sweep, out);
    print_branches(sweep, out);
    print_grown(sweep, out, width);
    print_devices(sweep, out);
    tas_sweep_advice(sweep, &advice);
    fprintf(out, "advice       ");
    cli_print_wrapped(out, advice.reason, TEXT_COLUMN, TEXT_COLUMN, width);
    for (size_t i = 0; tas_sweep_check(sweep, i, &check); i++) print_check(out, &check, width);
    print_command(sweep, out, width);
}
