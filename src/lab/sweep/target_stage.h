/* The target of a sweep: made by its first runs, or checked if it is given. */
#ifndef TARGET_STAGE_H
#define TARGET_STAGE_H

#include "lab/sweep/lab.h"

/* *best_lr: the rate at which searches start, unchanged if rates are scaled. */
tas_status target_stage_run(lab *l, double lr, double *best_lr);

/* After the runs: if fewer than two batches reached a target that the sweep made, as seeds and batches differ more than
 * thought, it becomes the deepest that two batches reached on every seed (or one, if only one was run). */
tas_status target_stage_relax(lab *l);

#endif
