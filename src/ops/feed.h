/* Gathering examples from a data set: places in args.size[]. */
#ifndef OPS_FEED_H
#define OPS_FEED_H

enum {
    GATHER_ELEMENTS, /* per example */
    GATHER_SOURCE,   /* examples in the source */
    GATHER_ORDER,    /* entries of the order */
    GATHER_AT,       /* the entry of the tile's first example */
    GATHER_DIRECT,   /* 1: the source is the tile itself, row by row; 0: by the order */
    GATHER_LABELS,   /* 1: so are the examples' labels; 0: neither they nor the tile's have elements, or memory */
};

/* Places in args.scalar[]. */
enum { GATHER_SCALE, GATHER_SHIFT };

/* Gathering images: further places in args.size[]. */
enum {
    IMAGE_HEIGHT = GATHER_LABELS + 1,
    IMAGE_WIDTH,
    IMAGE_FLIP,   /* 1: half of the images are mirrored */
    IMAGE_SHIFT,  /* pixels in either direction, at most; below height and width */
    IMAGE_CUTOUT, /* side of the square that is cut out; 0: none */
};

/* What is known of a channel: the factor of bytes or of floats, and what is added. */
enum { IMAGE_SCALE_BYTES, IMAGE_SCALE_FLOATS, IMAGE_OFFSET, IMAGE_CONSTANTS };

/* One-hot targets: places in args.size[]. */
enum {
    ONE_HOT_CLASSES, /* outputs, */
    ONE_HOT_FIRST    /* of which the first is that class */
};

#endif
