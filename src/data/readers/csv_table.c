/* Tables: opening them, and counting what their columns have. */
#include "data/readers/csv_table.h"

#include "data/readers/csv_header.h"
#include "data/readers/targets.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

csv_kind csv_table_kind(const csv_table *table, const char *text, double *value)
{
    if (number_is_missing(text)) return CSV_MISSING;
    switch (number_read(text, table->request->context->c_locale, value)) {
    case NUMBER_FINITE: return CSV_NUMBER;
    case NUMBER_INFINITE: return CSV_INFINITE;
    default: return CSV_WORD;
    }
}

const char *csv_table_label(const csv_table *table, uint32_t column, char *text)
{
    const char *name = table->columns[column].name;
    if (name)
        snprintf(text, CSV_LABEL_BYTES, "column '%s'", name);
    else
        snprintf(text, CSV_LABEL_BYTES, "column %" PRIu32, column + 1);
    return text;
}

tas_status csv_table_open(const reader_request *request, const char *path, char separator, const schema *of,
                          csv_table *out)
{
    *out = (csv_table){.request = request, .path = path};
    const tas_status status = csv_rows_open(request->context, path, separator, &out->rows);
    return status ? status : csv_header_read(out, of);
}

void csv_table_close(csv_table *table)
{
    csv_rows_close(&table->rows);
    for (uint32_t i = 0; i < table->count; i++) {
        free(table->columns[i].name);
        words_free(&table->columns[i].texts);
    }
    free(table->columns);
    schema_free_names(&table->class_names, table->class_count);
    *table = (csv_table){0};
}

tas_status csv_table_rewind(csv_table *table)
{
    bool more;
    tas_status status = csv_rows_rewind(&table->rows);
    if (!status && (table->has_header || table->has_class_line)) status = csv_rows_next(&table->rows, &more);
    return status;
}

tas_status csv_table_next(csv_table *table, bool *more)
{
    csv_rows *rows = &table->rows;
    tas_status status;
    do {
        status = csv_rows_next(rows, more);
        if (status || !*more || rows->count == table->count) return status;
        status = reader_problem(table->request,
                                "%s:%" PRIu64 ": %" PRIu32 " fields, expected %" PRIu32 " as in line %" PRIu64,
                                table->path, rows->line, rows->count, table->count, table->first_line);
    } while (!status);
    return status;
}

/* Counting -------------------------------------------------------------------------------------------------------- */

typedef struct csv_fields {
    csv_kind *kinds; /* (count), of the record */
    double *values;
} csv_fields;

static void keep_first(csv_first *first, const char *text, uint64_t line)
{
    if (first->line) return;
    first->line = line;
    snprintf(first->text, sizeof first->text, "%s", text);
}

/* A text that becomes a name of a category or a class. */
static tas_status check_text(const csv_table *table, uint32_t column, const char *text)
{
    char label[CSV_LABEL_BYTES];
    const uint64_t line = table->rows.line;
    tas_context *context = table->request->context;
    if (strlen(text) > SCHEMA_NAME_BYTES)
        return fail(context, TAS_BAD_DATA,
                    "%s:%" PRIu64 ": %s: a text of %zu bytes, expected a number or at most %d bytes", table->path, line,
                    csv_table_label(table, column, label), strlen(text), SCHEMA_NAME_BYTES);
    if (text_is_utf8(text)) return TAS_OK;
    return fail(context, TAS_BAD_DATA, "%s:%" PRIu64 ": %s: '%.100s' is not UTF-8", table->path, line,
                csv_table_label(table, column, label), text);
}

