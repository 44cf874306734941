/* Dense layers: places in args.size[]. */
#ifndef OPS_DENSE_H
#define OPS_DENSE_H

#include "ops/op.h"

enum {
    DENSE_OUTPUTS = OP_MATRIX_ROWS,
    DENSE_INPUTS = OP_MATRIX_COLS,
    DENSE_GRANULE, /* examples of a granule, of the sums over examples; 0: one chain */
    DENSE_NO_BIAS, /* of the gradient to the weights, for who needs its norm: 1: the layer has no bias */
};

#endif
