/* Decoded pictures in the cache. A file has a head and the planes, picture by picture. */
#include "data/readers/picture_cache.h"

#include "base/cache.h"
#include "base/format.h"
#include "libraries.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if HAVE_JPEG
#include <jpeglib.h>
#endif

/* Changes whenever the same files may become other planes. */
static const uint64_t rule = 1;
#ifdef LIBJPEG_TURBO_VERSION_NUMBER
static const uint64_t jpeg_version = LIBJPEG_TURBO_VERSION_NUMBER;
#elif HAVE_JPEG
static const uint64_t jpeg_version = JPEG_LIB_VERSION;
#else
static const uint64_t jpeg_version = 0;
#endif

static const char prefix[] = "pictures-";
static const char *const endings[] = {"train", "test"};
static const uint64_t magic = 0x31636970736c7361; /* "aslspic1", which another byte order would not read */
static const time_t seconds_kept = 30 * 24 * 3600;

typedef struct head {
    uint64_t magic, channels, height, width, resized, count;
    unsigned char key[PICTURE_KEY], digest[PICTURE_KEY]; /* digest: SHA-256 over what comes before it */
} head;

static void set_digest(const head *h, unsigned char digest[PICTURE_KEY])
{
    struct sha256_ctx state;
    sha256_init(&state);
    sha256_update(&state, offsetof(head, digest), (const uint8_t *)h);
    sha256_digest(&state, PICTURE_KEY, digest);
}

/* The key --------------------------------------------------------------------------------------------------------- */

static void add_number(struct sha256_ctx *state, uint64_t value)
{
    sha256_update(state, sizeof value, (uint8_t *)&value);
}

static void add_text(struct sha256_ctx *state, const char *text)
{
    add_number(state, strlen(text));
    sha256_update(state, strlen(text), (const uint8_t *)text);
}

/* The time of change is there for files that were written anew and given their old time of modification. */
static void add_file(struct sha256_ctx *state, const picture_file *file)
{
    add_text(state, file->path);
    add_number(state, file->label);
    add_number(state, file->size);
    add_number(state, (uint64_t)file->modified.tv_sec);
    add_number(state, (uint64_t)file->modified.tv_nsec);
    add_number(state, (uint64_t)file->changed.tv_sec);
    add_number(state, (uint64_t)file->changed.tv_nsec);
}

static tas_status make_key(const reader_request *request, const picture_list *list, const picture_shape *wanted,
                           unsigned char key[PICTURE_KEY])
{
    struct sha256_ctx state;
    char *real = realpath(request->path, NULL); /* paths may begin with "." */
    if (!real) return fail(request->context, TAS_BAD_FILE, "%s: %s", request->path, strerror(errno));
    sha256_init(&state);
    add_number(&state, rule);
    add_number(&state, jpeg_version);
    add_number(&state, wanted->channels);
    add_number(&state, wanted->height);
    add_number(&state, wanted->width);
    add_number(&state, request->reading->resize == TAS_CHOICE_NO);
    add_text(&state, real);
    for (int split = 0; split < 2; split++) {
        add_number(&state, list->set[split].count);
        for (size_t i = 0; i < list->set[split].count; i++) add_file(&state, &list->set[split].file[i]);
    }
    sha256_digest(&state, PICTURE_KEY, key);
    free(real);
    return TAS_OK;
}

tas_status picture_cache_open(const reader_request *request, const picture_list *list, const picture_shape *wanted,
                              bool use, picture_cache *out)
{
    const char *folder = request->reading->cache;
    *out = (picture_cache){.context = request->context, .from = request->path, .wanted = folder};
    out->usable = use && cache_choose_folder(folder, out->folder, sizeof out->folder);
    if (use && !out->usable && folder)
        return fail(request->context, TAS_BAD_FILE, "%s: cannot be used as the folder of a cache", folder);
    return make_key(request, list, wanted, out->key);
}

static char *make_path(const picture_cache *cache, tas_split split)
{
    char *path = NULL, hex[2 * PICTURE_KEY + 1];
    for (int i = 0; i < PICTURE_KEY; i++) sprintf(hex + 2 * i, "%02x", cache->key[i]);
    return asprintf(&path, "%s/%s%.32s-%s", cache->folder, prefix, hex, endings[split]) < 0 ? NULL : path;
}

/* Finding --------------------------------------------------------------------------------------------------------- */

/* What is wrong with an open file; NULL: nothing. */
static const char *check(const picture_cache *cache, int fd, uint64_t size, uint64_t count, head *h)
{
    unsigned char digest[PICTURE_KEY];
    uint64_t bytes;
    if (file_read_head(fd, h, sizeof *h) != sizeof *h) return "it ends within its head";
    set_digest(h, digest);
    if (h->magic != magic || memcmp(digest, h->digest, PICTURE_KEY) != 0) return "its head is damaged";
    if (memcmp(h->key, cache->key, PICTURE_KEY) != 0 || h->count != count) return "it is another set's";
    if (!mul_size(h->count, h->channels * h->height * h->width, &bytes) || size != sizeof *h + bytes)
        return "its size is wrong";
    return NULL;
}

static bool map_file(const picture_cache *cache, const char *path, int fd, uint64_t size, data_elements *out)
{
    const size_t bytes = (size_t)size - sizeof(head);
    if (elements_map(cache->context, path, fd, size, bytes, out)) return true;
    *out = (data_elements){.bytes = malloc(bytes)};
    if (out->bytes && !file_read_at(cache->context, path, fd, sizeof(head), out->bytes, bytes)) return true;
    elements_close(out);
    return false;
}

