/* The watch over a step: its loss, what its update divides by, and whether all is finite. */
#ifndef OPS_WATCH_H
#define OPS_WATCH_H

#include <stdint.h>

/* Places in args.size[], */
enum {
    WATCH_SUMS,     /* losses, or sums of blocks of them: 1 to SUM_LANES */
    WATCH_WEIGHTED, /* 1: the count is the sum of as many weights; 0: it is the scalar, whatever they are */
    WATCH_ELEMENTS, /* of the gradient; 0: none is stored */
    WATCH_STEP,     /* 1 is the first */
    WATCH_PLACES,   /* of the ring */
};
/* and in args.scalar[]. */
enum { WATCH_EXAMPLES };

/* What was not finite, in the record's second word: the loss or the gradient, or else its norm; or, with ranks, what
 * the update would have made of a weight. */
typedef enum bad_what { BAD_NOTHING, BAD_STEP, BAD_NORM, BAD_WEIGHTS } bad_what;

/* The record's first entry stays. */
static inline void set_first_bad(uint32_t *first_bad, uint32_t step, uint32_t what)
{
    if (first_bad[0]) return;
    first_bad[0] = step;
    first_bad[1] = what;
}

#endif
