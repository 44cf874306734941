/* The pictures of a folder: classes are folders. */
#ifndef PICTURE_LIST_H
#define PICTURE_LIST_H

#include "data/readers/reader.h"

typedef struct picture_file {
    char *path;
    uint32_t label;
    uint64_t size;
    struct timespec modified, changed;
} picture_file;

typedef struct picture_set {
    bool present;
    picture_file *file;
    size_t count, room;
} picture_set;

typedef struct picture_list {
    char **class_names; /* (classes), in their order; NULL: they are numbers from 0 */
    uint32_t classes;
    picture_set set[2]; /* by tas_split, also those that are not wanted */
    uint64_t ignored;   /* entries of the folders that are no pictures */
} picture_list;

/* Lists what is there, sorted. Of a checkpoint, classes are its. *out is closed after a failure, too. */
tas_status picture_list_open(const reader_request *request, picture_list *out);
void picture_list_close(picture_list *list);

/* Whether a folder has pictures, in itself, in its folders or in theirs. */
bool picture_list_recognize(const char *folder);

#endif
