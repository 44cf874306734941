/* A format of data sets: a row of the table in data/folder.c. */
#ifndef READER_H
#define READER_H

#include "data/elements.h"

#include <tassello/data.h>

/* What a reader found in a folder. */
typedef struct reader_set {
    tas_data_options options; /* count, sizes and types; inputs and targets point at what follows */
    data_elements inputs;
    void *targets;          /* malloc()ed */
    uint32_t height, width; /* of images; else 0 */
} reader_set;

typedef struct reader {
    const char *rules;       /* how such a folder looks, for manuals: paragraphs with an empty line between them */
    const char *expected[2]; /* the files of each split, for messages */

    /* Whether a folder has any of these files. */
    bool (*recognize)(const char *folder, tas_split split);

    /* Opens a split. What it has put into *set is the caller's, even if it fails. */
    tas_status (*open)(tas_context *context, const char *folder, tas_split split, reader_set *set);
} reader;

extern const reader reader_idx;

#endif
