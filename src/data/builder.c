/* Examples that are collected: in memory, then in a file without a name. */
#include "data/builder.h"

#include "base/cache.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Least bytes of memory; least bytes that are written at once. */
enum { FIRST = 1 << 16, PIECE = 4 << 20 };

struct builder {
    tas_context *context;
    char *from;
    char *wanted;      /* the folder of the file; NULL: the user's cache */
    char folder[4096]; /* that it is in */
    uint64_t row, most;
    unsigned char *memory; /* the examples behind those of the file */
    uint64_t used, room;   /* its bytes */
    int fd;                /* -1: everything is in memory */
    uint64_t written;      /* bytes of the file */
};

static uint64_t quarter_of_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t)pages / 4 * (uint64_t)page : (uint64_t)1 << 30;
}

tas_status builder_open(tas_context *context, const char *from, size_t row, const char *folder, uint64_t most,
                        builder **out)
{
    builder *b = *out = calloc(1, sizeof *b);
    if (b) {
        *b = (builder){.context = context, .from = strdup(from), .row = row, .most = most, .fd = -1};
        if (folder) b->wanted = strdup(folder);
        if (!most) b->most = quarter_of_memory();
    }
    if (b && b->from && (b->wanted || !folder)) return TAS_OK;
    builder_close(out);
    return fail(context, TAS_NO_MEMORY, "%s: no memory to read it", from);
}

/* The file -------------------------------------------------------------------------------------------------------- */

static tas_status file_failed(const builder *b, const char *what)
{
    return fail(b->context, TAS_BAD_FILE,
                "%s: its examples take more than %" PRIu64 " bytes, and a file for them in the folder %s cannot be "
                "%s: %s",
                b->from, b->most, b->folder, what, strerror(errno));
}

/* Some file systems create none without a name. */
static int create_unnamed(const char *folder)
{
    const int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char *name = NULL;
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)) return fd;
    if (asprintf(&name, "%s/examples-XXXXXX", folder) < 0) return errno = ENOMEM, -1;
    const int named = mkostemp(name, O_CLOEXEC), error = errno;
    if (named >= 0) unlink(name);
    free(name);
    errno = error;
    return named;
}

/* What is in memory goes to the end of the file. */
static tas_status flush(builder *b)
{
    for (uint64_t done = 0; done < b->used;) {
        const ssize_t n = pwrite(b->fd, b->memory + done, (size_t)(b->used - done), (off_t)(b->written + done));
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENOSPC;
        if (n <= 0) return file_failed(b, "written");
        done += (uint64_t)n;
    }
    b->written += b->used;
    b->used = 0;
    return TAS_OK;
}

static tas_status spill(builder *b)
{
    if (!cache_choose_folder(b->wanted, b->folder, sizeof b->folder))
        return fail(b->context, TAS_BAD_FILE,
                    "%s: its examples take more than %" PRIu64 " bytes, and there is no folder for a file of them: %s "
                    "cannot be used",
                    b->from, b->most, b->wanted ? b->wanted : "the user's cache");
    b->fd = create_unnamed(b->folder);
    if (b->fd < 0) return file_failed(b, "created");
    tas_status status = flush(b);
    free(b->memory);
    b->memory = NULL;
    b->room = b->used = 0;
    return status;
}

/* Examples -------------------------------------------------------------------------------------------------------- */

/* At least twice the room that there was, but not more than may be in memory. */
static tas_status grow(builder *b, uint64_t needed)
{
    uint64_t room = b->fd >= 0 ? PIECE : b->room ? 2 * b->room : FIRST;
    if (b->fd < 0 && room > b->most) room = b->most;
    if (room < needed) room = needed;
    unsigned char *grown = room <= SIZE_MAX / 2 ? realloc(b->memory, (size_t)room) : NULL;
    if (!grown) return fail(b->context, TAS_NO_MEMORY, "%s: no memory for %" PRIu64 " bytes", b->from, room);
    b->memory = grown;
    b->room = room;
    return TAS_OK;
}

tas_status builder_add(builder *b, size_t n, void **rows)
{
    uint64_t bytes, needed;
    tas_status status = TAS_OK;
    *rows = NULL;
    if (!mul_size(n, b->row, &bytes) || !add_size(b->used, bytes, &needed) || needed > INT64_MAX - b->written)
        return fail(b->context, TAS_BAD_DATA, "%s: %zu examples of %" PRIu64 " bytes do not fit in memory", b->from, n,
                    b->row);
    if (b->fd < 0 && needed > b->most) status = spill(b);
    if (!status && b->fd >= 0 && b->used + bytes > b->room) status = flush(b);
    if (!status && b->used + bytes > b->room) status = grow(b, b->used + bytes);
    if (status) return status;
    *rows = b->memory + b->used;
    b->used += bytes;
    return TAS_OK;
}

void builder_drop(builder *b, size_t n)
{
    const uint64_t bytes = n * b->row, of_memory = bytes < b->used ? bytes : b->used;
    b->used -= of_memory;
    b->written -= bytes - of_memory; /* the next ones are written over them */
}

/* The end --------------------------------------------------------------------------------------------------------- */

static tas_status read_back(builder *b, data_elements *out)
{
    out->bytes = malloc((size_t)b->written);
    if (!out->bytes) return fail(b->context, TAS_NO_MEMORY, "%s: no memory for %" PRIu64 " bytes", b->from, b->written);
    return file_read_at(b->context, b->folder, b->fd, 0, out->bytes, (size_t)b->written);
}

static tas_status finish_file(builder *b, data_elements *out)
{
    char *name = NULL;
    tas_status status = flush(b);
    if (status || !b->written) return status;
    if (ftruncate(b->fd, (off_t)b->written)) return file_failed(b, "cut"); /* rows that were dropped */
    if (asprintf(&name, "%s (its examples, in a file without a name in %s)", b->from, b->folder) < 0)
        return fail(b->context, TAS_NO_MEMORY, "%s: no memory to read it", b->from);
    if (!elements_map(b->context, name, b->fd, b->written, (size_t)b->written, out)) status = read_back(b, out);
    free(name);
    return status;
}

tas_status builder_finish(builder *b, data_elements *out, uint64_t *count)
{
    tas_status status = TAS_OK;
    *out = (data_elements){0};
    *count = (b->written + b->used) / b->row;
    if (b->fd >= 0) {
        status = finish_file(b, out);
        close(b->fd);
        b->fd = -1;
    } else {
        unsigned char *fitting = b->used ? realloc(b->memory, (size_t)b->used) : NULL;
        out->bytes = fitting ? fitting : b->memory;
        b->memory = NULL;
    }
    free(b->memory);
    b->memory = NULL;
    b->used = b->room = b->written = 0;
    if (status) elements_close(out);
    return status;
}

void builder_close(builder **b)
{
    if (!*b) return;
    if ((*b)->fd >= 0) close((*b)->fd);
    free((*b)->memory);
    free((*b)->wanted);
    free((*b)->from);
    free(*b);
    *b = NULL;
}
