/* Planes that are enlarged. Places in args.size[] of upsample and pad. */
#ifndef OPS_RESIZE_H
#define OPS_RESIZE_H

enum {
    RESIZE_C, /* channels of H x W, which become OH x OW */
    RESIZE_H,
    RESIZE_W,
    RESIZE_OH,
    RESIZE_OW,
    RESIZE_Y, /* upsample: rows and columns of the block that a value becomes; pad: zeros before the plane */
    RESIZE_X,
};

#endif
