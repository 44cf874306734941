/* A bias per channel, after operations that have none. Places in args.size[] of add_bias. */
#ifndef OPS_BIAS_H
#define OPS_BIAS_H

enum {
    BIAS_CHANNELS,
    BIAS_POSITIONS, /* of a channel's plane */
};

#endif
