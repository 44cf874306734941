/* What tassello sweep is asked for. */
#ifndef SWEEP_SETTINGS_H
#define SWEEP_SETTINGS_H

#include "link.h"
#include "optimizer.h"
#include "sets.h"

enum { SWEEP_BATCHES_MOST = 32 };

typedef struct sweep_settings {
    const char *net, *data, *loss, *device, *batches, *rates, *time, *state, *report, *json, *runs;
    double target_loss, target_accuracy; /* NaN: not given */
    uint32_t seeds;
    int target_on, goal, schedule, scaling; /* words; scaling NO_WORD: not given */
    bool grid, branch, grow, brief, wide;
    optimizer_words optimizer;
    cli_size budget, validation;
    data_settings reading;
    uint32_t list[SWEEP_BATCHES_MOST];
    float rate_list[SWEEP_BATCHES_MOST];
    link_settings link;
    tas_sweep_options sweep;
} sweep_settings;

extern const cli_option sweep_options[];

/* Reads the command's line into settings that are {0}; what does not go together ends with status 2. */
void sweep_read(sweep_settings *s, int argc, char **argv);

#endif
