/* Ranks: several devices, of this process or of others under MPI, that train one model together.
 *
 * Each batch is cut into shards (tas_train_options.shards), which the ranks share; the result has the bits that one
 * device would give with as many shards, whatever the ranks. Rank 0 runs the program: its runs (tas_run_open(),
 * tas_train(), sweeps) are over all ranks of its context, which the other ranks serve. They need the same data.
 *
 * A rank that dies, hangs or cannot be reached ends the others: calls fail with TAS_RANK_FAILED within about ten
 * seconds, and the error names it. */
#ifndef TASSELLO_RANKS_H
#define TASSELLO_RANKS_H

#include <tassello/data.h>
#include <tassello/device.h>
#include <tassello/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_ranks tas_ranks;

/* Whether a launcher of MPI (mpirun, srun) started this process as one of several. */
TAS_API int tas_ranks_launched(void);

/* Makes the processes of an MPI job ranks; runs on models of this context are then over them. All processes make this
 * call together, once. *out is closed with tas_ranks_close(), after what was opened with the context but before it.
 * TAS_BAD_ARGUMENT: not started as one of several, there is no module for its MPI, or MPI cannot be opened;
 * TAS_RANK_FAILED: a rank cannot be reached. TAS_BAD_ARGUMENT as well: the ranks are of different versions of the
 * library or of the contract. */
TAS_API tas_status tas_ranks_open_mpi(tas_context *context, tas_ranks **out);

/* Makes further devices of this process ranks 1, 2, ...: each was opened with a context of its own, and it and its
 * context are used by a thread of the library until *out is closed; rank 0 is whatever device a model of this context
 * is on. If one of them fails, runs go on without it, with the same bits, which is noted in the log. TAS_BAD_ARGUMENT:
 * ranks were opened with this context before, or a device is of this context; TAS_NO_MEMORY. */
TAS_API tas_status tas_ranks_open_devices(tas_context *context, tas_device *const *devices, size_t count,
                                          tas_ranks **out);

/* This rank, from 0 on, and how many there are. */
TAS_API uint32_t tas_ranks_index(const tas_ranks *ranks);
TAS_API uint32_t tas_ranks_count(const tas_ranks *ranks);

/* Compares a text over all ranks, which make this call together: a setting, a network. `what` is its name.
 * TAS_BAD_ARGUMENT on all of them if one differs; the error names it, and has both texts if they are short. */
TAS_API tas_status tas_ranks_check(tas_ranks *ranks, const char *what, const char *text);

/* Ends all ranks, as this one cannot go on: what they wait for fails with TAS_RANK_FAILED, and `why`. */
TAS_API void tas_ranks_fail(tas_ranks *ranks, const char *why);

/* On other ranks than 0, under MPI: serves runs of rank 0 on this device, with these data sets, of which those of runs
 * are parts or the whole. Returns when rank 0 closes its ranks: TAS_OK; else TAS_RANK_FAILED, or why this rank has
 * failed. */
TAS_API tas_status tas_ranks_serve(tas_ranks *ranks, tas_device *device, const tas_data *const *sets, size_t count);

/* What this rank has sent so far, and where the seconds of its runs that are closed went: exchanges, and in them
 * waiting for others; its parts of gradients; its parts of updates. */
typedef struct tas_ranks_traffic {
    uint64_t messages, bytes;
    double exchange_seconds, waited_seconds, gradient_seconds, update_seconds;
} tas_ranks_traffic;
TAS_API void tas_ranks_get_traffic(const tas_ranks *ranks, tas_ranks_traffic *out);

/* What an exchange between these ranks takes: in each of its 2 log2(R) rounds all of them send at once. All ranks make
 * this call together; it takes some seconds. *out is that of rank 0. */
typedef struct tas_ranks_speed {
    /* Seconds of a round beside its bytes. */
    double latency;
    /* Bytes per second that a rank sends while it receives as many. */
    double bandwidth;
} tas_ranks_speed;
TAS_API tas_status tas_ranks_benchmark(tas_ranks *ranks, tas_ranks_speed *out);

/* What training over ranks takes, without them: the schedule of an exchange is a function of ranks and shards. */
typedef struct tas_scale_options {
    /* Of this struct; set by tas_scale_options_init(). */
    size_t size;
    /* Of each batch: at least the ranks (1). */
    uint32_t shards;
    /* Parameters that are trained (0), and values per parameter that the optimizer keeps (1). */
    uint64_t weights;
    uint32_t slots;
    /* Seconds of a step on one device: of its whole batch, and of any step, however small (0). A step of a part of the
     * batch is taken to lie between them in proportion. */
    double step_seconds, least_seconds;
    /* Seconds per weight that the host takes for an update, and for bringing it to and from a device (0). */
    double update_seconds, staging_seconds;
    /* As tas_ranks_benchmark() measures them (50e-6, 1e9). */
    double latency, bandwidth;
} tas_scale_options;
TAS_API void tas_scale_options_init(tas_scale_options *options);

typedef struct tas_scale {
    uint32_t ranks;
    /* Of the rank that sends most, per step. */
    uint64_t messages, bytes;
    /* Per step: of the slowest rank's part of the batch, of the exchange, of the rest, and of all. */
    double gradient_seconds, exchange_seconds, host_seconds, seconds;
    /* The speed-up over one device, divided by the ranks. */
    double efficiency;
    /* Per rank: of weights and their sums on the host, and of the optimizer's state. */
    uint64_t vector_bytes, state_bytes;
} tas_scale;

/* *out for so many ranks. TAS_BAD_ARGUMENT: more ranks than shards, or options out of bounds; TAS_NO_MEMORY. */
TAS_API tas_status tas_scale_ranks(tas_context *context, const tas_scale_options *options, uint32_t ranks,
                                   tas_scale *out);

/* Measures update_seconds and staging_seconds of this machine for an optimizer with its usual settings. */
TAS_API tas_status tas_scale_measure(tas_context *context, const tas_train_options *train, tas_scale_options *options);

/* Ends: on rank 0 the others' tas_ranks_serve() returns. Sets *ranks to NULL. Under MPI all processes make this call;
 * after a failure the whole job ends here. */
TAS_API void tas_ranks_close(tas_ranks **ranks);

#ifdef __cplusplus
}
#endif

#endif
