/* What an update divides the sum of gradients by, and what else it finds on the device: DIVISOR_VALUES floats. */
#ifndef OPS_DIVISOR_H
#define OPS_DIVISOR_H

#include "ops/draw.h"

#include "gradient_mean.h"

/* gradient_clip: places in args.size[], */
enum {
    CLIP_SQUARES, /* how many sums of squares there are, of the whole gradient */
    CLIP_STEP,    /* 1 is the first */
};
/* and in args.scalar[]. */
enum { CLIP_NORM };

/* trust_ratio: places in args.size[], */
enum {
    TRUST_WEIGHTS, /* how many sums of squares there are of the weights, */
    TRUST_OTHERS,  /* and behind them of their gradient or direction */
    TRUST_OF_SUM,  /* 1: that is the sum of gradients, of which the mean is meant; 0: as it is */
};
/* and in args.scalar[]. */
enum { TRUST_COEFFICIENT, TRUST_DECAY };

/* Places in args.size[] of every optimizer: it updates the elements at .. at+elements-1 of its operands. */
enum {
    UPDATE_ELEMENTS,
    UPDATE_AT,
    UPDATE_MORE,                  /* the first of its own, */
    UPDATE_ADAPTED = UPDATE_MORE, /* which in LARS and LAMB is 1 if the rate is times the ratio of the divisor */
};

/* The mean gradient from the raw sum; as gradient_mean() of the kernels, but written here once more, so that verify
 * compares the two. */
static inline float divisor_mean(float sum, float count, float reciprocal, float factor)
{
    return arith_flush(factor * arith_mean(arith_flush(sum), count, reciprocal));
}

/* Cases of an optimizer: elements and place; the extent of its operands; the examples of its divisor. */
void divisor_draw_sizes(op_args *args, draw *d, int edge);
bool divisor_fit_sizes(op_args *args);
static inline uint64_t divisor_extent(const op_args *a)
{
    return (uint64_t)a->size[UPDATE_AT] + a->size[UPDATE_ELEMENTS];
}
float divisor_draw_count(const draw *d);

/* Of an update's parameters, and what lies like them, only its range. */
uint64_t divisor_moves(const op_args *a, int operand);

/* Fills operand `divisor` and the record of what was not finite behind it; false: it is neither. */
bool divisor_fill(int operand, int divisor, void *data, draw *d);

#endif
