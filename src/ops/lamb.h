/* LAMB: what its two calls are given. The scalars of lamb_direction are those of adam.h, of which it does not use
 * ADAM_LR and ADAM_DECAY. */
#ifndef OPS_LAMB_H
#define OPS_LAMB_H

/* lamb_step: places in args.scalar[]. */
enum { LAMB_LR };

#endif
