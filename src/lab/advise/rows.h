/* Training runs in a file that another program wrote, as runs of a sweep. One row per run: batch, lr, seed, steps and
 * seconds to the target (no steps: not reached), loss. Or, if there is a column `examples`, one row per evaluation:
 * batch, lr, seed, examples (or steps), seconds, loss; rows with the same batch, lr and seed are one run, in the order
 * of the file. Optional in both: accuracy, train_loss; with evaluations also target_value, by which the target is
 * judged instead of the loss, if it was measured on other examples. */
#ifndef ROWS_H
#define ROWS_H

#include "lab/sweep/sweep.h"

enum { ROWS_RUNS = 4096, ROWS_MOST = 1000000, ROWS_POINTS = 10000 /* of a run */ };

typedef struct rows {
    bool evaluations; /* one row per evaluation */
    sweep_run *run;   /* with their points; what depends on a target is not set with evaluations */
    int runs;
    uint64_t count; /* of rows */
} rows;

/* *out is freed with rows_free(), after an error too. name is that of the file, for errors. */
tas_status rows_read(tas_context *context, const char *name, const char *text, size_t bytes, rows *out);
void rows_free(rows *r);

#endif
