/* A run on a device that refuses memory or fails.
 *
 * A device may refuse memory at any command. What comes before the update writes nothing that a later step reads, so it
 * begins again in smaller tiles; of the launches of the update those that were not accepted are issued again. A failure
 * that shows only at a wait leaves nothing on the device to be trusted: the last snapshot is put back and the steps
 * since then are repeated; if that fails too, in a context opened anew. The contract makes all of it give the same
 * bits. */
#ifndef RECOVERY_H
#define RECOVERY_H

#include "train/run.h"

/* The memory of the snapshots, and the first of them. */
tas_status recovery_open(tas_run *run);
void recovery_close(tas_run *run);

/* Runs a part of a step; if the device refuses memory, again in smaller tiles. TAS_NO_MEMORY if there are none. */
typedef tas_status (*recovery_part)(tas_run *run, const run_step *step);
tas_status recovery_repeat(tas_run *run, recovery_part part, const run_step *step);

/* The same after a refusal while the feed was opened. */
tas_status recovery_shrink(tas_run *run);

/* Reads a snapshot of what run->step steps have left. TAS_NOT_FINITE if the weights are not finite. */
tas_status recovery_take(tas_run *run);

/* If a snapshot is due, the same. */
tas_status recovery_snapshot(tas_run *run);

/* What run->step steps have left, as a snapshot has it, in run->w.plan.snapshot bytes. */
tas_status recovery_read(tas_run *run, char *to);

/* The run goes on from what was read after `step` steps; that is the last snapshot. */
tas_status recovery_put(tas_run *run, const char *from, uint64_t step);

/* After a failure, *status: puts the last snapshot back, which may take several tries; run->step is then its step.
 * False if that is of no use; *status is then what failed last. */
bool recovery_resume(tas_run *run, tas_status *status);

/* After steps that were done: failures count in a row only until the run gets further than it was. */
void recovery_progress(tas_run *run);

/* At the end of a run that failed: if what lies on the device is not to be trusted, or not finite, the model has the
 * weights of the last snapshot, and run->step is its step; 0 if there is none. After TAS_MISMATCH it has those of the
 * last audited step that was right. */
void recovery_end(tas_run *run, tas_status status);

#endif
