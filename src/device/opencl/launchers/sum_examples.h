/* Sums over the examples of a tile on GPUs, by the rule of granules (ops/granule.h). Granules are summed in passes:
 * each granule of a pass has its own sums in scratch, which are then added in order to the total. */
#ifndef SUM_EXAMPLES_H
#define SUM_EXAMPLES_H

#include "device/opencl/launch.h"

/* Sums that belong together: the gradient of a layer's weights, or of its biases; or of its weights, and beside them of
 * its biases. */
typedef struct example_sums {
    uint64_t count;
    uint32_t granule;                     /* examples; 0: one chain */
    const mem *total, *partial;           /* (count) each */
    uint32_t biases;                      /* 0: no others beside them */
    const mem *bias_total, *bias_partial; /* (biases) each; without them those of the weights stand in */
} example_sums;

/* operand: the total and the partial sums, and then those of the biases; NULL: only sizes matter. */
example_sums sum_examples_of(uint64_t count, uint32_t biases, uint32_t granule, const mem *operand);

typedef struct granule_pass {
    uint32_t from;     /* the tile's example that it begins with */
    uint32_t within;   /* examples of its first granule that come before that one */
    uint32_t granule;  /* examples of a granule */
    uint32_t granules; /* those of the pass */
    bool begun;        /* the first granule already has sums, in `partial` */
    const mem *partial, *to;
    /* The same of biases; any others without them. */
    const mem *bias_partial, *bias_to;
    uint32_t biased;
    uint32_t bias_at; /* the place of the first granule's in bias_to, */
    uint32_t stride;  /* and from a granule's sums to the next one's, in `to` as well */
} granule_pass;

/* Launches the sums of a pass, the first of which continue from p->partial if they are begun. */
typedef tas_status (*granule_launch)(tas_device *device, const op_args *a, const mem *m, const granule_pass *p);

/* Bytes for the sums of a pass. */
uint64_t sum_examples_scratch(tas_device *device, const op_args *a, const example_sums *s);

/* Sums a tile: launches its passes, and adds each to the total. */
tas_status sum_examples_run(tas_device *device, const op_args *a, const example_sums *s, const mem *m,
                            const mem *scratch, granule_launch launch);

/* Adds the last arguments of a kernel that sums a pass. */
void sum_examples_add_pass(launch_args *args, const granule_pass *p);

/* And behind them, of one that can sum biases as well, their places. */
void sum_examples_add_biases(launch_args *args, const granule_pass *p);

/* A pass over the biases' gradient: m[0] is dy (n, outputs, positions). */
tas_status sum_examples_bias(tas_device *device, const op_args *a, uint32_t outputs, uint32_t positions, const mem *m,
                             const granule_pass *p);

#endif
