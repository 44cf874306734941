/* A trial: one training run of a sweep, evaluated at intervals. */
#ifndef TRIAL_H
#define TRIAL_H

#include "lab/sweep/lab.h"

enum { LOOK_MOST = 2048 }; /* examples of an evaluation during a run */

typedef struct trial {
    uint64_t batch, seed;
    double lr;
    bool search;
    double target;        /* of the target's own measure; NaN: none, the run makes the target */
    double start;         /* search only: its first rate */
    double give_up;       /* examples after which a run that has not reached the target is given up */
    double examples_most; /* of the run; its schedule ends there */
    bool to_target;       /* end once it has stayed at the target; otherwise go on to examples_least */
    double examples_least;
    bool patient;        /* without a target: end when it has stopped improving, */
    double seconds_most; /* or after so many seconds; 0: no limit */
    double look_at;      /* examples after which everything is evaluated once, for comparison with other batches */
    uint32_t batch_most; /* the batch grows on the way, up to this; 0: it stays */
    uint64_t budget;     /* bytes of device memory; 0: all that training may have */
} trial;

/* What a growing batch was until the target was reached, or the run ended. */
typedef struct trial_growth {
    tas_batch_change change[TAS_BATCH_CHANGES];
    int changes;
    double seconds; /* spent on decisions, not in the run's own */
} trial_growth;

/* Runs a trial from its seed's initial weights. It has reached its target if it stays there (stats/reach.h), and it has
 * diverged if it gives back what it gained, whatever it touched. out->point is malloc()ed. weights (may be NULL) get
 * the final ones. A run that diverges is TAS_OK. After TAS_STOPPED (stopped, or out of time) *out is empty. */
tas_status trial_run(lab *l, const trial *t, sweep_run *out, float *weights);

/* Writes t->budget: what leaves room for the copies that branches up to t->batch_most keep. */
tas_status trial_plan_copies(const lab *l, trial *t);

/* The same with a batch that grows: t->lr is the rate of t->batch, which the optimizer's rule scales. */
tas_status trial_run_growing(lab *l, const trial *t, sweep_run *out, trial_growth *growth);

/* The steps of a run of so many examples. */
uint64_t trial_steps(const tas_sweep *s, uint64_t batch, double examples);

/* The options for tas_run_open(). */
tas_train_options trial_options(const lab *l, const trial *t);

#endif
