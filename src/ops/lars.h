/* LARS: places in args.scalar[]. */
#ifndef OPS_LARS_H
#define OPS_LARS_H

enum { LARS_LR, LARS_MOMENTUM, LARS_DECAY, LARS_SCALARS };

#endif
