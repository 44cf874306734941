/* Gradients at weights that do not change: sums over any list of examples, as training sums them (in the contract's
 * order, whatever the tile), read to the host. Dropout's masks are those of the seed's first epoch, so that each
 * example has one gradient. */
#ifndef GRADIENTS_H
#define GRADIENTS_H

#include "train/workspace.h"

/* A range of the gradient, in floats. */
typedef struct gradient_slice {
    uint64_t from, count;
} gradient_slice;

typedef struct gradients {
    tas_model *model;
    const tas_data *data;
    plan_request request;
    uint64_t budget, seed;
    workspace w; /* all 0: not open */
    bool fed;    /* the feed is open */
    uint64_t elements;
    gradient_slice *rest; /* the parameters that are not a dense layer's; gaps of the layout lie between them */
    int rests;
} gradients;

/* For batches of at most max_batch examples. budget: bytes of memory; 0: the model's, or else the device's.
 * TAS_NO_MEMORY: the error names the smallest that is sufficient. It keeps its memory until it is closed, which comes
 * before its model and its data set are, and is needed after a failure, too. */
tas_status gradients_open(gradients *g, tas_model *model, const tas_data *data, uint32_t max_batch, uint64_t budget,
                          uint64_t seed);
void gradients_close(gradients *g);

/* For examples list[0 .. n-1] of the set, 1 <= n <= max_batch:
 *     sum     (elements) the sum of their gradients, in the device's layout, with 0 in its gaps
 *     losses  (n) the loss of each
 *     norms   (n) the squared norm of each one's gradient to the parameters of all dense layers, which is known without
 *             that gradient: |x|^2 |dy|^2 for the weights, |dy|^2 for the bias; may be NULL
 * Waits. If the device refuses memory or fails it is repeated, in smaller tiles. */
tas_status gradients_sum(gradients *g, const uint32_t *list, uint32_t n, float *sum, float *losses, float *norms);

#endif
