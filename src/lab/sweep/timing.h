/* Measures how long a step takes at each batch, and an evaluation of the test set. */
#ifndef TIMING_H
#define TIMING_H

#include "lab/sweep/lab.h"

tas_status timing_steps(lab *l);

/* The same for one batch that was added later, by its index. */
tas_status timing_batch(lab *l, int i);

tas_status timing_test(lab *l);

#endif
