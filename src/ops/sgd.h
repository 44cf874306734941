/* SGD: places in args.size[]. */
#ifndef OPS_SGD_H
#define OPS_SGD_H

enum { SGD_NESTEROV = 2 }; /* UPDATE_MORE */

/* Places in args.scalar[]. */
enum { SGD_LR, SGD_MOMENTUM, SGD_DECAY, SGD_SCALARS };

#endif
