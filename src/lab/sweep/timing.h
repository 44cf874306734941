/* Measures how long a step takes at each batch, and an evaluation of the test set. */
#ifndef TIMING_H
#define TIMING_H

#include "lab/sweep/lab.h"

tas_status timing_steps(lab *l);
tas_status timing_test(lab *l);

#endif
