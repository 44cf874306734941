/* IDX files, the format of MNIST and of the sets that followed it. All numbers are big-endian:
 *
 *     2 bytes    0
 *     1 byte     the elements' type, 0x08: unsigned bytes
 *     1 byte     the number of dimensions
 *     4 bytes    each dimension
 *     elements   row-major
 *
 * A header is checked before memory is allocated for what it says: a plain file must have exactly that size, and the
 * memory for gzip's output grows with the output. */
#include "data/readers/idx.h"

#include "base/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { DIMS_MOST = 4, CHUNK = 1 << 20 };

typedef struct idx_file {
    tas_context *context;
    const char *path;
    gzFile stream; /* reads plain files as they are */
    int fd;        /* the stream's */
    uint64_t size; /* on disk */
} idx_file;

/* Any error refuses the whole file, so that the stream's state is checked only where reading ends. */
static tas_status check_stream(const idx_file *file)
{
    int code = Z_OK;
    const char *text = gzerror(file->stream, &code);
    const char *behind = strstr(text, ">: "); /* "<fd:3>: incorrect data check" */
    if (behind) text = behind + 3;
    switch (code) {
    case Z_OK:
    case Z_STREAM_END: return TAS_OK;
    case Z_ERRNO: return fail(file->context, TAS_BAD_FILE, "%s: cannot be read: %s", file->path, text);
    case Z_MEM_ERROR: return fail(file->context, TAS_NO_MEMORY, "%s: no memory to read it", file->path);
    default: return fail(file->context, TAS_BAD_DATA, "%s: damaged gzip data: %s", file->path, text);
    }
}

/* Reads `want` bytes; *got is less if the file ends before, which is not an error here. */
static tas_status read_bytes(const idx_file *file, unsigned char *out, size_t want, size_t *got)
{
    *got = 0;
    while (*got < want) {
        const size_t left = want - *got;
        const int n = gzread(file->stream, out + *got, left < CHUNK ? (unsigned)left : CHUNK);
        if (n <= 0) return check_stream(file);
        *got += (size_t)n;
    }
    return TAS_OK;
}

