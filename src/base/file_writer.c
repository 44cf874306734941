/* Writing a file so that either all of it is there or the earlier one still is. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK ".tassello-"
enum { DIGITS = 7, TRIES = 100 };

/* The folder that a path's last part is in; freed by the caller. NULL: no memory. */
static char *folder_of(const char *path)
{
    char *copy = strdup(path), *folder = copy ? strdup(dirname(copy)) : NULL;
    free(copy);
    return folder;
}

/* What killed writers left ---------------------------------------------------------------------------------------- */

/* Whether file is a temporary file of name; of any, if that is NULL. */
static bool is_temporary(const char *file, const char *name)
{
    const size_t length = strlen(file), end = sizeof MARK - 1 + DIGITS;
    if (length <= end || strncmp(file + length - end, MARK, sizeof MARK - 1) != 0) return false;
    if (strspn(file + length - DIGITS, "0123456789") != DIGITS) return false;
    return !name || (strlen(name) == length - end && !strncmp(file, name, length - end));
}

/* A living writer holds the exclusive lock; a dead one's was released. Other users' files are not touched. */
static void remove_leftover(int folder, const char *file)
{
    struct stat opened, named;
    const int fd = openat(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return;
    if (!fstat(fd, &opened) && S_ISREG(opened.st_mode) && (opened.st_uid == geteuid() || geteuid() == 0) &&
        !flock(fd, LOCK_SH | LOCK_NB) && !fstatat(folder, file, &named, AT_SYMLINK_NOFOLLOW) &&
        named.st_ino == opened.st_ino && named.st_dev == opened.st_dev)
        unlinkat(folder, file, 0);
    close(fd);
}

void file_remove_leftovers(const char *folder, const char *name)
{
    DIR *files = opendir(folder);
    if (!files) return;
    for (const struct dirent *entry; (entry = readdir(files));)
        if (is_temporary(entry->d_name, name)) remove_leftover(dirfd(files), entry->d_name);
    closedir(files);
}

/* Beginning ------------------------------------------------------------------------------------------------------- */

/* A link stays one: what it leads to is written. */
static bool set_names(file_writer *writer, const char *path)
{
    struct stat about;
    const bool is_link = !lstat(path, &about) && S_ISLNK(about.st_mode);
    if (is_link) writer->path = realpath(path, NULL);
    if (!writer->path) writer->path = strdup(path); /* no link, or one that leads nowhere */
    if (!writer->path) return false;
    writer->temporary = malloc(strlen(writer->path) + sizeof MARK + DIGITS);
    if (writer->temporary) writer->temporary[0] = 0;
    return writer->temporary != NULL;
}

/* Whether something is mounted over a file, as `docker run -v FILE:FILE` does. */
static bool is_mounted(const char *path, const char *folder)
{
#ifdef STATX_MNT_ID
    struct statx file, around;
    return !statx(AT_FDCWD, path, 0, STATX_MNT_ID, &file) && !statx(AT_FDCWD, folder, 0, STATX_MNT_ID, &around) &&
           (file.stx_mask & around.stx_mask & STATX_MNT_ID) && file.stx_mnt_id != around.stx_mnt_id;
#else
    struct stat file, around;
    return !stat(path, &file) && !stat(folder, &around) && file.st_dev != around.st_dev;
#endif
}

/* Why rename() would refuse to replace an existing file, as far as this can be known before; NULL: no reason is known.
 * A trial rename could lose the file. */
static const char *find_obstacle(const char *path, const struct stat *file)
{
    struct stat about;
    const char *why = NULL;
    char *folder = folder_of(path);
    if (!folder) return NULL;
    if (is_mounted(path, folder))
        why = "another file is mounted over it, so that it cannot be replaced; mount its folder instead";
    else if (!stat(folder, &about) && (about.st_mode & S_ISVTX) && geteuid() != 0 && file->st_uid != geteuid() &&
             about.st_uid != geteuid())
        why = "it is another user's, in a folder where only owners may replace files";
    free(folder);
    return why;
}

static void clean_up(const char *path)
{
    char *folder = folder_of(path), *copy = strdup(path);
    if (folder && copy) file_remove_leftovers(folder, basename(copy));
    free(folder);
    free(copy);
}

/* Removes it, and keeps the error; gives -1. */
static int close_created(int fd, const char *path)
{
    const int error = errno;
    close(fd);
    unlink(path);
    errno = error;
    return -1;
}

/* Creates a file with an unused name. Before it is locked, another process may remove it as a leftover: then it tries
 * the next name. */
static int create_temporary(file_writer *writer)
{
    struct stat about;
    for (int i = 0; i < TRIES; i++) {
        sprintf(writer->temporary, "%s" MARK "%05d%02d", writer->path, (int)(getpid() % 100000), i);
        const int fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno == EEXIST) continue;
        if (fd < 0) return -1;
        const bool is_taken = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
        if (!is_taken && fstat(fd, &about)) return close_created(fd, writer->temporary);
        if (!is_taken && about.st_nlink) return fd;
        close(fd);
    }
    errno = EEXIST;
    return -1;
}

/* Gives the file the mode of the one that it replaces, and as root its owner. Some file systems have neither. */
static void copy_mode(int fd, const struct stat *old)
{
    int failed = geteuid() == 0 ? fchown(fd, old->st_uid, old->st_gid) : 0;
    failed |= fchmod(fd, old->st_mode & 0777);
    (void)failed; /* what is written is worth more than its mode */
}

