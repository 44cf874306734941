/* Sums of squares of a gradient, each divided by the root of Adam's second moment. */
#ifndef OPS_PRECONDITIONED_H
#define OPS_PRECONDITIONED_H

#include "ops/sum_squares.h"

/* Places in args.size[] are those of square_blocks and square_rows (SQUARES_ELEMENTS, SQUARES_ROWS, ...). In
 * args.scalar[], beside SQUARES_SCALE: */
enum {
    PRECONDITIONED_UNBIAS = SQUARES_SCALE + 1, /* 1 / (1 - beta2^t), t the updates that v has seen */
    PRECONDITIONED_EPSILON,                    /* times ADAM_ROOT */
};

#endif
