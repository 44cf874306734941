/* Records of CSV. A field is bare, or begins with a quote and ends with one; within quotes, two are one. Blanks around
 * a field are no part of it. A line ends with a line feed, a carriage return, or both. */
#include "data/readers/csv_rows.h"

#include "data/readers/csv_separator.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 * 1024 };

typedef enum csv_state {
    FIELD_BEGINS,
    IN_BARE,
    IN_QUOTES,
    AFTER_QUOTE, /* the last one, or the first of two */
    FIELD_ENDS   /* only blanks may follow */
} csv_state;

typedef struct csv_scan {
    csv_state state;
    uint64_t quote_line; /* of the last opening quote */
    bool is_line;        /* there was a separator or a quote: it is no empty line */
    bool done;
} csv_scan;

/* Opening --------------------------------------------------------------------------------------------------------- */

static tas_status read_chunk(csv_rows *rows)
{
    rows->at = 0;
    return stream_read(&rows->stream, rows->chunk, CHUNK, &rows->end);
}

/* The byte order mark of UTF-8 is skipped, those of UTF-16 are refused. */
static tas_status begin_text(csv_rows *rows)
{
    const tas_status status = read_chunk(rows);
    if (status) return status;
    if (rows->end >= 3 && !memcmp(rows->chunk, "\xef\xbb\xbf", 3)) rows->at = 3;
    if (rows->end >= 2 && (!memcmp(rows->chunk, "\xff\xfe", 2) || !memcmp(rows->chunk, "\xfe\xff", 2)))
        return fail(rows->context, TAS_BAD_DATA, "%s: a text in UTF-16; expected UTF-8", rows->path);
    rows->next_line = 1;
    rows->after_return = false;
    return TAS_OK;
}

tas_status csv_rows_open(tas_context *context, const char *path, char separator, csv_rows *out)
{
    *out = (csv_rows){.context = context, .path = path, .separator = separator};
    tas_status status = stream_open(context, path, &out->stream);
    if (status) return status;
    out->chunk = malloc(CHUNK);
    if (!out->chunk) return fail(context, TAS_NO_MEMORY, "%s: no memory to read it", path);
    status = begin_text(out);
    if (!status && !separator) out->separator = csv_separator_guess(out->chunk + out->at, out->end - out->at);
    return status;
}

tas_status csv_rows_rewind(csv_rows *rows)
{
    const tas_status status = stream_rewind(&rows->stream);
    return status ? status : begin_text(rows);
}

void csv_rows_close(csv_rows *rows)
{
    stream_close(&rows->stream);
    free(rows->chunk);
    free(rows->starts);
    free(rows->text);
    *rows = (csv_rows){0};
}

/* Records --------------------------------------------------------------------------------------------------------- */

static tas_status fail_at(const csv_rows *rows, uint64_t line, const char *text)
{
    return fail(rows->context, TAS_BAD_DATA, "%s:%" PRIu64 ": %s", rows->path, line, text);
}

static tas_status make_room(csv_rows *rows, size_t more)
{
    if (rows->room - rows->bytes >= more) return TAS_OK;
    if (rows->bytes + more > CSV_RECORD_MOST)
        return fail_at(rows, rows->line, "a record of more than 64 MiB; is a quote never closed?");
    const size_t room = 2 * (rows->bytes + more) + 256;
    char *text = realloc(rows->text, room);
    if (!text) return fail(rows->context, TAS_NO_MEMORY, "%s: no memory for a record", rows->path);
    rows->text = text;
    rows->room = room;
    return TAS_OK;
}

/* There is always room for one byte more than asked for: the 0 at the end of a field. */
static tas_status add_bytes(csv_rows *rows, const char *from, size_t count)
{
    const tas_status status = make_room(rows, count + 1);
    if (status) return status;
    memcpy(rows->text + rows->bytes, from, count);
    rows->bytes += count;
    return TAS_OK;
}

static tas_status begin_field(csv_rows *rows)
{
    if (rows->count == rows->start_room) {
        const size_t room = rows->start_room ? 2 * rows->start_room : 64;
        if (rows->count == CSV_FIELDS_MOST) return fail_at(rows, rows->line, "a record of more than 1048576 fields");
        size_t *starts = realloc(rows->starts, room * sizeof *starts);
        if (!starts) return fail(rows->context, TAS_NO_MEMORY, "%s: no memory for a record", rows->path);
        rows->starts = starts;
        rows->start_room = room;
    }
    rows->starts[rows->count++] = rows->bytes;
    return make_room(rows, 1);
}

static bool is_blank(const csv_rows *rows, char c)
{
    return (c == ' ' || c == '\t') && rows->separator != ' ' && c != rows->separator;
}

/* Blanks as separators: any number of them is one. */
static bool is_separator(const csv_rows *rows, char c)
{
    return c == rows->separator || (c == '\t' && rows->separator == ' ');
}

static void end_field(csv_rows *rows, csv_state state)
{
    const size_t start = rows->starts[rows->count - 1];
    if (state == IN_BARE)
        while (rows->bytes > start && is_blank(rows, rows->text[rows->bytes - 1])) rows->bytes--;
    rows->text[rows->bytes++] = 0;
}

