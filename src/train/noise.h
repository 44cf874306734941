/* Measuring the gradient noise scale in a step (stats/noise_scale.h has the formulas, plan/noise_schedule.h which steps
 * and which groups). Everything is queued with the step and read with its loss; nothing is written that a weight
 * depends on.
 *
 *     norms        |g_i|^2 of each example's gradient to all dense layers
 *     spare        the sums of one group's gradients to the other layers, and their open granules
 *     squares      sums of squares of blocks or rows: of each group's gradient, divided by its examples; then of the
 *                  batch's
 *     preconditioned  the same, divided by the root of Adam's second moment: of groups, then of the batch
 *     noise_ring   plan.noise_sums figures per step */
#ifndef NOISE_H
#define NOISE_H

#include "train/step.h"

#include "stats/noise_scale.h"

/* Examples that are measured with a step of `batch` examples; 0: it is not measured. Step 0, the first of the kernels,
 * is measured. */
uint32_t noise_examples(const noise_schedule *schedule, uint64_t step, uint32_t batch);

/* Whether a measured step is measured for the preconditioned noise scale as well. Step 0 is. */
bool noise_preconditions(const noise_schedule *schedule, uint64_t step);

/* Computes the gradient of the measured batch as step_gradient() does, and the figures of the step. preconditioner: the
 * scalars with which OP_PRECONDITIONED_BLOCKS reads the second moment; NULL: without the preconditioned figures. also:
 * looks on as well, before this; may be NULL. */
tas_status noise_measure(workspace *w, const noise_schedule *schedule, const step_batch *batch, uint32_t step,
                         const op_args *preconditioner, const step_observer *also);

/* After a call of a dense layer's weight gradient: the squared norm of each of the tile's examples' own gradients to
 * that layer, weights and bias, into w->norms; other calls leave it. *added: whether a layer before has put its norms
 * there, to which these are added; false before each tile's first call. */
tas_status noise_norms(workspace *w, const op_call *call, uint32_t n, uint32_t first, uint32_t batch, bool *added);

/* A measured step's figures, as the ring has them: its estimates *trace and *square, which are also added to those of
 * the run. False if the step does not count. batch: the examples measured; examples: those of the data set. */
bool noise_add_step(const noise_schedule *schedule, const float figures[NOISE_SUMS], uint32_t batch, uint64_t examples,
                    noise_scale *run, double *trace, double *square);

/* The same of the preconditioned figures of a step that has them. */
bool noise_add_preconditioned(const noise_schedule *schedule, const float figures[NOISE_SUMS_MOST], uint32_t batch,
                              uint64_t examples, noise_scale *run, double *trace, double *square);

#endif
