/* Sums of squares. */
#ifndef OPS_SUM_SQUARES_H
#define OPS_SUM_SQUARES_H

#include "ops/op.h"

/* square_blocks: places in args.size[]. */
enum {
    SQUARES_ELEMENTS,
    SQUARES_AT, /* of the first sum in the output */
};

/* square_rows: places in args.size[], */
enum {
    SQUARES_ROWS = OP_MATRIX_ROWS,
    SQUARES_COLS = OP_MATRIX_COLS,
    SQUARES_ROWS_AT, /* of the first sum in the output */
};

/* and of both in args.scalar[]. */
enum { SQUARES_SCALE };

/* dense_norms: places in args.size[]. */
enum {
    NORMS_INPUTS,
    NORMS_OUTPUTS,
    NORMS_ADDED,   /* 1: to what is there already */
    NORMS_NO_BIAS, /* 1: the layer has none */
};

#endif
