/* Creating the schema of a table. A problem of one column is reported, and the next one is looked at. */
#include "data/readers/csv_schema.h"

#include "data/readers/targets.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_LISTED = 10 };

static tas_status no_memory(const csv_table *table)
{
    return fail(table->request->context, TAS_NO_MEMORY, "%s: no memory for its columns", table->path);
}

/* "FILE:LINE: column 'age': 'x' is ..." */
static tas_status report_field(const csv_table *table, uint32_t column, const csv_first *first, const char *what)
{
    char label[CSV_LABEL_BYTES];
    return reader_problem(table->request, "%s:%" PRIu64 ": %s: '%s' is %s", table->path, first->line,
                          csv_table_label(table, column, label), first->text, what);
}

static tas_status report_column(const csv_table *table, uint32_t column, const char *what)
{
    char label[CSV_LABEL_BYTES];
    return reader_problem(table->request, "%s: %s %s", table->path, csv_table_label(table, column, label), what);
}

/* Missing fields -------------------------------------------------------------------------------------------------- */

/* "7 in column 'age' (the first in line 3), 2 in ..." */
static tas_status report_missing(const csv_table *table, csv_role role, uint64_t count, const char *remedy)
{
    char list[COLUMNS_LISTED * (CSV_LABEL_BYTES + 64)], label[CSV_LABEL_BYTES];
    int listed = 0, used = 0;
    for (uint32_t i = 0; i < table->count && listed < COLUMNS_LISTED; i++) {
        const csv_column *column = &table->columns[i];
        if (!column->of_kind[CSV_MISSING] || (role == CSV_TARGET && column->role != role)) continue;
        used +=
            snprintf(list + used, sizeof list - (size_t)used, "%s%" PRIu64 " in %.200s (the first in line %" PRIu64 ")",
                     listed ? ", " : "", column->of_kind[CSV_MISSING], csv_table_label(table, i, label),
                     column->first[CSV_MISSING].line);
        if (++listed == COLUMNS_LISTED) snprintf(list + used, sizeof list - (size_t)used, ", ...");
    }
    return reader_problem(table->request, "%s: %" PRIu64 " missing field%s: %s; %s", table->path, count,
                          count == 1 ? "" : "s", list, remedy);
}

tas_status csv_schema_check_missing(const csv_table *table)
{
    uint64_t of_targets = 0;
    const tas_missing choice = table->request->reading->missing;
    if (!table->missing || choice == TAS_MISSING_DROP) return TAS_OK;
    if (choice == TAS_MISSING_ERROR)
        return report_missing(table, CSV_INPUT, table->missing,
                              "they can become their column's mean, or their rows can be left out");
    for (uint32_t i = 0; i < table->count; i++)
        if (table->columns[i].role == CSV_TARGET) of_targets += table->columns[i].of_kind[CSV_MISSING];
    if (!of_targets) return TAS_OK;
    return report_missing(table, CSV_TARGET, of_targets, "targets have no mean; such rows can only be left out");
}

/* Inputs ---------------------------------------------------------------------------------------------------------- */

/* "1,5" or "1,234,567" */
static bool has_decimal_comma(const char *text)
{
    const char *at = text + (*text == '-' || *text == '+');
    const size_t digits = strspn(at, "0123456789");
    return digits && at[digits] == ',' && at[digits + 1] && !at[digits + strspn(at + digits, "0123456789,.")];
}

static tas_status check_categories(const csv_table *table, uint32_t place)
{
    char what[160];
    const csv_column *column = &table->columns[place];
    if (has_decimal_comma(column->first[CSV_WORD].text))
        return report_field(table, place, &column->first[CSV_WORD],
                            "not a number: expected a decimal point, and nothing between thousands");
    if (!column->too_many) return TAS_OK;
    if (!column->of_kind[CSV_NUMBER]) {
        snprintf(what, sizeof what, "has more than %d different texts, too many for categories; ignore it",
                 SCHEMA_CATEGORIES);
        return report_column(table, place, what);
    }
    snprintf(what, sizeof what,
             "not a number, but %" PRIu64
             " other fields are; correct it, leave it empty as a missing one, or ignore the column",
             column->of_kind[CSV_NUMBER]);
    return report_field(table, place, &column->first[CSV_WORD], what);
}

/* The column's texts become the categories, with "" for missing ones before all others. */
static tas_status take_categories(csv_table *table, uint32_t place, schema_column *out)
{
    csv_column *column = &table->columns[place];
    char label[CSV_LABEL_BYTES];
    if (column->of_kind[CSV_MISSING] && table->request->reading->missing == TAS_MISSING_MEAN &&
        !words_add(&column->texts, ""))
        return no_memory(table);
    words_sort(&column->texts);
    out->categories = column->texts.text;
    out->category_count = column->texts.count;
    column->texts.text = NULL;
    column->texts.count = 0;
    if (column->of_kind[CSV_NUMBER])
        note_once(table->request->context,
                  "%s: %s has words as well as numbers (the first, '%s', in line %" PRIu64 "): they are %" PRIu32
                  " categories",
                  table->path, csv_table_label(table, place, label), column->first[CSV_WORD].text,
                  column->first[CSV_WORD].line, out->category_count);
    return TAS_OK;
}

