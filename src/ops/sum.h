/* Sums over whole tensors, and the search for what is not finite. */
#ifndef OPS_SUM_H
#define OPS_SUM_H

#include <stdint.h>

/* Lane l of SUM_LANES sums x[l], x[l + SUM_LANES], ..., lanes fold 128, 64, ..., 1. */
float sum_lanes(const float *x, uint32_t count);

/* sum_blocks: places in args.size[]. */
enum {
    SUM_ELEMENTS,
    SUM_AT,       /* of the first sum in the output */
    SUM_FROM = 3, /* of the first element in the input (2 is CHECK_WHAT, as cases are drawn together) */
    SUM_ROW,      /* elements of each row but the last, which are cut into blocks one by one; 0: all are one row */
};

/* How many sums it makes of at least one element. */
uint32_t sum_block_count(uint32_t elements, uint32_t row);

/* check_finite: places in args.size[]. */
enum {
    CHECK_ELEMENTS,
    CHECK_STEP,
    CHECK_WHAT, /* for the second word of the record */
};

#endif
