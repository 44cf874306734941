/* CSV: RFC 4180, with tabs instead of commas if the header has one. */
#include "lab/advise/records.h"

#include <inttypes.h>
#include <string.h>

enum { FIELD_BYTES = 128 }; /* what is kept of a field: no number and no name is longer */

typedef struct csv_field {
    char text[FIELD_BYTES];
    size_t bytes; /* of the whole field, of which `text` may have the beginning */
    uint64_t line, column;
    bool last; /* of its line */
} csv_field;

typedef struct csv_reader {
    records_scan *scan;
    char separator;
    int place[RECORDS_FIELDS]; /* of each field: its column; -1: unknown */
    int fields;
} csv_reader;

static void begin_line(records_scan *s)
{
    s->line++;
    s->start = s->at;
}

static void keep(csv_field *field, char c)
{
    if (field->bytes < FIELD_BYTES - 1) field->text[field->bytes] = c;
    field->bytes++;
}

/* Between quotes, of which the first has been read; "" is one quote. */
static tas_status read_quoted(records_scan *s, csv_field *field)
{
    while (s->at < s->end) {
        const char c = *s->at++;
        if (c == '"' && (s->at == s->end || *s->at != '"')) return TAS_OK;
        if (c == '"') s->at++;
        keep(field, c);
        if (c == '\n') begin_line(s);
    }
    return records_fail(s->reader, field->line, field->column, "a quote is opened here and never closed");
}

static bool is_blank(const csv_reader *r, char c) { return (c == ' ' || c == '\t') && c != r->separator; }

static bool ends_line(const records_scan *s)
{
    return s->at == s->end || *s->at == '\n' || (*s->at == '\r' && (s->at + 1 == s->end || s->at[1] == '\n'));
}

static void skip_blanks(const csv_reader *r)
{
    records_scan *s = r->scan;
    while (s->at < s->end && is_blank(r, *s->at)) s->at++;
}

static tas_status read_bare(const csv_reader *r, csv_field *field)
{
    records_scan *s = r->scan;
    while (!ends_line(s) && *s->at != r->separator) {
        if (*s->at == '"')
            return records_fail(s->reader, s->line, records_scan_column(s, s->at),
                                "a quote within a field; expected quotes around the whole field");
        if (!*s->at)
            return records_fail(s->reader, s->line, records_scan_column(s, s->at), "a NUL byte; expected text");
        keep(field, *s->at++);
    }
    while (field->bytes && field->bytes < FIELD_BYTES && is_blank(r, field->text[field->bytes - 1])) field->bytes--;
    return TAS_OK;
}

/* One field, and the separator or the end of the line behind it. */
static tas_status read_field(const csv_reader *r, csv_field *field)
{
    records_scan *s = r->scan;
    tas_status status = TAS_OK;
    skip_blanks(r);
    *field = (csv_field){.line = s->line, .column = records_scan_column(s, s->at)};
    if (s->at < s->end && *s->at == '"') {
        s->at++;
        status = read_quoted(s, field);
        if (status) return status;
        skip_blanks(r);
        if (!ends_line(s) && *s->at != r->separator)
            return records_fail(s->reader, s->line, records_scan_column(s, s->at),
                                "text after a closing quote; expected %s or the end of the line",
                                r->separator == '\t' ? "a tab" : "a comma");
    } else {
        status = read_bare(r, field);
    }
    field->last = ends_line(s);
    if (field->last && s->at < s->end) s->at += *s->at == '\r';
    if (s->at < s->end) s->at++;
    if (field->last) begin_line(s);
    return status;
}

/* Lines with nothing but blanks. */
static void skip_empty_lines(const csv_reader *r)
{
    records_scan *s = r->scan;
    while (s->at < s->end) {
        const char *at = s->at;
        while (at < s->end && (*at == ' ' || *at == '\r')) at++;
        if (at < s->end && *at != '\n') return;
        s->at = at < s->end ? at + 1 : at;
        begin_line(s);
    }
}

static char find_separator(const records_scan *s)
{
    const char *end = memchr(s->at, '\n', (size_t)(s->end - s->at));
    return memchr(s->at, '\t', (size_t)((end ? end : s->end) - s->at)) ? '\t' : ',';
}

/* The known column that a field of the header names, or -1. */
static tas_status place_field(csv_reader *r, const csv_field *field, bool *present)
{
    const records_reader *reader = r->scan->reader;
    const int place = field->bytes < FIELD_BYTES ? records_find(reader, field->text, field->bytes) : -1;
    if (r->fields == RECORDS_FIELDS)
        return records_fail(reader, field->line, field->column, "more than %d columns", (int)RECORDS_FIELDS);
    if (place >= 0 && present[place])
        return records_fail(reader, field->line, field->column, "column '%s' stands here for the second time",
                            field->text);
    if (place >= 0) present[place] = true;
    r->place[r->fields++] = place;
    return TAS_OK;
}

/* Names that are no columns, as far as they fit: to suggest one of them. */
static tas_status read_header(csv_reader *r)
{
    enum { NAMES = 32 };
    char kept[NAMES][FIELD_BYTES];
    const char *names[NAMES + 1] = {NULL};
    bool present[RECORDS_COLUMNS] = {false};
    int count = 0;
    const records_reader *reader = r->scan->reader;
    const uint64_t line = r->scan->line;
    for (csv_field field = {.last = false}; !field.last;) {
        tas_status status = read_field(r, &field);
        if (!status) status = place_field(r, &field, present);
        if (status) return status;
        if (r->fields == 1 && field.last && memchr(field.text, ';', sizeof field.text))
            return records_fail(reader, line, 1, "fields separated by ';'; expected commas or tabs");
        if (r->place[r->fields - 1] < 0 && count < NAMES) {
            memcpy(kept[count], field.text, FIELD_BYTES);
            names[count] = kept[count];
            count++;
        }
    }
    tas_status status = records_check_present(reader, present, line, names);
    return status ? status : reader->head(reader->user, present, line);
}

static tas_status read_row(csv_reader *r)
{
    records_scan *s = r->scan;
    const records_reader *reader = s->reader;
    records_value values[RECORDS_COLUMNS] = {{0}};
    const uint64_t line = s->line;
    int count = 0;
    for (csv_field field = {.last = false}; !field.last; count++) {
        tas_status status = read_field(r, &field);
        if (status) return status;
        if (count == r->fields)
            return records_fail(reader, field.line, field.column, "more fields than the %d of the header", r->fields);
        if (field.last && count + 1 < r->fields)
            return records_fail(reader, field.line, field.column, "the line ends after %d fields; the header has %d",
                                count + 1, r->fields);
        const int place = r->place[count];
        if (place < 0) continue;
        values[place] = (records_value){.line = field.line, .column = field.column};
        status = records_set(reader, place, field.text, field.bytes, &values[place]);
        if (status) return status;
    }
    s->rows++;
    return reader->row(reader->user, values, line);
}

tas_status records_csv_read(records_scan *s)
{
    csv_reader r = {.scan = s, .separator = ','};
    skip_empty_lines(&r);
    r.separator = find_separator(s);
    tas_status status = read_header(&r);
    for (skip_empty_lines(&r); !status && s->at < s->end; skip_empty_lines(&r)) status = read_row(&r);
    return status;
}
