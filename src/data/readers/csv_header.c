/* The header of a table, by rules that do not depend on what its names are:
 * - one of its fields is not a number although all below it are, or
 * - all of its fields are words that differ. An empty first one, as pandas writes it above an index, does not matter.
 * scikit-learn's own files begin with a line of another kind: examples, inputs, and the names of the classes. */
#include "data/readers/csv_header.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct first_record {
    csv_kind *kinds;              /* (count) */
    uint32_t count, words, names; /* names: a column may be called NA */
} first_record;

static tas_status no_memory(const csv_table *table)
{
    return fail(table->request->context, TAS_NO_MEMORY, "%s: no memory for its columns", table->path);
}

static tas_status look_at_first(const csv_table *table, first_record *first)
{
    double value;
    *first = (first_record){.count = table->rows.count};
    first->kinds = calloc(first->count, sizeof *first->kinds);
    if (!first->kinds) return no_memory(table);
    for (uint32_t i = 0; i < first->count; i++) {
        const char *text = csv_rows_field(&table->rows, i);
        first->kinds[i] = csv_table_kind(table, text, &value);
        first->words += first->kinds[i] == CSV_WORD;
        first->names += first->kinds[i] == CSV_WORD || (first->kinds[i] == CSV_MISSING && *text);
    }
    return TAS_OK;
}

/* Names --------------------------------------------------------------------------------------------------------------
 */

static tas_status check_name(const csv_table *table, const char *name, uint32_t column)
{
    tas_context *context = table->request->context;
    if (strlen(name) > SCHEMA_NAME_BYTES)
        return fail(context, TAS_BAD_DATA,
                    "%s:%" PRIu64 ": the name of column %" PRIu32 " has %zu bytes, expected at most %d", table->path,
                    table->first_line, column + 1, strlen(name), SCHEMA_NAME_BYTES);
    if (text_is_utf8(name)) return TAS_OK;
    return fail(context, TAS_BAD_DATA, "%s:%" PRIu64 ": the name of column %" PRIu32 ", '%.100s', is not UTF-8",
                table->path, table->first_line, column + 1, name);
}

static tas_status add_name(csv_table *table, words *names, uint32_t column)
{
    char unnamed[32];
    const char *name = csv_rows_field(&table->rows, column);
    if (!*name) {
        snprintf(unnamed, sizeof unnamed, "column %" PRIu32, column + 1);
        name = unnamed;
    }
    const tas_status status = check_name(table, name, column);
    if (status) return status;
    const int64_t other = words_find(names, name);
    if (other >= 0)
        return fail(table->request->context, TAS_BAD_DATA,
                    "%s:%" PRIu64 ": columns %" PRId64 " and %" PRIu32 " are both called '%.100s'; names must differ",
                    table->path, table->first_line, other + 1, column + 1, name);
    table->columns[column].name = strdup(name);
    return table->columns[column].name && words_add(names, name) ? TAS_OK : no_memory(table);
}

static tas_status set_names(csv_table *table)
{
    words names = {0};
    tas_status status = TAS_OK;
    table->has_header = true;
    for (uint32_t i = 0; i < table->count && !status; i++) status = add_name(table, &names, i);
    words_free(&names);
    return status;
}

static tas_status set_columns(csv_table *table, uint32_t count, uint64_t line)
{
    table->columns = calloc(count, sizeof *table->columns);
    if (!table->columns) return no_memory(table);
    table->count = count;
    table->first_line = line;
    table->has_blanks = strpbrk(csv_rows_field(&table->rows, 0), " \t");
    return TAS_OK;
}

/* Rules --------------------------------------------------------------------------------------------------------------
 */

/* Whether the record has a name of the columns that a network was trained on. */
static bool has_known_name(const csv_table *table, const schema *of)
{
    for (uint32_t i = 0; i < table->rows.count; i++) {
        const char *text = csv_rows_field(&table->rows, i);
        for (uint32_t k = 0; k < of->column_count; k++)
            if (of->columns[k].name && !strcmp(text, of->columns[k].name)) return true;
        for (uint32_t k = 0; k < of->target_count; k++)
            if (of->target_names && !strcmp(text, of->target_names[k])) return true;
    }
    return false;
}

static bool all_differ(const csv_table *table, const first_record *first)
{
    words seen = {0};
    const bool no_first = first->count > 1 && !*csv_rows_field(&table->rows, 0);
    bool differ = first->names + no_first == first->count;
    for (uint32_t i = 0; i < first->count && differ; i++) {
        const char *text = csv_rows_field(&table->rows, i);
        differ = words_find(&seen, text) < 0 && words_add(&seen, text);
    }
    words_free(&seen);
    return differ;
}

