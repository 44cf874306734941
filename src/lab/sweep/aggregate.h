/* All that follows from the runs: each batch's figures, the fits, the recommendation. Pure. */
#ifndef AGGREGATE_H
#define AGGREGATE_H

#include "lab/sweep/sweep.h"

void aggregate_runs(tas_sweep *sweep);

/* A run's validation loss when its training loss first reached `level`, interpolated; NaN if it never did. */
double aggregate_loss_at(const sweep_run *run, double level);

/* Its gap (validation loss minus training loss) after so many examples or, if step is not 0, after that step. */
double aggregate_gap_at(const sweep_run *run, double examples, uint64_t step);

#endif
