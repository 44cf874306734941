/* After a sweep's runs: gradients at frozen weights, and how much weights fluctuate late in training. */
#ifndef FROZEN_STAGE_H
#define FROZEN_STAGE_H

#include "lab/sweep/lab.h"

enum {
    FROZEN_STAGE_DRAWS = 30,     /* batches of each size at each point */
    FROZEN_STAGE_STRETCHES = 4,  /* short runs from the same weights, */
    FROZEN_STAGE_EXAMPLES = 2048 /* of so many examples each */
};

tas_status frozen_stage_run(lab *l);

/* Adds to what was left out for lack of time, and reports it. */
void frozen_stage_leave_out(lab *l, const char *what);

#endif
