/* Streams of plain files and gzip's: zlib tells them apart. */
#include "data/readers/stream.h"

#include "base/file.h"

#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

tas_status stream_open(tas_context *context, const char *path, stream *out)
{
    *out = (stream){.context = context, .path = path};
    tas_status status = file_open(context, path, &out->fd, &out->size);
    if (status) return status;
    out->file = gzdopen(out->fd, "rb");
    if (out->file) {
        gzbuffer(out->file, 128 * 1024);
        return TAS_OK;
    }
    close(out->fd);
    return fail(context, TAS_NO_MEMORY, "%s: no memory to read it", path);
}

static tas_status check_stream(const stream *of)
{
    int code = Z_OK;
    const char *text = gzerror(of->file, &code);
    const char *behind = strstr(text, ">: "); /* "<fd:3>: incorrect data check" */
    if (behind) text = behind + 3;
    switch (code) {
    case Z_OK:
    case Z_STREAM_END: return TAS_OK;
    case Z_ERRNO: return fail(of->context, TAS_BAD_FILE, "%s: cannot be read: %s", of->path, text);
    case Z_MEM_ERROR: return fail(of->context, TAS_NO_MEMORY, "%s: no memory to read it", of->path);
    default: return fail(of->context, TAS_BAD_DATA, "%s: damaged gzip data: %s", of->path, text);
    }
}

tas_status stream_read(const stream *of, void *out, size_t want, size_t *got)
{
    *got = 0;
    while (*got < want) {
        const size_t left = want - *got;
        const int n = gzread(of->file, (char *)out + *got, left < CHUNK ? (unsigned)left : CHUNK);
        if (n <= 0) return check_stream(of);
        *got += (size_t)n;
    }
    return TAS_OK;
}

tas_status stream_rewind(const stream *of)
{
    if (!gzrewind(of->file)) return TAS_OK;
    const tas_status status = check_stream(of);
    return status ? status : fail(of->context, TAS_BAD_FILE, "%s: cannot be read twice", of->path);
}

void stream_close(stream *of)
{
    if (of->file) gzclose_r(of->file);
    of->file = NULL;
}
