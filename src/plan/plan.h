/* The plan: batch and budget to a tile size and a map of memory, before anything is allocated. Pure: it is told the device's
 * limits, and asks for the sizes of layouts and scratch through the functions that it is given.
 *
 *     parameters  w of each tensor, as the device lays it out          one model
 *     gradient    sums over the batch, at the same offsets
 *     state       momentum, likewise
 *     open        sums over open granules, of layers that have granules
 *     values      the tile's inputs, activations and their gradients   grow with the tile
 *     batch       losses and hits of the batch's examples, their sums, the ring of losses, the record
 *     scratch     the most that any one call wants                     grows with the tile
 *     data        the data set, its targets and the order of an epoch
 */
#ifndef PLAN_H
#define PLAN_H

#include "model/network.h"

typedef enum plan_part {
    PART_PARAMETERS,
    PART_GRADIENT,
    PART_STATE,
    PART_OPEN,
    PART_VALUES,
    PART_BATCH,
    PART_SCRATCH,
    PART_DATA,
    PART_COUNT
} plan_part;

enum { RING = 1024, SUM_LEVELS = 4 }; /* steps whose losses the device keeps; 256^4 examples */

typedef struct plan_device {
    const char *id;
    uint64_t budget;    /* bytes in all */
    uint64_t max_alloc; /* bytes of one part */
    uint32_t align;     /* of a slice */
    void *self;
    uint32_t (*panel)(void *self, uint32_t rows, uint32_t cols);
    uint64_t (*scratch)(void *self, const op_args *args);
} plan_device;

typedef struct plan_work {
    bool training;
    uint32_t batch;                     /* or, in evaluation, the examples of the whole set */
    uint32_t tile_most;                 /* a tile larger than this is not wanted */
    uint64_t window;                    /* examples of the data set that lie on the device */
    uint64_t input_bytes, target_bytes; /* of one example in the data set */
} plan_work;

/* A slice of a part. */
typedef struct place {
    int part; /* a plan_part; -1: not in this plan */
    uint64_t offset, bytes;
} place;

typedef struct plan {
    uint32_t tile;
    uint64_t bytes[PART_COUNT], total;
    place *tensor;                                            /* one a tensor of the network */
    place sum[SUM_LEVELS], hit_sum[SUM_LEVELS], ring, record; /* in the batch part */
    place inputs, targets, order;                             /* in the data part */
} plan;

/* Bytes of a parameter, or of what lies like it, on that device. */
uint64_t plan_parameter_bytes(const plan_device *device, const tensor *t);

/* Makes the plan with a tile that fits: tile_most, or a half, a quarter, ... of it. The error names the smallest budget that would do.
 * Freed with plan_free(). */
tas_status plan_make(const tas_network *network, const plan_device *device, const plan_work *work, plan *out);
void plan_free(plan *p);

#endif
