/* One JSON object per line (RFC 8259 within a line). */
#include "lab/advise/records.h"

#include <ctype.h>
#include <string.h>

static tas_status unexpected(const records_scan *s, const char *expected)
{
    const uint64_t column = records_scan_column(s, s->at);
    if (s->at == s->end || *s->at == '\n' || *s->at == '\r')
        return records_fail(s->reader, s->line, column, "the line ends here; expected %s", expected);
    if (!*s->at) return records_fail(s->reader, s->line, column, "found a NUL byte; expected %s", expected);
    return records_fail(s->reader, s->line, column, "found '%c'; expected %s", *s->at, expected);
}

/* Within the line. */
static void skip_blanks(records_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t')) s->at++;
}

static bool take(records_scan *s, char c)
{
    const bool there = s->at < s->end && *s->at == c;
    s->at += there;
    return there;
}

static bool skip_escape(records_scan *s)
{
    if (s->at == s->end) return false;
    const char c = *s->at++;
    if (c != 'u') return c && strchr("\"\\/bfnrt", c);
    for (int i = 0; i < 4; i++, s->at++)
        if (s->at == s->end || !isxdigit((unsigned char)*s->at)) return false;
    return true;
}

/* A string, quotes and all. */
static tas_status skip_string(records_scan *s, const char *expected)
{
    if (!take(s, '"')) return unexpected(s, expected);
    while (s->at < s->end && *s->at != '"') {
        if ((unsigned char)*s->at < 0x20) return unexpected(s, "a closing quote");
        if (*s->at++ == '\\' && !skip_escape(s)) return unexpected(s, "one of JSON's escapes");
    }
    return take(s, '"') ? TAS_OK : unexpected(s, "a closing quote");
}

/* A number or a word: null, true, NaN. */
static void skip_word(records_scan *s)
{
    while (s->at < s->end && (isalnum((unsigned char)*s->at) || (*s->at && strchr("+-.", *s->at)))) s->at++;
}

/* An array or an object of a column that is not known: brackets must match, and strings be complete. */
static tas_status skip_nested(records_scan *s)
{
    char closing[RECORDS_DEPTH];
    int depth = 0;
    do {
        tas_status status = TAS_OK;
        if (s->at == s->end || *s->at == '\n') return unexpected(s, "a closing bracket");
        if (*s->at == '[' || *s->at == '{') {
            if (depth == RECORDS_DEPTH)
                return records_fail(s->reader, s->line, records_scan_column(s, s->at), "nested deeper than %d levels",
                                    (int)RECORDS_DEPTH);
            closing[depth++] = *s->at++ == '[' ? ']' : '}';
        } else if (*s->at == ']' || *s->at == '}') {
            if (*s->at != closing[--depth]) return unexpected(s, "the other closing bracket");
            s->at++;
        } else if (*s->at == '"') {
            status = skip_string(s, "a string");
        } else {
            s->at++;
        }
        if (status) return status;
    } while (depth);
    return TAS_OK;
}

static bool is_json_number(const char *text, size_t bytes)
{
    static const char *const words[] = {"null", "NaN", "Infinity", "-Infinity"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == bytes && !memcmp(text, words[i], bytes)) return true;
    return bytes && (isdigit((unsigned char)*text) || (*text == '-' && bytes > 1 && isdigit((unsigned char)text[1])));
}

/* The value of a column that is known (place >= 0), or of another one. */
static tas_status read_value(records_scan *s, int place, records_value *value)
{
    const char *start = s->at;
    const records_reader *reader = s->reader;
    tas_status status = TAS_OK;
    if (s->at < s->end && *s->at == '"')
        status = skip_string(s, "a string");
    else if (s->at < s->end && (*s->at == '[' || *s->at == '{'))
        status = skip_nested(s);
    else
        skip_word(s);
    if (status) return status;
    if (s->at == start) return unexpected(s, "a value");
    if (place < 0) return TAS_OK;
    *value = (records_value){.line = s->line, .column = records_scan_column(s, start)};
    const size_t bytes = (size_t)(s->at - start);
    if (!is_json_number(start, bytes))
        return records_fail(reader, value->line, value->column, "%s %.*s: expected %s", reader->columns[place].name,
                            (int)(bytes < 40 ? bytes : 40), start, reader->columns[place].expected);
    return records_set(reader, place, start, bytes, value);
}

typedef struct json_object {
    records_value values[RECORDS_COLUMNS];
    bool present[RECORDS_COLUMNS];
    char kept[32][64]; /* the first names that are no columns */
    int count;
} json_object;

static void keep_name(json_object *object, const char *name, size_t bytes)
{
    if (object->count == sizeof object->kept / sizeof *object->kept || bytes >= sizeof *object->kept) return;
    memcpy(object->kept[object->count], name, bytes);
    object->kept[object->count++][bytes] = 0;
}

/* "name": value */
static tas_status read_member(records_scan *s, json_object *object)
{
    skip_blanks(s);
    const char *name = s->at;
    tas_status status = skip_string(s, "a name in quotes");
    if (status) return status;
    const size_t bytes = (size_t)(s->at - name) - 2;
    const int place = records_find(s->reader, name + 1, bytes);
    if (place >= 0 && object->present[place])
        return records_fail(s->reader, s->line, records_scan_column(s, name), "'%s' stands here for the second time",
                            s->reader->columns[place].name);
    if (place >= 0) object->present[place] = true;
    if (place < 0) keep_name(object, name + 1, bytes);
    skip_blanks(s);
    if (!take(s, ':')) return unexpected(s, "a colon");
    skip_blanks(s);
    return read_value(s, place, place < 0 ? NULL : &object->values[place]);
}

static tas_status read_object(records_scan *s, json_object *object)
{
    memset(object, 0, sizeof *object);
    skip_blanks(s);
    if (!take(s, '{')) return unexpected(s, "one JSON object per line");
    skip_blanks(s);
    if (!take(s, '}')) {
        do {
            tas_status status = read_member(s, object);
            if (status) return status;
            skip_blanks(s);
        } while (take(s, ','));
        if (!take(s, '}')) return unexpected(s, "a comma or a closing brace");
    }
    skip_blanks(s);
    if (s->at < s->end && *s->at == '\r') s->at++;
    return s->at == s->end || *s->at == '\n' ? TAS_OK : unexpected(s, "the end of the line after the object");
}

static tas_status read_row(records_scan *s)
{
    const records_reader *reader = s->reader;
    const uint64_t line = s->line;
    json_object object;
    const char *names[33] = {NULL};
    tas_status status = read_object(s, &object);
    for (int i = 0; i < object.count; i++) names[i] = object.kept[i];
    if (!status) status = records_check_present(reader, object.present, line, names);
    if (!status && !s->rows) status = reader->head(reader->user, object.present, line);
    s->rows++;
    return status ? status : reader->row(reader->user, object.values, line);
}

tas_status records_json_read(records_scan *s)
{
    tas_status status = TAS_OK;
    while (s->at < s->end && !status) {
        skip_blanks(s);
        if (s->at < s->end && *s->at == '\r') s->at++;
        if (s->at < s->end && *s->at != '\n') status = read_row(s);
        if (status || s->at == s->end) break;
        s->at++; /* the end of the line */
        s->line++;
        s->start = s->at;
    }
    return status;
}
