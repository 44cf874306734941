/* The options of a training run: defaults and checks. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "data/dataset.h"
#include "network/network.h"

#include <tassello/model.h>

/* Checks options that come from outside, with the data set and the network that they are for. */
tas_status options_check(const tas_network *network, const tas_data *data, const tas_train_options *options);

/* Steps of an epoch of so many examples. */
uint64_t options_epoch_steps(const tas_train_options *options, uint64_t examples);

/* Steps of the run, below 2^32 - 1: as asked, or those of its epochs. */
uint64_t options_steps(const tas_train_options *options, uint64_t examples);

#endif
