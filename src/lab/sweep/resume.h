/* A sweep's next run: read from its state if that has it, otherwise trained and stored there. */
#ifndef RESUME_H
#define RESUME_H

#include "lab/sweep/trial.h"

/* As trial_run(); the run is also added to the sweep. TAS_STOPPED as well if l->waiting has no time for its runs. */
tas_status resume_trial(lab *l, const trial *t, sweep_run *out, float *weights);

/* Whether the state has the run. */
bool resume_has(const lab *l, const trial *t);

#endif
