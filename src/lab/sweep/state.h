/* A sweep's folder: each completed run, weights that are needed later, and the settings of the sweep. A sweep that is
 * started again reads from it what it would run, by the key of the run; so it resumes where it stopped, on any device.
 *
 *     sweep.json             the format, the settings (one per line), the seconds spent so far, how deep the target is
 *     run-0001.json ...      one run each, with its name, its figures, and the device it was run on
 *     weights-*.safetensors  the weights at the end of a batch's first run on a fresh seed; * is a hash of the run's
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

/* A run with that key which is as good as one that may continue for give_up examples: it was not given up earlier. When
 * a run is given up depends on the runs before it and is not part of its key. False if there is none. out->point is
 * malloc()ed. */
bool state_find(const state *s, const run_key *key, double give_up, sweep_run *out);

/* The runs in the folder, in their order; NULL after the last. */
const sweep_run *state_run(const state *s, int number);
tas_status state_save(state *s, const run_key *key, const sweep_run *run);
tas_status state_save_elapsed(state *s, double elapsed);

/* The examples that the base batch takes to the target, which depend on the time there was when it was made; 0: not
 * stored. */
double state_depth(const state *s);
tas_status state_set_depth(state *s, double depth, double elapsed);

/* The path of the weights that a run of that key ended with, malloc()ed; NULL: no memory. */
char *state_weights(const state *s, const run_key *key);

#endif
