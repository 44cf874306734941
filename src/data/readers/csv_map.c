/* The roles of columns. */
#include "data/readers/csv_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LISTED = 400 }; /* bytes of a list of columns in messages */

static tas_status no_memory(const csv_table *table)
{
    return fail(table->request->context, TAS_NO_MEMORY, "%s: no memory for its columns", table->path);
}

void csv_map_free(csv_map *map)
{
    free(map->inputs);
    free(map->targets);
    *map = (csv_map){0};
}

/* Finding --------------------------------------------------------------------------------------------------------- */

static const char *list_columns(const csv_table *table, char text[LISTED])
{
    int used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < table->count && used < LISTED; i++)
        used += snprintf(text + used, LISTED - (size_t)used, "%s%s", i ? ", " : "", table->columns[i].name);
    if (used >= LISTED) strcpy(text + LISTED - 4, "...");
    return text;
}

/* The name of a column that was probably meant; NULL if none was, or without memory. */
static const char *suggest_column(const csv_table *table, const char *name)
{
    const char **names = calloc((size_t)table->count + 1, sizeof *names), *found = NULL;
    for (uint32_t i = 0; names && i < table->count; i++) names[i] = table->columns[i].name;
    if (names) found = tas_suggest(name, names);
    free(names);
    return found;
}

/* why: behind the name, in front of the list of columns. */
static tas_status fail_column(const csv_table *table, tas_status status, const char *name, const char *why)
{
    char list[LISTED];
    const char *near = table->has_header ? suggest_column(table, name) : NULL;
    if (!table->has_header)
        return fail(
            table->request->context, status,
            "%s: there is no column '%.200s'%s; the file has no header, so its columns are the numbers 1 to %" PRIu32,
            table->path, name, why, table->count);
    return fail(table->request->context, status, "%s: there is no column '%.200s'%s%s%s%s; it has the columns %s",
                table->path, name, why, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "",
                list_columns(table, list));
}

static bool find_name(const csv_table *table, const char *name, uint32_t *column)
{
    for (*column = 0; *column < table->count; ++*column)
        if (table->columns[*column].name && !strcmp(table->columns[*column].name, name)) return true;
    return false;
}

/* A name comes before a number, which a column may be called as well. */
static bool find_column(const csv_table *table, const char *text, uint32_t *column)
{
    if (find_name(table, text, column)) return true;
    if (!*text || strlen(text) > 9 || text[strspn(text, "0123456789")]) return false;
    *column = (uint32_t)strtoul(text, NULL, 10) - 1;
    return *column < table->count;
}

/* Choosing -------------------------------------------------------------------------------------------------------- */

static tas_status give_role(csv_table *table, uint32_t column, csv_role role)
{
    char label[CSV_LABEL_BYTES];
    csv_role *place = &table->columns[column].role;
    if (role == CSV_TARGET && *place != CSV_INPUT)
        return fail(table->request->context, TAS_BAD_ARGUMENT, "%s: %s is the target and %s", table->path,
                    csv_table_label(table, column, label), *place == CSV_TARGET ? "named twice" : "to be ignored");
    *place = role;
    return TAS_OK;
}

/* A name may have commas if it stands alone. */
static tas_status read_list(csv_table *table, const char *list, csv_role role)
{
    uint32_t column;
    if (find_name(table, list, &column)) return give_role(table, column, role);
    char *copy = strdup(list), *rest = copy, *piece;
    tas_status status = copy ? TAS_OK : no_memory(table);
    while (!status && (piece = strsep(&rest, ","))) {
        piece += strspn(piece, " ");
        size_t length = strlen(piece);
        while (length && piece[length - 1] == ' ') piece[--length] = 0;
        status =
            find_column(table, piece, &column)
                ? give_role(table, column, role)
                : fail_column(table, TAS_BAD_ARGUMENT, piece, role == CSV_TARGET ? " for the target" : " to ignore");
    }
    free(copy);
    return status;
}

/* The last column that is not ignored, unless a network takes all of them and wants no target. */
static tas_status choose_last(csv_table *table, const schema *of)
{
    uint32_t used = 0, last = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->columns[i].role == CSV_IGNORED) continue;
        last = i;
        used++;
    }
    if (!used) return fail(table->request->context, TAS_BAD_ARGUMENT, "%s: all columns are ignored", table->path);
    if (of && table->request->inputs_only && used == of->input_size) return TAS_OK;
    return give_role(table, last, CSV_TARGET);
}

/* The map of the columns' roles. Targets that are not wanted lose theirs. */
static tas_status map_roles(csv_table *table, csv_map *out)
{
    out->inputs = calloc(table->count, sizeof *out->inputs);
    out->targets = calloc(table->count, sizeof *out->targets);
    if (!out->inputs || !out->targets) return no_memory(table);
    for (uint32_t i = 0; i < table->count; i++) {
        csv_role *role = &table->columns[i].role;
        if (*role == CSV_INPUT) out->inputs[out->input_count++] = i;
        if (*role == CSV_TARGET && !table->request->inputs_only) out->targets[out->target_count++] = i;
        if (*role == CSV_TARGET && table->request->inputs_only) *role = CSV_IGNORED;
    }
    return TAS_OK;
}

