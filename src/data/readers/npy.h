/* The format of one array of NumPy's: a header, then the elements (numpy.lib.format, versions 1.0 to 3.0). */
#ifndef NPY_H
#define NPY_H

#include "data/readers/array.h"

/* Reads the header of an array from its stream, which has `bytes` bytes; a->context, from and stream are set. */
tas_status npy_read_header(array *a, uint64_t bytes);

/* Opens a .npy file. *out is closed with array_close(), even after a failure; path has to outlive it. */
tas_status npy_open(tas_context *context, const char *path, array *out);

#endif
