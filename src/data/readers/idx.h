/* The format of one IDX file. */
#ifndef IDX_H
#define IDX_H

#include "data/readers/array.h"

/* Opens an IDX file, plain or gzip: magic number, dimensions and length are checked against each other. *out is closed
 * with array_close(), even after a failure; path has to outlive it. */
tas_status idx_open(tas_context *context, const char *path, array *out);

#endif
