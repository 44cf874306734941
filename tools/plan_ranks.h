/* tassello plan --ranks: what training over ranks takes. */
#ifndef PLAN_RANKS_H
#define PLAN_RANKS_H

#include "cli.h"

enum { PLAN_RANKS_ROWS = 16 };

typedef struct plan_ranks {
    uint32_t ranks; /* 0: not asked for */
    cli_size bandwidth;
    double latency; /* below 0: not given */
    tas_scale_options scale;
    tas_scale row[PLAN_RANKS_ROWS]; /* for 1, 2, 4, ... ranks and that many, ascending */
    int count;
    uint32_t most; /* the most of these numbers at which each rank does at least half of what one alone would */
} plan_ranks;

/* Measures steps of such a batch on the device, and computes the rows. 0, or the exit status after reporting why not.
 */
int plan_ranks_find(plan_ranks *p, cli_state *cli, tas_device *device, const tas_network *network,
                    const tas_plan_options *plan);
void plan_ranks_print(const plan_ranks *p);
json_t *plan_ranks_describe(const plan_ranks *p);

#endif
