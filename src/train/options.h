/* The options of a training run: defaults and checks. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "data/dataset.h"

#include <tassello/model.h>

/* Checks options that come from outside, with the data set that they are for. */
tas_status options_check(tas_context *context, const tas_data *data, const tas_train_options *options);

/* Steps of the run, below 2^32 - 1: as asked, or those of its epochs. */
uint64_t options_steps(const tas_train_options *options, uint64_t examples);

#endif
