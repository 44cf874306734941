/* Sweeps that were never run: figures by hand, for the tests of findings, reports and JSON. */
#ifndef SWEEPS_H
#define SWEEPS_H

#include "lab/sweep/sweep.h"

typedef struct sweep_fixture {
    const char *name; /* fit for a file's name */
    void (*fill)(tas_sweep *sweep);
} sweep_fixture;

extern const sweep_fixture sweep_fixtures[];
extern const int sweep_fixture_count;

/* Names with markup, quotes, and bytes that are no UTF-8. */
extern const char odd_net[], odd_data[], odd_words[];

/* calloc()ed and filled; of `name`, or NULL if there is none. */
tas_sweep *sweep_made(tas_context *context, const char *name);
void sweep_freed(tas_sweep *sweep);

/* Batches without a figure: what is not known is NaN. */
tas_sweep *sweep_blank(tas_context *context, const uint64_t *batches, int count);

/* The recommendation, of the batches' figures. */
void sweep_advised(tas_sweep *sweep);

#endif
