/* One step of training: the gradient of a batch, the watch over it, the update. */
#ifndef STEP_H
#define STEP_H

#include "train/workspace.h"

/* A batch: examples order[at .. at+count-1] of a data set. */
typedef struct step_batch {
    const tas_data *data;
    const uint32_t *order;
    uint32_t at, count;
    uint32_t panel_width; /* examples of a panel */
} step_batch;

/* Looks on while a gradient is computed. A status that is not TAS_OK ends the computation, which returns it. */
typedef struct step_observer {
    void *self;
    uint32_t group; /* no tile has examples of two groups of so many; 0: there are no groups */
    /* After each call for a tile of n examples, of which the first is `first` in the batch: later calls may write over
     * its operands. */
    tas_status (*after_call)(void *self, const op_call *call, uint32_t n, uint32_t first);
    tas_status (*after_tile)(void *self, uint32_t n, uint32_t first); /* NULL: nothing to do */
} step_observer;

/* Computes each example's loss and the sum of the batch's gradients, tile after tile. observer may be NULL. Nothing is
 * written that a later step reads, so it can begin again. */
tas_status step_gradient(workspace *w, const step_batch *batch, const step_observer *observer);

/* Writes the divisor, puts the sum of the losses into the ring of losses, and records the step if the sum or the
 * gradient is not finite. number: the step's low 32 bits. */
tas_status step_watch(workspace *w, uint32_t number, uint32_t examples);

/* What a step leaves to the next one: the parameters and the optimizer's slots, which are all of one size. The plan
 * has no bytes for the slots that the optimizer does not need. */
enum { STEP_PARTS = 3 };
extern const plan_part step_parts[STEP_PARTS];

#endif
