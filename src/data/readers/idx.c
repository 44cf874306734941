/* IDX files, the format of MNIST and of the sets that followed it. All numbers are big-endian:
 *
 *     2 bytes    0
 *     1 byte     the elements' type: 0x08 unsigned bytes, 0x09 signed bytes, 0x0B, 0x0C integers of 2 and 4 bytes,
 *                0x0D, 0x0E floats of 4 and 8 bytes
 *     1 byte     the number of dimensions
 *     4 bytes    each dimension
 *     elements   row-major
 *
 * A header is checked before memory is allocated for what it says: a plain file must have exactly that size, and one of
 * gzip enough bytes to hold it. */
#include "data/readers/idx.h"

#include "base/file.h"
#include "data/readers/stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DIMS_MOST = 4 };

static const struct type_row {
    unsigned char code;
    char kind; /* of an array */
    uint8_t bytes;
} types[] = {{0x08, 'u', 1}, {0x09, 'i', 1}, {0x0b, 'i', 2}, {0x0c, 'i', 4}, {0x0d, 'f', 4}, {0x0e, 'f', 8}};

typedef struct idx_stream {
    array_stream array;
    stream file;
} idx_stream;

static tas_status read_bytes(array_stream *of, void *out, size_t want, size_t *got)
{
    return stream_read(&((idx_stream *)of)->file, out, want, got);
}

static void close_stream(array_stream *of)
{
    stream_close(&((idx_stream *)of)->file);
    free(of);
}

static uint32_t big_endian(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static tas_status read_magic(array *a, const unsigned char bytes[4])
{
    for (size_t i = 0; i < sizeof types / sizeof *types && !a->bytes; i++)
        if (types[i].code == bytes[2]) {
            a->kind = types[i].kind;
            a->bytes = types[i].bytes;
        }
    a->big_endian = true;
    a->dims = bytes[3];
    if (!bytes[0] && !bytes[1] && a->bytes && a->dims >= 1 && a->dims <= DIMS_MOST) return TAS_OK;
    return fail(a->context, TAS_BAD_DATA,
                "%s: magic number 0x%08" PRIx32 ", expected 0x000008 (unsigned bytes), 09, 0b, 0c, 0d or 0e, then 01 "
                "to 0%d dimensions (IDX); the file seems to be %s",
                a->from, big_endian(bytes), DIMS_MOST, file_describe(a->path));
}

static tas_status read_header(array *a)
{
    unsigned char bytes[4 * DIMS_MOST];
    size_t got = 0;
    tas_status status = a->stream->read(a->stream, bytes, 4, &got);
    if (status) return status;
    if (got < 4) return fail(a->context, TAS_BAD_DATA, "%s: ends within its magic number", a->from);
    status = read_magic(a, bytes);
    if (!status) status = a->stream->read(a->stream, bytes, 4 * (size_t)a->dims, &got);
    if (status) return status;
    if (got < 4 * (size_t)a->dims) return fail(a->context, TAS_BAD_DATA, "%s: ends within its header", a->from);
    for (int d = 0; d < a->dims; d++) a->dim[d] = big_endian(bytes + 4 * d);
    return TAS_OK;
}

tas_status idx_open(tas_context *context, const char *path, array *out)
{
    idx_stream *of = calloc(1, sizeof *of);
    *out = (array){.context = context, .from = strdup(path), .path = path};
    if (!of || !out->from) {
        free(of);
        return fail(context, TAS_NO_MEMORY, "%s: no memory", path);
    }
    of->array = (array_stream){read_bytes, close_stream};
    out->stream = &of->array;
    tas_status status = stream_open(context, path, &of->file);
    out->fd = of->file.fd;
    out->size = of->file.size;
    if (!status) status = read_header(out);
    if (status) return status;
    if (gzdirect(of->file.file)) return array_check_size(out, out->size, 4 + 4 * (uint64_t)out->dims);
    out->path = NULL; /* not to be mapped */
    status = array_count(out);
    return status ? status : array_check_deflated(out, out->size);
}
