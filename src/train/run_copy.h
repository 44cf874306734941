/* Exact copies of an open run, in the host's memory: parameters, optimizer state, running statistics, position in the
 * data, batch, order of the examples, noise figures and result. Training on from a restored copy gives the same bits as
 * training on from where it was taken. */
#ifndef RUN_COPY_H
#define RUN_COPY_H

#include "train/run.h"

typedef struct run_copy {
    tas_device *device;
    host_mem memory; /* the parts that a step leaves (workspace_parts), one after the other */
    course course;
    bool changed;
    uint64_t step, steps;
    tas_train_result result;
    noise_scale noise, preconditioned_noise;
    double before;
} run_copy;

/* *out is freed with run_copy_free(), before the run is closed. The time that it takes is not the run's. */
tas_status run_copy_take(tas_run *run, run_copy **out);

/* Back to the copy, which may be of any step and can be restored again: also after the run has met what is not finite.
 * A run that has failed otherwise stays as it is, and so does its status. The result keeps what belongs to the device:
 * peaks of memory, the tile, and what was done about failures. */
tas_status run_copy_restore(tas_run *run, const run_copy *copy);

/* Frees a copy and sets *copy to NULL; it may be NULL already. */
void run_copy_free(run_copy **copy);

#endif
