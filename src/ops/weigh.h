/* Weights of examples: places in args.size[]. */
#ifndef OPS_WEIGH_H
#define OPS_WEIGH_H

enum { WEIGH_OUTPUTS };

#endif