/* Whether below one of the words there are nothing but numbers, and one at least. Reads up to where that is known. */
static tas_status stands_above_numbers(csv_table *table, first_record *first, bool *found)
{
    double value;
    bool more = true, *numbers = calloc(first->count, sizeof *numbers);
    uint32_t left = first->words;
    tas_status status = numbers ? TAS_OK : no_memory(table);
    while (!status && left) {
        status = csv_rows_next(&table->rows, &more);
        if (status || !more) break;
        for (uint32_t i = 0; i < first->count && i < table->rows.count; i++) {
            if (first->kinds[i] != CSV_WORD) continue;
            const csv_kind kind = csv_table_kind(table, csv_rows_field(&table->rows, i), &value);
            numbers[i] |= kind == CSV_NUMBER;
            if (kind != CSV_WORD) continue;
            first->kinds[i] = CSV_MISSING; /* no longer asked about */
            left--;
        }
    }
    for (uint32_t i = 0; !status && i < first->count; i++) *found |= first->kinds[i] == CSV_WORD && numbers[i];
    free(numbers);
    return status;
}

static bool has_numbers_only(const csv_table *table)
{
    double value;
    for (uint32_t i = 0; i < table->rows.count; i++)
        if (csv_table_kind(table, csv_rows_field(&table->rows, i), &value) != CSV_NUMBER) return false;
    return true;
}

/* "150,4,setosa,versicolor,virginica", if the next record has 4 inputs and a class, all numbers. Reads that one. */
static tas_status read_class_line(csv_table *table, const first_record *first, bool *found)
{
    double examples, inputs;
    bool more;
    words names = {0};
    tas_status status = TAS_OK;
    if (first->count < 4 || first->words != first->count - 2 || first->kinds[0] != CSV_NUMBER ||
        first->kinds[1] != CSV_NUMBER)
        return TAS_OK;
    csv_table_kind(table, csv_rows_field(&table->rows, 0), &examples);
    csv_table_kind(table, csv_rows_field(&table->rows, 1), &inputs);
    bool ok = number_is_whole(examples) && examples > 0;
    for (uint32_t i = 2; i < first->count && ok && !status; i++) {
        const char *text = csv_rows_field(&table->rows, i);
        ok = *text && strlen(text) <= SCHEMA_NAME_BYTES && text_is_utf8(text) && words_find(&names, text) < 0;
        if (ok && !words_add(&names, text)) status = no_memory(table);
    }
    if (!status) status = csv_rows_next(&table->rows, &more);
    if (!status && ok && more && table->rows.count == inputs + 1 && has_numbers_only(table)) {
        *found = table->has_class_line = true;
        table->class_names = names.text;
        table->class_count = names.count;
        names = (words){.slot = names.slot};
        status = set_columns(table, table->rows.count, table->rows.line);
    }
    words_free(&names);
    return status;
}

/* Whether the rules find a header; the first record is read again then. */
static tas_status apply_rules(csv_table *table, first_record *first, const schema *of, bool *found)
{
    const tas_choice choice = table->request->reading->header;
    *found = choice == TAS_CHOICE_YES || (of && of->has_header && has_known_name(table, of));
    if (choice != TAS_CHOICE_AUTO || *found || !first->words) return TAS_OK;
    /* words that are none of the names that a network knows are more likely its categories */
    *found = !(of && of->has_header) && all_differ(table, first);
    if (*found) return TAS_OK;
    tas_status status = stands_above_numbers(table, first, found);
    bool more;
    if (!status) status = csv_rows_rewind(&table->rows);
    return status ? status : csv_rows_next(&table->rows, &more);
}

static tas_status read_names(csv_table *table, first_record *first, const schema *of)
{
    bool found = false, more;
    tas_status status = TAS_OK;
    if (table->request->reading->header == TAS_CHOICE_AUTO) status = read_class_line(table, first, &found);
    if (status || found) return status;
    status = csv_rows_rewind(&table->rows);
    if (!status) status = csv_rows_next(&table->rows, &more);
    if (!status) status = apply_rules(table, first, of, &found);
    if (!status) status = set_columns(table, table->rows.count, table->rows.line);
    return status || !found ? status : set_names(table);
}

tas_status csv_header_read(csv_table *table, const schema *of)
{
    bool more;
    first_record first = {0};
    tas_status status = csv_rows_next(&table->rows, &more);
    if (!status && !more)
        status = fail(table->request->context, TAS_BAD_DATA, "%s: it is empty; expected a table", table->path);
    if (!status) status = look_at_first(table, &first);
    if (!status) status = read_names(table, &first, of);
    free(first.kinds);
    return status;
}
