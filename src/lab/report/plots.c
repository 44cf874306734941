/* What the plots over the batches show. */
#include "lab/report/plots.h"

#include "stats/distributions.h"

#include <inttypes.h>
#include <math.h>

static const double MIB = 1048576;

void plots_order(const tas_sweep *sweep, int order[SWEEP_BATCHES])
{
    for (int i = 0; i < sweep->count; i++) {
        int at = i;
        for (; at > 0 && sweep->batch[order[at - 1]].batch > sweep->batch[i].batch; at--) order[at] = order[at - 1];
        order[at] = i;
    }
}

int plots_choose(const tas_sweep *sweep, bool (*knows)(const tas_sweep *, int), int most, int shown[])
{
    int order[SWEEP_BATCHES], known[SWEEP_BATCHES], count = 0;
    plots_order(sweep, order);
    for (int i = 0; i < sweep->count; i++)
        if (knows(sweep, order[i])) known[count++] = order[i];
    const int chosen = count < most ? count : most;
    int nearest = -1;
    for (int i = 0; i < chosen; i++) {
        const int at = chosen > 1 ? i * (count - 1) / (chosen - 1) : 0;
        shown[i] = known[at];
        if (sweep->batch[known[at]].batch <= sweep->advice.batch) nearest = i;
    }
    for (int i = 0; i < count && nearest >= 0; i++)
        if (sweep->batch[known[i]].batch == sweep->advice.batch) shown[nearest] = known[i];
    return chosen;
}

void plots_begin(plot *p, const char *id, const char *title, const char *y_label)
{
    p->id = id;
    p->title = title;
    p->x_label = "batch (examples)";
    p->y_label = y_label;
    p->batches = true;
}

/* A formula over the batches, with eight points between neighbors. */
static void add_curve(const tas_sweep *sweep, plot_series *s, double (*value)(const void *of, double batch),
                      const void *of)
{
    enum { PARTS = 8 };
    int order[SWEEP_BATCHES];
    plots_order(sweep, order);
    for (int i = 0; i < sweep->count; i++) {
        const double here = (double)sweep->batch[order[i]].batch;
        const double next = i + 1 < sweep->count ? (double)sweep->batch[order[i + 1]].batch : here;
        if (!(here > 0)) continue;
        plot_point(s, here, value(of, here), NAN, NAN);
        for (int k = 1; k < PARTS && next > here; k++) {
            const double x = here * pow(next / here, (double)k / PARTS);
            plot_point(s, x, value(of, x), NAN, NAN);
        }
    }
}

/* The 95 % interval of a mean over seeds, by t; of a geometric one by logarithms. */
void plots_add_mean(plot_series *s, uint64_t batch, const sweep_mean *m, bool geometric)
{
    if (!sweep_mean_known(m)) return;
    const bool interval = m->seeds > 1 && isfinite(m->spread);
    const double reach = interval ? student_95(m->seeds - 1) * m->spread / sqrt(m->seeds) : NAN;
    if (geometric && !(m->value > 0)) return;
    plot_point(s, (double)batch, m->value, geometric ? m->value * exp(-reach) : m->value - reach,
               geometric ? m->value * exp(reach) : m->value + reach);
}

/* Speed and memory ------------------------------------------------------------------------------------------------- */

static double speed_at(const void *time, double batch) { return batch / fit_seconds(time, batch); }

void plots_speed(const tas_sweep *sweep, plot *out)
{
    plots_begin(out, "speed", "Examples per second by batch size", "examples per second");
    plot_series *s = plot_add(out, PLOT_MARKS, 0, "measured");
    for (int i = 0; i < sweep->count; i++)
        if (sweep->batch[i].examples_per_s > 0)
            plot_point(s, (double)sweep->batch[i].batch, sweep->batch[i].examples_per_s, NAN, NAN);
    if (sweep->advice.time.known)
        add_curve(sweep, plot_add(out, PLOT_CURVE, 0, "fitted: B / (a + b B)"), speed_at, &sweep->advice.time);
}

