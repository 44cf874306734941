/* The advice is checked before it is given: the printed command's settings are run on a seed of their own. */
#ifndef CHECK_STAGE_H
#define CHECK_STAGE_H

#include "lab/sweep/lab.h"

tas_status check_stage_run(lab *l);

#endif
