/* Writes results that took hours: if the file cannot be written under its name, under another one beside it. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "base/context.h"

/* Replaces the file completely, or not at all. If that fails, the text goes to FILE.new if possible; the call fails all
 * the same, and the error names the file that has the text. */
tas_status output_write(tas_context *context, const char *file, const char *text, size_t bytes);

#endif
