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

/* How many shards of each batch a rank has in the run that was opened last; 0: there was none. */
TAS_API uint32_t tas_ranks_shards(const tas_ranks *ranks, uint32_t rank);

/* Bytes of device memory that a rank other than 0 may use: a process sets its own under MPI, and that of rank 0 sets
 * those of further devices of this process. 0 (the default): as by default for its device. Runs do not take more than
 * their budget on rank 0 either. Comes before they are opened. */
TAS_API void tas_ranks_set_budget(tas_ranks *ranks, uint32_t rank, uint64_t bytes);

/* Compares a text over all ranks, which make this call together: a setting, a network. `what` is its name.
 * TAS_BAD_ARGUMENT on all of them if one differs; the error names it, and has both texts if they are short. */
TAS_API tas_status tas_ranks_check(tas_ranks *ranks, const char *what, const char *text);

/* Receives why this process cannot go on: its own device hangs, and with it the call that uses it, which will not
 * return. It is called from a thread of the library, must not call the library, and should report it and end the
 * process with _exit(). Of several devices of a process this is the first one, as runs go on without others. Under MPI
 * the other processes end the job; it is called only if they do not. NULL, the default: nothing is called, and such a
 * process hangs, except under MPI. */
typedef void (*tas_hang_fn)(void *user, const char *why);
TAS_API void tas_ranks_set_hang(tas_ranks *ranks, tas_hang_fn on_hang, void *user);

/* Ends all ranks, as this one cannot go on: what they wait for fails with TAS_RANK_FAILED, and `why`. */
TAS_API void tas_ranks_fail(tas_ranks *ranks, const char *why);

/* On other ranks than 0, under MPI: serves runs of rank 0 on this device, with these data sets, of which those of runs
 * are parts or the whole. Returns when rank 0 closes its ranks: TAS_OK; else TAS_RANK_FAILED, or why this rank has
 * failed. */
TAS_API tas_status tas_ranks_serve(tas_ranks *ranks, tas_device *device, const tas_data *const *sets, size_t count);

/* What this rank has sent so far, and where the seconds of its runs that are closed went: its parts of gradients;
 * exchanges that ran beside them, while the device had gradients to compute; all other exchanges, and in them waiting
 * for others; its parts of updates. */
typedef struct tas_ranks_traffic {
    uint64_t messages, bytes;
    double gradient_seconds, beside_seconds, exchange_seconds, waited_seconds, update_seconds;
} tas_ranks_traffic;
TAS_API void tas_ranks_get_traffic(const tas_ranks *ranks, tas_ranks_traffic *out);

/* Ends: on rank 0 the others' tas_ranks_serve() returns. Sets *ranks to NULL. Under MPI all processes make this call;
 * after a failure the whole job ends here. Returns the number of devices of this process that hang in their drivers.
 * Their memory is not released, tas_device_close() and tas_context_close() do nothing for them, and the program must
 * end with _exit(), because exit() could wait for them. */
TAS_API int tas_ranks_close(tas_ranks **ranks);

#ifdef __cplusplus
}
#endif

#endif
