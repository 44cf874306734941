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

#include "lab/sweep/trial.h"

typedef struct state state;

/* Makes the folder where it is missing, and reads what lies there. The settings must agree: the error names the first
 * line that differs. place: the device and the memory that runs have there; those of the folder that had others are
 * marked. *elapsed: the seconds of earlier sessions. Closed with state_close(). */
tas_status state_open(tas_context *context, const char *folder, const char *settings, const char *place,
                      double *elapsed, state **out);
void state_close(state **s);

/* A run of that name that tells what one does which may go on for give_up examples: it was not given up earlier. When a
 * run is given up hangs on what was run before it, and is no part of its name. False: there is none. out->point is
 * malloc()ed. */
bool state_find(const state *s, const char *name, double give_up, sweep_run *out);

/* The runs that the folder held, in their order; NULL past the last. */
const sweep_run *state_run(const state *s, int number);
tas_status state_save(state *s, const char *name, const sweep_run *run);
tas_status state_save_elapsed(state *s, double elapsed);

/* The path of the weights that a run of that name ended with, malloc()ed; NULL: no memory. */
char *state_weights(const state *s, const char *run);

#endif
