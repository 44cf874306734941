/* A file that is read from its beginning, plain or compressed with gzip. */
#ifndef STREAM_H
#define STREAM_H

#include "base/context.h"

#include <zlib.h>

typedef struct stream {
    tas_context *context;
    const char *path; /* the caller's */
    gzFile file;      /* reads plain files as they are */
    int fd;           /* its descriptor */
    uint64_t size;    /* on disk */
} stream;

/* *out is closed with stream_close(), after a failure, too. */
tas_status stream_open(tas_context *context, const char *path, stream *out);

/* Reads `want` bytes; *got is less if the file ends before. Damaged gzip data fail. */
tas_status stream_read(const stream *of, void *out, size_t want, size_t *got);

/* Back to the beginning. */
tas_status stream_rewind(const stream *of);
void stream_close(stream *of);

#endif
