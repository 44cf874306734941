/* Values that are joined. Places in args.size[]. */
#ifndef OPS_JOIN_H
#define OPS_JOIN_H

enum {
    JOIN_ELEMENTS, /* per example: of add and multiply; of the part of a concatenation */
    JOIN_WHOLE,    /* concat: elements per example of the whole */
    JOIN_AT,       /* and of them those before the part */
};

#endif
