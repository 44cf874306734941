/* What each plot of the report shows: plots.c has those over the batches, plots_runs.c those along runs, and
 * plots_targets.c those of several targets. */
#ifndef PLOTS_H
#define PLOTS_H

#include "lab/report/plot.h"
#include "lab/sweep/sweep.h"

/* Each fills a plot that is {0}. Unknown figures are left out; plot_measured() counts the others. */
typedef void (*plot_fn)(const tas_sweep *sweep, plot *out);
void plots_time(const tas_sweep *sweep, plot *out);
void plots_targets(const tas_sweep *sweep, plot *out);
void plots_trade(const tas_sweep *sweep, plot *out);
void plots_steps(const tas_sweep *sweep, plot *out);
void plots_progress(const tas_sweep *sweep, plot *out); /* losses against examples */
void plots_clock(const tas_sweep *sweep, plot *out);    /* losses against seconds */
void plots_rates(const tas_sweep *sweep, plot *out);
void plots_loss(const tas_sweep *sweep, plot *out);
void plots_effort(const tas_sweep *sweep, plot *out);
void plots_gap(const tas_sweep *sweep, plot *out);
void plots_critical(const tas_sweep *sweep, plot *out);
void plots_grown(const tas_sweep *sweep, plot *out);
void plots_noise(const tas_sweep *sweep, plot *out);
void plots_variance(const tas_sweep *sweep, plot *out);
void plots_cosine(const tas_sweep *sweep, plot *out);
void plots_cost(const tas_sweep *sweep, plot *out);
void plots_weights(const tas_sweep *sweep, plot *out);
void plots_speed(const tas_sweep *sweep, plot *out);
void plots_memory(const tas_sweep *sweep, plot *out);

/* The batches in ascending order, as indices. */
void plots_order(const tas_sweep *sweep, int order[SWEEP_BATCHES]);

/* At most `most` of the batches (indices) about which something is known, evenly spaced, and the recommended one among
 * them. Returns their number. */
int plots_choose(const tas_sweep *sweep, bool (*knows)(const tas_sweep *, int), int most, int shown[]);

/* Over the batches. */
void plots_begin(plot *p, const char *id, const char *title, const char *y_label);

/* The 95 % interval of a mean over seeds, by t; of a geometric one by logarithms. */
void plots_add_mean(plot_series *s, uint64_t batch, const sweep_mean *m, bool geometric);

/* "loss 0.412", "accuracy 0.85" */
void plots_name_target(const tas_sweep *sweep, double target, char *text, size_t bytes);

#endif
