/* Plots along runs: losses, rates that were tried, noise scale and critical batch. */
#include "lab/report/plots.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { SHOWN = 4 }; /* batches: more could not be told apart */

/* Losses ----------------------------------------------------------------------------------------------------------- */

typedef double (*figure_fn)(const sweep_point *);
static double examples_of(const sweep_point *p) { return (double)p->examples; }
static double validation_of(const sweep_point *p) { return p->loss; }
static double training_of(const sweep_point *p) { return p->train_loss; }

static const sweep_run *next_run(const tas_sweep *sweep, const sweep_batch *b, int *at)
{
    while (*at < sweep->runs) {
        const sweep_run *r = &sweep->run[(*at)++];
        if (sweep_is_figure(sweep, b, r) && r->points > 1 && r->outcome != ROW_DIVERGED) return r;
    }
    return NULL;
}

/* Interpolated; NaN beyond the run. */
static double value_at(const sweep_run *r, double x, figure_fn where, figure_fn what)
{
    const sweep_point *before = NULL;
    for (int i = 0; i < r->points; i++) {
        const sweep_point *p = &r->point[i];
        if (!isfinite(what(p))) continue;
        if (where(p) >= x) {
            const double span = before ? where(p) - where(before) : 0;
            if (!before && where(p) > x) return NAN;
            return span > 0 ? what(before) + (x - where(before)) / span * (what(p) - what(before)) : what(p);
        }
        before = p;
    }
    return NAN;
}

/* The mean over seeds; NaN as soon as one of the runs has ended. */
static double mean_at(const tas_sweep *sweep, const sweep_batch *b, double examples, figure_fn what)
{
    double sum = 0;
    int count = 0, at = 0;
    for (const sweep_run *r; (r = next_run(sweep, b, &at)); count++) sum += value_at(r, examples, examples_of, what);
    return sum / count;
}

/* At the points of the first run; a point that is near the one before is left out. `each`: x of one example. */
static void add_history(const tas_sweep *sweep, const sweep_batch *b, double each, figure_fn what, plot_series *s)
{
    static const double near = 1.0 / 50; /* part of the run, and of the highest value */
    int first = 0;
    const sweep_run *grid = next_run(sweep, b, &first);
    if (!grid) return;
    const double end = examples_of(&grid->point[grid->points - 1]);
    double last_x = -INFINITY, last_y = 0, most = 0;
    for (int i = 0; i < grid->points; i++) {
        const double x = examples_of(&grid->point[i]), y = mean_at(sweep, b, x, what);
        if (!isfinite(y)) continue;
        most = fmax(most, y);
        if ((x - last_x) / end + fabs(y - last_y) / most < near && i < grid->points - 1) continue;
        plot_point(s, x * each, y, NAN, NAN);
        last_x = x;
        last_y = y;
    }
}

static bool has_history(const tas_sweep *sweep, int i)
{
    int at = 0;
    const sweep_run *r = next_run(sweep, &sweep->batch[i], &at);
    return r && isfinite(r->point[r->points - 1].loss);
}

/* Some batches may be trained far longer than others. */
static bool is_far_apart(const plot *p)
{
    double least = INFINITY, most = 0;
    for (int i = 0; i < p->count; i++) {
        const plot_series *s = &p->series[i];
        if (!s->count) continue;
        least = fmin(least, s->x[s->count - 1]);
        most = fmax(most, s->x[s->count - 1]);
    }
    return most > 5 * least;
}

static void add_target(const tas_sweep *sweep, plot *out)
{
    double least = INFINITY, most = 0;
    if (sweep->options.by_accuracy || !isfinite(sweep->target)) return;
    for (int i = 0; i < out->count; i++)
        for (int k = 0; k < out->series[i].count; k++) {
            if (out->series[i].x[k] > 0) least = fmin(least, out->series[i].x[k]);
            most = fmax(most, out->series[i].x[k]);
        }
    plot_series *s = plot_add(out, PLOT_CURVE, PLOT_GREY, "target");
    plot_point(s, out->log_x ? least : 0, sweep->target, NAN, NAN);
    plot_point(s, most, sweep->target, NAN, NAN);
}

/* Against examples, or against the time that the steps take. */
static void fill_history(const tas_sweep *sweep, bool seconds, plot *out)
{
    int shown[SHOWN];
    const int count = plots_choose(sweep, has_history, SHOWN, shown);
    out->batches = false;
    for (int i = 0; i < count; i++) {
        const sweep_batch *b = &sweep->batch[shown[i]];
        const double each = seconds ? b->step_seconds / (double)b->batch : 1;
        add_history(sweep, b, each, validation_of, plot_add(out, PLOT_JOINED, i, "B = %" PRIu64, b->batch));
    }
    for (int i = 0; i < count; i++) {
        const sweep_batch *b = &sweep->batch[shown[i]];
        const double each = seconds ? b->step_seconds / (double)b->batch : 1;
        add_history(sweep, b, each, training_of, plot_add(out, PLOT_DASHED, i, "B = %" PRIu64 ", training", b->batch));
    }
    out->log_x = is_far_apart(out);
    out->dashed_name = "training loss";
    if (plot_measured(out)) add_target(sweep, out);
}

