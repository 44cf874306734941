/* Which reader is meant for a path. */
#ifndef RECOGNIZE_H
#define RECOGNIZE_H

#include "data/readers/reader.h"

/* The reader that reading->format names, or the first that recognizes the path; one that this build lacks a library for
 * is refused, with the package's name. */
tas_status recognize_format(tas_context *context, const char *path, const tas_reading *reading, const reader **out);

/* The reader of this name; NULL if there is none. */
const reader *recognize_name(const char *name);

#endif
