/* The optimiser, as a command takes and tells it. */
#ifndef OPTIMIZER_H
#define OPTIMIZER_H

#include "cli.h"

#define OPTIMIZER_WORDS "sgd adam adamw"

/* Before parsing: what only belongs to one optimiser, and the rate, are set so that one that was given is known. */
void optimizer_begin(tas_train_options *t);

/* After it: refuses what does not go together, with status 2, and puts defaults where nothing was given. */
void optimizer_end(const cli_command *command, tas_train_options *t);

/* "  momentum 0.9 (Nesterov)  weight decay 0", or "  adamw, betas 0.9 and 0.999, epsilon 1e-08  weight decay 0.01". */
void optimizer_print(const tas_train_options *t, FILE *stream);

/* Into the object o. What does not belong to the optimiser is null. */
void optimizer_describe(const tas_train_options *t, json_t *o);

#endif