void plots_progress(const tas_sweep *sweep, plot *out)
{
    plots_begin(out, "progress", "Validation and training loss against examples", "loss");
    out->x_label = "training examples";
    fill_history(sweep, false, out);
}

void plots_clock(const tas_sweep *sweep, plot *out)
{
    plots_begin(out, "clock", "Validation and training loss against time", "loss");
    out->x_label = "seconds of training";
    fill_history(sweep, true, out);
}

/* The search for rates --------------------------------------------------------------------------------------------- */

/* Of the target to which most runs of the search were made; 0: there is none. */
static double searched_target(const tas_sweep *sweep)
{
    double best = 0;
    int most = 0;
    for (int i = 0; i < sweep->runs; i++) {
        int same = 0;
        for (int k = 0; k < sweep->runs; k++)
            same += sweep->run[k].search && sweep->run[k].target == sweep->run[i].target;
        if (!sweep->run[i].search || !(sweep->run[i].target > 0) || same <= most) continue;
        most = same;
        best = sweep->run[i].target;
    }
    return best;
}

static bool is_search(const sweep_run *r, uint64_t batch, double target)
{
    return r->search && r->batch == batch && r->target == target && r->lr > 0;
}

static bool is_searched(const tas_sweep *sweep, int i)
{
    const double target = searched_target(sweep);
    for (int k = 0; k < sweep->runs; k++)
        if (is_search(&sweep->run[k], sweep->batch[i].batch, target)) return true;
    return false;
}

static int by_rate(const void *a, const void *b)
{
    const sweep_run *const *p = a, *const *q = b;
    return ((*p)->lr > (*q)->lr) - ((*p)->lr < (*q)->lr);
}

/* The runs of one batch's search in ascending order of the rate; malloc()ed. */
static const sweep_run **search_of(const tas_sweep *sweep, uint64_t batch, int *count)
{
    const double target = searched_target(sweep);
    const sweep_run **list = malloc(sizeof *list * (size_t)(sweep->runs + 1));
    *count = 0;
    for (int i = 0; list && i < sweep->runs; i++)
        if (is_search(&sweep->run[i], batch, target)) list[(*count)++] = &sweep->run[i];
    if (list) qsort(list, (size_t)*count, sizeof *list, by_rate);
    return list;
}

/* Series of rates: examples to the target, and rates without. */
typedef struct rate_series {
    plot_series *reached, *chosen, *missed, *diverged;
} rate_series;

/* The geometric mean over seeds for each rate; a cross at the top for one at which no run reached the target. */
static void add_rates(const tas_sweep *sweep, const sweep_batch *b, const rate_series *to)
{
    int count;
    const sweep_run **list = search_of(sweep, b->batch, &count);
    for (int i = 0, end; list && i < count; i = end) {
        const double lr = list[i]->lr;
        double sum = 0;
        int known = 0, diverged = 0;
        for (end = i; end < count && list[end]->lr == lr; end++) {
            diverged += list[end]->outcome == ROW_DIVERGED;
            if (list[end]->outcome != ROW_REACHED || !(list[end]->steps > 0)) continue;
            sum += log(list[end]->steps * (double)b->batch);
            known++;
        }
        if (known)
            plot_point(to->reached, lr, exp(sum / known), NAN, NAN);
        else
            plot_point_of(diverged ? to->diverged : to->missed, b->batch, lr, NAN);
        if (known && fabs(lr / b->lr - 1) < 1e-6) plot_point_of(to->chosen, b->batch, lr, exp(sum / known));
    }
    free(list);
}

