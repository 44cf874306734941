/* The options of a training run: defaults and checks. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "data/dataset.h"
#include "network/network.h"
#include "train/course.h"

#include <tassello/model.h>

/* Checks options that come from outside, with the data set and the network that they are for. */
tas_status options_check(const tas_network *network, const tas_data *data, const tas_train_options *options);

/* Steps of the run, below 2^32 - 1: as asked, or those of its epochs. */
uint64_t options_steps(const tas_train_options *options, const course *c);

/* The largest batch that the run may have. */
uint32_t options_batch_most(const tas_train_options *options);

/* Checks that each batch that a course takes from its last change on has examples enough for a layer's statistics. */
tas_status options_check_batches(const tas_network *network, const tas_train_options *options, const course *c);

#endif