static tas_status begin_failed(tas_context *context, file_writer *writer, const char *path, const char *why)
{
    file_abandon(writer);
    return fail(context, TAS_BAD_FILE, "%s: cannot be written: %s", path, why);
}

tas_status file_begin(tas_context *context, file_writer *writer, const char *path)
{
    struct stat old;
    *writer = (file_writer){0};
    if (!set_names(writer, path)) {
        file_abandon(writer);
        return fail(context, TAS_NO_MEMORY, "%s: no memory to write it", path);
    }
    const bool exists = !stat(path, &old);
    if (exists && !S_ISREG(old.st_mode)) return begin_failed(context, writer, path, "not a regular file");
    const char *obstacle = exists ? find_obstacle(writer->path, &old) : NULL;
    if (obstacle) return begin_failed(context, writer, path, obstacle);
    clean_up(writer->path);
    const int fd = create_temporary(writer);
    if (fd < 0) {
        writer->temporary[0] = 0; /* nothing to remove */
        return begin_failed(context, writer, path, strerror(errno));
    }
    if (exists) copy_mode(fd, &old);
    writer->stream = fdopen(fd, "wb");
    if (!writer->stream) {
        close(fd);
        file_abandon(writer);
        return fail(context, TAS_NO_MEMORY, "%s: no memory to write it", path);
    }
    return TAS_OK;
}

tas_status file_check(tas_context *context, const char *path)
{
    file_writer writer;
    const tas_status status = file_begin(context, &writer, path);
    if (!status) file_abandon(&writer);
    return status;
}

tas_status tas_file_check(tas_context *context, const char *path)
{
    entry_state saved;
    entry_begin(context, &saved);
    const tas_status status = file_check(context, path);
    entry_end(&saved);
    return status;
}

/* Ending ---------------------------------------------------------------------------------------------------------- */

static void release(file_writer *writer)
{
    free(writer->temporary);
    free(writer->path);
    *writer = (file_writer){0};
}

void file_abandon(file_writer *writer)
{
    if (writer->stream) fclose(writer->stream);
    if (writer->temporary && writer->temporary[0]) unlink(writer->temporary);
    release(writer);
}

/* A rename is durable when its folder is. Some file systems cannot: the file is whole either way. */
static void sync_folder(const char *path)
{
    char *folder = folder_of(path);
    const int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

/* Renames what was written to NAME.new, NAME.new-2, ..., which an empty file reserves. If that fails, it keeps its
 * temporary name. */
static tas_status keep_written(tas_context *context, file_writer *writer, int error)
{
    char *name = malloc(strlen(writer->path) + sizeof ".new-100");
    const char *found = writer->temporary;
    for (int i = 1; name && i < TRIES; i++) {
        sprintf(name, i == 1 ? "%s.new" : "%s.new-%d", writer->path, i);
        const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST) continue;
        if (fd < 0) break;
        close(fd);
        if (rename(writer->temporary, name))
            unlink(name); /* it is empty */
        else
            found = name;
        break;
    }
    const tas_status status = fail(context, TAS_BAD_FILE, "%s: cannot be replaced: %s; what was written is in %s",
                                   writer->path, strerror(error), found);
    free(name);
    return status;
}

/* Gives the earlier file a second name, which looks like a leftover until it is renamed; false: it cannot have two. */
static bool link_earlier(const file_writer *writer, char *name)
{
    for (int i = 0; i < TRIES; i++) {
        sprintf(name, "%s" MARK "%05d%02d", writer->path, (int)(getpid() % 100000), i);
        if (!link(writer->path, name)) return true;
        if (errno != EEXIST) return false;
    }
    return false;
}

/* If both names are those of one file already, as after a kill between two renames, rename() leaves both. What goes
 * wrong here costs the earlier file at most. */
static void keep_earlier(const file_writer *writer)
{
    char *previous = malloc(strlen(writer->path) + sizeof ".previous");
    char *name = malloc(strlen(writer->path) + sizeof MARK + DIGITS);
    if (previous && name) {
        sprintf(previous, "%s.previous", writer->path);
        if (link_earlier(writer, name)) {
            rename(name, previous);
            unlink(name);
        } else if (errno != ENOENT)
            rename(writer->path, previous);
    }
    free(previous);
    free(name);
}

/* The stream, and with it the lock, is closed after the rename. */
static tas_status commit(tas_context *context, file_writer *writer, bool keeps)
{
    tas_status status = TAS_OK;
    if (ferror(writer->stream) || fflush(writer->stream) || fsync(fileno(writer->stream))) {
        status = fail(context, TAS_BAD_FILE, "%s: cannot be written: %s", writer->path, strerror(errno));
        file_abandon(writer);
        return status;
    }
    if (keeps) keep_earlier(writer);
    if (rename(writer->temporary, writer->path)) status = keep_written(context, writer, errno);
    sync_folder(writer->path);
    fclose(writer->stream);
    release(writer);
    return status;
}

tas_status file_commit(tas_context *context, file_writer *writer) { return commit(context, writer, false); }

tas_status file_commit_beside(tas_context *context, file_writer *writer) { return commit(context, writer, true); }

tas_status tas_file_write(tas_context *context, const char *path, const void *data, size_t bytes)
{
    entry_state saved;
    file_writer writer;
    entry_begin(context, &saved);
    tas_status status = file_begin(context, &writer, path);
    if (!status) {
        fwrite(data, 1, bytes, writer.stream); /* its error is the commit's */
        status = file_commit(context, &writer);
    }
    entry_end(&saved);
    return status;
}
