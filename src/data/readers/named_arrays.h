/* Data sets of arrays with names, in a folder or in an archive: x_train and y_train, x_test and y_test, or x and y. */
#ifndef NAMED_ARRAYS_H
#define NAMED_ARRAYS_H

#include "data/readers/array_sets.h"

#define NAMED_ARRAYS_RULES                                                                                             \
    "Inputs have the examples in their first dimension: (n) is one feature, (n, features), (n, height, width) of one " \
    "channel, (n, channels, height, width) or (n, height, width, channels): whichever the network's input matches, "   \
    "else the channels are last if the last size is 1, 3 or 4 and the second is not. Types: b1, i1 to i8, u1 to u8, "  \
    "f2, f4, f8, in any byte order, in C or Fortran order. Unsigned bytes are pixels, everything else is floats.\n\n"  \
    "Targets are (n) or (n, 1), labels or values, or (n, k), values or one-hot rows. Whole numbers of at most 20 "     \
    "values are labels, unless the network's loss is for values. Labels from 0 to n-1 are the classes; others become " \
    "classes in ascending order, named by their numbers."

typedef struct named_arrays {
    const char *const *name; /* (count), as they are called in the file or folder */
    size_t count;

    /* *out is closed with array_close(), even after a failure. */
    tas_status (*open)(void *user, int index, array *out);
    void *user;
} named_arrays;

/* Whether a name is one that is looked for, in lower or upper case. */
bool named_arrays_is_known(const char *name);

/* Whether both names are of one set: x and y, or x_train, y_train, x_test and y_test. */
bool named_arrays_is_partner(const char *name, const char *of);

tas_status named_arrays_read(const reader_request *request, const named_arrays *all, reader_result *out);

#endif
