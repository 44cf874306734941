/* Weights of examples: places in args.size[]. */
#ifndef OPS_WEIGH_H
#define OPS_WEIGH_H

enum {
    WEIGH_OUTPUTS,
    WEIGH_SOURCE, /* weights in the source, */
    WEIGH_ORDER,  /* and entries of the order */
    WEIGH_DIRECT, /* 1: the weight of the tile's example r is weight r of the source; 0: weight order[args.at + r] */
};

#endif
