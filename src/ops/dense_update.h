/* The update of a dense layer without its gradient in memory: dense_check and dense_sgd. Places in args.size[]; of
 * dense_sgd sgd.h has the others, SGD_NESTEROV and the first of args.scalar[]. */
#ifndef OPS_DENSE_UPDATE_H
#define OPS_DENSE_UPDATE_H

#include "ops/op.h"
#include "ops/sgd.h"

enum {
    FUSED_OUTPUTS = OP_MATRIX_ROWS,
    FUSED_INPUTS = OP_MATRIX_COLS,
    FUSED_STEP,    /* of dense_check: 1 is the first */
    FUSED_NO_BIAS, /* 1: there is none; any other buffers stand in the places of the bias and its momentum */
};
enum { FUSED_BIAS_DECAY = SGD_SCALARS };

enum { FUSED_EXAMPLES = 8 }; /* of a batch, at most */

#endif
