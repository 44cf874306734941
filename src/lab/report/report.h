/* A sweep as a page: what its parts give each other. report.c writes the page, report_plots.c fills the plots,
 * findings.h has the sentences. */
#ifndef REPORT_H
#define REPORT_H

#include "lab/report/plot.h"
#include "lab/sweep/sweep.h"

/* Each fills a plot that is {0}. A figure that is not known is left out; plot_measured() tells whether any was. */
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

/* The batches in order of their size, as indices. */
void plots_order(const tas_sweep *sweep, int order[SWEEP_BATCHES]);

/* report_command.c: the line that trains at the recommendation, for a shell. */
void command_write(const tas_sweep *sweep, buffer *out);

/* report_table.c */
void table_write(const tas_sweep *sweep, buffer *page);         /* a row a batch */
void protocol_unmeasured(const tas_sweep *sweep, buffer *page); /* what is missing, and why */
void protocol_write(const tas_sweep *sweep, buffer *page);      /* how it was measured */

/* The whole page. */
tas_status report_page(const tas_sweep *sweep, buffer *page);

extern const char style_sheet[]; /* report_style.c: CSS */

#endif