static tas_status create_column(csv_table *table, uint32_t place, schema_column *out)
{
    csv_column *column = &table->columns[place];
    *out = (schema_column){.place = place, .mean = (double)NAN};
    if (column->name && !(out->name = strdup(column->name))) return no_memory(table);
    if (column->of_kind[CSV_WORD]) {
        const tas_status status = check_categories(table, place);
        return status || column->too_many ? status : take_categories(table, place, out);
    }
    if (column->of_kind[CSV_INFINITE])
        return report_field(table, place, &column->first[CSV_INFINITE], "not finite, or beyond the range of floats");
    if (!column->of_kind[CSV_NUMBER]) return report_column(table, place, "has no values; ignore it");
    const double mean = column->sum / (double)column->of_kind[CSV_NUMBER], most = (double)FLT_MAX;
    out->mean = mean > most ? most : mean < -most ? -most : mean; /* rounded sums of the greatest numbers */
    return TAS_OK;
}

static tas_status create_columns(csv_table *table, const csv_map *map, schema *out)
{
    tas_status status = TAS_OK;
    out->columns = calloc(map->input_count, sizeof *out->columns);
    if (!out->columns) return no_memory(table);
    out->column_count = map->input_count;
    for (uint32_t i = 0; i < map->input_count && !status; i++) {
        status = create_column(table, map->inputs[i], &out->columns[i]);
        out->input_size += out->columns[i].categories ? out->columns[i].category_count : 1;
    }
    return status;
}

/* Classes --------------------------------------------------------------------------------------------------------- */

