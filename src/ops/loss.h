/* Losses: places in args.size[]. */
#ifndef OPS_LOSS_H
#define OPS_LOSS_H

enum { LOSS_OUTPUTS };

#endif
