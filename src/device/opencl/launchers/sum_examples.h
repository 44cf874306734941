/* Sums over the examples of a tile on GPUs, by the rule of granules (ops/granule.h). Granules run in waves: each
 * granule of a wave has its own sums in scratch, which are then added in order to the total. */
#ifndef SUM_EXAMPLES_H
#define SUM_EXAMPLES_H

#include "device/opencl/opencl.h"

/* Sums that belong together: the gradient of a layer's weights, or of its biases. */
typedef struct cl_sums {
    uint64_t count;
    uint32_t granule;        /* examples; 0: one chain */
    const mem *total, *open; /* (count) each */
} cl_sums;

typedef struct cl_wave {
    uint32_t from;     /* the tile's example that it begins with */
    uint32_t within;   /* examples of its first granule that are before that one */
    uint32_t granule;  /* examples of a granule */
    uint32_t granules; /* those of the wave */
    bool begun;        /* the first granule has sums already, in `open` */
    const mem *open, *to;
} cl_wave;

/* Launches the sums of a wave: w->to (granules, count), the first of which go on from w->open if they are begun. */
typedef tas_status (*cl_launch_wave)(tas_device *device, const op_args *a, const mem *m, const cl_wave *w);

/* Bytes for the sums of a wave. */
uint64_t cl_wave_scratch(tas_device *device, const op_args *a, uint64_t count, uint32_t granule);

tas_status cl_sum_examples(tas_device *device, const op_args *a, const cl_sums *s, const mem *m, const mem *scratch,
                           cl_launch_wave launch);

/* The last arguments of a kernel that sums a wave; answers how many arguments there are now. */
int cl_put_wave(cl_arg *args, int count, const cl_wave *w);

/* A wave of the biases' gradient: m[0] is dy (n, outputs, positions). */
tas_status cl_bias_wave(tas_device *device, const op_args *a, uint32_t outputs, uint32_t positions, const mem *m,
                        const cl_wave *w);

#endif