static int compare_numbers(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The different numbers of a column of nothing else, ascending; malloc()ed, NULL without memory. */
static double *list_numbers(const csv_table *table, const csv_column *column, uint32_t *count)
{
    double *numbers = malloc(((size_t)column->texts.count + 1) * sizeof *numbers);
    *count = 0;
    if (!numbers) return NULL;
    for (uint32_t i = 0; i < column->texts.count; i++) csv_table_kind(table, column->texts.text[i], &numbers[i]);
    qsort(numbers, column->texts.count, sizeof *numbers, compare_numbers);
    for (uint32_t i = 0; i < column->texts.count; i++)
        if (!*count || numbers[i] != numbers[*count - 1]) numbers[(*count)++] = numbers[i];
    return numbers;
}

static tas_status name_numbers(const csv_table *table, uint32_t place, const double *numbers, schema *out)
{
    char text[32], label[CSV_LABEL_BYTES];
    out->class_names = calloc(out->classes, sizeof *out->class_names);
    if (!out->class_names) return no_memory(table);
    for (uint32_t i = 0; i < out->classes; i++) {
        snprintf(text, sizeof text, "%.0f", numbers[i] + 0.0); /* not -0 */
        if (!(out->class_names[i] = strdup(text))) return no_memory(table);
    }
    note_once(table->request->context,
              "%s: the numbers %s to %s in %s are %" PRIu32 " classes, in this order: not those from 0 on", table->path,
              out->class_names[0], out->class_names[out->classes - 1], csv_table_label(table, place, label),
              out->classes);
    return TAS_OK;
}

/* Those of scikit-learn's first line, if the numbers are theirs. */
static bool take_class_line(csv_table *table, const double *numbers, uint32_t count, schema *out)
{
    if (!table->class_names || numbers[0] < 0 || numbers[count - 1] >= table->class_count) return false;
    out->class_names = table->class_names;
    out->classes = table->class_count;
    table->class_names = NULL;
    return true;
}

static tas_status create_numbers(csv_table *table, uint32_t place, const double *numbers, uint32_t count, schema *out)
{
    if (take_class_line(table, numbers, count, out)) return TAS_OK;
    out->classes = count;
    if (numbers[0] == 0 && numbers[count - 1] == count - 1) return TAS_OK;
    return name_numbers(table, place, numbers, out);
}

static tas_status create_words(csv_table *table, uint32_t place, schema *out)
{
    csv_column *column = &table->columns[place];
    words_sort(&column->texts);
    out->class_names = column->texts.text;
    out->classes = column->texts.count;
    column->texts.text = NULL;
    column->texts.count = 0;
    return TAS_OK;
}

/* Whether a single target is one of classes. */
static bool is_class(const csv_column *column, tas_targets wanted, uint32_t different)
{
    if (wanted != TAS_TARGETS_AUTO) return wanted == TAS_TARGETS_CLASSES;
    return column->of_kind[CSV_WORD] ||
           (!column->first_part.line && !column->too_many && different <= TARGETS_AUTO_MOST);
}

static tas_status check_classes(const csv_table *table, uint32_t place, tas_targets wanted)
{
    char what[160];
    const csv_column *column = &table->columns[place];
    const uint64_t numbers = column->of_kind[CSV_NUMBER], texts = column->of_kind[CSV_WORD];
    if (column->too_many) {
        snprintf(what, sizeof what, "has more than %d different values, too many for classes", TARGETS_CLASSES_MOST);
        return report_column(table, place, what);
    }
    if (wanted == TAS_TARGETS_AUTO && texts < numbers && column->texts.count > CSV_MIXED) {
        snprintf(what, sizeof what, "not a number, but %" PRIu64 " other fields are", numbers);
        return report_field(table, place, &column->first[CSV_WORD], what);
    }
    if (!texts && column->first_part.line)
        return report_field(table, place, &column->first_part, "not a class: expected words or whole numbers");
    if (!texts && column->of_kind[CSV_INFINITE])
        return report_field(table, place, &column->first[CSV_INFINITE], "not a class: expected words or whole numbers");
    return TAS_OK;
}

static tas_status check_values(const csv_table *table, uint32_t place)
{
    const csv_column *column = &table->columns[place];
    tas_status status = TAS_OK;
    if (column->of_kind[CSV_WORD])
        status = report_field(table, place, &column->first[CSV_WORD],
                              has_decimal_comma(column->first[CSV_WORD].text)
                                  ? "not a number: expected a decimal point, and nothing between thousands"
                                  : "not a number, expected values as targets");
    if (!status && column->of_kind[CSV_INFINITE])
        status = report_field(table, place, &column->first[CSV_INFINITE], "not finite, or beyond the range of floats");
    return status;
}

static tas_status create_classes(csv_table *table, uint32_t place, schema *out)
{
    const csv_column *column = &table->columns[place];
    const tas_targets wanted = table->request->reading->targets;
    const bool of_numbers = !column->of_kind[CSV_WORD] && !column->of_kind[CSV_INFINITE] && column->texts.count;
    uint32_t count = 0;
    double *numbers = of_numbers ? list_numbers(table, column, &count) : NULL;
    if (of_numbers && !numbers) return no_memory(table);
    tas_status status;
    out->target_type = is_class(column, wanted, count) ? TAS_TARGET_LABEL : TAS_TARGET_F32;
    if (out->target_type == TAS_TARGET_F32)
        status = check_values(table, place);
    else
        status = check_classes(table, place, wanted);
    if (!status && out->target_type == TAS_TARGET_LABEL)
        status = numbers ? create_numbers(table, place, numbers, count, out) : create_words(table, place, out);
    free(numbers);
    return status;
}

/* Targets --------------------------------------------------------------------------------------------------------- */

static tas_status name_targets(const csv_table *table, const csv_map *map, schema *out)
{
    out->target_places = calloc(map->target_count, sizeof *out->target_places);
    if (table->has_header) out->target_names = calloc(map->target_count, sizeof *out->target_names);
    if (!out->target_places || (table->has_header && !out->target_names)) return no_memory(table);
    out->target_count = map->target_count;
    for (uint32_t i = 0; i < map->target_count; i++) {
        out->target_places[i] = map->targets[i];
        if (out->target_names && !(out->target_names[i] = strdup(table->columns[map->targets[i]].name)))
            return no_memory(table);
    }
    return TAS_OK;
}

static tas_status create_targets(csv_table *table, const csv_map *map, schema *out)
{
    const tas_targets wanted = table->request->reading->targets;
    tas_status status = name_targets(table, map, out);
    out->target_type = TAS_TARGET_F32;
    if (status) return status;
    if (map->target_count > 1 && wanted == TAS_TARGETS_CLASSES)
        return fail(table->request->context, TAS_BAD_ARGUMENT,
                    "%s: %" PRIu32 " columns as targets, expected one for classes", table->path, map->target_count);
    if (map->target_count == 1 && wanted != TAS_TARGETS_VALUES)
        status = create_classes(table, map->targets[0], out);
    else
        for (uint32_t i = 0; i < map->target_count && !status; i++) status = check_values(table, map->targets[i]);
    if (out->target_type == TAS_TARGET_F32) out->target_size = map->target_count;
    return status;
}

tas_status csv_schema_create(csv_table *table, const csv_map *map, schema *out)
{
    out->has_header = table->has_header;
    out->file_columns = table->count;
    out->input_type = TAS_INPUT_F32;
    tas_status status = create_columns(table, map, out);
    return status ? status : create_targets(table, map, out);
}
