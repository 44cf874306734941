/* The plan: batch and budget to a tile size and a map of memory, before anything is allocated. Pure: it is told the
 * device's limits, and asks for the sizes of layouts and scratch through the functions that it is given.
 *
 *     parameters  w of each tensor, as the device lays it out          one model
 *     gradient    sums over the batch, at the same offsets
 *     state       momentum, likewise
 *     second      Adam's mean of squares, likewise
 *     open        sums over open granules, of layers that have granules
 *     values      the tile's inputs, activations and their gradients   grow with the tile; places are shared by
 *                 lifetime
 *     batch       losses and hits of the batch's examples, their sums, the ring of losses, the record
 *     noise       where the noise scale is measured: a group's gradient, norms of examples, sums of squares, a ring of
 *                 them
 *     scratch     the most that any one call wants                     grows with the tile
 *     staging     two tiles of the data set, where it is streamed      grows with the tile
 *     data        or else the whole set, its targets and the order of an epoch
 *
 * and of the host's, which counts towards the budget if the device shares it:
 *
 *     copy        parameters, state and second, as the last snapshot has them; in evaluation the parameters alone
 *     order       of an epoch, or of a tile
 *     stages      two tiles of the data set, or what it passes through on its way to the device
 */
#ifndef PLAN_H
#define PLAN_H

#include "plan/noise_schedule.h"

typedef enum plan_part {
    PART_PARAMETERS,
    PART_GRADIENT,
    PART_STATE,
    PART_STATE_2,
    PART_PARTIAL,
    PART_VALUES,
    PART_BATCH,
    PART_NOISE,
    PART_SCRATCH,
    PART_STAGING,
    PART_DATA,
    PART_COUNT
} plan_part;

extern const char *const plan_part_names[PART_COUNT];

enum {
    RING = 1024,      /* steps whose losses the device keeps */
    SUM_LEVELS = 4,   /* 256^4 examples */
    NOISE_SUMS = 4,   /* of a step: parts and whole of dense layers, parts and whole of the others */
    STAGES = 2,       /* tiles of a streamed set: one is filled while the other is used */
    MAX_TILE = 65520, /* examples: enough to be busy with; GPUs take 65535 groups in dimension 1 */
    UPLOAD = 1 << 18, /* bytes of a set that pass through the host at once */
    USEFUL_TILE = 48  /* examples: a larger tile is worth less than a set that lies on the device */
};

typedef struct plan_device {
    const char *id;
    uint64_t budget;    /* bytes in all */
    uint64_t max_alloc; /* bytes of one part */
    uint32_t align;     /* of a slice */
    bool shared;        /* host memory counts towards the budget */
    uint32_t snapshots; /* copies on the host of what a step leaves to the next one */
    void *self;
    uint32_t (*weight_panel)(void *self, uint32_t rows, uint32_t cols);
    uint32_t (*batch_panel)(void *self, uint32_t tile);
    uint64_t (*scratch)(void *self, const op_args *args); /* of as many lanes, no less for more examples */
} plan_device;

typedef enum host_copy { COPY_NONE, COPY_PARAMETERS, COPY_SNAPSHOT } host_copy;

typedef struct plan_request {
    bool training;
    uint32_t batch;                     /* or, in evaluation, the examples of the whole set */
    uint32_t max_tile;                  /* a tile larger than this is not wanted */
    uint64_t resident;                  /* examples of the set, where it may lie on the device; 0: it is streamed */
    uint64_t input_bytes, target_bytes; /* of one example in the data set */
    noise_schedule noise;               /* {0}: it is not measured */
    int slots;                          /* values that the optimizer keeps per parameter: 0 to 2 */
    uint64_t order;                     /* examples whose order the host holds; 0: those of a tile */
    host_copy copy;                     /* what the host keeps in case the device fails */
} plan_request;

/* A slice of a part. */
typedef struct region {
    int part; /* a plan_part; -1: not in this plan */
    uint64_t offset, bytes;
} region;

typedef struct plan_source {
    region inputs, targets, order; /* rows of the set, and which of them are meant */
} plan_source;

typedef struct plan {
    uint32_t tile;
    uint32_t panel_width;      /* examples of a panel (LAYOUT_BATCH_PANELS) */
    uint32_t step_panel_width; /* the same in a step, whose batch may be smaller than the tile of a probe */
    bool resident;             /* the set lies in the data part, else it passes through the staging part */
    uint32_t
        chunk; /* examples whose losses and hits there is room for: the batch; in evaluation whole blocks of sums */
    uint64_t bytes[PART_COUNT];
    uint64_t host; /* bytes of host memory */
    uint32_t snapshots;
    uint64_t snapshot;                                                /* bytes of one; of the host's */
    uint64_t total;                                                   /* what counts towards the budget */
    region *tensor;                                                   /* one a tensor of the network */
    region sum[SUM_LEVELS], correct_sum[SUM_LEVELS], ring, first_bad; /* in the batch part */
    plan_source source[STAGES];                                       /* resident: the first alone */
    region *group_gradients; /* one a tensor: of groups' gradients, in the noise part */
    region norms, squares, noise_sum[SUM_LEVELS], noise_ring; /* there, see train/measure.h */
    uint32_t group_squares;                                   /* sums of squares of one group's gradients */
} plan;

/* Bytes of a parameter, or of what lies like it, on that device. */
uint64_t plan_parameter_bytes(const plan_device *device, const tensor *t);

/* Sums of squares that a gradient is cut into (OP_SQUARE_ROWS, OP_SQUARE_BLOCKS). */
uint32_t plan_squares(const tensor *t);

/* Examples that pass through the host at once when a set of so many is put on the device. */
uint64_t plan_upload(uint64_t example_bytes, uint64_t count);

/* Makes the plan: the largest tile that the budget allows, evened out over the batch; the set on the device where a
 * tile of USEFUL_TILE (or of max_tile) still fits beside it. The error names the least budget. Freed with plan_free().
 */
tas_status plan_make(const tas_network *network, const plan_device *device, const plan_request *request, plan *out);

/* The plan with exactly that tile, whatever the budget; TAS_NO_MEMORY where a part is larger than the device gives. */
tas_status plan_with(const tas_network *network, const plan_device *device, const plan_request *request, uint32_t tile,
                     bool resident, plan *out);

/* The least budget with which plan_make() succeeds: over every tile, resident and streamed. 0: none would do, for a
 * part is larger than the device gives in one piece. */
tas_status plan_smallest_budget(const tas_network *network, const plan_device *device, const plan_request *request,
                                uint64_t *bytes);

/* The largest batch that fits in one tile; 0: none. */
tas_status plan_largest_untiled(const tas_network *network, const plan_device *device, const plan_request *request,
                                uint32_t *batch);

/* The error of a budget that is too small. */
tas_status plan_too_small(tas_context *context, const plan_device *device, uint64_t smallest);
void plan_free(plan *p);

#endif
