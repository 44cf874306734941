/* The memory that a run works in, and the calls that run in it. */
#ifndef WORKSPACE_H
#define WORKSPACE_H

#include "data/dataset.h"
#include "model/model.h"

typedef struct source {
    mem inputs, targets, weights, order;
} source;

/* Host memory for a tile of a streamed set: what its upload reads, and what it waits for. */
typedef struct stage {
    host_mem memory;
    uint32_t *order; /* in it, as what follows is */
    float *weights;
    unsigned char *targets, *inputs;
    void *uploaded, *used; /* tickets: the upload has come; the device needs the stage no more */
} stage;

/* What of a step runs now, for those who look on. */
typedef struct step_place {
    const op_call *call; /* of the network's lists; NULL: another one */
    uint32_t tile;       /* from 0 on, */
    uint32_t first, n;   /* and its examples; n = 0: no tile */
    uint32_t batch;
} step_place;

/* What a step leaves to the next one: the parameters and the optimizer's slots, which are all of one size. The plan
 * has no bytes for the slots that the optimizer does not need. */
enum { WORKSPACE_PARTS = 3 };
extern const plan_part workspace_parts[WORKSPACE_PARTS];

/* The memory of a run: the parts of its plan, and a slice per tensor. The parameters belong to the model. */
typedef struct workspace {
    tas_device *device;
    const tas_network *network;
    plan plan;
    mem part[PART_COUNT];
    mem *tensor; /* one per tensor: where it lies in the pass and tile that run now */
    mem *slice;  /* pieces of the parts, of which the others here are copies; */
    int slice_count;
    mem *values, *kept; /* one per pass and tensor; per tensor and tile. NULL: a step has one pass */
    mem *scratch;       /* one per pass and call of the network; empty if it needs none */
    int pass;           /* that runs now */
    host_mem kept_host; /* what is kept, if it lies on the host */
    mem sum[SUM_LEVELS], correct_sum[SUM_LEVELS], weight_sum[SUM_LEVELS], weights, ring, first_bad, divisor;
    mem update_squares;
    mem shard_losses, shard_weights, shard_folds, node[TREE_WAITING]; /* see plan.h */
    mem stored[WORKSPACE_PARTS]; /* of each of workspace_parts, what belongs to the gradients that are stored */
    mem *group_gradients;        /* one per tensor: gradients of a group, see noise.h */
    mem *velocities;             /* likewise: of the parameter of a gradient that the update makes */
    mem *second_moments;         /* likewise: of a gradient's parameter, if the noise scale is preconditioned by it */
    mem norms, squares, preconditioned, noise_sum[SUM_LEVELS], noise_ring;
    uint32_t panel_width; /* examples of a panel, in what runs now */
    source source[STAGES];
    stage stage[STAGES];
    uint32_t tiles_fed; /* of a streamed set */
    int stuck;          /* times that the least plan was refused, in a row */
    bool evaluating;
    uint32_t epoch, at; /* of the tile: for masks */
    uint64_t seed;
    step_place place;
} workspace;

/* Whether the update makes gradients of this plan itself. */
static inline bool workspace_fuses(const workspace *w)
{
    return w->plan.stored.to - w->plan.stored.from < w->plan.trained;
}

/* Gives the gradients that are not stored the memory of the optimizer's state, for who looks at them; what is there is
 * lost. */
void workspace_lend_state(workspace *w);

/* Examples per tile in an evaluation, at most. */
enum { EVALUATE_MOST = 512 };

/* What a run over a data set asks of a plan. */
plan_request forecast_request(const tas_data *data, bool training, uint32_t batch, uint32_t tile);

/* The run measures the noise scale as well. least: the smallest batch that it may have; examples: those of the set;
 * tile: the largest that is wanted; 0 if there is no such number. preconditioned: and the preconditioned one. */
void forecast_request_noise(plan_request *request, const tas_network *network, uint32_t least, uint64_t examples,
                            uint32_t tile, bool preconditioned);

/* The run is one rank's: a range of the shards, and the optimizer's state and the update are the host's. */
void forecast_request_rank(plan_request *request);

/* Makes a plan and allocates its memory. If the device refuses memory that it reported to have, smaller plans are
 * tried, a note is logged, and *shrunk is set. */
tas_status workspace_open(workspace *w, tas_model *model, const plan_request *request, uint64_t budget, bool *shrunk);

/* After a refusal: releases all that grows with the tile and allocates less. The sums over the batch, the optimizer's
 * state and the ring of losses stay. TAS_NO_MEMORY if there is no smaller plan. */
tas_status workspace_shrink(workspace *w, tas_model *model, const plan_request *request);

/* Allocates everything again, after a failure that left nothing reliable on the device. The caller writes the model's
 * parameters. */
tas_status workspace_reallocate(workspace *w, tas_model *model, const plan_request *request);

/* The same on a device that is opened again (model_reopen). */
tas_status workspace_restore(workspace *w, tas_model *model, const plan_request *request);
void workspace_close(workspace *w);

/* Whether to begin again after that failure, in work that changes nothing. tile: the one of the failed attempt, 0 if it
 * did not get that far. The request then asks for smaller tiles; tiles of one example are retried a few times, as the
 * refusal may have been temporary. If the device fails again, or refuses all memory, the model is restored from the
 * host once, if the host has the parameters (model_mirror). */
typedef struct workspace_retries {
    int at_one, failures; /* {0} at first */
    bool restored;
} workspace_retries;
bool workspace_should_retry(tas_model *model, plan_request *request, workspace_retries *tries, tas_status status,
                            uint32_t tile);

/* Runs a call for a tile of n examples; the first of them is number `first` of the batch. The loss is followed by the
 * weights of the examples, if they have any. */
tas_status workspace_run(workspace *w, const op_call *call, uint32_t n, uint32_t first, uint32_t batch);

/* Runs a call that sums over examples for a part of the batch: fields as in op_args. */
typedef struct call_part {
    uint32_t n, first, batch, origin, shard;
    const mem *out; /* in place of the last operand that the call writes; NULL: that one */
} call_part;
tas_status workspace_run_part(workspace *w, const op_call *call, const call_part *part);

/* The scratch memory of a call in the pass that runs. */
static inline const mem *workspace_scratch(const workspace *w, const op_call *call)
{
    return &w->scratch[w->pass * network_calls(w->network) + call->number];
}

/* Makes w->tensor and w->pass those of a pass; then, for each tile, that of the tile, and loads what was kept of it on
 * the host. workspace_store() keeps what the tile has made, if it goes to the host. */
void workspace_begin_pass(workspace *w, int pass);
tas_status workspace_begin_tile(workspace *w, int pass, uint32_t tile);
tas_status workspace_store(workspace *w, int pass, uint32_t tile);

/* Sums `count` floats by the contract's blocks into the first of the levels, from block `at` on. */
tas_status workspace_sum_blocks(workspace *w, const mem *values, const mem *levels, uint32_t count, uint32_t at);

/* Sums the `count` sums in the first of the levels; *total is the slice that holds the last one. */
tas_status workspace_sum_levels(workspace *w, const mem *levels, uint32_t count, const mem **total);

#endif
