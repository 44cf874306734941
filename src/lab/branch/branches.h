/* Branches of an open run: from its present state, short continuations at several batches, each on the same next
 * examples, evaluated on one fixed set; see critical.h. The run is then put back, to the bit: what it trains later does
 * not depend on whether branches were made. */
#ifndef BRANCHES_H
#define BRANCHES_H

#include "lab/branch/critical.h"

#include <tassello/model.h>

typedef struct branches_request {
    uint32_t batch[CRITICAL_BATCHES]; /* ascending; the run was opened for the largest (options.batch_most) */
    int batches;
    int repeats;                  /* each with an order of its own */
    uint64_t examples;            /* of each branch, rounded by branches_examples() */
    tas_lr_scaling rule;          /* of the rate, from the run's present batch and rate on */
    const tas_data *judge;        /* on which losses are compared */
    uint64_t seed;                /* of the orders */
    double seconds;               /* none is begun after them, and no repeat that would last longer; 0: no limit */
    int enough;                   /* repeats after which an interval within a factor of 3 ends it; 0: all are made */
    int (*on_branch)(void *user); /* after each branch; not 0: TAS_STOPPED; may be NULL */
    void *user;
} branches_request;

typedef struct branches_cost {
    uint64_t examples; /* trained on */
    double seconds;    /* of everything */
} branches_cost;

/* What an optimizer's rate is multiplied with if the batch is: k for SGD, LARS and their like, sqrt(k) for those that
 * divide by the gradient's own size (Malladi et al. 2022, arXiv 2205.10287). */
tas_lr_scaling branches_rule(tas_optimizer which);

/* The largest multiple of `most`, the largest batch, that is at most `wanted` and at most an epoch; at least one. */
uint64_t branches_examples(uint64_t wanted, uint64_t most, uint64_t epoch);

/* Steps that a run should do before its branches are made: 0, or, if less of the epoch is left than a branch takes, up
 * to its end. Otherwise a branch would hold the epoch's last, smaller batch. */
uint64_t branches_wait(const tas_run *run, uint64_t examples);

/* Makes the branches. In the first repeat larger batches are left out after two in a row that diverged or are worse
 * than the smallest by half of its progress: *out then ends there. *cost may be NULL. */
tas_status branches_make(tas_run *run, const branches_request *request, critical_input *out, branches_cost *cost);

#endif
