/* The update of a dense layer's weights without their gradient in memory: dense_check and dense_sgd. Places in
 * args.size[], and in those of dense_sgd sgd.h has the rest: its scalars, and SGD_NESTEROV. */
#ifndef OPS_DENSE_UPDATE_H
#define OPS_DENSE_UPDATE_H

#include "ops/op.h"

enum {
    FUSED_OUTPUTS = OP_MATRIX_ROWS,
    FUSED_INPUTS = OP_MATRIX_COLS,
    FUSED_STEP, /* of dense_check: 1 is the first */
};

enum { FUSED_EXAMPLES = 8 }; /* of a batch, at most */

#endif
