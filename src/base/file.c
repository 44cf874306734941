/* Reading whole files. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

tas_status file_open(tas_context *context, const char *path, int *fd, uint64_t *bytes)
{
    struct stat about;
    /* without O_NONBLOCK a named pipe would wait for its other end */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) return fail(context, TAS_BAD_FILE, "%s: %s", path, strerror(errno));
    if (fstat(*fd, &about) || !S_ISREG(about.st_mode)) {
        close(*fd);
        *fd = -1;
        return fail(context, TAS_BAD_FILE, "%s: not a regular file, but %s", path, file_describe(path));
    }
    *bytes = (uint64_t)about.st_size;
    return TAS_OK;
}

tas_status file_read_at(tas_context *context, const char *path, int fd, uint64_t at, void *out, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t count = pread(fd, (char *)out + done, bytes - done, (off_t)(at + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail(context, TAS_BAD_FILE, "%s: cannot be read: %s", path, strerror(errno));
        if (count == 0)
            return fail(context, TAS_BAD_FILE, "%s: ends at byte %" PRIu64 ": truncated while it was read", path,
                        at + done);
        done += (size_t)count;
    }
    return TAS_OK;
}

size_t file_read_head(int fd, void *out, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        const ssize_t count = pread(fd, (char *)out + done, bytes - done, (off_t)done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return 0;
        if (count == 0) break;
        done += (size_t)count;
    }
    return done;
}

tas_status file_read(tas_context *context, const char *path, uint64_t most, char **data, size_t *bytes)
{
    uint64_t size = 0;
    int fd;
    *data = NULL;
    *bytes = 0;
    tas_status status = file_open(context, path, &fd, &size);
    if (status) return status;
    char *text = size <= most ? malloc((size_t)size + 1) : NULL;
    if (size > most)
        status = fail(context, TAS_BAD_DATA, "%s: %" PRIu64 " bytes, expected at most %" PRIu64, path, size, most);
    else if (!text)
        status = fail(context, TAS_NO_MEMORY, "%s: no memory for its %" PRIu64 " bytes", path, size);
    else
        status = file_read_at(context, path, fd, 0, text, (size_t)size);
    close(fd);
    if (status) {
        free(text);
        return status;
    }
    text[size] = 0;
    *data = text;
    *bytes = (size_t)size;
    return TAS_OK;
}
