/* After a sweep's runs, if asked for: runs on fresh seeds whose batch grows on the way to the deepest target, from the
 * base batch and its rate on; see lab/branch/growth.h. */
#ifndef GROWN_STAGE_H
#define GROWN_STAGE_H

#include "lab/sweep/lab.h"

#include <jansson.h>

/* Fills s->grown, if s->options.grow is set. */
tas_status grown_stage_run(lab *l);

/* For the sweep's JSON: null if there were no such runs. NULL: no memory. */
json_t *grown_stage_describe(const tas_sweep *s);

#endif
