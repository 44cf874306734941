/* A sweep of runs that another program made. Pure but for the context's error text.
 *
 * The stages, in order: the target (of rows per evaluation), what each run did on the way to it, the rate of each
 * batch. The rest is the sweep's own: aggregate.c. */
#ifndef ADVISE_H
#define ADVISE_H

#include "lab/advise/rows.h"

/* Sets sweep->target, target_words and base_batch, from the evaluations of sweep->run and the options; and each run's
 * outcome, steps and seconds. */
tas_status advise_target_set(tas_sweep *sweep, const tas_advise_options *options);

/* Chooses the rate of a batch among those that it was run at. Runs that are not for its figures become those of a
 * search. Returns how many rates there were; *fresh: the figures are of seeds that did not choose the rate. */
int advise_rates_choose(tas_sweep *sweep, sweep_batch *batch, bool *fresh);

/* Adds a sentence to the sweep's notes. */
void advise_note(tas_sweep *sweep, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
