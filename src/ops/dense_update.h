/* The update of a dense layer without its gradient in memory: dense_check and dense_sgd. Places in args.size[] and
 * args.scalar[] are those of the call that sums the gradient of the weights (dense.h), and of sgd (sgd.h); besides: */
#ifndef OPS_DENSE_UPDATE_H
#define OPS_DENSE_UPDATE_H

#include "ops/dense.h"
#include "ops/sgd.h"

/* dense_check: the step, of which 1 is the first; and the second layer, if it has inputs. */
enum { FUSED_STEP = DENSE_GRANULE, CHECK_OUTPUTS = DENSE_NO_BIAS + 1, CHECK_INPUTS, CHECK_NO_BIAS };
enum { FUSED_BIAS_DECAY = SGD_SCALARS }; /* dense_sgd: SGD_DECAY is that of the weights */

enum { FUSED_EXAMPLES = 256 }; /* of a batch, at most */

/* The most for which it pays. Devices that keep weights in the canonical layout, such as GPUs, have a work-item for
 * each of them, and so each reads the values of all examples. */
static inline uint32_t dense_update_most(uint32_t weight_panel) { return weight_panel > 1 ? FUSED_EXAMPLES : 8; }

/* Of one of them, from those of the call that sums the gradient of the weights. With DENSE_NO_BIAS any other buffers
 * stand in the places of the bias and its momentum. */
static inline op_args dense_update_args(const op_args *weights, op_id op)
{
    op_args args = *weights;
    args.op = op;
    return args;
}

#endif
