/* A schema as JSON: one object, whose members are left out if they are 0, false or not there. */
#include "data/schema.h"

#include "base/json_text.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { TEXT_MOST = 64 << 20, FORMAT_BYTES = 16 };

static const char *const input_types[] = {"u8", "f32"}, *const target_types[] = {"label", "f32"};

/* The members that are whole numbers, and those that are flags. */
static const struct number_row {
    const char *name;
    size_t at;    /* in a schema, */
    size_t bytes; /* of the field there */
} number_rows[] = {
#define NUMBER(member)                                                                                                 \
    {                                                                                                                  \
#member, offsetof(schema, member), sizeof(((schema *)NULL)->member)                                            \
    }
    NUMBER(channels),    NUMBER(height),  NUMBER(width),        NUMBER(input_size),
    NUMBER(target_size), NUMBER(classes), NUMBER(file_columns),
#undef NUMBER
};
static const struct flag_row {
    const char *name;
    size_t at;
} flag_rows[] = {
    {"has_header", offsetof(schema, has_header)},
    {"sparse_from_zero", offsetof(schema, sparse_from_zero)},
    {"resized", offsetof(schema, resized)},
};
enum { NUMBERS = sizeof number_rows / sizeof *number_rows, FLAGS = sizeof flag_rows / sizeof *flag_rows };

static uint64_t number_of(const schema *of, const struct number_row *row)
{
    const char *at = (const char *)of + row->at;
    if (row->bytes == sizeof(uint32_t)) return *(const uint32_t *)(const void *)at;
    return *(const size_t *)(const void *)at;
}

static void set_number(schema *of, const struct number_row *row, uint64_t value)
{
    char *at = (char *)of + row->at;
    if (row->bytes == sizeof(uint32_t))
        *(uint32_t *)(void *)at = (uint32_t)value;
    else
        *(size_t *)(void *)at = (size_t)value;
}

static bool *flag_of(schema *of, const struct flag_row *row) { return (bool *)(void *)((char *)of + row->at); }

/* Printing -------------------------------------------------------------------------------------------------------- */

/* Each of these is NULL or false without memory. */
static json_t *print_texts(char *const *texts, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < count; i++)
        if (json_array_append_new(list, json_string(texts[i]))) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static bool set_texts(json_t *object, const char *key, char *const *texts, uint32_t count)
{
    return !texts || !json_object_set_new(object, key, print_texts(texts, count));
}

static json_t *print_column(const schema_column *column)
{
    json_t *object = json_object();
    bool ok = !json_object_set_new(object, "place", json_integer(column->place));
    if (column->name) ok &= !json_object_set_new(object, "name", json_string(column->name));
    if (!isnan(column->mean)) ok &= !json_object_set_new(object, "mean", json_real(column->mean));
    ok &= set_texts(object, "categories", column->categories, column->category_count);
    if (ok) return object;
    json_decref(object);
    return NULL;
}

static bool set_columns(json_t *root, const schema *of)
{
    if (!of->columns) return true;
    json_t *columns = json_array(), *places = json_array();
    bool ok = true;
    for (uint32_t i = 0; i < of->column_count; i++)
        ok &= !json_array_append_new(columns, print_column(&of->columns[i]));
    for (uint32_t i = 0; i < of->target_count; i++)
        ok &= !json_array_append_new(places, json_integer(of->target_places[i]));
    ok &= !json_object_set_new(root, "columns", columns);
    ok &= !json_object_set_new(root, "target_places", places);
    return ok && set_texts(root, "target_names", of->target_names, of->target_count);
}

static bool set_members(json_t *root, const schema *of)
{
    bool ok = !json_object_set_new(root, "format", json_string(of->format));
    ok &= !json_object_set_new(root, "input_type", json_string(input_types[of->input_type]));
    ok &= !json_object_set_new(root, "target_type", json_string(target_types[of->target_type]));
    for (int i = 0; i < NUMBERS; i++) {
        const uint64_t value = number_of(of, &number_rows[i]);
        if (value) ok &= !json_object_set_new(root, number_rows[i].name, json_integer((json_int_t)value));
    }
    for (int i = 0; i < FLAGS; i++)
        if (*flag_of((schema *)of, &flag_rows[i])) ok &= !json_object_set_new(root, flag_rows[i].name, json_true());
    ok &= set_texts(root, "class_names", of->class_names, of->classes);
    return ok && set_columns(root, of);
}

