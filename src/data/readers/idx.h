/* IDX files. */
#ifndef IDX_H
#define IDX_H

#include "data/elements.h"

/* Reads an IDX file, plain or gzip, of unsigned bytes with the given number of dimensions. Magic, dimensions and length
 * are checked against each other before anything large is allocated. *bytes is malloc()ed. */
tas_status idx_read(tas_context *context, const char *path, int dims_wanted, uint64_t *dims, unsigned char **bytes);

/* The same; with map a plain file is mapped. One that cannot be is read, with a note. */
tas_status idx_open(tas_context *context, const char *path, int dims_wanted, bool map, uint64_t *dims,
                    data_elements *out);

#endif
