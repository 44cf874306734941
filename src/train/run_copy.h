/* Exact copies of an open run between two stretches: what its last step has left, where it is in the data, with which
 * batch and in which order, its figures of noise and its result. They lie in the host's memory. What is trained after a
 * copy was restored has the bits of what was trained after it was taken. */
#ifndef RUN_COPY_H
#define RUN_COPY_H

#include "train/run.h"

typedef struct run_copy run_copy;

/* *out is freed with run_copy_free(), before the run is closed. The time that it takes is not the run's. */
tas_status run_copy_take(tas_run *run, run_copy **out);

/* Back to the copy, which may be of any step and can be restored again: also after the run has met what is not finite.
 * A run that has failed otherwise stays as it is, and so does its status. The result keeps what belongs to the device:
 * peaks of memory, the tile, and what was done about failures. */
tas_status run_copy_restore(tas_run *run, const run_copy *copy);

/* Frees a copy and sets *copy to NULL; it may be NULL already. */
void run_copy_free(run_copy **copy);

#endif
