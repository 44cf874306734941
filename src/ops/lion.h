/* Lion: places in args.scalar[]. */
#ifndef OPS_LION_H
#define OPS_LION_H

enum {
    LION_LR,
    LION_BETA1,
    LION_REST1, /* 1 - beta1 */
    LION_BETA2,
    LION_REST2, /* 1 - beta2 */
    LION_DECAY,
    LION_SCALARS
};

#endif