/* A single column: of a list, of other separators, or of a title above the table. */
static tas_status fail_one_column(csv_table *table)
{
    tas_context *context = table->request->context;
    const csv_rows *rows = &table->rows;
    bool more = true;
    tas_status status = csv_rows_rewind(&table->rows);
    for (int i = 0; i < 2 && !status && more; i++) status = csv_rows_next(&table->rows, &more);
    if (status) return status;
    if (more && rows->count > 1)
        return fail(context, TAS_BAD_DATA,
                    "%s:%" PRIu64 ": %" PRIu32 " fields, expected 1 as in line %" PRIu64
                    "; if that is a title, remove it",
                    table->path, rows->line, rows->count, table->first_line);
    return fail(context, TAS_BAD_DATA,
                "%s:%" PRIu64 ": one column only; expected inputs and a target, with %s between them%s", table->path,
                table->first_line, rows->separator == '\t' ? "tabs" : "commas, semicolons or tabs",
                table->has_blanks ? ", not blanks" : "");
}

static tas_status fail_no_inputs(csv_table *table)
{
    if (table->count == 1) return fail_one_column(table);
    return fail(table->request->context, TAS_BAD_ARGUMENT, "%s: no column is left for the inputs", table->path);
}

tas_status csv_map_choose(csv_table *table, const schema *of, csv_map *out)
{
    const tas_reading *reading = table->request->reading;
    tas_status status = TAS_OK;
    for (uint32_t i = 0; i < table->count; i++) table->columns[i].role = CSV_INPUT;
    if (reading->ignore) status = read_list(table, reading->ignore, CSV_IGNORED);
    if (!status) status = reading->target ? read_list(table, reading->target, CSV_TARGET) : choose_last(table, of);
    if (!status) status = map_roles(table, out);
    if (status) return status;
    if (!out->input_count) return fail_no_inputs(table);
    if (of && out->input_count != of->input_size)
        return fail(table->request->context, TAS_BAD_DATA,
                    "%s: %" PRIu32 " columns of inputs, expected %zu as the network has", table->path, out->input_count,
                    of->input_size);
    return TAS_OK;
}

/* Matching -------------------------------------------------------------------------------------------------------- */

static tas_status match_name(const csv_table *table, const words *names, const char *name, uint32_t *column)
{
    const int64_t found = words_find(names, name);
    if (found < 0) return fail_column(table, TAS_BAD_DATA, name, ", which the training set has");
    *column = (uint32_t)found;
    return TAS_OK;
}

static tas_status match_names(const csv_table *table, const schema *of, csv_map *out)
{
    words names = {0};
    tas_status status = TAS_OK;
    for (uint32_t i = 0; i < table->count && !status; i++)
        if (!words_add(&names, table->columns[i].name)) status = no_memory(table);
    for (uint32_t i = 0; i < out->input_count && !status; i++)
        status = match_name(table, &names, of->columns[i].name, &out->inputs[i]);
    for (uint32_t i = 0; i < out->target_count && !status; i++)
        status = match_name(table, &names, of->target_names[i], &out->targets[i]);
    words_free(&names);
    return status;
}

/* Rows without targets, or without what was ignored as well. */
static bool match_inputs(const csv_table *table, const schema *of, csv_map *out)
{
    const bool all = table->count == of->column_count;
    uint32_t skipped = 0;
    if (!table->request->inputs_only || (!all && table->count + of->target_count != of->file_columns)) return false;
    for (uint32_t i = 0; i < of->column_count; i++) {
        while (skipped < of->target_count && of->target_places[skipped] < of->columns[i].place) skipped++;
        out->inputs[i] = all ? i : of->columns[i].place - skipped;
    }
    return true;
}

static tas_status match_places(const csv_table *table, const schema *of, csv_map *out)
{
    char without[64] = "";
    if (table->count == of->file_columns) {
        for (uint32_t i = 0; i < out->input_count; i++) out->inputs[i] = of->columns[i].place;
        for (uint32_t i = 0; i < out->target_count; i++) out->targets[i] = of->target_places[i];
        return TAS_OK;
    }
    if (match_inputs(table, of, out)) return TAS_OK;
    if (table->request->inputs_only)
        snprintf(without, sizeof without, ", or %" PRIu32 " of inputs alone", of->column_count);
    return fail(table->request->context, TAS_BAD_DATA,
                "%s:%" PRIu64 ": %" PRIu32 " columns, expected %" PRIu32 " as the training set has%s", table->path,
                table->first_line, table->count, of->file_columns, without);
}

tas_status csv_map_match(csv_table *table, const schema *of, csv_map *out)
{
    out->inputs = calloc(of->column_count, sizeof *out->inputs);
    out->targets = calloc((size_t)of->target_count + 1, sizeof *out->targets);
    if (!out->inputs || !out->targets) return no_memory(table);
    out->input_count = of->column_count;
    out->target_count = table->request->inputs_only ? 0 : of->target_count;
    const tas_status status =
        of->has_header && table->has_header ? match_names(table, of, out) : match_places(table, of, out);
    if (status) return status;
    for (uint32_t i = 0; i < out->input_count; i++) table->columns[out->inputs[i]].role = CSV_INPUT;
    for (uint32_t i = 0; i < out->target_count; i++) table->columns[out->targets[i]].role = CSV_TARGET;
    return TAS_OK;
}
