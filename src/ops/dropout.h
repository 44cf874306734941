/* Dropout: places in args.size[]. */
#ifndef OPS_DROPOUT_H
#define OPS_DROPOUT_H

enum {
    DROPOUT_ELEMENTS,  /* per example */
    DROPOUT_LAYER,     /* the layer's place in the network */
    DROPOUT_THRESHOLD, /* rate 2^32 */
    DROPOUT_ORDER,     /* entries of the order */
    DROPOUT_ACTIVATION /* the forward operation of the activation before, which is computed here; 0: none */
};

/* Places in args.scalar[]. */
enum {
    DROPOUT_SCALE, /* 1 / (1 - rate) */
    DROPOUT_SLOPE  /* of the activation */
};

#endif
