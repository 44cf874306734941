/* The part of a run over ranks that all of them do together: see ranks.h. */
#ifndef RANKED_H
#define RANKED_H

#include "train/run.h"
#include "train/slices.h"
#include "train/step.h"

/* Rows that were shared in a step, in case its gradient has to be computed again here. */
typedef struct ranked_rows {
    host_mem memory;
    float *values; /* in it */
    bool shared;
} ranked_rows;
enum { RANKED_ROWS = 4096 /* calls for the whole batch in a step, at most */ };

/* Of a bucket of parameters (slices.h), in a step. */
typedef struct ranked_bucket {
    int awaited;       /* gradients that are not queued yet */
    void *made, *read; /* tickets: they are on the device; they are in `packed` */
    bool summed;       /* over all ranks */
} ranked_bucket;

/* Bytes of host memory that a rank needs besides what a run on one device needs. */
typedef struct ranked_memory {
    uint64_t vector, packed; /* of each node; vector: and of the weights */
    uint64_t slot;           /* its slices of each slot */
    uint64_t message;        /* out and in, each */
    uint64_t losses, rows;   /* of shards: losses and weights; statistics of the batch */
    uint64_t all;
} ranked_memory;

typedef struct ranked {
    struct tas_ranks *ranks;
    exchange exchange;
    slices slices;
    bool told;         /* the other ranks have the run as well */
    bool open;         /* shares are known: the above are there */
    uint32_t from, to; /* this rank's shards */
    ranked_memory memory;
    host_mem block[HALVING_NODES][2]; /* of the following two */
    float *vector[HALVING_NODES];     /* the gradient of each node, */
    char *packed[HALVING_NODES];      /* and in the device's layout, if vectors are in another */
    host_mem weights_memory, losses_memory, messages[2];
    float *weights;
    int nodes;             /* those that have examples in this step */
    ranked_bucket *bucket; /* one for each of the slices' */
    int *bucket_of;        /* one per tensor, for parameters that are trained */
    ranked_rows *rows;
    int next_rows;
    step_peers peers;
    void *written;                   /* ticket: the weights of the snapshot are on the device */
    const run_step *step;            /* that runs */
    uint64_t updated;                /* the last step of which all slices are there; the device may not have it */
    float *losses, *example_weights; /* rows of one value: sums of each shard */
    void *rows_made, *rows_read;     /* tickets: this rank's are on the device; they have come */
    float loss, divisor[DIVISOR_VALUES];
    uint32_t record[2];
    double warm_seconds;                     /* the shortest step of the warm-up, with an even share */
    double gradient_seconds, update_seconds; /* spent so far, */
    double beside_seconds, beside_waited;    /* and in exchanges while the device had gradients to compute */
    double longest;                          /* of a gradient */
} ranked;

/* What of a batch this rank computes. */
step_batch ranked_batch(const tas_run *run, const run_step *step);

/* The memory of a rank. packed: bytes of a gradient in its device's layout. */
tas_status ranked_measure(const slices *s, uint32_t rank, uint64_t packed, ranked_memory *out);

/* All of it, if the devices of all ranks use the same layout. share: NULL for even ones. rank: -1 for the one that
 * needs the most. Of the options optimizer, clip and shards count. */
tas_status ranked_host_bytes(tas_device *device, const tas_network *network, const tas_train_options *options,
                             const uint32_t *share, uint32_t count, int rank, uint64_t *bytes);

/* Opens what depends on shares, and closes it. as_devices: see slices_open(). */
tas_status ranked_open(tas_run *run, const uint32_t *share, bool as_devices);
void ranked_close(tas_run *run);

/* A step on all ranks: the gradient of this rank's shards, the sum, the update of its slices, and all weights. Run by
 * all of them at once. run->ranked->loss and record are then those of the step. */
tas_status ranked_step(tas_run *run, const run_step *step, const optimizer_step *of);

/* Weights, statistics and slots, from rank 0 to all, and from all to rank 0: in its device's layout, as piece.h has
 * them. from: NULL on other ranks, and for the weights that the model has, with slots of 0. to: NULL on other ranks. */
tas_status ranked_put(tas_run *run, const char *from, uint64_t step);

/* The same as ranked_get() from the runs of other ranks that have stopped after the same step. */
void ranked_get_stopped(tas_run *run, tas_run *const *others, int count, char *to);
tas_status ranked_get(tas_run *run, char *to);

#endif
