/* Lines of sparse text: "label index:value ... # comment". */
#ifndef LIBSVM_ROWS_H
#define LIBSVM_ROWS_H

#include "data/readers/reader.h"
#include "data/readers/stream.h"

/* An index has at most so much, since examples are not sparse in memory. */
enum { LIBSVM_INDEX_MOST = 1 << 24, LIBSVM_LINE_MOST = 64 << 20 };

typedef struct libsvm_entry {
    uint32_t index;
    float value;
} libsvm_entry;

typedef struct libsvm_rows {
    const reader_request *request;
    const char *path; /* the caller's */
    stream stream;
    char *chunk; /* a piece of the file, of which at .. end are still to read */
    size_t at, end;
    char *text; /* the line */
    size_t bytes, room;

    /* What it has: */
    uint64_t line; /* its number, from 1 */
    uint64_t read; /* bytes of text so far */
    bool has_label;
    double label;
    libsvm_entry *entries; /* (count), of ascending indices */
    size_t count, entry_room;
} libsvm_rows;

/* *out is closed with libsvm_rows_close(), after a failure, too. */
tas_status libsvm_rows_open(const reader_request *request, const char *path, libsvm_rows *out);

/* The next line that has more than blanks and a comment; *more is false if there is none. Lines that are wrong are
 * reported. */
tas_status libsvm_rows_next(libsvm_rows *rows, bool *more);
tas_status libsvm_rows_rewind(libsvm_rows *rows);
void libsvm_rows_close(libsvm_rows *rows);

#endif
