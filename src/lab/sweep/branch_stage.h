/* After a sweep's runs, if asked for: branches of one run at the base batch, at moments on its way to the deepest
 * target, which give the critical batch against training; see lab/branch/critical.h. */
#ifndef BRANCH_STAGE_H
#define BRANCH_STAGE_H

#include "lab/sweep/lab.h"

#include <jansson.h>

/* The batch at which the target was made, or the nearest to it that has a rate; NULL: none reached the target. */
const sweep_batch *branch_stage_base(const tas_sweep *s);

/* Fills s->branch[] and s->branches, if s->options.branch is set. */
tas_status branch_stage_run(lab *l);

/* For the sweep's JSON: a list, one object per moment. NULL: no memory. */
json_t *branch_stage_describe(const tas_sweep *s);

#endif
