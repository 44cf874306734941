/* What one needs to read further files as a training set was read: columns, categories, classes, sizes. It is stored as
 * JSON in checkpoints, so a schema that is read may hold anything. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "base/context.h"

#include <tassello/data.h>

/* A name has at most so many bytes, a column at most so many categories. */
enum { SCHEMA_NAME_BYTES = 1000, SCHEMA_CATEGORIES = 1000 };

/* An input column of a table. */
typedef struct schema_column {
    char *name;        /* NULL: it has none */
    uint32_t place;    /* in the rows of the file, from 0 */
    char **categories; /* sorted by their bytes, "" for missing ones; NULL: a number */
    uint32_t category_count;
    double mean; /* of the training set's numbers, for missing ones; NaN: not wanted */
} schema_column;

typedef struct schema {
    const char *format; /* a reader's name: static, or own_format */
    char *own_format;   /* of a schema that was read or copied; NULL: format is static */
    uint32_t channels, height, width;
    tas_input_type input_type;
    tas_target_type target_type;
    size_t input_size, target_size; /* target_size: of floats; else 0 */
    uint32_t classes;
    char **class_names; /* (classes); NULL: they are numbers from 0 */
    /* Tables alone: */
    schema_column *columns; /* in the order of the inputs, which is that of their places */
    uint32_t column_count;
    uint32_t file_columns;   /* fields in a row of the training set, also those of targets and of what was left out */
    char **target_names;     /* of the column of the class, or (target_size); NULL: they have none */
    uint32_t *target_places; /* (target_count), ascending, in the rows of the file, from 0 */
    uint32_t target_count;   /* 1, or target_size; 0 if there are no columns */
    bool has_header;         /* columns and targets have names; else none has */
    bool sparse_from_zero;   /* libsvm: indices count from 0 */
    /* Pictures alone: */
    bool resized;
} schema;

/* One line of JSON, which the caller frees; NULL without memory. Names are UTF-8. */
char *schema_print(const schema *of);

/* Reads what schema_print() wrote. *out is freed with schema_free(), after a failure, too. from: for errors. What has
 * been read is consistent: sizes are products and sums of what they should be, names differ, categories are sorted. */
tas_status schema_parse(tas_context *context, const char *text, const char *from, schema *out);
void schema_free(schema *of);
tas_status schema_copy(tas_context *context, const schema *from, schema *to);

/* Inputs that the columns are. */
size_t schema_count_inputs(const schema *of);

/* The names of the inputs as they lie in an example: a number's column, or "column=value" for each category. NULL in
 * *names if there are none. Each, and the list, is freed by the caller (schema_free_names()). */
tas_status schema_input_names(tas_context *context, const schema *of, char ***names, size_t *count);
void schema_free_names(char ***names, size_t count);

/* What a column is called in messages and, if it has categories, in the names of inputs: its name, or "column 3". */
const char *schema_column_name(const schema_column *column, char *text, size_t bytes);

#endif
