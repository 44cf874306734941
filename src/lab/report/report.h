/* A sweep as a page: what its parts offer each other. report.c writes the page, plots.c fills the plots, findings.h has
 * the sentences. */
#ifndef REPORT_H
#define REPORT_H

#include "lab/report/plot.h"
#include "lab/sweep/sweep.h"

/* Each fills a plot that is {0}. Unknown figures are left out; plot_measured() counts the others. */
typedef void (*plot_fn)(const tas_sweep *sweep, plot *out);
void plots_speed(const tas_sweep *sweep, plot *out);
void plots_memory(const tas_sweep *sweep, plot *out);
void plots_variance(const tas_sweep *sweep, plot *out);
void plots_cosine(const tas_sweep *sweep, plot *out);
void plots_cost(const tas_sweep *sweep, plot *out);
void plots_noise(const tas_sweep *sweep, plot *out);
void plots_weights(const tas_sweep *sweep, plot *out);
void plots_steps(const tas_sweep *sweep, plot *out);
void plots_loss(const tas_sweep *sweep, plot *out);
void plots_gap(const tas_sweep *sweep, plot *out);
void plots_time(const tas_sweep *sweep, plot *out);

/* The batches in ascending order, as indices. */
void plots_order(const tas_sweep *sweep, int order[SWEEP_BATCHES]);

/* The command line that trains as recommended, for a shell. */
void command_write(const tas_sweep *sweep, buffer *out);

/* How that run ends: "It stops at the target, and after 12 epochs at the latest, which is enough for 95 % of seeds." */
void command_write_end(const tas_sweep *sweep, buffer *out);

/* One row per batch. */
void table_write(const tas_sweep *sweep, buffer *page);
bool table_any_test(const tas_sweep *sweep); /* a batch was evaluated on the test set */

void protocol_write(const tas_sweep *sweep, buffer *page);      /* how it was measured */
void protocol_unmeasured(const tas_sweep *sweep, buffer *page); /* what is missing, and why */

tas_status report_page(const tas_sweep *sweep, buffer *page);

extern const char style_sheet[]; /* CSS */

#endif
