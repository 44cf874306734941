/* A sweep's runs: the target, the search for each batch's rate, the runs on fresh seeds. */
#ifndef SEARCH_H
#define SEARCH_H

#include "lab/sweep/lab.h"

/* Makes the target: the loss that the base batch reaches in one epoch. *best_lr: the rate at which searches start,
 * unchanged if rates are scaled. */
tas_status search_target(lab *l, double lr, double *best_lr);
tas_status search_batches(lab *l, double lr);

#endif
