/* The format of one array of NumPy's:
 *
 *     6 bytes     \x93NUMPY
 *     2 bytes     version 1.0, 2.0 or 3.0
 *     2 bytes     the length of the header, least significant byte first; from version 2.0 on 4 bytes
 *     header      a literal of Python's: {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }
 *     elements    in C's or Fortran's order
 *
 * The product of the dimensions has to be what the file has bytes for. */
#include "data/readers/npy.h"

#include "base/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_MOST = 65536 };

/* The header's text ------------------------------------------------------------------------------------------------ */

typedef struct parser {
    array *a;
    const char *text, *at; /* ended by a 0; a 0 within it is no valid character, either */
    bool has_type, has_order, has_shape;
} parser;

static tas_status expected(const parser *p, const char *what)
{
    return fail(p->a->context, TAS_BAD_DATA, "%s: header: byte %zu: expected %s, found \"%.20s\"", p->a->from,
                (size_t)(p->at - p->text), what, p->at);
}

static void skip_spaces(parser *p) { p->at += strspn(p->at, " \t\n"); }

static bool skip(parser *p, char wanted)
{
    skip_spaces(p);
    if (*p->at != wanted) return false;
    p->at++;
    return true;
}

static tas_status read_string(parser *p, char *out, size_t room)
{
    skip_spaces(p);
    const char quote = *p->at, *end = quote == '\'' || quote == '"' ? strchr(p->at + 1, quote) : NULL;
    if (!end || (size_t)(end - p->at) > room) return expected(p, "a short text in quotes");
    memcpy(out, p->at + 1, (size_t)(end - p->at - 1));
    out[end - p->at - 1] = 0;
    p->at = end + 1;
    return TAS_OK;
}

static const struct refused_type {
    char kind;
    const char *what;
} refused_types[] = {
    {'O', "Python objects (pickle)"},
    {'S', "byte strings"},
    {'a', "byte strings"},
    {'U', "strings"},
    {'c', "complex numbers"},
    {'V', "raw data"},
    {'M', "dates and times"},
    {'m', "time differences"},
    {'T', "strings"},
    {'f', "a float"},
    {'i', "a whole number"},
    {'u', "a whole number"},
    {'b', "a truth value"},
};

static const char *describe_type(char kind)
{
    for (size_t i = 0; i < sizeof refused_types / sizeof *refused_types; i++)
        if (refused_types[i].kind == kind) return refused_types[i].what;
    return "unknown";
}

static tas_status refuse_type(const parser *p, const char *type, const char *what)
{
    return fail(p->a->context, TAS_BAD_DATA,
                "%s: elements of type %s (%s), expected b1, i1 to i8, u1 to u8, f2, f4 or f8: convert them with "
                "astype()",
                p->a->from, type, what);
}

static bool is_type(char kind, unsigned bytes)
{
    const bool number = bytes == 2 || bytes == 4 || bytes == 8;
    return (kind == 'b' && bytes == 1) || (kind == 'f' && number) ||
           ((kind == 'i' || kind == 'u') && (number || bytes == 1));
}

