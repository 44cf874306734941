/* The evaluations of a run as stats/reach.h takes them. */
#ifndef SEEN_H
#define SEEN_H

#include "lab/sweep/sweep.h"
#include "stats/reach.h"

/* Those that have the target's measure; an accuracy is negated. malloc()ed; NULL: no memory. */
reach_point *seen_of_run(const tas_sweep *s, const sweep_run *run, int *count);

/* The same in one call, without more evaluations to come: .at is a place in run->point, -1 if it was not reached. */
reach seen_reach(const tas_sweep *s, const sweep_run *run, double target);

#endif
