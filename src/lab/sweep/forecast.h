/* How long the rest of a sweep will take. */
#ifndef FORECAST_H
#define FORECAST_H

#include "lab/sweep/lab.h"

/* Sets l->seconds_left. */
void forecast_update(lab *l);

/* The same, and reports it if it is far from the last forecast reported. */
void forecast_correct(lab *l);

/* The time limit must allow the target and two runs of the fastest batch, unless earlier sessions have made runs. */
tas_status forecast_check(lab *l);

#endif
