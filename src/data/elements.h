/* The elements of a data set's file: mapped, or read into memory. */
#ifndef ELEMENTS_H
#define ELEMENTS_H

#include "base/context.h"

/* All 0: none. */
typedef struct data_elements {
    unsigned char *bytes; /* malloc()ed, or within the mapping: then not to be written */
    void *map;            /* the whole file; NULL: not mapped, and the rest is unused */
    size_t size;          /* of the file, when it was mapped */
    int fd;               /* to check the size again: reading a page beyond the file's end raises SIGBUS */
    char *path;
} data_elements;

/* Maps an open file, whose size has been checked and whose last `count` bytes are the elements. The descriptor is
 * duplicated; the caller closes its own. False, with a note, if it cannot be mapped, as on some file systems. */
bool elements_map(tas_context *context, const char *path, int fd, uint64_t size, size_t count, data_elements *out);
void elements_close(data_elements *all);

/* Before each use of the bytes: announces to the system the order in which they will be read, and fails if the mapped
 * file has been truncated. */
typedef enum elements_order { ELEMENTS_IN_ORDER, ELEMENTS_AT_RANDOM } elements_order;
tas_status elements_begin(tas_context *context, const data_elements *all, elements_order order);

#endif
