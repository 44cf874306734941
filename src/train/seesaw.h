/* The seesaw schedule (Meterez et al. 2025, arXiv 2510.14717): where a step schedule would halve the rate, it is
 * divided by the square root of 2 and the batch is doubled, which for a loss dominated by the noise of the gradient
 * takes it down alike at equal examples. From the largest batch on the rate is halved.
 *
 * A decay is due after every decay_steps times the first batch examples from the end of the warm-up on; each step
 * counts as a whole batch. */
#ifndef SEESAW_H
#define SEESAW_H

#include "train/course.h"

/* Doublings of the batch until it is the largest, on a set of so many examples. */
uint32_t seesaw_doublings(const tas_train_options *options, uint64_t examples);

/* Decays that are due before the step that comes after `step` steps. */
uint64_t seesaw_decays(const tas_train_options *options, const course *c, uint64_t step);

/* Adds the doublings to a course that has the first batch alone; steps: how many the run has with a given course. */
tas_status seesaw_expand(const tas_train_options *options, tas_context *context, course *c,
                         uint64_t (*steps)(const tas_train_options *options, const course *c));

/* What lr is then: the same bits on every host. */
float seesaw_lr(const tas_train_options *options, const course *c, float lr, uint64_t step);

#endif
