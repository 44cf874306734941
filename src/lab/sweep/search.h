/* A sweep's runs: the search for each batch's rate, the runs on fresh seeds. */
#ifndef SEARCH_H
#define SEARCH_H

#include "lab/sweep/rate_search.h"
#include "lab/sweep/trial.h"

/* Searches for the best rate for `t`, from r's first one on: fewest examples to its target or, without one, the best
 * final metric. */
tas_status search_rates(lab *l, trial t, rate_search *r);

/* The rate of a batch if rates are scaled. */
double search_scaled_rate(const tas_sweep *s, double lr, uint64_t batch);

/* All batches, and those that are expected to be better than their neighbors. */
tas_status search_batches(lab *l, double lr);

#endif
