/* SGD: places in args.size[]. */
#ifndef OPS_SGD_H
#define OPS_SGD_H

enum { SGD_ELEMENTS, SGD_NESTEROV };

/* Places in args.scalar[]. */
enum {
    SGD_LR,
    SGD_MOMENTUM,
    SGD_DECAY,
};

#endif
