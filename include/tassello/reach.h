/* When a training run has reached a target: touching it is not enough, the run has to stay there. The same rule ends
 * the runs of a sweep and of `tassello train --until-loss`. */
#ifndef TASSELLO_REACH_H
#define TASSELLO_REACH_H

#include <tassello/status.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Evaluations during a run use the first examples of the set that was held out, this many at most. */
#define TAS_REACH_EXAMPLES 2048

/* An evaluation of a run. */
typedef struct tas_reach_point {
    double examples; /* trained on before it */
    double value;    /* to be minimized: a loss, or an accuracy times -1 */
} tas_reach_point;

typedef enum tas_reach_state {
    TAS_REACH_NOT = 0,
    /* An evaluation was at the target, and the run has to go on to decide. */
    TAS_REACH_TOUCHED,
    TAS_REACH_DONE,
    /* The run touched the target and then lost more than half of what it had gained since its first evaluation. */
    TAS_REACH_GAVE_BACK
} tas_reach_state;

/* A run has reached the target at the first evaluation that is at the target or below, and from which on the mean of
 * the evaluations over the next quarter of the examples is at the target or below, too. `points` are the evaluations in
 * order, the first that of the untrained weights. over: there will be no more, and the quarter may be shorter. *at (may
 * be NULL): the index of the evaluation at which it was reached; -1: it was not. */
TAS_API tas_reach_state tas_reach_find(const tas_reach_point *points, int count, double target, int over, int *at);

/* Steps to the next evaluation: whenever the examples have grown by 4 %, by 20 % while the loss is more than 1.35 times
 * the target; at least one. loss: a running mean of the batches' own; NaN: not known, or the target is an accuracy. */
TAS_API uint64_t tas_reach_steps(uint64_t examples, uint32_t batch, double loss, double target);

#ifdef __cplusplus
}
#endif

#endif
