/* Reading lines of sparse text. */
#include "data/readers/libsvm_rows.h"

#include "data/readers/number.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 * 1024 };

static tas_status no_memory(const libsvm_rows *rows)
{
    return fail(rows->request->context, TAS_NO_MEMORY, "%s: no memory to read it", rows->path);
}

tas_status libsvm_rows_open(const reader_request *request, const char *path, libsvm_rows *out)
{
    *out = (libsvm_rows){.request = request, .path = path};
    const tas_status status = stream_open(request->context, path, &out->stream);
    if (status) return status;
    out->chunk = malloc(CHUNK);
    return out->chunk ? TAS_OK : no_memory(out);
}

tas_status libsvm_rows_rewind(libsvm_rows *rows)
{
    rows->at = rows->end = 0;
    rows->line = rows->read = 0;
    return stream_rewind(&rows->stream);
}

void libsvm_rows_close(libsvm_rows *rows)
{
    stream_close(&rows->stream);
    free(rows->chunk);
    free(rows->text);
    free(rows->entries);
    *rows = (libsvm_rows){0};
}

/* Lines ----------------------------------------------------------------------------------------------------------- */

static tas_status add_bytes(libsvm_rows *rows, const char *from, size_t count)
{
    if (rows->bytes + count > LIBSVM_LINE_MOST)
        return fail(rows->request->context, TAS_BAD_DATA, "%s:%" PRIu64 ": a line of more than 64 MiB", rows->path,
                    rows->line);
    if (rows->bytes + count >= rows->room) {
        const size_t room = 2 * (rows->bytes + count) + 256;
        char *text = realloc(rows->text, room);
        if (!text) return no_memory(rows);
        rows->text = text;
        rows->room = room;
    }
    memcpy(rows->text + rows->bytes, from, count);
    rows->bytes += count;
    rows->text[rows->bytes] = 0;
    return TAS_OK;
}

/* The next line without its end; *more is false behind the last one. */
static tas_status read_line(libsvm_rows *rows, bool *more)
{
    tas_status status = TAS_OK;
    const char *newline = NULL;
    rows->bytes = 0;
    rows->line++;
    *more = false;
    while (!status && !newline) {
        if (rows->at == rows->end) {
            rows->at = 0;
            status = stream_read(&rows->stream, rows->chunk, CHUNK, &rows->end);
            if (status || !rows->end) return status;
            rows->read += rows->end;
        }
        const char *from = rows->chunk + rows->at;
        newline = memchr(from, '\n', rows->end - rows->at);
        const size_t count = newline ? (size_t)(newline - from) : rows->end - rows->at;
        status = add_bytes(rows, from, count);
        rows->at += count + !!newline;
        *more = true;
    }
    return status;
}

/* Tokens ---------------------------------------------------------------------------------------------------------- */

static tas_status report(const libsvm_rows *rows, const char *token, const char *what)
{
    return reader_problem(rows->request, "%s:%" PRIu64 ": '%.60s': %s", rows->path, rows->line, token, what);
}

/* *ok is false if the token was reported. */
static tas_status read_label(libsvm_rows *rows, const char *token, bool *ok)
{
    const char *what = "expected a number as the label";
    *ok = number_read(token, rows->request->context->c_locale, &rows->label) == NUMBER_FINITE;
    rows->has_label = *ok;
    if (*ok) return TAS_OK;
    if (strchr(token, ',')) what = "several labels; expected one: sets with several per example cannot be used";
    return report(rows, token, what);
}

static bool read_index(const char *token, size_t length, uint32_t *index)
{
    uint64_t value = 0;
    if (!length || strspn(token, "0123456789") != length) return false;
    for (size_t i = 0; i < length && value <= LIBSVM_INDEX_MOST; i++) value = 10 * value + (uint64_t)(token[i] - '0');
    *index = (uint32_t)value;
    return value <= LIBSVM_INDEX_MOST;
}

static bool add_entry(libsvm_rows *rows, uint32_t index, double value)
{
    if (rows->count == rows->entry_room) {
        const size_t room = rows->entry_room ? 2 * rows->entry_room : 64;
        libsvm_entry *entries = realloc(rows->entries, room * sizeof *entries);
        if (!entries) return false;
        rows->entries = entries;
        rows->entry_room = room;
    }
    rows->entries[rows->count++] = (libsvm_entry){index, (float)value};
    return true;
}

static tas_status read_entry(libsvm_rows *rows, const char *token, bool *ok)
{
    const char *colon = strchr(token, ':');
    uint32_t index = 0;
    double value;
    *ok = false;
    if (!strncmp(token, "qid:", 4)) return report(rows, token, "sets for ranking cannot be used");
    if (!colon) return report(rows, token, "expected index:value");
    if (!read_index(token, (size_t)(colon - token), &index))
        return report(rows, token, "expected an index from 0 to 16777216 in front of the colon");
    if (number_read(colon + 1, rows->request->context->c_locale, &value) != NUMBER_FINITE)
        return report(rows, token, "expected a finite number behind the colon");
    if (rows->count && index <= rows->entries[rows->count - 1].index)
        return report(rows, token, "expected ascending indices");
    *ok = true;
    return add_entry(rows, index, value) ? TAS_OK : no_memory(rows);
}

/* The first token is the label, unless it has a colon. *ok is false if something was reported. */
static tas_status read_tokens(libsvm_rows *rows, bool *ok)
{
    char *rest = rows->text, *token;
    tas_status status = TAS_OK;
    bool first = true;
    rows->count = 0;
    rows->has_label = false;
    for (*ok = true; !status && *ok && (token = strsep(&rest, " \t\r"));) {
        if (!*token) continue;
        status = first && !strchr(token, ':') ? read_label(rows, token, ok) : read_entry(rows, token, ok);
        first = false;
    }
    if (status || !*ok || rows->has_label || rows->request->inputs_only) return status;
    *ok = false;
    return reader_problem(rows->request, "%s:%" PRIu64 ": no label; expected it in front of the first index:value",
                          rows->path, rows->line);
}

static bool has_tokens(const libsvm_rows *rows) { return rows->text[strspn(rows->text, " \t\r")]; }

tas_status libsvm_rows_next(libsvm_rows *rows, bool *more)
{
    for (;;) {
        bool ok = false;
        tas_status status = read_line(rows, more);
        if (status || !*more) return status;
        if (memchr(rows->text, 0, rows->bytes))
            return fail(rows->request->context, TAS_BAD_DATA, "%s:%" PRIu64 ": a NUL byte; expected text", rows->path,
                        rows->line);
        char *comment = strchr(rows->text, '#');
        if (comment) *comment = 0;
        if (!has_tokens(rows)) continue;
        status = read_tokens(rows, &ok);
        if (status || ok) return status;
    }
}
