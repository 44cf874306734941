/* Measuring the gradient noise scale in a step (stats/noise_scale.h has the formulas, plan/noise_schedule.h which
 * steps, and in which groups). Everything is queued with the step and read with its loss; nothing is written that a
 * weight comes from.
 *
 *     norms        |g_i|^2 of each example's gradient to all dense layers
 *     spare        the sums of a group's gradients to the other layers, and what is open of them
 *     squares      sums of squares of blocks or rows: of each group's gradient, divided by its examples; then of the
 *                  batch's
 *     noise_ring   NOISE_SUMS figures a step */
#ifndef NOISE_H
#define NOISE_H

#include "train/feed.h"

#include "stats/noise_scale.h"

/* Examples of the tile that begins with example `first` of a batch that is measured: no group has parts of two in one
 * tile. */
uint32_t noise_tile(const workspace *w, const noise_schedule *schedule, uint32_t first, uint32_t batch);

/* Runs backward for such a tile, and takes what its operands tell while they are there. */
tas_status noise_backward(workspace *w, const noise_schedule *schedule, uint32_t n, uint32_t first, uint32_t batch);

/* Once the batch's gradient is whole: the figures of the step. */
tas_status noise_sums(workspace *w, const noise_schedule *schedule, uint32_t step, uint32_t batch);

/* A step's figures, from the ring: its estimates, and into the run's. False where it does not count. */
bool noise_read(const noise_schedule *options, const float figures[NOISE_SUMS], uint32_t batch, uint64_t examples,
                noise_scale *run, double *trace, double *square);

#endif
