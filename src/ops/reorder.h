/* Copies between layouts: places in args.size[]. */
#ifndef OPS_REORDER_H
#define OPS_REORDER_H

enum { REORDER_ELEMENTS /* per example */ };

#endif