static tas_status collect_text(csv_table *table, uint32_t place, const char *text)
{
    csv_column *column = &table->columns[place];
    const bool mixed = column->of_kind[CSV_NUMBER];
    const uint32_t most = column->role == CSV_TARGET ? TARGETS_CLASSES_MOST : mixed ? CSV_MIXED : SCHEMA_CATEGORIES;
    if (column->too_many || words_find(&column->texts, text) >= 0) return TAS_OK;
    if (column->texts.count >= most) {
        column->too_many = true;
        words_free(&column->texts);
        return TAS_OK;
    }
    const tas_status status = check_text(table, place, text);
    if (status) return status;
    if (words_add(&column->texts, text)) return TAS_OK;
    return fail(table->request->context, TAS_NO_MEMORY, "%s: no memory for its categories", table->path);
}

static tas_status count_field(csv_table *table, uint32_t place, const csv_fields *fields, bool collect)
{
    csv_column *column = &table->columns[place];
    const csv_kind kind = fields->kinds[place];
    const char *text = csv_rows_field(&table->rows, place);
    const double value = fields->values[place];
    if (kind == CSV_MISSING) return TAS_OK; /* counted already */
    column->of_kind[kind]++;
    keep_first(&column->first[kind], text, table->rows.line);
    if (kind == CSV_NUMBER) {
        const bool whole = number_is_whole(value);
        if (!whole) keep_first(&column->first_part, text, table->rows.line);
        column->bytes &= whole && value >= 0 && value <= 255;
        column->sum += value;
    }
    return collect ? collect_text(table, place, text) : TAS_OK;
}

static uint64_t count_missing(csv_table *table, csv_fields *fields)
{
    uint64_t missing = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        csv_column *column = &table->columns[i];
        const char *text = csv_rows_field(&table->rows, i);
        if (column->role == CSV_IGNORED) continue;
        fields->kinds[i] = csv_table_kind(table, text, &fields->values[i]);
        if (fields->kinds[i] != CSV_MISSING) continue;
        column->of_kind[CSV_MISSING]++;
        keep_first(&column->first[CSV_MISSING], text, table->rows.line);
        missing++;
    }
    return missing;
}

static tas_status count_record(csv_table *table, csv_fields *fields, bool collect)
{
    const uint64_t missing = count_missing(table, fields);
    tas_status status = TAS_OK;
    table->missing += missing;
    if (missing && table->request->reading->missing == TAS_MISSING_DROP) {
        table->dropped++;
        return TAS_OK;
    }
    table->examples++;
    for (uint32_t i = 0; i < table->count && !status; i++)
        if (table->columns[i].role != CSV_IGNORED) status = count_field(table, i, fields, collect);
    return status;
}

static tas_status check_count(const csv_table *table)
{
    tas_context *context = table->request->context;
    if (table->examples > UINT32_MAX)
        return fail(context, TAS_BAD_DATA, "%s: %" PRIu64 " examples, expected at most 4294967295", table->path,
                    table->examples);
    if (table->examples) return TAS_OK;
    if (table->dropped)
        return fail(context, TAS_BAD_DATA, "%s: each of its %" PRIu64 " rows lacks a field and is left out",
                    table->path, table->dropped);
    return fail(context, TAS_BAD_DATA, "%s: nothing %s", table->path,
                table->has_header || table->has_class_line ? "below its header" : "but rows that cannot be used");
}

static tas_status scan_rows(csv_table *table, csv_fields *fields, bool collect)
{
    bool more = true;
    for (uint32_t i = 0; i < table->count; i++) table->columns[i].bytes = true;
    tas_status status = csv_table_rewind(table);
    while (!status) {
        status = csv_table_next(table, &more);
        if (status || !more) break;
        status = count_record(table, fields, collect);
    }
    return status ? status : check_count(table);
}

tas_status csv_table_scan(csv_table *table, bool collect)
{
    csv_fields fields = {calloc(table->count, sizeof *fields.kinds), calloc(table->count, sizeof *fields.values)};
    const tas_status status = fields.kinds && fields.values ? scan_rows(table, &fields, collect)
                                                            : fail(table->request->context, TAS_NO_MEMORY,
                                                                   "%s: no memory for its columns", table->path);
    free(fields.kinds);
    free(fields.values);
    return status;
}
