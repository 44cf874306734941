/* One step of training: the gradient of a batch, the watch over it, the update. */
#ifndef STEP_H
#define STEP_H

#include "train/workspace.h"

/* Other devices that compute other shards of the same batch. What is made of the whole batch while a step runs is made
 * of floats in rows (shard, width), of which this device has made those of its own shards. share() returns
 * when the rows of all `shards` shards that have examples are there, or are queued to be written before what is queued
 * next. The gradient is not shared, see step_nodes(); summed() is told when all that
 * makes the gradients of a call, over the shards of this device, has been queued. */
typedef struct step_peers {
    void *self;
    tas_status (*share)(void *self, const mem *rows, uint32_t width, uint32_t shards);
    tas_status (*summed)(void *self, const op_call *call);
} step_peers;

/* A batch: examples order[at .. at+count-1] of a data set, in w->plan.shards shards. */
typedef struct step_batch {
    const tas_data *data;
    const uint32_t *order;
    uint32_t at, count;
    uint32_t panel_width; /* examples of a panel */
    uint32_t from, to;    /* the shards that are computed here: from .. to-1; to = 0: all. Needs request.some_shards */
    const step_peers *peers; /* NULL: there are none, and all shards are computed here */
} step_batch;

/* Looks on while a gradient is computed. A status that is not TAS_OK ends the computation, which returns it. */
typedef struct step_observer {
    void *self;
    uint32_t group; /* no tile has examples of two groups of so many; 0: there are no groups */
    /* After each call for a tile of n examples, of which the first is `first` in the batch: later calls may write over
     * its operands. */
    tas_status (*after_call)(void *self, const op_call *call, uint32_t n, uint32_t first);
    tas_status (*after_tile)(void *self, uint32_t n, uint32_t first); /* NULL: nothing to do */
    /* After the gradients that a call sums are complete, for all shards that are computed here: after the last tile of
     * their pass. NULL: nothing to do. What after_call() sees of them is of a leaf. */
    tas_status (*after_sums)(void *self, const op_call *call);
} step_observer;

/* Computes each example's loss and the sum of the batch's gradients, tile after tile. observer may be NULL. Nothing is
 * written that a later step reads, so it can begin again. */
tas_status step_gradient(workspace *w, const step_batch *batch, const step_observer *observer);

/* Where step_gradient() leaves the sums of gradients over the shards from .. to-1: of the nodes of the tree over shards
 * (plan/shards.h) that are the largest whole subtrees of that range, from the left. The last lies in
 * w->part[PART_GRADIENT], those before it in w->node[0], w->node[1], ..., with the same layout. One node if the range
 * is an aligned subtree, and so the total if it is all shards. Returns how many there are: 0 if no shard of the range
 * has examples, and then nothing was written. */
int step_nodes(const workspace *w, const step_batch *batch, tree_node node[TREE_WAITING + 1]);

/* From the total of the gradients and the batch's losses: writes the divisor, puts the sum of the losses into the ring
 * of losses, and records the step if the sum or the gradient is not finite. number: the step's low 32 bits. */
tas_status step_watch(workspace *w, const step_batch *batch, uint32_t number);

/* With peers, instead of the watch: queues the sums of the losses, and of the weights of examples if they have any, of
 * each shard that is computed here, into its place in w->shard_losses and w->shard_weights. */
tas_status step_sum_rows(workspace *w, const step_batch *batch);

#endif
