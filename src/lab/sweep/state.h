/* A sweep's folder: each run that is done, the weights that are wanted later, what the sweep is of. A sweep that is
 * begun again takes from it what it would run, by name; so it goes on where it was stopped, on whatever device.
 *
 *     sweep.json             the format, the settings, a line each; seconds spent so far
 *     run-0001.json ...      one run each, under its name: batch, rate, seed, where it ends; and where it was run
 *     weights-(16 digits).safetensors
 *                            the weights at the end of a batch's first run on a fresh seed, by a hash of the run's
 *                            name */
#ifndef STATE_H
#define STATE_H

#include "lab/sweep/run_file.h"

typedef struct state state;

/* The sweep that a folder is opened for. */
typedef struct state_sweep {
    const char *settings; /* one per line; those of the folder must agree */
    const char *
        environment; /* the device and the memory that runs have here; those of the folder that had others are marked */
    run_limits limits;
} state_sweep;

/* Makes the folder if it is missing, and reads it. Files of runs that do not fit the sweep are ignored: see
 * state_ignored(). *elapsed: the seconds of earlier sessions. Closed with state_close(). */
tas_status state_open(tas_context *context, const char *folder, const state_sweep *sweep, double *elapsed, state **out);
void state_close(state **s);

/* What was ignored and why, for people; "": nothing. Valid until the state is closed. */
const char *state_ignored(const state *s);

/* A run of that key that tells what one does which may go on for give_up examples: it was not given up earlier. When a
 * run is given up depends on what was run before it, and is no part of its key. False: there is none. out->point is
 * malloc()ed. */
bool state_find(const state *s, const run_key *key, double give_up, sweep_run *out);

/* The runs that the folder held, in their order; NULL past the last. */
const sweep_run *state_run(const state *s, int number);
tas_status state_save(state *s, const run_key *key, const sweep_run *run);
tas_status state_save_elapsed(state *s, double elapsed);

/* The path of the weights that a run of that key ended with, malloc()ed; NULL: no memory. */
char *state_weights(const state *s, const run_key *key);

#endif
