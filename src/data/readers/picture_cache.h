/* Decoded pictures: in a file of the cache, which later runs map; if there can be none, where a builder has them. */
#ifndef PICTURE_CACHE_H
#define PICTURE_CACHE_H

#include "base/file.h"
#include "data/builder.h"
#include "data/readers/picture_list.h"

enum { PICTURE_KEY = 32 };

typedef struct picture_shape {
    uint32_t channels, height, width; /* 0: as the pictures have it */
    uint64_t resized;                 /* pictures of another size */
} picture_shape;

typedef struct picture_cache {
    tas_context *context;
    const char *from, *wanted; /* wanted: the reading's folder */
    char folder[4096];
    bool usable;
    unsigned char key[PICTURE_KEY]; /* SHA-256 over the list of both splits and what is wanted of them */
} picture_cache;

/* use: false for what will not be read again. */
tas_status picture_cache_open(const reader_request *request, const picture_list *list, const picture_shape *wanted,
                              bool use, picture_cache *out);

/* The pictures of a split, mapped; false if they have to be decoded. A damaged file is noted. */
bool picture_cache_find(const picture_cache *cache, tas_split split, uint64_t count, picture_shape *shape,
                        data_elements *out);

/* Pictures on their way into the cache. */
typedef struct picture_store {
    const picture_cache *cache;
    tas_split split;
    picture_shape shape;
    uint64_t count, row;
    file_writer writer; /* with no stream, builder has them */
    char *path;
    builder *builder;
} picture_store;
tas_status picture_cache_begin(const picture_cache *cache, tas_split split, uint64_t count, const picture_shape *shape,
                               picture_store *out);
tas_status picture_cache_add(picture_store *store, const unsigned char *planes);
tas_status picture_cache_finish(picture_store *store, uint64_t resized, data_elements *out);
void picture_cache_abandon(picture_store *store);

#endif
