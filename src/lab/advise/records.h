/* Rows of numbers that another program wrote: CSV as in RFC 4180, the same with tabs between the fields, or one JSON
 * object per line. Pure but for the context's error text. An error names the file, the line, the column (in bytes, both
 * from 1), what stands there and what was expected.
 *
 * Lines end with LF or CRLF, empty ones are skipped, and so is a byte order mark at the start. Spaces around a field or
 * a name do not count unless they are quoted. Columns may come in any order, and unknown ones are skipped. NaN and
 * Infinity, which Python's json writes although JSON has neither, are numbers here. */
#ifndef RECORDS_H
#define RECORDS_H

#include "base/context.h"

#include <float.h>
#include <stddef.h>

enum {
    RECORDS_COLUMNS = 16,      /* that a reader knows, at most */
    RECORDS_FIELDS = 256,      /* of a line, at most */
    RECORDS_BYTES = 64u << 20, /* of a file, at most */
    RECORDS_DEPTH = 64         /* of nested JSON in an unknown column */
};

#define RECORDS_ABOVE_0 DBL_TRUE_MIN /* the least number that is not 0 */

typedef struct records_column {
    const char *name;
    const char *expected; /* "a number above 0" */
    double least, most;   /* inclusive */
    bool whole, required; /* required: the column cannot be missing */
    bool optional;        /* a field may be empty, null, NA or None (or NaN, unless that is a value) */
    bool not_finite;      /* NaN, inf and the like are values: INFINITY */
} records_column;

typedef struct records_value {
    bool given;  /* false: no such column, or nothing in it; the rest is 0 */
    double real; /* INFINITY: not finite, if the column allows it */
    uint64_t whole;
    uint64_t line, column;
} records_value;

typedef struct records_reader {
    tas_context *context;
    const char *name; /* of the file, for errors */
    const records_column *columns;
    int count;
    /* Called once, before the first row, with the columns that there are: those of the header, or of the first object.
     * Then row() once per row. line is where they begin. A failure ends the reading. */
    tas_status (*head)(void *user, const bool *present, uint64_t line);
    tas_status (*row)(void *user, const records_value *values, uint64_t line);
    void *user;
} records_reader;

tas_status records_read(const records_reader *reader, const char *text, size_t bytes);

/* Fails with "NAME:LINE:COLUMN: ..."; returns TAS_BAD_DATA. */
tas_status records_fail(const records_reader *reader, uint64_t line, uint64_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* For records_csv.c and records_json.c --------------------------------------------------------------------------- */

/* Where a reader is. */
typedef struct records_scan {
    const records_reader *reader;
    const char *at, *end;
    const char *start; /* of the line */
    uint64_t line;
    uint64_t rows;
} records_scan;

static inline uint64_t records_scan_column(const records_scan *s, const char *at)
{
    return (uint64_t)(at - s->start) + 1;
}

/* The place of a column of that name; -1: unknown. */
int records_find(const records_reader *reader, const char *name, size_t bytes);

/* Reads a field into value, whose line and column are set. `quoted`: as it stands, without its quotes. */
tas_status records_set(const records_reader *reader, int place, const char *text, size_t bytes, records_value *value);

/* Fails unless each required column is present; names are those that there are, for a suggestion, ended by NULL. */
tas_status records_check_present(const records_reader *reader, const bool *present, uint64_t line,
                                 const char *const *names);

tas_status records_csv_read(records_scan *s);
tas_status records_json_read(records_scan *s);

#endif
