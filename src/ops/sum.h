/* Sums over whole tensors, the loss of a step, and the watch for what is not finite. */
#ifndef OPS_SUM_H
#define OPS_SUM_H

/* sum_blocks: places in args.size[]. */
enum {
    SUM_ELEMENTS,
    SUM_AT, /* of the first sum in the output */
};

/* record_loss: places in args.size[]. */
enum {
    RECORD_STEP,   /* 1 is the first */
    RECORD_PLACES, /* of the ring */
};

/* check_finite: places in args.size[]. */
enum {
    CHECK_ELEMENTS,
    CHECK_STEP,
    CHECK_WHAT, /* a bad_what */
};

/* What was not finite, in the record's second word. */
typedef enum bad_what { BAD_NOTHING, BAD_LOSS, BAD_GRADIENT, BAD_NORM } bad_what;

#endif