void plots_memory(const tas_sweep *sweep, plot *out)
{
    plots_begin(out, "memory", "Device memory by batch size", "MiB of device memory");
    plot_series *used = plot_add(out, PLOT_MARKS, 0, "used");
    plot_series *forecast = plot_add(out, PLOT_MARKS, 1, "forecast");
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        if (b->memory_used) plot_point(used, (double)b->batch, (double)b->memory_used / MIB, NAN, NAN);
        if (b->memory_forecast) plot_point(forecast, (double)b->batch, (double)b->memory_forecast / MIB, NAN, NAN);
    }
}

/* At frozen weights ------------------------------------------------------------------------------------------------ */

typedef struct frozen_view {
    double (*value)(const frozen_figures *), (*error)(const frozen_figures *), (*expected)(const frozen_figures *);
} frozen_view;

static void add_frozen(const tas_sweep *sweep, const frozen_view *view, plot *out)
{
    for (int k = 0; k < FROZEN_POINTS; k++) {
        const frozen_point *point = &sweep->frozen[k];
        if (!point->name) continue;
        plot_series *measured = plot_add(out, PLOT_MARKS, k, "%s", point->name);
        plot_series *expected = plot_add(out, PLOT_CURVE, k, "%s, theory", point->name);
        int order[SWEEP_BATCHES];
        plots_order(sweep, order);
        for (int i = 0; i < sweep->count; i++) {
            const frozen_figures *f = &point->batch[order[i]];
            const double batch = (double)sweep->batch[order[i]].batch;
            if (f->draws < 1) continue;
            const double value = view->value(f), reach = 1.96 * view->error(f), theory = view->expected(f);
            plot_point(measured, batch, value, value - reach, value + reach);
            plot_point(expected, batch, theory, NAN, NAN);
        }
    }
}

static double variance(const frozen_figures *f) { return f->variance; }
static double variance_error(const frozen_figures *f) { return f->variance_error; }
static double variance_expected(const frozen_figures *f) { return f->variance_expected; }

void plots_variance(const tas_sweep *sweep, plot *out)
{
    static const frozen_view view = {variance, variance_error, variance_expected};
    plots_begin(out, "variance", "Variance of the gradient by batch size", "variance of the gradient");
    add_frozen(sweep, &view, out);
}

static double cosine(const frozen_figures *f) { return f->cosine; }
static double cosine_error(const frozen_figures *f) { return f->cosine_error; }
static double cosine_expected(const frozen_figures *f) { return f->cosine_expected; }

void plots_cosine(const tas_sweep *sweep, plot *out)
{
    static const frozen_view view = {cosine, cosine_error, cosine_expected};
    plots_begin(out, "cosine", "Cosine to the full gradient by batch size", "cosine to the full gradient");
    out->signs = out->zero = true;
    out->most = 1;
    add_frozen(sweep, &view, out);
}

static double cost(const frozen_figures *f) { return f->loss_spread; }
static double cost_error(const frozen_figures *f)
{
    return f->draws > 1 ? f->loss_spread / sqrt(2.0 * (f->draws - 1)) : NAN;
}
static double cost_expected(const frozen_figures *f) { return f->loss_expected; }

void plots_cost(const tas_sweep *sweep, plot *out)
{
    static const frozen_view view = {cost, cost_error, cost_expected};
    plots_begin(out, "cost", "Standard deviation of the batch's loss", "standard deviation of the loss");
    add_frozen(sweep, &view, out);
}

/* What depends on the batch: means over seeds ---------------------------------------------------------------------- */

static void add_means(const tas_sweep *sweep, plot_series *s, const sweep_mean *(*of)(const sweep_batch *),
                      bool geometric)
{
    for (int i = 0; i < sweep->count; i++) plots_add_mean(s, sweep->batch[i].batch, of(&sweep->batch[i]), geometric);
}

#define MEAN(name)                                                                                                     \
    static const sweep_mean *name(const sweep_batch *b)                                                                \
    {                                                                                                                  \
        return &b->name;                                                                                               \
    }
MEAN(steps)
MEAN(examples)
MEAN(seconds)
MEAN(best_loss)
MEAN(last_loss)
MEAN(loss_equal_loss)
MEAN(loss_equal_epochs)
MEAN(loss_equal_steps)
MEAN(gap_equal_loss)
MEAN(gap_equal_epochs)
MEAN(gap_equal_steps)
MEAN(fluctuation)
MEAN(seed_spread)
#undef MEAN

