/* The passes of a step. A pass runs a list of calls for each tile of the batch, and then other calls once for the whole
 * batch (op_call.whole_batch), such as the fold of sums over examples. A call that needs what such a call has made
 * begins a new pass, so that it runs when all tiles have passed.
 *
 * A network without whole-batch statistics has one pass. With them, values that are needed in a later pass are
 *
 *     kept        for the whole batch: what forward itself needs in a later pass (a normalization's input, a skip
 *                 connection), and gradients that backward needs in a later pass
 *     repeated    computed again, for each tile, from what was kept: everything else that backward needs
 *
 * so that backward repeats at most one forward pass. */
#ifndef PASSES_H
#define PASSES_H

#include "network/network.h"

typedef struct batch_pass {
    const op_call **calls; /* for each tile */
    int count;
    int repeated;          /* the first so many of them repeat calls of earlier passes */
    const op_call **after; /* once for the batch, after all tiles */
    int after_count;
    int *loads, *stores; /* tensors that are kept: which the pass needs from an earlier one, and which it makes */
    int load_count, store_count;
    bool feeds; /* some call reads inputs, labels or the order of examples */
} batch_pass;

typedef struct passes {
    batch_pass *pass;
    int count;
    bool *kept; /* one per tensor */
} passes;

typedef enum passes_kind {
    PASSES_EVALUATION, /* one pass forward */
    PASSES_STEP,       /* forward and backward, as many passes as needed for any tile */
    PASSES_WHOLE       /* forward and backward in one pass, for a batch in one tile */
} passes_kind;

/* False if there is no memory. Closed with passes_close(), if it fails, too. */
bool passes_open(passes *p, const tas_network *network, passes_kind kind);
void passes_close(passes *p);

/* Whether a tensor's rows are the examples of a tile, so that it can be kept or repeated. */
bool passes_is_value(const tensor *t);

#endif
