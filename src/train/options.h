/* The options of a training run: defaults and checks. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "data/dataset.h"
#include "network/network.h"
#include "train/course.h"
#include "train/optimizers.h"

#include <tassello/model.h>

/* Checks how many shards a batch has. */
tas_status options_check_shards(tas_context *context, uint32_t shards);

/* Checks options that come from outside, with the data set and the network that they are for. */
tas_status options_check(const tas_network *network, const tas_data *data, const tas_train_options *options);

/* The course that they ask for, which is closed with course_close(). */
tas_status options_course(course *c, tas_context *context, const tas_train_options *options, uint64_t examples);

/* Steps of the run, below 2^32 - 1: as asked, or those of its epochs. */
uint64_t options_steps(const tas_train_options *options, const course *c);

/* The smallest and the largest batch that the run may have. */
typedef struct batch_range {
    uint32_t least, most;
} batch_range;
batch_range options_batches(const tas_train_options *options, const course *c);

/* The decay of a weight, or of another parameter. */
float options_decay(const tas_train_options *options, bool weight);

/* The learning rate after `step` steps, in a run of `steps`. */
float options_lr(const tas_train_options *options, const course *c, uint64_t step, uint64_t steps);

/* What the update of step t depends on, 1 being the first, in a run of `steps`. */
optimizer_step options_step(const tas_train_options *options, const course *c, uint64_t t, uint64_t steps);

/* Checks that each batch of a course from segment `first` on has examples enough for a layer's statistics, and a rate
 * within bounds. */
tas_status options_check_batches(const tas_network *network, const tas_train_options *options, const course *c,
                                 int first);

#endif
