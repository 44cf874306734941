/* Several programs as one text: a driver may take as long to begin a program as to build all of its kernels. Each has
 * its options as macros, which end with it as its own do, and its names begin with those of its place: u0_, u1_, ... */
#ifndef BUNDLE_H
#define BUNDLE_H

#include "device/opencl/sources.h"

#include <stdbool.h>

typedef struct bundle_unit {
    const cl_source *source;
    const char *options; /* "-D A=1 -D B" */
} bundle_unit;

/* malloc()ed; NULL if there is no memory. */
char *bundle_make_text(const bundle_unit *unit, int count);

/* Whether a program can be a unit: its names are known, and its options define macros alone. */
bool bundle_may_have(const bundle_unit *unit);

enum { BUNDLE_NAME = 80 };

/* The name of a kernel in the unit at that place. */
void bundle_name(int place, const char *kernel, char name[BUNDLE_NAME]);

#endif
