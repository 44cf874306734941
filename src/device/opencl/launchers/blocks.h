/* Blocks of sums on GPUs. A work-group computes a block of a matrix of sums through local memory; which block, changes
 * the speed and not the sums. Each kernel file of such products has a table, and the blocks that a device may run are
 * the variants (device/variant.h) of its operations. */
#ifndef BLOCKS_H
#define BLOCKS_H

#include "device/opencl/launch.h"
#include "device/variant.h"

/* The options of a kernel: the sums of a block, the work-items of its group, and the steps of a chain that are in local
 * memory at a time. */
typedef struct block {
    uint32_t rows, cols, items_x, items_y, step;
} block;

/* The blocks of one kernel file, by size; the last one is for devices that can run no other. */
typedef struct block_table {
    const char *program; /* the file in cl/ */
    const block *blocks;
    int count;
    double left, right; /* the cost of a load of either side, in products */
} block_table;

/* The sums of a launch: `depth` matrices of rows x cols. */
typedef struct product {
    uint64_t rows, cols, depth;
} product;

/* Gives the table to the operations from `first` to `last`, and counts the blocks that the device may run. */
void blocks_install(tas_device *device, const block_table *table, op_id first, op_id last);

/* The device's name_variant. */
void blocks_name(const tas_device *device, op_id op, int variant, char *name);

/* The kernel for a product of a call, and the block that it is built for: that of device_choose_variant(), or the one
 * that costs least by the sizes. A kernel may allow less than the device does, or need more registers than
 * there are, so it is asked, and blocks that do not fit are not used from then on. */
tas_status blocks_get_kernel(tas_device *device, const op_args *call, const char *name, product p, block *b,
                             cl_kernel *out);

/* Work-groups that cover `depth` of the product's matrices. */
launch_range blocks_range(block b, product p, uint64_t depth);

#endif
