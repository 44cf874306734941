/* A sweep as a page: what its parts offer each other. report.c writes the page, plots.h fills the plots, findings.h has
 * the sentences. */
#ifndef REPORT_H
#define REPORT_H

#include "base/buffer.h"
#include "lab/sweep/sweep.h"

/* Whether there is a command: a batch is recommended, and the runs are of this program. */
bool command_known(const tas_sweep *sweep);

/* The command line that trains as recommended, for a shell. */
void command_write(const tas_sweep *sweep, buffer *out);

/* How that run ends: "It stops at the target, and after 12 epochs at the latest, which is enough for 95 % of seeds." */
void command_write_end(const tas_sweep *sweep, buffer *out);

void head_write(const tas_sweep *sweep, buffer *page); /* the first screen, without the table */

/* One row per batch. */
void table_write(const tas_sweep *sweep, buffer *page);
void targets_write(const tas_sweep *sweep, buffer *page);    /* one row per target */
void tiles_write(const tas_sweep *sweep, buffer *page);      /* where batches of several tiles stop paying */
void on_devices_write(const tas_sweep *sweep, buffer *page); /* one row per number of devices, if that is wanted */
bool table_any_test(const tas_sweep *sweep);                 /* a batch was evaluated on the test set */

void protocol_write(const tas_sweep *sweep, buffer *page);      /* how it was measured */
void protocol_unmeasured(const tas_sweep *sweep, buffer *page); /* what is missing, and why */

tas_status report_page(const tas_sweep *sweep, buffer *page);

extern const char style_sheet[]; /* CSS */

#endif