bool picture_cache_find(const picture_cache *cache, tas_split split, uint64_t count, picture_shape *shape,
                        data_elements *out)
{
    head h;
    uint64_t size = 0;
    int fd = -1;
    char *path = cache->usable ? make_path(cache, split) : NULL;
    bool found = path && !access(path, F_OK) && !file_open(cache->context, path, &fd, &size);
    const char *wrong = found ? check(cache, fd, size, count, &h) : NULL;
    if (wrong)
        note(cache->context, "%s: decoded pictures that cannot be used: %s; they are decoded again", path, wrong);
    found = found && !wrong && map_file(cache, path, fd, size, out);
    if (found) {
        *shape = (picture_shape){(uint32_t)h.channels, (uint32_t)h.height, (uint32_t)h.width, h.resized};
        futimens(fd, NULL); /* used now: it is kept */
    }
    if (fd >= 0) close(fd);
    free(path);
    return found;
}

/* Writing --------------------------------------------------------------------------------------------------------- */

/* Removes what has not been used for long, and what killed writers left. */
static void clean_up(const char *folder)
{
    struct stat about;
    DIR *files = opendir(folder);
    const time_t now = time(NULL);
    for (const struct dirent *entry; files && (entry = readdir(files));)
        if (!strncmp(entry->d_name, prefix, sizeof prefix - 1) &&
            !fstatat(dirfd(files), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) && S_ISREG(about.st_mode) &&
            about.st_mtim.tv_sec < now - seconds_kept)
            unlinkat(dirfd(files), entry->d_name, 0);
    if (files) closedir(files);
    file_remove_leftovers(folder, NULL);
}

static head make_head(const picture_store *store)
{
    head h = {.magic = magic,
              .channels = store->shape.channels,
              .height = store->shape.height,
              .width = store->shape.width,
              .resized = store->shape.resized,
              .count = store->count};
    memcpy(h.key, store->cache->key, PICTURE_KEY);
    set_digest(&h, h.digest);
    return h;
}

/* Whether there is room for the file, which is then its own. Not every file system can say. */
static bool reserve(picture_store *store)
{
    const off_t bytes = (off_t)(sizeof(head) + store->count * store->row);
    return !fallocate(fileno(store->writer.stream), 0, 0, bytes) ||
           (errno != ENOSPC && errno != EDQUOT && errno != EFBIG);
}

static bool begin_file(picture_store *store)
{
    const picture_cache *cache = store->cache;
    const head h = {0}; /* the true one at the end */
    if (!cache->usable) return false;
    clean_up(cache->folder);
    store->path = make_path(cache, store->split);
    if (!store->path) return false;
    if (file_begin(cache->context, &store->writer, store->path)) {
        note(cache->context, "%s; the decoded pictures are not kept", tas_error(cache->context));
        return false;
    }
    if (reserve(store) && fwrite(&h, sizeof h, 1, store->writer.stream) == 1) return true;
    note(cache->context, "%s: no room for %" PRIu64 " bytes of decoded pictures, which are not kept", cache->folder,
         store->count * store->row);
    file_abandon(&store->writer);
    return false;
}

tas_status picture_cache_begin(const picture_cache *cache, tas_split split, uint64_t count, const picture_shape *shape,
                               picture_store *out)
{
    *out = (picture_store){.cache = cache, .split = split, .shape = *shape, .count = count};
    out->row = (uint64_t)shape->channels * shape->height * shape->width;
    if (begin_file(out)) return TAS_OK;
    return builder_open(cache->context, cache->from, (size_t)out->row, cache->wanted, 0, &out->builder);
}

tas_status picture_cache_add(picture_store *store, const unsigned char *planes)
{
    void *row;
    if (store->writer.stream) {
        if (fwrite(planes, 1, (size_t)store->row, store->writer.stream) == store->row) return TAS_OK;
        return fail(store->cache->context, TAS_BAD_FILE, "%s: cannot be written: %s", store->path, strerror(errno));
    }
    tas_status status = builder_add(store->builder, 1, &row);
    if (!status) memcpy(row, planes, (size_t)store->row);
    return status;
}

static tas_status finish_file(picture_store *store, data_elements *out)
{
    const picture_cache *cache = store->cache;
    const head h = make_head(store);
    const uint64_t bytes = sizeof h + store->count * store->row;
    picture_shape shape;
    FILE *stream = store->writer.stream;
    /* rewind() would forget that what was left of the planes could not be written */
    if (fflush(stream) || fseek(stream, 0, SEEK_SET) || fwrite(&h, sizeof h, 1, stream) != 1) {
        const int error = errno;
        file_abandon(&store->writer);
        return fail(cache->context, TAS_BAD_FILE, "%s: cannot be written: %s", store->path, strerror(error));
    }
    tas_status status = file_commit(cache->context, &store->writer);
    if (status) return status;
    if (!picture_cache_find(cache, store->split, store->count, &shape, out))
        return fail(cache->context, TAS_BAD_FILE, "%s: was written, but cannot be read", store->path);
    note(cache->context, "%s (%s): %" PRIu64 " decoded pictures are kept in %s (%s)", cache->from,
         endings[store->split], store->count, store->path, format_bytes(bytes).text);
    return TAS_OK;
}

tas_status picture_cache_finish(picture_store *store, uint64_t resized, data_elements *out)
{
    uint64_t count;
    store->shape.resized = resized;
    return store->builder ? builder_finish(store->builder, out, &count) : finish_file(store, out);
}

void picture_cache_abandon(picture_store *store)
{
    file_abandon(&store->writer);
    builder_close(&store->builder);
    free(store->path);
    store->path = NULL;
}