void plots_rates(const tas_sweep *sweep, plot *out)
{
    int shown[PLOT_LOOKS - 1];
    double low, high;
    plots_begin(out, "rates", "Examples to the target of the search, by learning rate", "examples to the target");
    out->x_label = "learning rate";
    out->batches = false;
    out->log_x = true;
    const int count = plots_choose(sweep, is_searched, PLOT_LOOKS - 1, shown);
    rate_series to = {.chosen = plot_add(out, PLOT_MARKS, PLOT_GREY, "chosen"),
                      .missed = plot_add(out, PLOT_FAILED, PLOT_GREY, "target not reached"),
                      .diverged = plot_add(out, PLOT_FAILED, 1, "diverged")};
    for (int i = 0; i < count; i++) {
        const sweep_batch *b = &sweep->batch[shown[i]];
        to.reached = plot_add(out, PLOT_JOINED, i, "B = %" PRIu64, b->batch);
        to.reached->batch = b->batch;
        add_rates(sweep, b, &to);
    }
    if (!plot_span(out, &low, &high)) return;
    out->curves_name = "edge of stability (a run diverged)";
    for (int i = 0; i < count; i++) {
        const sweep_batch *b = &sweep->batch[shown[i]];
        if (!isfinite(b->lr_edge_of_stability) || !(b->lr_edge_of_stability > 0)) continue;
        plot_series *edge = plot_add(out, PLOT_CURVE, i, "%s", "");
        plot_point(edge, b->lr_edge_of_stability, low, NAN, NAN);
        plot_point(edge, b->lr_edge_of_stability, high, NAN, NAN);
    }
}

/* The noise scale -------------------------------------------------------------------------------------------------- */

static bool has_windows(const tas_sweep *sweep, int at)
{
    const sweep_batch *b = &sweep->batch[at];
    for (int i = 0; i < b->noise_windows; i++)
        if (b->noise_window[i].state != NOISE_UNKNOWN) return true;
    return false;
}

static void add_windows(const sweep_batch *b, plot_series *s)
{
    for (int i = 0; i < b->noise_windows && i < NOISE_WINDOWS; i++) {
        const noise_scale_range *n = &b->noise_window[i];
        const double begun = i ? b->noise_end[i - 1] : 0;
        if (n->state == NOISE_UNKNOWN) continue;
        plot_point(s, 0.5 * (begun + b->noise_end[i]), n->value > 0 ? n->value : NAN, n->low, n->high);
    }
}

void plots_noise(const tas_sweep *sweep, plot *out)
{
    int shown[SHOWN];
    plots_begin(out, "noise", "Gradient noise scale over training", "noise scale (examples)");
    out->x_label = "training examples";
    out->batches = false;
    const int count = plots_choose(sweep, has_windows, SHOWN, shown);
    uint64_t with_bars = count ? sweep->batch[shown[count / 2]].batch : 0; /* intervals of all would hide each other */
    for (int i = 0; i < count; i++)
        if (sweep->batch[shown[i]].batch == sweep->advice.batch) with_bars = sweep->advice.batch;
    for (int i = 0; i < count; i++) {
        const sweep_batch *b = &sweep->batch[shown[i]];
        plot_series *s = plot_add(out, PLOT_JOINED, i, "B = %" PRIu64, b->batch);
        s->quiet = count > 1 && b->batch != with_bars;
        add_windows(b, s);
    }
    out->log_x = is_far_apart(out);
}

/* The critical batch over training --------------------------------------------------------------------------------- */

static void add_range(plot_series *within, plot_series *most, double examples, const fit_range *r)
{
    if (r->state == FIT_KNOWN)
        plot_point(within, examples, r->value, r->low, r->high);
    else if (r->state == FIT_AT_LEAST)
        plot_point(within, examples, NAN, r->low, INFINITY);
    else if (r->state == FIT_AT_MOST)
        plot_point(most, examples, r->high, NAN, NAN);
}

static void add_critical(const tas_sweep *sweep, plot *out)
{
    plot_series *critical = plot_add(out, PLOT_JOINED, 0, "critical batch, by branches"),
                *most = plot_add(out, PLOT_MARKS, 0, "critical batch, at most"),
                *curve = plot_add(out, PLOT_JOINED, 1, "B_crit, by branches"),
                *curve_most = plot_add(out, PLOT_MARKS, 1, "B_crit, at most");
    for (int i = 0; i < sweep->branches; i++) {
        add_range(critical, most, (double)sweep->branch[i].examples, &sweep->branch[i].critical);
        add_range(curve, curve_most, (double)sweep->branch[i].examples, &sweep->branch[i].b_crit);
    }
}

/* The noise scale beside it is that of the recommended batch, or of the nearest that has one. */
void plots_critical(const tas_sweep *sweep, plot *out)
{
    int shown[1];
    plots_begin(out, "critical", "The critical batch over training", "examples");
    out->x_label = "training examples";
    out->batches = false;
    add_critical(sweep, out);
    if (!plot_measured(out) || !plots_choose(sweep, has_windows, 1, shown)) return;
    const sweep_batch *b = &sweep->batch[*shown];
    plot_series *s = plot_add(out, PLOT_JOINED, 2, "noise scale, B = %" PRIu64, b->batch);
    s->quiet = true;
    add_windows(b, s);
}
