/* Sums over the examples of a tile on GPUs, by the rule of granules (ops/granule.h). Granules run in passes: each
 * granule of a pass has its own sums in scratch, which are then added in order to the total. */
#ifndef SUM_EXAMPLES_H
#define SUM_EXAMPLES_H

#include "device/opencl/opencl.h"

/* Sums that belong together: the gradient of a layer's weights, or of its biases. */
typedef struct cl_sums {
    uint64_t count;
    uint32_t granule;           /* examples; 0: one chain */
    const mem *total, *partial; /* (count) each */
} cl_sums;

typedef struct granule_pass {
    uint32_t from;     /* the tile's example that it begins with */
    uint32_t within;   /* examples of its first granule that are before that one */
    uint32_t granule;  /* examples of a granule */
    uint32_t granules; /* those of the pass */
    bool begun;        /* the first granule has sums already, in `open` */
    const mem *partial, *to;
} granule_pass;

/* Launches the sums of a pass: w->to (granules, count), the first of which go on from w->partial if they are begun. */
typedef tas_status (*launch_granule_pass)(tas_device *device, const op_args *a, const mem *m, const granule_pass *w);

/* Bytes for the sums of a pass. */
uint64_t sum_examples_scratch(tas_device *device, const op_args *a, uint64_t count, uint32_t granule);

tas_status cl_sum_examples(tas_device *device, const op_args *a, const cl_sums *s, const mem *m, const mem *scratch,
                           launch_granule_pass launch);

/* The last arguments of a kernel that sums a pass; answers how many arguments there are now. */
int sum_examples_put(cl_arg *args, int count, const granule_pass *w);

/* A pass of the biases' gradient: m[0] is dy (n, outputs, positions). */
tas_status sum_examples_bias(tas_device *device, const op_args *a, uint32_t outputs, uint32_t positions, const mem *m,
                             const granule_pass *w);

#endif