char *schema_print(const schema *of)
{
    json_t *root = json_object();
    char *text = root && set_members(root, of) ? json_text(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

/* Parsing --------------------------------------------------------------------------------------------------------- */

typedef struct schema_parser {
    tas_context *context;
    const char *from;
    schema *out;
} schema_parser;

static tas_status bad_schema(const schema_parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static tas_status bad_schema(const schema_parser *p, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return fail(p->context, TAS_BAD_DATA, "%s: schema of its data: %s", p->from, text);
}

static tas_status no_memory(const schema_parser *p)
{
    return fail(p->context, TAS_NO_MEMORY, "%s: no memory for the schema of its data", p->from);
}

/* A whole number from 0 to 2^32 - 1; one that is not there is 0. */
static tas_status parse_number(const schema_parser *p, const json_t *value, const char *name, uint64_t *out)
{
    *out = 0;
    if (!value) return TAS_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > UINT32_MAX)
        return bad_schema(p, "expected a whole number from 0 to 4294967295 in \"%s\"", name);
    *out = (uint64_t)json_integer_value(value);
    return TAS_OK;
}

static tas_status parse_string(const schema_parser *p, const json_t *value, const char *name, char **out)
{
    if (!json_is_string(value) || json_string_length(value) > SCHEMA_NAME_BYTES)
        return bad_schema(p, "expected texts of at most %d bytes in \"%s\"", SCHEMA_NAME_BYTES, name);
    *out = strdup(json_string_value(value));
    return *out ? TAS_OK : no_memory(p);
}

/* *count is set even if a later one fails, so that what is there can be freed. */
static tas_status parse_strings(const schema_parser *p, const json_t *value, const char *name, char ***out,
                                uint32_t *count)
{
    const size_t size = json_array_size(value);
    if (!value) return TAS_OK;
    if (!json_is_array(value) || size < 1 || size > UINT32_MAX)
        return bad_schema(p, "expected a list of texts in \"%s\"", name);
    *out = calloc(size, sizeof **out);
    if (!*out) return no_memory(p);
    *count = (uint32_t)size;
    tas_status status = TAS_OK;
    for (size_t i = 0; i < size && !status; i++) status = parse_string(p, json_array_get(value, i), name, &(*out)[i]);
    return status;
}

static tas_status parse_word(const schema_parser *p, const json_t *root, const char *name, const char *const words[2],
                             int *out)
{
    const char *text = json_string_value(json_object_get(root, name));
    for (*out = 0; text && *out < 2; ++*out)
        if (!strcmp(text, words[*out])) return TAS_OK;
    return bad_schema(p, "expected \"%s\" or \"%s\" in \"%s\"", words[0], words[1], name);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* No text is there twice, nor empty. The list is of pointers, and is sorted. */
static tas_status check_differ(const schema_parser *p, const char **list, size_t count, const char *name)
{
    qsort(list, count, sizeof *list, compare_texts);
    for (size_t i = 0; i < count; i++) {
        if (!*list[i]) return bad_schema(p, "an empty text in \"%s\"", name);
        if (i && !strcmp(list[i - 1], list[i])) return bad_schema(p, "\"%.200s\" twice in \"%s\"", list[i], name);
    }
    return TAS_OK;
}

static tas_status check_columns(const schema_parser *p, const schema_column *column)
{
    for (uint32_t i = 1; i < column->category_count; i++)
        if (strcmp(column->categories[i - 1], column->categories[i]) >= 0)
            return bad_schema(p, "expected \"categories\" that differ, in the order of their bytes");
    if (column->category_count > SCHEMA_CATEGORIES)
        return bad_schema(p, "%" PRIu32 " categories, expected at most %d", column->category_count, SCHEMA_CATEGORIES);
    if (column->categories && !isnan(column->mean)) return bad_schema(p, "a column with categories has no mean");
    return TAS_OK;
}

static tas_status parse_mean(const schema_parser *p, const json_t *value, double *mean)
{
    *mean = NAN;
    if (!value) return TAS_OK;
    if (!json_is_number(value) || !(fabs(json_number_value(value)) <= (double)FLT_MAX))
        return bad_schema(p, "expected a number in \"mean\"");
    *mean = json_number_value(value);
    return TAS_OK;
}

static tas_status parse_column(const schema_parser *p, const json_t *about, schema_column *column)
{
    uint64_t place = 0;
    column->mean = NAN;
    if (!json_is_object(about)) return bad_schema(p, "expected objects in \"columns\"");
    const json_t *name = json_object_get(about, "name");
    tas_status status = parse_number(p, json_object_get(about, "place"), "place", &place);
    if (!status && name) status = parse_string(p, name, "name", &column->name);
    if (!status) status = parse_mean(p, json_object_get(about, "mean"), &column->mean);
    if (!status)
        status = parse_strings(p, json_object_get(about, "categories"), "categories", &column->categories,
                               &column->category_count);
    column->place = (uint32_t)place;
    return status ? status : check_columns(p, column);
}

static tas_status parse_columns(const schema_parser *p, const json_t *list)
{
    const size_t size = json_array_size(list);
    if (!list) return TAS_OK;
    if (!json_is_array(list) || size < 1 || size > UINT32_MAX)
        return bad_schema(p, "expected a list of columns in \"columns\"");
    p->out->columns = calloc(size, sizeof *p->out->columns);
    if (!p->out->columns) return no_memory(p);
    p->out->column_count = (uint32_t)size;
    tas_status status = TAS_OK;
    for (size_t i = 0; i < size && !status; i++) {
        status = parse_column(p, json_array_get(list, i), &p->out->columns[i]);
        if (!status && i && p->out->columns[i].place <= p->out->columns[i - 1].place)
            status = bad_schema(p, "expected ascending places of columns");
    }
    return status;
}

static tas_status parse_places(const schema_parser *p, const json_t *list)
{
    const size_t size = json_array_size(list);
    if (!list) return TAS_OK;
    if (!json_is_array(list) || size > UINT32_MAX) return bad_schema(p, "expected a list in \"target_places\"");
    p->out->target_places = calloc(size + 1, sizeof *p->out->target_places);
    if (!p->out->target_places) return no_memory(p);
    p->out->target_count = (uint32_t)size;
    tas_status status = TAS_OK;
    for (size_t i = 0; i < size && !status; i++) {
        uint64_t place = 0;
        status = parse_number(p, json_array_get(list, i), "target_places", &place);
        p->out->target_places[i] = (uint32_t)place;
    }
    return status;
}

/* Nothing but what schema_print() writes: a later version's members may change what the others mean. */
static bool is_member(const char *key)
{
    static const char *const others[] = {"format",  "input_type",    "target_type", "class_names",
                                         "columns", "target_places", "target_names"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(key, others[i])) return true;
    for (int i = 0; i < NUMBERS; i++)
        if (!strcmp(key, number_rows[i].name)) return true;
    for (int i = 0; i < FLAGS; i++)
        if (!strcmp(key, flag_rows[i].name)) return true;
    return false;
}

static tas_status parse_format(const schema_parser *p, const json_t *value)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *text = json_string_value(value);
    if (!text || !*text || strlen(text) >= FORMAT_BYTES || text[strspn(text, letters)])
        return bad_schema(p, "expected the name of a format in \"format\"");
    p->out->format = p->out->own_format = strdup(text);
    return p->out->own_format ? TAS_OK : no_memory(p);
}

static tas_status parse_simple(const schema_parser *p, json_t *root)
{
    int input = 0, target = 0;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        if (!is_member(key)) return bad_schema(p, "unknown member \"%.200s\"; is it of a later version?", key);
    }
    tas_status status = parse_format(p, json_object_get(root, "format"));
    if (!status) status = parse_word(p, root, "input_type", input_types, &input);
    if (!status) status = parse_word(p, root, "target_type", target_types, &target);
    p->out->input_type = (tas_input_type)input;
    p->out->target_type = (tas_target_type)target;
    for (int i = 0; i < NUMBERS && !status; i++) {
        uint64_t number = 0;
        status = parse_number(p, json_object_get(root, number_rows[i].name), number_rows[i].name, &number);
        set_number(p->out, &number_rows[i], number);
    }
    for (int i = 0; i < FLAGS && !status; i++) {
        value = json_object_get(root, flag_rows[i].name);
        *flag_of(p->out, &flag_rows[i]) = json_is_true(value);
        if (value && !json_is_boolean(value)) status = bad_schema(p, "expected true in \"%s\"", flag_rows[i].name);
    }
    return status;
}

static tas_status check_sizes(const schema_parser *p)
{
    const schema *s = p->out;
    const bool spatial = s->channels && s->height && s->width;
    uint64_t product = 0;
    if (s->input_size < 1) return bad_schema(p, "expected at least 1 in \"input_size\"");
    if (!spatial && (s->channels || s->height || s->width))
        return bad_schema(p, "expected all of channels, height and width, or none");
    if (spatial && (!mul_size((uint64_t)s->channels * s->height, s->width, &product) || product != s->input_size))
        return bad_schema(p, "%" PRIu32 " x %" PRIu32 " x %" PRIu32 " inputs, expected %zu", s->channels, s->height,
                          s->width, s->input_size);
    const bool labels = s->target_type == TAS_TARGET_LABEL;
    if (labels ? s->classes < 1 || s->target_size : s->classes || s->target_size < 1)
        return bad_schema(p, "expected classes for labels, or else a target_size");
    return TAS_OK;
}

/* Each field of a row is one thing, and lies within it. Columns ascend already. */
static tas_status check_places(const schema_parser *p)
{
    const schema *s = p->out;
    uint32_t i = 0;
    if (s->columns[s->column_count - 1].place >= s->file_columns)
        return bad_schema(p, "a column beyond the %" PRIu32 " of the file", s->file_columns);
    for (uint32_t t = 0; t < s->target_count; t++) {
        const uint32_t place = s->target_places[t];
        if (place >= s->file_columns)
            return bad_schema(p, "a target beyond the %" PRIu32 " columns of the file", s->file_columns);
        if (t && place <= s->target_places[t - 1]) return bad_schema(p, "expected ascending places of targets");
        while (i < s->column_count && s->columns[i].place < place) i++;
        if (i < s->column_count && s->columns[i].place == place)
            return bad_schema(p, "column %" PRIu32 " is input and target", place + 1);
    }
    return TAS_OK;
}

static tas_status check_names(const schema_parser *p)
{
    const schema *s = p->out;
    size_t count = 0;
    if (s->has_header != !!s->target_names)
        return bad_schema(p, "expected names of the targets with a header, and none without");
    const char **list = calloc((size_t)s->column_count + s->target_count, sizeof *list);
    if (!list) return no_memory(p);
    for (uint32_t i = 0; i < s->column_count; i++)
        if (s->columns[i].name) list[count++] = s->columns[i].name;
    tas_status status = count == (s->has_header ? s->column_count : 0)
                            ? TAS_OK
                            : bad_schema(p, "expected a name of each column with a header, and none without");
    for (uint32_t t = 0; t < s->target_count && s->target_names; t++) list[count++] = s->target_names[t];
    if (!status) status = check_differ(p, list, count, "columns");
    free(list);
    return status;
}

static tas_status check_table(const schema_parser *p)
{
    const schema *s = p->out;
    if (!s->columns) {
        if (s->target_count || s->file_columns || s->has_header)
            return bad_schema(p, "expected no names and no places without \"columns\"");
        return TAS_OK;
    }
    if (s->target_count != (s->target_type == TAS_TARGET_LABEL ? 1 : s->target_size))
        return bad_schema(p, "%" PRIu32 " target columns, expected 1 for labels, or else target_size", s->target_count);
    if (schema_count_inputs(s) != s->input_size)
        return bad_schema(p, "columns for %zu inputs, expected %zu", schema_count_inputs(s), s->input_size);
    if (s->input_type == TAS_INPUT_U8 && s->input_size != s->column_count)
        return bad_schema(p, "bytes cannot have categories");
    const tas_status status = check_places(p);
    return status ? status : check_names(p);
}

static tas_status check_classes(const schema_parser *p)
{
    const schema *s = p->out;
    if (!s->class_names) return TAS_OK;
    const char **list = calloc(s->classes, sizeof *list);
    if (!list) return no_memory(p);
    for (uint32_t i = 0; i < s->classes; i++) list[i] = s->class_names[i];
    const tas_status status = check_differ(p, list, s->classes, "class_names");
    free(list);
    return status;
}

/* A list must have as many as another member says, since that is how many are freed: so classes and target_count are
 * set to what is there before they are compared. */
static tas_status parse_lists(const schema_parser *p, const json_t *root)
{
    schema *s = p->out;
    const uint32_t classes = s->classes;
    uint32_t names = 0;
    tas_status status = parse_strings(p, json_object_get(root, "class_names"), "class_names", &s->class_names, &names);
    if (s->class_names) s->classes = names;
    if (!status && s->class_names && names != classes)
        status = bad_schema(p, "%" PRIu32 " class names, expected %" PRIu32, names, classes);
    if (!status) status = parse_columns(p, json_object_get(root, "columns"));
    if (!status) status = parse_places(p, json_object_get(root, "target_places"));
    if (status) return status;
    const uint32_t targets = s->target_count;
    status = parse_strings(p, json_object_get(root, "target_names"), "target_names", &s->target_names, &names);
    if (s->target_names) s->target_count = names;
    if (!status && s->target_names && names != targets)
        status = bad_schema(p, "%" PRIu32 " names of targets, expected %" PRIu32, names, targets);
    return status;
}

static tas_status parse_root(const schema_parser *p, json_t *root)
{
    if (!json_is_object(root)) return bad_schema(p, "expected an object");
    tas_status status = parse_simple(p, root);
    if (!status) status = parse_lists(p, root);
    if (!status) status = check_sizes(p);
    if (!status) status = check_table(p);
    return status ? status : check_classes(p);
}

tas_status schema_parse(tas_context *context, const char *text, const char *from, schema *out)
{
    const schema_parser p = {.context = context, .from = from, .out = out};
    json_error_t error;
    *out = (schema){0};
    if (strlen(text) > TEXT_MOST) return bad_schema(&p, "more than %d bytes", TEXT_MOST);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!root) return bad_schema(&p, "byte %d: %s, expected JSON", error.position, error.text);
    const tas_status status = parse_root(&p, root);
    json_decref(root);
    return status;
}
