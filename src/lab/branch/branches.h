/* Branches of an open run: from its present state, short continuations at several batches, each on the same next
 * examples, evaluated on one fixed set; see critical.h. The run is then put back, to the bit: what it trains later does
 * not depend on whether branches were made. If repeats are to begin with different states, it trains some steps between
 * them.
 *
 * Weights fluctuate about the way that they take, so that one evaluation at the end of a branch is mostly chance: with
 * momentum 0.9 on `mlp`, 0.02 up or down late in training, where 8,000 examples gain 0.02. A branch is as good as the
 * mean of its evaluations over its second half. And momentum remembers: a larger batch first goes on with what the
 * smaller one has gathered, at a higher rate, which sets it back for some 1 / (1 - momentum) steps. Branches are to
 * last for several times as long at the largest batch, see branches_steps(). */
#ifndef BRANCHES_H
#define BRANCHES_H

#include "lab/branch/critical.h"

#include <tassello/model.h>

typedef struct branches_request {
    uint32_t batch[CRITICAL_BATCHES]; /* ascending; the run was opened for the largest (options.batch_most) */
    int batches;
    int repeats;                  /* each with an order of its own, */
    uint64_t apart;               /* and from a state so many steps after the one before; 0: all from the present one */
    uint64_t examples;            /* of each branch, rounded by branches_examples() */
    int looks;                    /* evaluations in its second half, at most; 1: at its end alone */
    tas_lr_scaling rule;          /* of the rate, from the run's present batch and rate on; or, if it is above 0, */
    double rate_power;            /* that rate times k^rate_power, k being what the batch is multiplied with */
    const tas_data *judge;        /* on which losses are compared */
    double confidence;            /* of the intervals; 0: 0.95 */
    uint64_t seed;                /* of the orders */
    double seconds;               /* none is begun after them, and no repeat that would last longer; 0: no limit */
    int enough;                   /* repeats after which an interval within a factor of 3 ends it; 0: all are made */
    int (*on_branch)(void *user); /* after each branch; not 0: TAS_STOPPED; may be NULL */
    void *user;
} branches_request;

typedef struct branches_cost {
    uint64_t examples;                     /* trained on */
    double seconds;                        /* of everything */
    double step_seconds[CRITICAL_BATCHES]; /* of each batch, in the piece in which it took least; 0: not known */
} branches_cost;

/* What an optimizer's rate is multiplied with if the batch is: k for SGD, LARS and their like, sqrt(k) for those that
 * divide by the gradient's own size (Malladi et al. 2022, arXiv 2205.10287). */
tas_lr_scaling branches_rule(tas_optimizer which);

/* The power of k that suits the batches that branches compare. Rates of SGD grow linearly far below the critical batch
 * and not at all far above it (McCandlish et al. 2018, 2.2): in between, tuned rates of `mlp` with momentum 0.9 from 64
 * to 1024 grew with the power 0.73. */
double branches_rate_power(tas_optimizer which);

/* Steps that a branch needs at its largest batch: three times 1 / (1 - momentum), or beta1, but at least 8. */
uint32_t branches_steps(const tas_train_options *options);

/* The largest multiple of `most`, the largest batch, that is at most `wanted` and at most an epoch; at least one. */
uint64_t branches_examples(uint64_t wanted, uint64_t most, uint64_t epoch);

/* Steps in which an optimizer forgets most of a gradient. */
uint64_t branches_memory(const tas_train_options *options);

/* Steps that a run should do before its branches are made: 0, or, if less of the epoch is left than branches take, up
 * to its end. Otherwise a branch would hold the epoch's last, smaller batch. */
uint64_t branches_wait(const tas_run *run, const branches_request *request);

/* Makes the branches. In the first repeat larger batches are left out after two in a row that diverged or are worse
 * than the smallest by half of its progress: *out then ends there. *cost may be NULL. */
tas_status branches_make(tas_run *run, const branches_request *request, critical_input *out, branches_cost *cost);

#endif
