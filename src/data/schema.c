/* Schemas: copies of them, and the names of inputs. schema_json.c prints and parses them. */
#include "data/schema.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Freeing and copying --------------------------------------------------------------------------------------------- */

void schema_free_names(char ***names, size_t count)
{
    for (size_t i = 0; *names && i < count; i++) free((*names)[i]);
    free(*names);
    *names = NULL;
}

void schema_free(schema *of)
{
    schema_free_names(&of->class_names, of->classes);
    schema_free_names(&of->target_names, of->target_count);
    for (uint32_t i = 0; of->columns && i < of->column_count; i++) {
        free(of->columns[i].name);
        schema_free_names(&of->columns[i].categories, of->columns[i].category_count);
    }
    free(of->columns);
    free(of->target_places);
    free(of->own_format);
    *of = (schema){0};
}

/* False without memory; *to can be freed then. NULL is copied as NULL. */
static bool copy_text(const char *from, char **to)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

static bool copy_texts(char *const *from, size_t count, char ***to)
{
    bool ok = true;
    *to = NULL;
    if (!from) return true;
    *to = calloc(count + 1, sizeof **to);
    for (size_t i = 0; *to && ok && i < count; i++) ok = copy_text(from[i], &(*to)[i]);
    return *to && ok;
}

static bool copy_columns(const schema *from, schema *to)
{
    bool ok = true;
    if (!from->columns) return true;
    to->columns = calloc((size_t)from->column_count + 1, sizeof *to->columns);
    to->target_places = calloc((size_t)from->target_count + 1, sizeof *to->target_places);
    if (!to->columns || !to->target_places) return false;
    if (from->target_count)
        memcpy(to->target_places, from->target_places, from->target_count * sizeof *to->target_places);
    for (uint32_t i = 0; ok && i < from->column_count; i++) {
        const schema_column *a = &from->columns[i];
        schema_column *b = &to->columns[i];
        *b = (schema_column){.place = a->place, .category_count = a->category_count, .mean = a->mean};
        ok = copy_text(a->name, &b->name) && copy_texts(a->categories, a->category_count, &b->categories);
    }
    return ok;
}

tas_status schema_copy(tas_context *context, const schema *from, schema *to)
{
    schema copy = *from;
    copy.own_format = NULL;
    copy.class_names = copy.target_names = NULL;
    copy.columns = NULL;
    copy.target_places = NULL;
    *to = copy;
    bool ok = copy_text(from->own_format, &to->own_format);
    if (to->own_format) to->format = to->own_format;
    ok = ok && copy_texts(from->class_names, from->classes, &to->class_names);
    ok = ok && copy_texts(from->target_names, from->target_count, &to->target_names);
    if (ok && copy_columns(from, to)) return TAS_OK;
    schema_free(to);
    return fail(context, TAS_NO_MEMORY, "no memory for a copy of a data set's schema");
}

/* Names of inputs ------------------------------------------------------------------------------------------------- */

const char *schema_column_name(const schema_column *column, char *text, size_t bytes)
{
    if (column->name) return column->name;
    snprintf(text, bytes, "column %" PRIu64, (uint64_t)column->place + 1);
    return text;
}

static bool name_inputs(const schema_column *column, char **names)
{
    char unnamed[32];
    const char *name = schema_column_name(column, unnamed, sizeof unnamed);
    if (!column->categories) return copy_text(name, names);
    for (uint32_t i = 0; i < column->category_count; i++)
        if (asprintf(&names[i], "%s=%s", name, column->categories[i]) < 0) {
            names[i] = NULL;
            return false;
        }
    return true;
}

size_t schema_count_inputs(const schema *of)
{
    size_t count = 0;
    for (uint32_t i = 0; i < of->column_count; i++)
        count += of->columns[i].categories ? of->columns[i].category_count : 1;
    return count;
}

tas_status schema_input_names(tas_context *context, const schema *of, char ***names, size_t *count)
{
    size_t at = 0;
    *count = schema_count_inputs(of);
    *names = NULL;
    if (!of->has_header && *count == of->column_count) *count = 0; /* nothing but numbers without names */
    if (!of->columns || !*count) {
        *count = 0;
        return TAS_OK;
    }
    *names = calloc(*count + 1, sizeof **names);
    bool ok = *names;
    for (uint32_t i = 0; ok && i < of->column_count; i++) {
        ok = name_inputs(&of->columns[i], *names + at);
        at += of->columns[i].categories ? of->columns[i].category_count : 1;
    }
    if (ok) return TAS_OK;
    schema_free_names(names, *count);
    *count = 0;
    return fail(context, TAS_NO_MEMORY, "no memory for the names of inputs");
}
