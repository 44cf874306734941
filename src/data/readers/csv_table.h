/* A file of a table: its header, and what its columns have. */
#ifndef CSV_TABLE_H
#define CSV_TABLE_H

#include "data/readers/csv_rows.h"
#include "data/readers/number.h"
#include "data/readers/reader.h"
#include "data/readers/words.h"

/* A column with numbers and other texts has at most CSV_MIXED different ones, else a few of them are mistakes. */
enum { CSV_MIXED = 20, CSV_LABEL_BYTES = SCHEMA_NAME_BYTES + 16 };

typedef enum csv_role { CSV_IGNORED = 0, CSV_INPUT, CSV_TARGET } csv_role;

typedef enum csv_kind { CSV_NUMBER, CSV_INFINITE, CSV_WORD, CSV_MISSING } csv_kind;

/* The first field of a kind. */
typedef struct csv_first {
    char text[40]; /* its beginning */
    uint64_t line; /* 0: there is none */
} csv_first;

typedef struct csv_column {
    char *name; /* NULL: the file has no header */
    csv_role role;
    uint64_t of_kind[4];            /* by csv_kind: fields of the rows that are kept; missing ones of all rows */
    csv_first first[4], first_part; /* by csv_kind; and the first number that is not whole */
    bool bytes;                     /* all numbers are whole, from 0 to 255 */
    double sum;                     /* of the numbers */
    words texts;                    /* the different ones, unless there were too many of them */
    bool too_many;
} csv_column;

typedef struct csv_table {
    const reader_request *request;
    const char *path; /* the caller's */
    csv_rows rows;
    csv_column *columns;
    uint32_t count;      /* of them */
    uint64_t first_line; /* of the record that says how many there are */
    bool has_header;
    bool has_blanks; /* within the first field of that record */
    uint64_t examples, dropped, missing;
    bool has_class_line; /* the first line is one of scikit-learn's: examples, inputs, names of classes */
    char **class_names;  /* (class_count), of that line, until a schema takes them */
    uint32_t class_count;
} csv_table;

/* Opens a file and reads its header. separator: as for csv_rows_open(). of: a network's, which says what a header would
 * have; or NULL. *out is closed with csv_table_close(), after a failure, too. */
tas_status csv_table_open(const reader_request *request, const char *path, char separator, const schema *of,
                          csv_table *out);
void csv_table_close(csv_table *table);

/* Reads all rows, to count what the columns with a role have. With `collect`, their different texts, too. */
tas_status csv_table_scan(csv_table *table, bool collect);

/* Back to the first example. */
tas_status csv_table_rewind(csv_table *table);

/* The next row that has the right number of fields; others are reported. */
tas_status csv_table_next(csv_table *table, bool *more);

csv_kind csv_table_kind(const csv_table *table, const char *text, double *value);

/* "column 'age'" or "column 3"; text has CSV_LABEL_BYTES. */
const char *csv_table_label(const csv_table *table, uint32_t column, char *text);

#endif
