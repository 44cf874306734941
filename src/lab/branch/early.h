/* The critical batch early in a run that is about to begin, from branches of a short training on weights of its own. */
#ifndef EARLY_H
#define EARLY_H

#include "lab/branch/critical.h"

#include <tassello/model.h>

#define EARLY_CONFIDENCE 0.8 /* of the intervals: a batch has to be chosen, and the fewest repeats are three */

typedef struct early_request {
    tas_device *device;
    const tas_network *network;
    const tas_data *data;
    tas_train_options options; /* of the short training: its batch and rate are those that branches begin with */
    double run_steps;          /* of the run, at that batch, */
    double share;              /* and the part of their time that all of this may take, */
    double seconds;            /* at most so long, the first start excluded */
} early_request;

typedef struct early_facts {
    critical_batch found; /* obstacle CRITICAL_ONE_BATCH if there were no branches: */
    bool no_time;         /* for them, */
    bool few;             /* or the set has too few examples for them */
    double begun;         /* when the first start was over */
    double step_seconds;
    bool resident;
    fit_time time;                    /* of steps, as branches took them */
    uint64_t timed_least, timed_most; /* how far the line may be followed */
} early_facts;

/* TAS_NO_MEMORY if it does not fit into the budget; TAS_NOT_FINITE if the short training diverges. */
tas_status early_find(const early_request *request, early_facts *out);

#endif
