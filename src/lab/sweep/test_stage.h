/* The end of a sweep: the test set, evaluated once for each batch. */
#ifndef TEST_STAGE_H
#define TEST_STAGE_H

#include "lab/sweep/lab.h"

tas_status test_stage_run(lab *l);

#endif
