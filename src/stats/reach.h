/* When a run has reached a target: touching it is not enough, it has to stay there. Pure.
 *
 * Evaluations of a run are a noisy curve. A run has reached the target at the first evaluation that is at the target or
 * below, and from which on the mean of the evaluations over the next quarter of the examples (up to REACH_STAY times
 * its own) is at the target or below, too. So a lucky evaluation does not count, and noise about a curve that has come
 * down counts from about where the curve crosses. A run must go on until the quarter is complete.
 *
 * A run that touched the target and then has two evaluations in a row above the middle between the target and its first
 * evaluation has given back what it had gained: it has diverged, whatever it touched. */
#ifndef REACH_H
#define REACH_H

#include <tassello/reach.h>

#include <stdbool.h>

#define REACH_STAY 1.25

/* Evaluations are this share of the examples apart; further apart while the loss is above REACH_NEAR times the target.
 * At least one step passes in between. */
#define REACH_INTERVAL 0.04
#define REACH_FAR_INTERVAL 0.2
#define REACH_NEAR 1.35

/* Values are to be minimized; NaN or infinite: not finite. */
typedef tas_reach_point reach_point;

typedef enum reach_state {
    REACH_NOT,     /* not yet */
    REACH_TOUCHED, /* an evaluation is at the target, and the run has to go on to decide */
    REACH_DONE,
    REACH_GAVE_BACK
} reach_state;

typedef struct reach {
    reach_state state;
    int at; /* REACH_DONE: the evaluation at which it was reached; -1: none */
} reach;

/* over: there are no more evaluations, and the quarter may be shorter. */
reach reach_find(const reach_point *points, int count, double target, bool over);

/* The lowest target that the run has reached by so many examples; NaN: no evaluation until then has a complete quarter.
 */
double reach_deepest(const reach_point *points, int count, double examples);

#endif
