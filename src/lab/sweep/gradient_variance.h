/* Variance and direction of a batch's gradient at frozen weights. */
#ifndef GRADIENT_VARIANCE_H
#define GRADIENT_VARIANCE_H

#include "lab/sweep/sweep.h"

/* Fills point->loss, trace, square and batch[0 .. count-1] from `draws` independent batches of each size. The model's
 * weights do not change. on_progress may be NULL; non-zero stops (TAS_STOPPED). */
tas_status gradient_variance_measure(tas_model *model, const tas_data *data, const uint32_t *batches, int count,
                                     int draws, uint64_t seed, uint64_t budget,
                                     int (*on_progress)(void *user, double share), void *user, frozen_point *point);

#endif
