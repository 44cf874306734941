/* CSV text as records of fields: RFC 4180, with further separators. Of the text only a piece is in memory. */
#ifndef CSV_ROWS_H
#define CSV_ROWS_H

#include "data/readers/stream.h"

/* A record has at most so many fields and bytes. */
enum { CSV_FIELDS_MOST = 1 << 20, CSV_RECORD_MOST = 64 << 20 };

typedef struct csv_rows {
    tas_context *context;
    const char *path; /* the caller's */
    stream stream;
    char separator;
    char *chunk; /* a piece of the file, of which at .. end are still to read */
    size_t at, end;
    uint64_t next_line; /* the number of the line of the next byte */
    bool after_return;  /* a line feed that follows belongs to the line's end before it */

    /* The record: */
    uint64_t line; /* where it begins, from 1 */
    uint32_t count;
    size_t *starts, start_room; /* (count), of each field in text, where it ends with a 0 */
    char *text;
    size_t bytes, room;
} csv_rows;

/* separator ' ': runs of blanks and tabs; 0: what csv_separator_guess() says. *out is closed with csv_rows_close(),
 * after a failure, too. */
tas_status csv_rows_open(tas_context *context, const char *path, char separator, csv_rows *out);

/* The next record that is not an empty line; *more is false if there is none. */
tas_status csv_rows_next(csv_rows *rows, bool *more);

/* Back to the first record. */
tas_status csv_rows_rewind(csv_rows *rows);
void csv_rows_close(csv_rows *rows);

static inline const char *csv_rows_field(const csv_rows *rows, uint32_t index)
{
    return rows->text + rows->starts[index];
}

#endif
