/* A model on its device, and the memory that a run works in. */
#ifndef MODEL_H
#define MODEL_H

#include "data/data.h"
#include "device/device.h"
#include "model/network.h"
#include "plan/plan.h"

#include <tassello/model.h>

#include <stdatomic.h>

struct tas_model {
    tas_context *context;
    tas_device *device;
    tas_network *network; /* its own */
    uint64_t seed;
    plan_device limits;
    mem parameters;       /* the whole part */
    plan places;          /* of the parameters alone */
    atomic_int cancelled; /* set by signal handlers and other threads */
};

/* The memory of a run: parts that a plan asked for, and a slice a tensor. Parameters are the model's. */
typedef struct workspace {
    tas_device *device;
    const tas_network *network;
    plan plan;
    mem part[PART_COUNT];
    mem *tensor;
    mem sum[SUM_LEVELS], hit_sum[SUM_LEVELS], ring, record;
    mem inputs, targets, order;
} workspace;

/* Plans and takes memory; each part is touched, since drivers allocate lazily. */
tas_status workspace_open(workspace *w, tas_model *model, const plan_work *work, uint64_t budget);
void workspace_close(workspace *w);

/* Runs a list of calls for a tile of n examples, the first of which is `first` in the batch. */
tas_status run_calls(workspace *w, const op_call *calls, int count, uint32_t n, uint32_t first, uint32_t batch);

/* Sums count floats into the last of the slices, by the contract's blocks; *total is that slice. */
tas_status run_sum(workspace *w, const mem *values, const mem *levels, uint32_t count, const mem **total);

/* The feed ---------------------------------------------------------------------------------------------------------- */

/* Checks that a data set fits the network: sizes, classes, kind of targets. */
tas_status check_data(const tas_network *network, const tas_data *data);

/* Brings examples first .. first+n-1 of the set onto the device, as they are. */
tas_status feed_upload(workspace *w, const tas_data *data, uint64_t first, uint32_t n);

/* Gathers, normalises and casts the tile of n examples that starts at entry `at` of the order. */
tas_status feed_tile(workspace *w, const tas_data *data, uint32_t at, uint32_t n);

#endif
