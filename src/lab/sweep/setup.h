/* Before a sweep's runs: checks of the options, the data sets, the memory plan, the state to resume from. */
#ifndef SETUP_H
#define SETUP_H

#include "lab/sweep/lab.h"

enum { SETUP_SEEDS_LEAST = 2 };

tas_status setup_check(tas_context *context, const tas_sweep_options *options);
tas_status setup_begin(lab *l, const tas_data *train);

/* Adds a batch in its place, with its memory plan. *at: its index, -1 if it does not fit into memory. */
tas_status setup_add_batch(lab *l, uint64_t batch, int *at);

void setup_end(lab *l);

#endif