static void end_line(csv_rows *rows, char c)
{
    rows->next_line++;
    rows->after_return = c == '\r';
}

/* Within quotes, up to the next quote or the end of the chunk. */
static tas_status read_quoted(csv_rows *rows, csv_scan *scan)
{
    const char *from = rows->chunk + rows->at;
    const size_t left = rows->end - rows->at;
    const char *quote = memchr(from, '"', left);
    const size_t count = quote ? (size_t)(quote - from) : left;
    if (memchr(from, 0, count)) return fail_at(rows, rows->next_line, "a NUL byte; expected text");
    for (size_t i = 0; i < count; i++) rows->next_line += from[i] == '\n';
    rows->at += count + !!quote;
    if (quote) scan->state = AFTER_QUOTE;
    return add_bytes(rows, from, count);
}

static bool ends_bare(const csv_rows *rows, char c)
{
    return is_separator(rows, c) || c == '\n' || c == '\r' || c == '"' || !c;
}

static tas_status read_bare(csv_rows *rows)
{
    const char *from = rows->chunk + rows->at, *to = from, *end = rows->chunk + rows->end;
    while (to < end && !ends_bare(rows, *to)) to++;
    rows->at += (size_t)(to - from);
    return add_bytes(rows, from, (size_t)(to - from));
}

/* Blanks at the end of a line are no separators. */
static void drop_last(csv_rows *rows, const csv_scan *scan)
{
    if (rows->separator == ' ' && scan->state == FIELD_BEGINS && rows->count > 1) rows->count--;
}

/* A separator, or a line's end. */
static tas_status divide(csv_rows *rows, csv_scan *scan, char c)
{
    end_field(rows, scan->state);
    if (is_separator(rows, c)) {
        scan->state = FIELD_BEGINS;
        scan->is_line = true;
        return begin_field(rows);
    }
    drop_last(rows, scan);
    end_line(rows, c);
    scan->done = true;
    return TAS_OK;
}

static tas_status read_quote(csv_rows *rows, csv_scan *scan)
{
    scan->is_line = true;
    switch (scan->state) {
    case FIELD_BEGINS:
        scan->state = IN_QUOTES;
        scan->quote_line = rows->next_line;
        return TAS_OK;
    case AFTER_QUOTE: scan->state = IN_QUOTES; return add_bytes(rows, "\"", 1);
    default:
        return fail_at(rows, rows->next_line,
                       "a quote within a field; expected quotes around the whole field, and two for one within them");
    }
}

/* What begins a field, or comes after its quotes. */
static tas_status read_other(csv_rows *rows, csv_scan *scan, char c)
{
    if (!c) return fail_at(rows, rows->next_line, "a NUL byte; expected text in UTF-8");
    if (c == '"') return read_quote(rows, scan);
    if (rows->separator == ' ' && scan->state == FIELD_BEGINS && is_separator(rows, c)) return TAS_OK;
    if (is_separator(rows, c) || c == '\n' || c == '\r') return divide(rows, scan, c);
    if (scan->state == AFTER_QUOTE || scan->state == FIELD_ENDS) {
        scan->state = FIELD_ENDS;
        if (is_blank(rows, c)) return TAS_OK;
        return fail_at(rows, rows->next_line,
                       "text after a closing quote; expected a separator or the end of the line");
    }
    if (is_blank(rows, c) && scan->state == FIELD_BEGINS) return TAS_OK;
    scan->state = IN_BARE;
    return add_bytes(rows, &c, 1);
}

static tas_status read_some(csv_rows *rows, csv_scan *scan)
{
    const char c = rows->chunk[rows->at];
    if (scan->state == IN_QUOTES) return read_quoted(rows, scan);
    if (scan->state == IN_BARE && !ends_bare(rows, c)) return read_bare(rows);
    rows->at++;
    return read_other(rows, scan, c);
}

/* Returns with *more false at the end of the file. */
static tas_status read_record(csv_rows *rows, csv_scan *scan, bool *more)
{
    tas_status status = begin_field(rows);
    while (!status && !scan->done) {
        if (rows->at == rows->end) status = read_chunk(rows);
        if (status) return status;
        if (rows->at == rows->end) break;
        if (rows->after_return && rows->chunk[rows->at] == '\n')
            rows->at++;
        else
            status = read_some(rows, scan);
        if (!scan->done) rows->after_return = false;
    }
    if (status || scan->done) return status;
    if (scan->state == IN_QUOTES) return fail_at(rows, scan->quote_line, "a quote is opened here and never closed");
    end_field(rows, scan->state);
    drop_last(rows, scan);
    *more = scan->is_line || rows->text[0];
    return TAS_OK;
}

tas_status csv_rows_next(csv_rows *rows, bool *more)
{
    tas_status status;
    csv_scan scan;
    *more = true;
    do {
        scan = (csv_scan){.state = FIELD_BEGINS};
        rows->count = 0;
        rows->bytes = 0;
        rows->line = rows->next_line;
        status = read_record(rows, &scan, more);
    } while (!status && *more && !scan.is_line && !rows->text[0]);
    return status;
}
