/* The tree over the sums of a batch's leaves and shards (plan/shards.h). */
#ifndef OPS_TREE_H
#define OPS_TREE_H

#include <stdint.h>

/* add_node: places in args.size[]. */
enum {
    NODE_ELEMENTS,
    NODE_AT,    /* of the first of them, in both operands */
    NODE_KEEPS, /* 1: to = from; 0: to = to + from */
};

/* add_tree: likewise. */
enum {
    TREE_ROWS, /* 1 to TREE_ROWS_MOST */
    TREE_ELEMENTS,
};
enum { TREE_ROWS_MOST = 4096 };

#endif
