/* The learning rate's course, as a command takes and tells it. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "cli.h"

/* Before parsing: what only belongs to one schedule, or to scaling, is set so that one that was given is known. */
void schedule_begin(tas_train_options *t);

/* After it: refuses what does not go together, with status 2, and puts defaults where nothing was given. */
void schedule_end(const cli_command *command, tas_train_options *t);

/* " (0.16: linear scaling from a batch of 64)  warm-up 100  schedule cosine: to 0"; nothing for a constant rate. lr is
 * the scaled one. */
void schedule_print(const tas_train_options *t, float lr, FILE *stream);

/* Into the object o. What does not belong to the schedule is null. */
void schedule_describe(const tas_train_options *t, float lr, json_t *o);

#endif