static uint32_t big_endian(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* "60000 x 28 x 28" */
static const char *print_dims(const uint64_t *dims, int count, char text[DIMS_MOST * 24])
{
    size_t at = 0;
    text[0] = 0;
    for (int d = 0; d < count; d++)
        at += (size_t)snprintf(text + at, DIMS_MOST * 24 - at, "%s%" PRIu64, d ? " x " : "", dims[d]);
    return text;
}

static tas_status read_header(const idx_file *file, int count, uint64_t *dims, uint64_t *elements)
{
    unsigned char bytes[4 * DIMS_MOST];
    char text[DIMS_MOST * 24];
    size_t got = 0;
    const uint32_t wanted = 0x0800u | (uint32_t)count;

    tas_status status = read_bytes(file, bytes, 4, &got);
    if (status) return status;
    if (got < 4) return fail(file->context, TAS_BAD_DATA, "%s: ends within its magic number", file->path);
    if (big_endian(bytes) != wanted)
        return fail(file->context, TAS_BAD_DATA,
                    "%s: magic number 0x%08" PRIx32 ", expected 0x%08" PRIx32
                    " (IDX, unsigned bytes, dimensions: %d); the file seems to be %s",
                    file->path, big_endian(bytes), wanted, count, file_describe(file->path));

    status = read_bytes(file, bytes, 4 * (size_t)count, &got);
    if (status) return status;
    if (got < 4 * (size_t)count) return fail(file->context, TAS_BAD_DATA, "%s: ends within its header", file->path);
    *elements = 1;
    for (int d = 0; d < count; d++) {
        dims[d] = big_endian(bytes + 4 * d);
        if (dims[d] == 0)
            return fail(file->context, TAS_BAD_DATA, "%s: dimension %d is 0, expected at least 1", file->path, d + 1);
    }
    for (int d = 0; d < count; d++)
        if (!mul_size(*elements, dims[d], elements) || *elements > SIZE_MAX / 2)
            return fail(file->context, TAS_BAD_DATA, "%s: %s elements do not fit in memory", file->path,
                        print_dims(dims, count, text));
    return TAS_OK;
}

/* A plain file has exactly the size that its header implies. For gzip that is known only at its end. */
static tas_status check_size(const idx_file *file, int count, const uint64_t *dims, uint64_t elements)
{
    char text[DIMS_MOST * 24];
    const uint64_t expected = 4 + 4 * (uint64_t)count + elements;
    if (!gzdirect(file->stream) || file->size == expected) return TAS_OK;
    return fail(file->context, TAS_BAD_DATA, "%s: %s: %" PRIu64 " bytes, expected %" PRIu64 " for %s elements",
                file->path, file->size < expected ? "truncated" : "trailing bytes", file->size, expected,
                print_dims(dims, count, text));
}

static tas_status read_elements(const idx_file *file, size_t elements, unsigned char **bytes)
{
    size_t have = 0, room = 0, got = 0;
    unsigned char past;
    tas_status status;

    while (have < elements) {
        /* gzip: twice what has been read so far, so that a header alone cannot claim much memory */
        room = gzdirect(file->stream) || room > elements / 2 ? elements : room ? 2 * room : CHUNK;
        if (room > elements) room = elements;
        unsigned char *grown = realloc(*bytes, room);
        if (!grown) return fail(file->context, TAS_NO_MEMORY, "%s: no memory for %zu bytes", file->path, room);
        *bytes = grown;
        status = read_bytes(file, *bytes + have, room - have, &got);
        if (status) return status;
        have += got;
        if (have < room)
            return fail(file->context, TAS_BAD_DATA, "%s: truncated: %zu elements, expected %zu", file->path, have,
                        elements);
    }
    /* gzip's checksum is checked only by reading past the end */
    status = read_bytes(file, &past, 1, &got);
    if (status) return status;
    if (got) return fail(file->context, TAS_BAD_DATA, "%s: trailing bytes after %zu elements", file->path, elements);
    return TAS_OK;
}

static tas_status open_file(idx_file *file)
{
    tas_status status = file_open(file->context, file->path, &file->fd, &file->size);
    if (status) return status;
    file->stream = gzdopen(file->fd, "rb");
    if (!file->stream) {
        close(file->fd);
        return fail(file->context, TAS_NO_MEMORY, "%s: no memory to read it", file->path);
    }
    gzbuffer(file->stream, 128 * 1024);
    return TAS_OK;
}

tas_status idx_open(tas_context *context, const char *path, int dims_wanted, bool map, uint64_t *dims,
                    data_elements *out)
{
    idx_file file = {.context = context, .path = path};
    uint64_t elements = 0;
    *out = (data_elements){0};
    if (dims_wanted < 1 || dims_wanted > DIMS_MOST)
        return fail(context, TAS_BAD_ARGUMENT, "%s: %d dimensions, expected 1 to %d", path, dims_wanted, DIMS_MOST);

    tas_status status = open_file(&file);
    if (status) return status;
    status = read_header(&file, dims_wanted, dims, &elements);
    if (!status) status = check_size(&file, dims_wanted, dims, elements);
    if (!status &&
        !(map && gzdirect(file.stream) && elements_map(context, path, file.fd, file.size, (size_t)elements, out)))
        status = read_elements(&file, (size_t)elements, &out->bytes);
    gzclose_r(file.stream);
    if (status) elements_close(out);
    return status;
}

tas_status idx_read(tas_context *context, const char *path, int dims_wanted, uint64_t *dims, unsigned char **bytes)
{
    data_elements all;
    const tas_status status = idx_open(context, path, dims_wanted, false, dims, &all);
    *bytes = all.bytes;
    return status;
}
