/* What was not finite: which tensor, and in which step. */
#ifndef DIAGNOSE_H
#define DIAGNOSE_H

#include "train/run.h"

/* After a step whose loss or gradient was not finite, run->result.steps being the steps before it: TAS_NOT_FINITE, with
 * the result and the error text filled in. Runs that step's gradient again, call by call, to find the first tensor that
 * is not finite, unless `what`, a bad_what, says it already. Waits. */
tas_status diagnose_step(tas_run *run, uint64_t step, uint32_t what);

/* TAS_NOT_FINITE, likewise, if the weights after run->step steps are not finite: an update can overflow though
 * loss and gradient were finite. Waits. */
tas_status diagnose_weights(tas_run *run);

#endif
