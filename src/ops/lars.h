/* LARS: what one call is given. */
#ifndef OPS_LARS_H
#define OPS_LARS_H

/* Places in args.size[], behind those of every optimizer, */
enum { LARS_ADAPTED = 2 }; /* 1: the rate is times the ratio of the divisor */
/* and in args.scalar[]. */
enum { LARS_LR, LARS_MOMENTUM, LARS_DECAY, LARS_SCALARS };

#endif
