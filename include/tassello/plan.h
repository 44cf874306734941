/* Plans: the memory that a training run needs, before anything is allocated. The forecast is exact: it equals what
 * tas_train() reports as peak_bytes and host_bytes, unless the device fails. */
#ifndef TASSELLO_PLAN_H
#define TASSELLO_PLAN_H

#include <tassello/data.h>
#include <tassello/device.h>
#include <tassello/model.h>
#include <tassello/network.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_plan_options {
    /* Of this struct: set by tas_plan_options_init(). */
    size_t size;
    /* Examples per update; 64. */
    uint32_t batch;
    /* As in tas_train_options; the plan is for the largest batch. */
    const tas_batch_change *changes;
    int change_count;
    uint32_t batch_most;
    /* Bytes of memory to use; 0: 60 % of a discrete device's, 50 % of one that shares the host's. */
    uint64_t budget;
    /* The largest number of examples on the device at once; 0: as many as the budget allows. */
    uint32_t tile;
    /* As in tas_train_options. */
    uint32_t shards;
    /* The device is one of so many ranks (ranks.h), which have the optimizer's state on the host; 0 or 1: it is not.
     * And which one; -1, the default: the one that needs the most host memory. The ranks have even shares, and devices
     * with the same layout of parameters; else they need more. */
    uint32_t ranks;
    int rank;
    int keep_on_host;
    /* TAS_SGD. SGD, Lion and LARS keep one value per parameter, the others two; LARS and LAMB need sums of squares. */
    tas_optimizer optimizer;
    /* Non-zero: the gradient is clipped, which needs sums of squares. */
    int clip;
    /* Non-zero: the run measures the gradient noise scale; with Adam and AdamW the preconditioned one, too. */
    int noise, preconditioned_noise;
    /* Evaluated while the run is open, in memory of its own; NULL: nothing is. */
    const tas_data *validation;
    /* Non-zero: a growing batch, whose decisions keep a copy of the run in host memory. */
    int grows;
    /* Non-zero: the run is audited, and keeps a copy of what the last audited step has left in host memory. */
    int audits;
} tas_plan_options;
TAS_API void tas_plan_options_init(tas_plan_options *options);

typedef struct tas_plan_part {
    /* Static; NULL ends the list. */
    const char *name;
    uint64_t bytes;
} tas_plan_part;

enum { TAS_PLAN_PARTS = 16 };

typedef struct tas_plan {
    /* Examples that are on the device at once, and how many tiles make a batch. */
    uint32_t tile, tiles;
    /* Non-zero: the whole data set is on the device; else it is streamed. */
    int resident;
    /* The budget of this plan, in bytes. */
    uint64_t budget;
    /* The part of it for tas_train_options: all but what validation and a growing batch need. */
    uint64_t train_budget;
    /* The part of it for tas_model_set_budget() during validation; 0: there is none. */
    uint64_t validation_budget;
    /* What counts towards the budget: the sum of the parts. On a device that shares the host's memory it includes
     * host_bytes. */
    uint64_t bytes_total;
    /* Host memory: a snapshot of the parameters and of the optimizer's state (two if the device has memory of its own;
     * one more for a growing batch), the order of the examples, and what the data set passes through.
     * Of one of several ranks also what it exchanges with the others, and its slices of the optimizer's state, which
     * are not in its snapshot. The data set itself is not counted. */
    uint64_t host_bytes;
    /* Of the device's memory, what steps need: without the data set, the host's memory, and what follows them. And a
     * lower bound of that, if gradients are stored: weights, their gradient and the optimizer's state, and for a tile
     * and what is kept between passes the inputs and activations that backward reads, all without padding. */
    uint64_t step_bytes, lower_bound;
    /* Of bytes_total, what a tile of one example would need. */
    uint64_t bytes_fixed;
    /* What each further example in the tile adds, on average, rounded up. */
    uint64_t bytes_per_example;
    /* The smallest sufficient budget for this batch. */
    uint64_t min_budget;
    /* The largest batch that fits in one tile; 0: none. */
    uint32_t largest_untiled;
    /* How often the tiles of a batch pass: once, unless a layer needs statistics of the whole batch, which is in
     * several tiles. From one pass to another, kept_bytes are kept for the batch (its largest use at one time): on the
     * device, or on the host if kept_on_host is set; and forward operations are repeated. */
    uint32_t passes;
    uint64_t kept_bytes;
    int kept_on_host;
    /* Of what is repeated, in products, per example. */
    uint64_t repeated_flops;
    tas_plan_part part[TAS_PLAN_PARTS];
} tas_plan;

/* Plans training on a device. train NULL: a set of bytes with labels, which is streamed. test, unless NULL, is
 * evaluated afterwards within the same memory. TAS_NO_MEMORY if the budget is too small: the error names the smallest
 * sufficient one, which out->min_budget then has, too. */
TAS_API tas_status tas_plan_make(tas_device *device, const tas_network *network, const tas_data *train,
                                 const tas_data *test, const tas_plan_options *options, tas_plan *out);

#ifdef __cplusplus
}
#endif

#endif
