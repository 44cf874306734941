/* Reading whole files. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

tas_status file_read(tas_context *context, const char *path, uint64_t most, char **data, size_t *bytes)
{
    tas_status status = TAS_OK;
    struct stat about;
    char *text = NULL;
    *data = NULL;
    *bytes = 0;

    /* without O_NONBLOCK a named pipe would wait for its other end */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail(context, TAS_BAD_FILE, "%s: %s", path, strerror(errno));
    if (fstat(fd, &about) || !S_ISREG(about.st_mode)) {
        close(fd);
        return fail(context, TAS_BAD_FILE, "%s: not a regular file", path);
    }
    FILE *stream = fdopen(fd, "rb");
    if (!stream) {
        close(fd);
        return fail(context, TAS_NO_MEMORY, "%s: no memory to read it", path);
    }
    if ((uint64_t)about.st_size > most) {
        status = fail(context, TAS_BAD_DATA, "%s: %lld bytes, expected at most %llu", path, (long long)about.st_size,
                      (unsigned long long)most);
        goto end;
    }
    text = malloc((size_t)about.st_size + 1);
    if (!text) {
        status = fail(context, TAS_NO_MEMORY, "%s: no memory for its %lld bytes", path, (long long)about.st_size);
        goto end;
    }
    *bytes = fread(text, 1, (size_t)about.st_size, stream);
    if (ferror(stream) || *bytes != (size_t)about.st_size) {
        status = fail(context, TAS_BAD_FILE, "%s: cannot be read: %s", path, strerror(errno));
        goto end;
    }
    text[*bytes] = 0;
    *data = text;
    text = NULL;
end:
    free(text);
    fclose(stream);
    return status;
}
