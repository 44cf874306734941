/* What tassello plan says of several ranks. */
#ifndef PLAN_RANKS_H
#define PLAN_RANKS_H

#include "cli.h"

/* For people; link: what the times are for, of bandwidth 0 if there are none. */
void plan_ranks_print(const tas_scale *scale, const tas_link *link);

json_t *plan_ranks_describe(const tas_scale *scale, const tas_link *link);

#endif
