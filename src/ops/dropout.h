/* Dropout: places in args.size[]. */
#ifndef OPS_DROPOUT_H
#define OPS_DROPOUT_H

enum {
    DROPOUT_ELEMENTS,  /* per example */
    DROPOUT_LAYER,     /* the layer's place in the network */
    DROPOUT_THRESHOLD, /* rate 2^32 */
    DROPOUT_ORDER,     /* entries of the order */
};

/* Places in args.scalar[]. */
enum {
    DROPOUT_SCALE, /* 1 / (1 - rate) */
};

#endif
