/* How much weights fluctuate late in training, at a given batch size and rate. */
#ifndef WEIGHT_FLUCTUATION_H
#define WEIGHT_FLUCTUATION_H

#include "lab/sweep/sweep.h"

/* Dimensionless. */
typedef struct weight_fluctuation {
    uint64_t steps;         /* of a stretch */
    sweep_mean fluctuation; /* mean over the moments of |w - mean w|^2 / |mean w|^2 */
    sweep_mean seed_spread; /* |end - mean end|^2 / |mean end|^2, by stretches - 1; NaN with one stretch */
} weight_fluctuation;

/* Trains `stretches` short runs from the model's weights, which are restored afterwards. The runs differ only in the
 * seed of shuffle and dropout. Each trains on `examples`, for at least 16 steps, with the batch, rate and optimizer of
 * `options`, without schedule or warm-up, and with fresh optimizer state; the weights are read at 8 moments of its
 * second half. The steps, epochs and noise of `options` are ignored; on_step is called. TAS_STOPPED and TAS_NOT_FINITE
 * as for a run. If the device fails for good, the weights may not be restored. */
tas_status weight_fluctuation_measure(tas_model *model, const tas_data *data, const tas_train_options *options,
                                      uint64_t examples, int stretches, weight_fluctuation *out);

#endif
