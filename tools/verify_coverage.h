/* Coverage of kernels, at the end of a verification. */
#ifndef VERIFY_COVERAGE_H
#define VERIFY_COVERAGE_H

#include "cli.h"

/* Prints one line per program and options, and one per outcome that was not reached; returns the same as an array.
 * NULL: the library does not count. */
json_t *verify_coverage_print(tas_context *context, FILE *text);

#endif