/* "<f4" */
static tas_status read_type(parser *p)
{
    char type[32];
    skip_spaces(p);
    if (*p->at == '[') return refuse_type(p, "with fields", "a structured array");
    if (*p->at == '(') return refuse_type(p, "with dimensions", "an array within an array");
    tas_status status = read_string(p, type, sizeof type);
    if (status) return status;
    const char *kind = type + (*type && strchr("<>=|", *type) != NULL);
    const unsigned bytes = kind[0] && kind[1] >= '1' && kind[1] <= '8' && !kind[2] ? (unsigned)(kind[1] - '0') : 0;
    if (!is_type(*kind, bytes)) return refuse_type(p, type, describe_type(*kind));
    p->a->kind = *kind;
    p->a->bytes = (uint8_t)bytes;
    p->a->big_endian = *type == '>' || (*type != '<' && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
    return TAS_OK;
}

static tas_status read_order(parser *p)
{
    skip_spaces(p);
    p->a->first_fastest = !strncmp(p->at, "True", 4);
    if (!p->a->first_fastest && strncmp(p->at, "False", 5)) return expected(p, "True or False");
    p->at += p->a->first_fastest ? 4 : 5;
    return TAS_OK;
}

static tas_status read_dimension(parser *p)
{
    uint64_t value = 0;
    skip_spaces(p);
    if (*p->at < '0' || *p->at > '9') return expected(p, "a dimension, a whole number from 0 on");
    const char *start = p->at;
    for (; *p->at >= '0' && *p->at <= '9'; p->at++)
        if (!mul_size(value, 10, &value) || !add_size(value, (uint64_t)(*p->at - '0'), &value)) {
            p->at = start;
            return expected(p, "a dimension below 2^64");
        }
    p->at += *p->at == 'L'; /* Python 2's */
    if (p->a->dims == ARRAY_DIMS_MOST)
        return fail(p->a->context, TAS_BAD_DATA, "%s: more than %d dimensions, expected 1 to 4", p->a->from,
                    ARRAY_DIMS_MOST);
    p->a->dim[p->a->dims++] = value;
    return TAS_OK;
}

/* "(60000, 28, 28)", "(3,)", "()" */
static tas_status read_shape(parser *p)
{
    p->a->dims = 0;
    if (!skip(p, '(')) return expected(p, "a shape in parentheses");
    while (!skip(p, ')')) {
        const tas_status status = read_dimension(p);
        if (status) return status;
        if (!skip(p, ',') && (skip_spaces(p), *p->at != ')')) return expected(p, "a comma or a parenthesis");
    }
    return TAS_OK;
}

static tas_status read_entry(parser *p)
{
    char key[32];
    const char *start = p->at;
    tas_status status = read_string(p, key, sizeof key);
    if (status) return status;
    const bool type = !strcmp(key, "descr"), order = !strcmp(key, "fortran_order"), shape = !strcmp(key, "shape");
    if ((type && p->has_type) || (order && p->has_order) || (shape && p->has_shape) || !(type || order || shape)) {
        p->at = start;
        return expected(p, "'descr', 'fortran_order' and 'shape', each once");
    }
    if (!skip(p, ':')) return expected(p, "a colon");
    p->has_type |= type;
    p->has_order |= order;
    p->has_shape |= shape;
    return type ? read_type(p) : order ? read_order(p) : read_shape(p);
}

static tas_status parse_header(array *a, const char *text, size_t bytes)
{
    parser p = {.a = a, .text = text, .at = text};
    if (!skip(&p, '{')) return expected(&p, "{");
    while (!skip(&p, '}')) {
        const tas_status status = read_entry(&p);
        if (status) return status;
        if (!skip(&p, ',') && (skip_spaces(&p), *p.at != '}')) return expected(&p, "a comma or }");
    }
    skip_spaces(&p);
    if (p.at != text + bytes) return expected(&p, "nothing more");
    if (p.has_type && p.has_order && p.has_shape) return TAS_OK;
    return fail(a->context, TAS_BAD_DATA, "%s: header: no '%s'", a->from,
                !p.has_type    ? "descr"
                : !p.has_order ? "fortran_order"
                               : "shape");
}

/* Headers ---------------------------------------------------------------------------------------------------------- */

static tas_status read_part(const array *a, unsigned char *out, size_t bytes, const char *what)
{
    size_t got = 0;
    const tas_status status = a->stream->read(a->stream, out, bytes, &got);
    if (status || got == bytes) return status;
    return fail(a->context, TAS_BAD_DATA, "%s: ends within its %s", a->from, what);
}

tas_status npy_read_header(array *a, uint64_t bytes)
{
    unsigned char start[8], length[4] = {0};
    tas_status status = read_part(a, start, sizeof start, "first 8 bytes");
    if (status) return status;
    if (memcmp(start, "\x93NUMPY", 6))
        return fail(a->context, TAS_BAD_DATA, "%s: not a NumPy array (.npy): it does not begin with \\x93NUMPY",
                    a->from);
    if (start[6] < 1 || start[6] > 3 || start[7])
        return fail(a->context, TAS_BAD_DATA, "%s: version %d.%d of the .npy format, expected 1.0, 2.0 or 3.0", a->from,
                    start[6], start[7]);
    const size_t prefix = start[6] == 1 ? 2 : 4;
    status = read_part(a, length, prefix, "header");
    if (status) return status;
    const uint32_t header =
        length[0] | (uint32_t)length[1] << 8 | (uint32_t)length[2] << 16 | (uint32_t)length[3] << 24;
    if (header > HEADER_MOST)
        return fail(a->context, TAS_BAD_DATA, "%s: header of %" PRIu32 " bytes, expected at most %d", a->from, header,
                    HEADER_MOST);
    char *text = calloc(1, (size_t)header + 1);
    if (!text) return fail(a->context, TAS_NO_MEMORY, "%s: no memory", a->from);
    status = read_part(a, (unsigned char *)text, header, "header");
    if (!status) status = parse_header(a, text, header);
    free(text);
    return status ? status : array_check_size(a, bytes, sizeof start + prefix + header);
}

/* Files ------------------------------------------------------------------------------------------------------------ */

typedef struct file_stream {
    array_stream stream;
    tas_context *context;
    const char *path;
    int fd;
    uint64_t at, size;
} file_stream;

static tas_status read_file(array_stream *stream, void *out, size_t want, size_t *got)
{
    file_stream *file = (file_stream *)stream;
    *got = file->size - file->at < want ? (size_t)(file->size - file->at) : want;
    const tas_status status = file_read_at(file->context, file->path, file->fd, file->at, out, *got);
    file->at += *got;
    return status;
}

static void close_file(array_stream *stream)
{
    close(((file_stream *)stream)->fd);
    free(stream);
}

tas_status npy_open(tas_context *context, const char *path, array *out)
{
    *out = (array){.context = context, .from = strdup(path), .path = path};
    file_stream *file = calloc(1, sizeof *file);
    if (!file || !out->from) {
        free(file);
        return fail(context, TAS_NO_MEMORY, "%s: no memory", path);
    }
    *file = (file_stream){.stream = {read_file, close_file}, .context = context, .path = path};
    tas_status status = file_open(context, path, &file->fd, &file->size);
    if (status) {
        free(file);
        return status;
    }
    out->stream = &file->stream;
    out->fd = file->fd;
    out->size = file->size;
    return npy_read_header(out, file->size);
}
