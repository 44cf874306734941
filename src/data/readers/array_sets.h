/* Data sets of arrays: the inputs and the targets of each split. */
#ifndef ARRAY_SETS_H
#define ARRAY_SETS_H

#include "data/readers/array.h"

enum { ARRAY_INPUTS = 0, ARRAY_TARGETS, ARRAY_NONE = -1 };

typedef struct array_sets {
    /* By split and role: which array it is, or ARRAY_NONE. A split that is wanted has inputs, if it has targets, and
     * targets, unless inputs alone are wanted. */
    int at[2][2];
    bool bytes_are_labels; /* targets of unsigned bytes are classes unless values are wanted */

    /* *out is closed with array_close(), even after a failure. */
    tas_status (*open)(void *user, int index, array *out);
    void *user;
} array_sets;

tas_status array_sets_read(const reader_request *request, const array_sets *sets, reader_result *out);

#endif
