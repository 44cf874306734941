/* Files: read whole, written atomically. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
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

/* A link stays one: it is what it leads to that is written. */
static bool name_files(file_writer *writer, const char *path)
{
    struct stat about;
    const bool is_link = !lstat(path, &about) && S_ISLNK(about.st_mode);
    if (is_link) writer->path = realpath(path, NULL);
    if (!writer->path) writer->path = strdup(path); /* no link, or one that leads nowhere */
    if (!writer->path) return false;
    writer->temporary = malloc(strlen(writer->path) + sizeof ".1234567");
    if (writer->temporary) writer->temporary[0] = 0;
    return writer->temporary != NULL;
}

tas_status file_begin(tas_context *context, file_writer *writer, const char *path)
{
    *writer = (file_writer){0};
    if (!name_files(writer, path)) {
        file_abandon(writer);
        return fail(context, TAS_NO_MEMORY, "%s: no memory to write it", path);
    }
    struct stat about;
    if (!stat(path, &about) && !S_ISREG(about.st_mode)) {
        file_abandon(writer);
        return fail(context, TAS_BAD_FILE, "%s: cannot be written: not a regular file", path);
    }
    int fd = -1;
    for (int i = 0; i < 100 && fd < 0; i++) { /* names that a process killed earlier left behind are passed over */
        sprintf(writer->temporary, "%s.%05d%02d", writer->path, (int)(getpid() % 100000), i);
        fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    if (fd < 0) {
        tas_status status = fail(context, TAS_BAD_FILE, "%s: cannot be written: %s", path, strerror(errno));
        free(writer->temporary); /* there is none to remove */
        writer->temporary = NULL;
        file_abandon(writer);
        return status;
    }
    writer->stream = fdopen(fd, "wb");
    if (!writer->stream) {
        close(fd);
        file_abandon(writer);
        return fail(context, TAS_NO_MEMORY, "%s: no memory to write it", path);
    }
    return TAS_OK;
}

/* A rename is durable when its folder is. */
static int sync_folder(const char *path)
{
    char *copy = strdup(path);
    if (!copy) return -1;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY);
    free(copy);
    if (fd < 0) return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

tas_status file_commit(tas_context *context, file_writer *writer)
{
    bool failed = ferror(writer->stream) != 0;
    failed |= fflush(writer->stream) != 0;
    failed |= fsync(fileno(writer->stream)) != 0;
    int error = errno;
    if (fclose(writer->stream)) {
        if (!failed) error = errno;
        failed = true;
    }
    writer->stream = NULL;
    if (!failed && rename(writer->temporary, writer->path)) {
        failed = true;
        error = errno;
    }
    if (failed) {
        tas_status status = fail(context, TAS_BAD_FILE, "%s: cannot be written: %s", writer->path, strerror(error));
        file_abandon(writer);
        return status;
    }
    sync_folder(writer->path); /* some file systems cannot: the file is whole either way */
    free(writer->temporary);
    free(writer->path);
    *writer = (file_writer){0};
    return TAS_OK;
}

void file_abandon(file_writer *writer)
{
    if (writer->stream) fclose(writer->stream);
    if (writer->temporary) {
        if (writer->temporary[0]) unlink(writer->temporary);
        free(writer->temporary);
    }
    free(writer->path);
    *writer = (file_writer){0};
}

/* Makes every missing folder on the way to path. */
static bool make_folders(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        mkdir(path, 0700); /* most are there; the last one tells */
        *at = '/';
    }
    struct stat about;
    mkdir(path, 0700);
    /* what is in it is run: nobody else may have put it there */
    return !stat(path, &about) && S_ISDIR(about.st_mode) && about.st_uid == geteuid() &&
           !(about.st_mode & (S_IWGRP | S_IWOTH)) && !access(path, R_OK | W_OK | X_OK);
}

bool cache_folder(char *folder, size_t bytes)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (cache && *cache == '/')
        n = snprintf(folder, bytes, "%s/tassello", cache);
    else if (home && *home == '/')
        n = snprintf(folder, bytes, "%s/.cache/tassello", home);
    return n > 0 && (size_t)n < bytes && make_folders(folder);
}
