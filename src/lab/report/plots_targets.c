/* Plots of several targets, from a shallow one to the deepest. */
#include "lab/report/plots.h"

#include "base/format.h"

#include <math.h>
#include <stdio.h>

enum { SHOWN = 4 }; /* targets: more could not be told apart */

void plots_name_target(const tas_sweep *sweep, double target, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s %s", sweep->options.by_accuracy ? "accuracy" : "loss", format_number(target).text);
}

/* The deepest alone, if no others are known. */
static int levels_of(const tas_sweep *sweep, sweep_level out[SWEEP_TARGETS])
{
    for (int i = 0; i < sweep->levels; i++) out[i] = sweep->level[i];
    if (sweep->levels) return sweep->levels;
    *out = (sweep_level){.target = sweep->target, .curve = sweep->advice.curve};
    for (int i = 0; i < sweep->count; i++) {
        out->steps[i] = sweep->batch[i].steps;
        out->examples[i] = sweep->batch[i].examples;
        out->seconds[i] = sweep->batch[i].seconds;
    }
    return 1;
}

/* Evenly spaced, the deepest first. */
static int shown_levels(int levels, int shown[SHOWN])
{
    const int count = levels < SHOWN ? levels : SHOWN;
    for (int i = 0; i < count; i++) shown[i] = count > 1 ? levels - 1 - i * (levels - 1) / (count - 1) : levels - 1;
    return count;
}

static void add_times(const tas_sweep *sweep, const sweep_level *level, int look, plot *out)
{
    char name[PLOT_NAME];
    int order[SWEEP_BATCHES];
    plots_order(sweep, order);
    plots_name_target(sweep, level->target, name, sizeof name);
    plot_series *s = plot_add(out, PLOT_JOINED, look, "%s", name);
    s->quiet = true; /* they would hide each other */
    for (int i = 0; i < sweep->count; i++)
        plots_add_mean(s, sweep->batch[order[i]].batch, &level->seconds[order[i]], true);
}

void plots_targets(const tas_sweep *sweep, plot *out)
{
    int shown[SHOWN];
    plots_begin(out, "targets", "Time to several targets by batch size", "seconds to the target");
    if (sweep->levels < 2) return;
    const int count = shown_levels(sweep->levels, shown);
    for (int i = 0; i < count; i++) add_times(sweep, &sweep->level[shown[i]], i, out);
}

/* The trade-off ---------------------------------------------------------------------------------------------------- */

/* Measured: one point per batch. Fitted: the hyperbola, over the measured batches and a little beyond. */
static void add_trade(const tas_sweep *sweep, const sweep_level *level, int look, plot *out)
{
    enum { PARTS = 40 };
    char name[PLOT_NAME];
    int order[SWEEP_BATCHES];
    plots_order(sweep, order);
    plots_name_target(sweep, level->target, name, sizeof name);
    plot_series *measured = plot_add(out, PLOT_MARKS, look, "%s", name),
                *fitted = plot_add(out, PLOT_CURVE, look, "%s", "");
    uint64_t small = 0, large = 0;
    for (int i = 0; i < sweep->count; i++) {
        const sweep_mean *steps = &level->steps[order[i]], *examples = &level->examples[order[i]];
        if (!sweep_mean_known(steps) || !sweep_mean_known(examples) || !(steps->value > 0) || !(examples->value > 0))
            continue;
        large = sweep->batch[order[i]].batch;
        if (!small) small = large;
        plot_point_of(measured, large, steps->value, examples->value);
    }
    if (!level->curve.known || !small) return;
    const double from = 0.7 * (double)small, to = 1.4 * (double)large;
    for (int i = 0; i <= PARTS; i++) {
        const double batch = from * pow(to / from, (double)i / PARTS), steps = exp(fit_log_steps(&level->curve, batch));
        plot_point(fitted, steps, steps * batch, NAN, NAN);
    }
}

/* Twice the batch in half the steps: the examples stay the fewest possible; and the fewest steps, however large. */
static void add_limits(const fit_curve *curve, plot *out)
{
    double least = INFINITY, most = 0, low, high;
    if (!curve->known || !plot_span(out, &low, &high)) return;
    for (int i = 0; i < out->count; i++)
        for (int k = 0; k < out->series[i].count; k++) {
            least = fmin(least, out->series[i].x[k]);
            most = fmax(most, out->series[i].x[k]);
        }
    const double steps = exp(curve->log_s_min), examples = exp(curve->log_s_min + curve->log_b_crit);
    if (examples > low / 4) {
        plot_series *perfect =
            plot_add(out, PLOT_CURVE, PLOT_GREY, "perfect scaling: E_min = %s", format_number(examples).text);
        plot_point(perfect, least, examples, NAN, NAN);
        plot_point(perfect, most, examples, NAN, NAN);
    }
    if (steps > least / 4) {
        plot_series *fewest =
            plot_add(out, PLOT_CURVE, PLOT_GREY, "fewest steps: S_min = %s", format_number(steps).text);
        plot_point(fewest, steps, fmin(low, examples), NAN, NAN);
        plot_point(fewest, steps, high, NAN, NAN);
    }
}

void plots_trade(const tas_sweep *sweep, plot *out)
{
    sweep_level level[SWEEP_TARGETS];
    int shown[SHOWN];
    plots_begin(out, "trade", "Examples against steps to the target, by batch size", "examples to the target");
    out->x_label = "steps to the target";
    out->batches = false;
    out->log_x = true;
    out->curves_name = "fitted";
    const int levels = levels_of(sweep, level), count = shown_levels(levels, shown);
    for (int i = 0; i < count; i++) add_trade(sweep, &level[shown[i]], i, out);
    if (count) add_limits(&level[levels - 1].curve, out);
}

/* A batch that grew ------------------------------------------------------------------------------------------------ */

/* The figures of fixed batches as multiples of the growing one's. */
void plots_grown(const tas_sweep *sweep, plot *out)
{
    const sweep_grown *g = &sweep->grown;
    plots_begin(out, "grown", "Fixed batches against a growing one", "multiple of the growing batch");
    if (!g->reached) return;
    plot_series *seconds = plot_add(out, PLOT_MARKS, 0, "seconds"), *steps = plot_add(out, PLOT_MARKS, 1, "steps"),
                *examples = plot_add(out, PLOT_MARKS, 2, "examples");
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        const double batch = (double)b->batch;
        if (sweep_mean_known(&b->seconds) && g->seconds.value > 0)
            plot_point(seconds, batch, b->seconds.value / g->seconds.value, NAN, NAN);
        if (sweep_mean_known(&b->steps) && g->steps.value > 0)
            plot_point(steps, batch, b->steps.value / g->steps.value, NAN, NAN);
        if (sweep_mean_known(&b->examples) && g->examples.value > 0)
            plot_point(examples, batch, b->examples.value / g->examples.value, NAN, NAN);
    }
    if (!plot_measured(out)) return;
    plot_series *even = plot_add(out, PLOT_CURVE, PLOT_GREY, "as the growing batch");
    for (int i = 0; i < sweep->count; i++) plot_point(even, (double)sweep->batch[i].batch, 1, NAN, NAN);
}
