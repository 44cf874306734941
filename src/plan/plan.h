/* The plan: from batch and budget to a tile and a map of memory, before anything is allocated. Pure: the device's
 * limits are numbers, and sizes of layouts and scratch come from functions that it is given.
 *
 *     parameters    w of each tensor, as the device lays it out           one model
 *     gradient      sums over the batch, at the same offsets
 *     state         momentum, likewise
 *     second state  Adam's mean of squares, likewise
 *     partial sums  sums over granules that are not complete, of layers that have granules smaller than the batch
 *     node sums     sums over leaves of the batch that wait for others, each as large as the gradient (shards.h)
 *     values        the tile's inputs, activations and their gradients,   grow with the tile; what is not needed at
 *                   and what single calls need while they run             the same time shares memory
 *     kept values   what a pass over the tiles leaves to a later one      grow with the batch, unless they are on the
 *                   (passes.h), for the whole batch                       host
 *     batch         losses and correct answers of the batch's examples, their sums, the ring of losses, the first bad
 *                   step; statistics of the batch; constants of the network's text
 *     noise         if the noise scale is measured: a group's gradient, norms of examples, sums of squares and a ring;
 *                   for the preconditioned one further sums of squares, and a group's gradient of dense layers, too
 *     staging       two tiles of the data set, if it is streamed          grows with the tile
 *     data          or else the whole set, its targets and the order of an epoch
 *
 * and of the host's memory, which counts towards the budget if the device shares it:
 *
 *     copy          parameters and state, as the last snapshot has them; in evaluation the parameters alone
 *     order         of an epoch, or of a tile
 *     stages        two tiles of the data set, or the piece of it that is on its way to the device
 *     kept values   if the device's budget does not allow them
 */
#ifndef PLAN_H
#define PLAN_H

#include "plan/noise_schedule.h"
#include "plan/passes.h"
#include "plan/shards.h"

typedef enum plan_part {
    PART_PARAMETERS,
    PART_GRADIENT,
    PART_STATE,
    PART_STATE_2,
    PART_PARTIAL,
    PART_NODES,
    PART_VALUES,
    PART_KEPT,
    PART_BATCH,
    PART_NOISE,
    PART_STAGING,
    PART_DATA,
    PART_COUNT
} plan_part;

extern const char *const plan_part_names[PART_COUNT];

enum {
    RING = 1024,         /* steps whose losses the device keeps */
    SUM_LEVELS = 4,      /* 256^4 examples */
    NOISE_SUMS = 4,      /* per step: parts and whole of dense layers, parts and whole of the others; */
    NOISE_SUMS_MOST = 6, /* and preconditioned, of all layers */
    STAGES = 2,          /* tiles of a streamed set: one is filled while the other is used */
    MAX_TILE = 65520,    /* examples: enough to keep a device busy; GPUs allow 65535 groups in dimension 1 */
    UPLOAD = 1 << 18,    /* bytes of a set that pass through the host at once */
    USEFUL_TILE = 48     /* examples: a larger tile is worth less than a data set on the device */
};

typedef struct plan_device {
    const char *id;
    uint64_t budget;    /* bytes in total */
    uint64_t max_alloc; /* bytes of one part */
    uint32_t align;     /* of a region */
    bool shared;        /* host memory counts towards the budget */
    uint32_t snapshots; /* copies on the host of what one step leaves to the next */
    void *self;
    uint32_t (*weight_panel)(void *self, uint32_t rows, uint32_t cols);
    uint32_t (*batch_panel)(void *self, uint32_t tile);
    uint64_t (*scratch)(void *self, const op_args *args); /* bytes */
} plan_device;

/* What the host keeps in case the device fails. */
typedef enum host_copy { COPY_NONE, COPY_PARAMETERS, COPY_SNAPSHOT } host_copy;

typedef struct plan_request {
    bool training;
    uint32_t batch;                     /* in evaluation the examples of the whole set */
    uint32_t max_tile;                  /* the largest tile that is wanted */
    uint32_t shards;                    /* in which each batch is cut; 0 stands for 1 */
    bool some_shards;                   /* a range of them, and not all, is computed here */
    uint64_t resident;                  /* examples of a set that may be put on the device; 0: it is streamed */
    uint64_t input_bytes, target_bytes; /* per example of the data set */
    bool weights;                       /* its examples have weights; those of a network with weights of classes do */
    noise_schedule noise;               /* {0}: it is not measured */
    int slots;                          /* values that the optimizer keeps per parameter: 0 to 2 */
    bool clips, adapts;                 /* the update needs sums of squares: of the whole gradient; of two tensors */
    bool fuses;     /* the update may make gradients itself, in steps of one tile: see network_fuses() */
    bool spills;    /* what passes keep goes to the host, even if the device has room */
    uint64_t order; /* examples whose order the host holds; 0: those of a tile */
    host_copy copy;
    uint64_t exchange;   /* bytes of host memory for the exchange between ranks; 0: the run is over none */
    uint32_t run_copies; /* further ones of what one step leaves to the next */
} plan_request;

/* Bytes from .. to-1 of a part. */
typedef struct plan_range {
    uint64_t from, to;
} plan_range;

