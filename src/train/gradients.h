/* Gradients at weights that stand still: sums over any list of examples, as training sums them (the contract's order,
 * whatever the tile), read to the host. Dropout's masks are those of the seed's first epoch: each example has one
 * gradient. */
#ifndef GRADIENTS_H
#define GRADIENTS_H

#include "train/workspace.h"

/* A run of places in the gradient, in floats. */
typedef struct gradient_slice {
    uint64_t from, count;
} gradient_slice;

typedef struct gradients {
    tas_model *model;
    const tas_data *data;
    plan_request request;
    uint64_t budget, seed;
    workspace w; /* all 0: not taken */
    bool fed;    /* the feed is open */
    uint64_t elements;
    gradient_slice *rest; /* the parameters that are not a dense layer's; gaps of the layout lie between them */
    int rests;
} gradients;

/* For batches of at most batch_most examples. budget: bytes of device memory; 0: the model's, else the device's.
 * TAS_NO_MEMORY names the least. It keeps its memory until it is closed, before its model and its data; a failed one is
 * closed too. */
tas_status gradients_open(gradients *g, tas_model *model, const tas_data *data, uint32_t batch_most, uint64_t budget,
                          uint64_t seed);
void gradients_close(gradients *g);

/* Of examples list[0 .. n-1] of the set, 1 <= n <= batch_most:
 *     sum     (elements) the sum of their gradients, as the device lays it out, with 0 in its gaps
 *     losses  (n) each one's loss
 *     norms   (n) each one's squared norm over the parameters of dense layers, which needs no gradient of its own:
 *             |x|^2 |dy|^2 for the weights, |dy|^2 for the bias; NULL: not wanted
 * Waits. Where the device refuses memory or fails it is begun again, in smaller tiles. */
tas_status gradients_sum(gradients *g, const uint32_t *list, uint32_t n, float *sum, float *losses, float *norms);

#endif
