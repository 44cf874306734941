/* A sweep's result for people. */
#ifndef SWEEP_PRINT_H
#define SWEEP_PRINT_H

#include "cli.h"

/* The target and how deep it is, the table of batches (wide: all columns), the targets on the way, the advice, its
 * checks and the command. */
void sweep_print_result(const tas_sweep *sweep, FILE *out, bool wide);

#endif