/* A piece of a part. */
typedef struct region {
    int part; /* a plan_part; -1: not in this plan */
    uint64_t offset, bytes;
} region;

/* Rows of the set, and which of them are meant. */
typedef struct plan_source {
    region inputs, targets, weights, order; /* weights: only if the plan is weighted */
} plan_source;

typedef struct plan {
    uint32_t tile;
    uint32_t panel_width; /* examples per panel (LAYOUT_BATCH_PANELS) */
    bool shares_copies;   /* of values in the other layout: they are where their sources are, as both layouts are one */
    uint32_t step_panel_width; /* the same in a step, whose batch may be smaller than the tile of a probe */
    uint32_t shards;           /* in which each batch is cut, at least 1 */
    bool weighted;             /* examples have weights */
    bool resident;             /* the set is in the data part, else it passes through the staging part */
    /* Examples for whose losses there is room: the batch; in evaluation whole blocks of sums. */
    uint32_t chunk;

    uint64_t bytes[PART_COUNT];
    plan_range stored;         /* of the parameters: whose gradients are stored, and not left to the update */
    uint64_t decayed, trained; /* of the parameters: the first so many bytes are of weights; and all but statistics */
    uint64_t host;             /* bytes of host memory, */
    uint64_t snapshot;         /* of which one snapshot takes so many; */
    uint32_t snapshots;        /* how many there are */
    uint64_t total;            /* what counts towards the budget */

    passes passes;
    region *tensor;  /* one per tensor of the network; of a value its place in the first pass that has one */
    region *values;  /* one per pass and tensor: where a value lies in that pass; NULL: there is one pass */
    region *scratch; /* one per pass and call of the network: in the part of values; part -1: it needs none */
    int *replaces;   /* one per pass and tensor: the value whose memory it takes over; NO_TENSOR: none */
    struct {
        region *region;  /* one per tensor, for all tiles; part -1: it is not kept */
        uint64_t *bytes; /* and of one tile */
        uint32_t tiles;
        uint64_t host; /* bytes on the host, if they are there; the offsets are then in this memory */
        bool spilled;
    } kept;

    region sum[SUM_LEVELS], correct_sum[SUM_LEVELS], ring, first_bad; /* in the batch part */
    region weights, weight_sum[SUM_LEVELS];                           /* likewise, if it is weighted */
    region divisor, update_squares;                                   /* training only */
    /* In training with shards: a row for each, of its sum of losses, of weights, of a fold of the whole batch. */
    region shard_losses, shard_weights, shard_folds;
    uint32_t nodes;             /* of the part of node sums: pieces of memory, each as large as the gradient */
    plan_source source[STAGES]; /* resident: only the first */

    /* In the noise part (train/noise.h): one per tensor, and how many sums of squares a group's gradients make. */
    region *group_gradients;
    region norms, squares, noise_sum[SUM_LEVELS], noise_ring;
    uint32_t group_squares;
    region preconditioned; /* sums of squares, likewise: */
    uint32_t preconditioned_squares;
    uint32_t noise_sums; /* figures in the ring of each measured step */
} plan;

/* Bytes of a parameter on that device, and of its gradient and state. */
uint64_t plan_parameter_bytes(const plan_device *device, const tensor *t);

/* Sums of squares into which a gradient is cut (OP_SQUARE_ROWS, OP_SQUARE_BLOCKS). */
uint32_t plan_squares(const tensor *t);

/* Examples that pass through the host at once when a set of so many is put on the device. */
uint64_t plan_upload(uint64_t example_bytes, uint64_t count);

/* Examples of the largest tile of a step with that batch, which may be smaller than the request's; a probe's may be
 * larger. And how many tiles the batch has. */
uint32_t plan_step_tile(const plan *p, const tas_network *network, uint32_t batch);
uint64_t plan_step_tiles(const plan *p, const tas_network *network, uint32_t batch);

/* Makes the plan: the largest tile that the budget allows, evened out over the batch, and the set on the device if a
 * tile of USEFUL_TILE (or of max_tile) still fits beside it. If there is none, the error names the smallest sufficient
 * budget. Freed with plan_free(). */
tas_status plan_make(const tas_network *network, const plan_device *device, const plan_request *request, plan *out);

/* The plan with exactly that tile, whatever the budget; TAS_NO_MEMORY if a part is larger than one allocation. */
tas_status plan_with(const tas_network *network, const plan_device *device, const plan_request *request, uint32_t tile,
                     bool resident, plan *out);

/* The smallest budget with which plan_make() succeeds: the minimum over every tile, resident and streamed. 0: none is
 * sufficient, as a part is larger than one allocation. */
tas_status plan_smallest_budget(const tas_network *network, const plan_device *device, const plan_request *request,
                                uint64_t *bytes);

/* The largest batch that fits in one tile, or with shards each of them does; 0: none. */
tas_status plan_largest_untiled(const tas_network *network, const plan_device *device, const plan_request *request,
                                uint32_t *batch);

/* The error of a budget that is too small. */
tas_status plan_too_small(tas_context *context, const plan_device *device, uint64_t smallest);
void plan_free(plan *p);

#endif
