/* Float targets as the loss sees them, and outputs in the units of the data: 'loss mse mean M,... std S,...'. Both on
 * the host, in float32. */
#ifndef SCALE_H
#define SCALE_H

#include "network/network.h"

/* targets (n, outputs) become (t - M) / S. Every float target that goes to a device passes here. */
void scale_targets(const tas_network *network, size_t n, void *targets);

/* outputs (n, outputs) become y S + M: predictions, and those that metrics compare with targets of the set. */
void scale_outputs(const tas_network *network, size_t n, float *outputs);

#endif
