/* The memory that a run works in, and the calls that run in it. */
#ifndef WORKSPACE_H
#define WORKSPACE_H

#include "data/dataset.h"
#include "model/model.h"

typedef struct source {
    mem inputs, targets, order;
} source;

/* A streamed set on the host: what a tile's upload reads, and what it waits for. */
typedef struct stage {
    host_mem memory;
    uint32_t *order; /* in it, as what follows is */
    unsigned char *targets, *inputs;
    void *uploaded, *used; /* tickets: the upload has come; the device needs the stage no more */
} stage;

/* The memory of a run: parts that a plan asked for, and a slice a tensor. Parameters are the model's. */
typedef struct workspace {
    tas_device *device;
    const tas_network *network;
    plan plan;
    mem part[PART_COUNT];
    mem *tensor;
    mem sum[SUM_LEVELS], correct_sum[SUM_LEVELS], ring, first_bad;
    mem *group_gradients; /* one a tensor: gradients of a group, see measure.h */
    mem norms, squares, noise_sum[SUM_LEVELS], noise_ring;
    uint32_t panel_width; /* examples of a panel, in what runs now */
    source source[STAGES];
    stage stage[STAGES];
    uint32_t tiles_fed;
    int stuck; /* times that the least plan was refused, in a row */
    bool evaluating;
    uint32_t epoch, at; /* of the tile: for masks */
    uint64_t seed;
} workspace;

enum { EVALUATE_MOST = 512 }; /* examples a tile, of an evaluation */

/* What a run over a set asks of a plan. */
plan_request plan_request_for(const tas_data *data, bool training, uint32_t batch, uint32_t tile);

/* The noise scale is measured, too. examples and tile: of the set, and at most; 0 where there is none. */
void plan_request_noise(plan_request *request, const tas_network *network, uint64_t examples, uint32_t tile);

/* Plans and takes memory; each part is touched, since drivers allocate lazily. Where the device refuses what it
 * promised, smaller plans are tried; *cut tells that it did, as the log is told. */
tas_status workspace_open(workspace *w, tas_model *model, const plan_request *request, uint64_t budget, bool *shrunk);

/* Smaller tiles, after a refusal: gives back all that grows with the tile, and takes less. The sums over the batch, the
 * optimiser's state and the ring of losses stay. TAS_NO_MEMORY where there is no smaller plan. */
tas_status workspace_shrink(workspace *w, tas_model *model, const plan_request *request);
/* All of it anew, after a failure that left nothing on the device to be trusted. The model's parameters are the
 * caller's to write. */
tas_status workspace_reallocate(workspace *w, tas_model *model, const plan_request *request);
/* The same in a device that was opened anew (model_reopen). */
tas_status workspace_restore(workspace *w, tas_model *model, const plan_request *request);
void workspace_close(workspace *w);

/* Whether work that changes nothing is begun again after that failure, which the device met with such a tile (0: it did
 * not come to one): in smaller ones, as *work then asks, and a few times more in tiles of one example, which may have
 * met a passing refusal. Once, where the device fails again or not even gives memory, on the device opened anew, if the
 * host has the parameters (model_mirror). */
typedef struct retries {
    int at_one, failures; /* {0} at first */
    bool renewed;
} retries;
bool workspace_should_retry(tas_model *model, plan_request *request, retries *tries, tas_status status, uint32_t tile);

/* Runs a list of calls for a tile of n examples, the first of which is `first` in the batch. */
tas_status run_calls(workspace *w, const op_call *calls, int count, uint32_t n, uint32_t first, uint32_t batch);

/* Sums count floats into the first of the slices, from block `at` on, by the contract's blocks. */
tas_status run_block_sums(workspace *w, const mem *values, const mem *levels, uint32_t count, uint32_t at);

/* Sums the count sums that lie in the first of the slices; *total is the slice with the one that is left. */
tas_status run_sum_levels(workspace *w, const mem *levels, uint32_t count, const mem **total);

#endif
