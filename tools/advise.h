/* tassello advise: what its two halves share. */
#ifndef ADVISE_H
#define ADVISE_H

#include "cli.h"

typedef struct advise_settings {
    const char *file, *report;
    bool noise, json, wide;
    double target_loss, waste; /* NaN and -1: not given */
    uint32_t batch_most;
    uint64_t examples;
    int goal;
} advise_settings;

/* The noise scale from the rows of a file whose text is given; the exit status. */
int advise_noise(cli_state *cli, const advise_settings *s, const char *name, const char *text, size_t bytes);

#endif