void plots_weights(const tas_sweep *sweep, plot *out)
{
    plots_begin(out, "weights", "Fluctuation of the weights by batch size", "relative to |w|\u00b2");
    add_means(sweep, plot_add(out, PLOT_MARKS, 0, "late in a run"), fluctuation, false);
    add_means(sweep, plot_add(out, PLOT_MARKS, 1, "between seeds"), seed_spread, false);
}

static double steps_at(const void *curve, double batch) { return exp(fit_log_steps(curve, batch)); }
static double examples_at(const void *curve, double batch) { return batch * steps_at(curve, batch); }

/* The recommended range and batch, if they come from these figures. */
static void add_advice(const tas_sweep *sweep, plot *out)
{
    if (sweep->advice.decided == DECIDED_DEFAULT) return;
    out->band_low = (double)sweep->advice.range_low;
    out->band_high = (double)sweep->advice.range_high;
    out->line = (double)sweep->advice.batch;
}

void plots_steps(const tas_sweep *sweep, plot *out)
{
    plots_begin(out, "steps", "Steps and examples to the target by batch size", "steps, examples");
    add_means(sweep, plot_add(out, PLOT_MARKS, 0, "steps"), steps, true);
    add_means(sweep, plot_add(out, PLOT_MARKS, 1, "examples"), examples, true);
    if (!sweep->advice.curve.known) return;
    add_curve(sweep, plot_add(out, PLOT_CURVE, 0, "steps, fitted"), steps_at, &sweep->advice.curve);
    add_curve(sweep, plot_add(out, PLOT_CURVE, 1, "examples, fitted"), examples_at, &sweep->advice.curve);
}

void plots_loss(const tas_sweep *sweep, plot *out)
{
    plots_begin(out, "loss", "Validation loss by batch size", "validation loss");
    add_means(sweep, plot_add(out, PLOT_MARKS, 0, "at equal training loss"), loss_equal_loss, false);
    add_means(sweep, plot_add(out, PLOT_MARKS, 1, "best of a run"), best_loss, false);
    add_means(sweep, plot_add(out, PLOT_MARKS, 2, "last of a run"), last_loss, false);
    for (int i = 1; i < out->count; i++) out->series[i].quiet = true;
}

void plots_effort(const tas_sweep *sweep, plot *out)
{
    plots_begin(out, "effort", "Validation loss after equal effort, by batch size", "validation loss");
    add_means(sweep, plot_add(out, PLOT_MARKS, 0, "at equal epochs"), loss_equal_epochs, false);
    add_means(sweep, plot_add(out, PLOT_MARKS, 1, "at equal steps"), loss_equal_steps, false);
}

void plots_gap(const tas_sweep *sweep, plot *out)
{
    plots_begin(out, "gap", "Gap between validation and training loss", "validation minus training loss");
    out->signs = true;
    add_means(sweep, plot_add(out, PLOT_MARKS, 0, "at equal training loss"), gap_equal_loss, false);
    add_means(sweep, plot_add(out, PLOT_MARKS, 1, "at equal epochs"), gap_equal_epochs, false);
    add_means(sweep, plot_add(out, PLOT_MARKS, 2, "at equal steps"), gap_equal_steps, false);
    for (int i = 1; i < out->count; i++) out->series[i].quiet = true;
}

static double seconds_at(const void *advice, double batch)
{
    const recommendation *r = advice;
    return steps_at(&r->curve, batch) * fit_seconds(&r->time, batch);
}

void plots_time(const tas_sweep *sweep, plot *out)
{
    plots_begin(out, "time", "Time to the target by batch size", "seconds to the target");
    add_means(sweep, plot_add(out, PLOT_MARKS, 0, "measured"), seconds, true);
    if (sweep->advice.curve.known && sweep->advice.time.known)
        add_curve(sweep, plot_add(out, PLOT_CURVE, 0, "fitted: steps times step time"), seconds_at, &sweep->advice);
    add_advice(sweep, out);
}
