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
    char *training;  /* what checkpoints say of how the weights came about; NULL: nothing */
    uint64_t budget; /* of evaluation and prediction, and of training that has none of its own; 0: the device's */
    plan_device limits;
    mem parameters;       /* the whole part */
    plan places;          /* of the parameters alone */
    atomic_int cancelled; /* set by signal handlers and other threads */
    bool told;            /* that its device broke its word */
    char *kept;           /* the parameters on the host, as the device lays them out; NULL: the device alone has them */
    bool gone;            /* the device has lost them */
};

/* Says, once a model, that its device broke its word: how, as the context's error has it, and what becomes of that. */
void model_tell(tas_model *model, const char *goes_on);

/* Whether what the device refused is asked for again, as it may refuse once what it can do: some times in all. *tries counts, from 0. */
bool model_asks_again(tas_model *model, tas_status status, int *tries);

/* Takes the parameters' memory and fills it with those of the seed. */
tas_status model_init(tas_model *model);

/* Of the parameter that is tensor `index`, in canonical order. */
tas_status model_write_parameter(tas_model *model, int index, const float *values);
tas_status model_read_parameter(tas_model *model, int index, float *values);

/* A context that is lost takes all with it. keep: the host has the parameters, too, until they change (forget), if that goes well. lose: the
 * host alone has them, and these (as the device lays them out). renew: the device is opened anew, where nobody
 * else holds memory of it, and has memory for them, which holds nothing. revive: the same, and they are there again, from the host; gone where
 * that fails. */
void model_keep(tas_model *model);
void model_forget(tas_model *model);
void model_lose(tas_model *model, const char *values);
tas_status model_renew(tas_model *model);
tas_status model_revive(tas_model *model);

typedef struct source {
    mem inputs, targets, order;
} source;

/* A streamed set on the host: what a tile's upload reads, and what it waits for. */
typedef struct stage {
    unsigned char *inputs, *targets;
    uint32_t *order;
    void *uploaded, *used; /* tickets: the upload has come; the device needs the stage no more */
} stage;

/* The memory of a run: parts that a plan asked for, and a slice a tensor. Parameters are the model's. */
typedef struct workspace {
    tas_device *device;
    const tas_network *network;
    plan plan;
    mem part[PART_COUNT];
    mem *tensor;
    mem sum[SUM_LEVELS], hit_sum[SUM_LEVELS], ring, record;
    mem *spare; /* one a tensor: gradients of a group, see measure.h */
    mem norms, squares, noise_sum[SUM_LEVELS], noise_ring;
    uint32_t lanes; /* examples of a panel, in what runs now */
    source source[STAGES];
    stage stage[STAGES];
    uint32_t tiles_fed;
    int stuck; /* times that the least plan was refused, in a row */
    bool evaluating;
    uint32_t epoch, at; /* of the tile: for masks */
    uint64_t seed;
} workspace;

/* What a device allows. */
plan_device device_limits(tas_device *device);

/* The same for a model, with a budget in place of its own (0: none). */
plan_device model_limits(const tas_model *model, uint64_t budget);

enum { EVALUATE_MOST = 512 }; /* examples a tile, of an evaluation */

/* What a run over a set asks of a plan. */
plan_work work_of(const tas_data *data, bool training, uint32_t batch, uint32_t tile);

/* The noise scale is measured, too. examples and tile: of the set, and at most; 0 where there is none. */
void work_measured(plan_work *work, const tas_network *network, uint64_t examples, uint32_t tile);

/* Plans and takes memory; each part is touched, since drivers allocate lazily. Where the device refuses what it promised, smaller plans are
 * tried; *cut tells that it did, as the log is told. */
tas_status workspace_open(workspace *w, tas_model *model, const plan_work *work, uint64_t budget, bool *cut);

/* Smaller tiles, after a refusal: gives back all that grows with the tile, and takes less. The sums over the batch, the optimiser's state
 * and the ring of losses stay. TAS_NO_MEMORY where there is no smaller plan. */
tas_status workspace_cut(workspace *w, tas_model *model, const plan_work *work);
/* All of it anew, after a failure that left nothing on the device to be trusted. The model's parameters are the caller's to write. */
tas_status workspace_renew(workspace *w, tas_model *model, const plan_work *work);
/* The same in a device that was opened anew (model_renew). */
tas_status workspace_revive(workspace *w, tas_model *model, const plan_work *work);
void workspace_close(workspace *w);

/* Whether work that changes nothing is begun again after that failure, which the device met with such a tile (0: it did not come to one): in
 * smaller ones, as *work then asks, and a few times more in tiles of one example, which may have met a passing refusal. Once, where the device
 * fails again or not even gives memory, on the device opened anew, if the host has the parameters (model_keep). */
typedef struct work_tries {
    int at_one, failures; /* {0} at first */
    bool renewed;
} work_tries;
bool work_again(tas_model *model, plan_work *work, work_tries *tries, tas_status status, uint32_t tile);

/* Runs a list of calls for a tile of n examples, the first of which is `first` in the batch. */
tas_status run_calls(workspace *w, const op_call *calls, int count, uint32_t n, uint32_t first, uint32_t batch);

/* Sums count floats into the first of the slices, from block `at` on, by the contract's blocks. */
tas_status run_block_sums(workspace *w, const mem *values, const mem *levels, uint32_t count, uint32_t at);

/* Sums the count sums that lie in the first of the slices; *total is the slice with the one that is left. */
tas_status run_sum_levels(workspace *w, const mem *levels, uint32_t count, const mem **total);

/* The feed ---------------------------------------------------------------------------------------------------------- */

/* Checks that a data set fits the network: sizes, classes, kind of targets. */
tas_status check_data(const tas_network *network, const tas_data *data);

/* Makes ready for a set: uploads it where the plan holds it on the device, else takes the host's side of the stages. */
tas_status feed_open(workspace *w, const tas_data *data);
void feed_close(workspace *w); /* waits for uploads */

/* Waits for the uploads under way and tells whether one failed: before anything that was computed from them is believed. */
tas_status feed_settle(workspace *w);

/* A new order of all examples, on the device where the set is. */
tas_status feed_order(workspace *w, const uint32_t *order, uint32_t count);

/* Gathers, normalises and casts the tile of n examples order[at .. at+n-1]; after its calls, feed_done(). */
tas_status feed_tile(workspace *w, const tas_data *data, const uint32_t *order, uint32_t at, uint32_t n);
tas_status feed_done(workspace *w);

/* The gather alone, from a source on the device: rows order[at ..], or rows 0 .. n-1 where direct. */
tas_status feed_gather(workspace *w, const tas_data *data, const source *from, bool direct, uint32_t at, uint32_t n);

#endif
