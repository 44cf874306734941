/* The elements of a data set's file. */
#include "data/elements.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool elements_map(tas_context *context, const char *path, int fd, uint64_t size, size_t count, data_elements *out)
{
    char *name = strdup(path);
    const int own = name ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    /* private, though never written: some file systems map nothing else */
    void *map = own < 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, own, 0);
    if (map != MAP_FAILED) {
        *out = (data_elements){(unsigned char *)map + size - count, map, (size_t)size, own, name};
        return true;
    }
    note(context, "%s: cannot be mapped and is read whole: %s", path, strerror(errno));
    if (own >= 0) close(own);
    free(name);
    return false;
}

void elements_close(data_elements *all)
{
    if (all->map) {
        munmap(all->map, all->size);
        close(all->fd);
        free(all->path);
    } else {
        free(all->bytes);
    }
    *all = (data_elements){0};
}

tas_status elements_begin(tas_context *context, const data_elements *all, elements_order order)
{
    struct stat about;
    if (!all->map) return TAS_OK;
    if (fstat(all->fd, &about))
        return fail(context, TAS_BAD_FILE, "%s: cannot be read: %s", all->path, strerror(errno));
    if ((uint64_t)about.st_size < all->size)
        return fail(context, TAS_BAD_DATA, "%s: truncated while in use: %" PRIu64 " bytes, expected %zu", all->path,
                    (uint64_t)about.st_size, all->size);
    /* at random, reading ahead would push out of memory what is wanted */
    posix_madvise(all->map, all->size, order == ELEMENTS_AT_RANDOM ? POSIX_MADV_RANDOM : POSIX_MADV_SEQUENTIAL);
    return TAS_OK;
}
