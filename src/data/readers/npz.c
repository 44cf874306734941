/* Data sets of NumPy's archives: a ZIP archive of .npy files, stored or deflated. */
#include "data/readers/named_arrays.h"
#include "data/readers/npy.h"

#include "libraries.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if HAVE_ZIP
#include "base/file.h"

#include <zip.h>

typedef struct archive {
    tas_context *context;
    const char *path;
    zip_t *zip;
    uint64_t size; /* of the file */
    char **name;   /* (count), without .npy */
    zip_uint64_t *index;
    size_t count;
} archive;

typedef struct member_stream {
    array_stream stream;
    tas_context *context;
    char *from;
    zip_file_t *file;
} member_stream;

static tas_status read_member(array_stream *stream, void *out, size_t want, size_t *got)
{
    member_stream *member = (member_stream *)stream;
    *got = 0;
    while (*got < want) {
        const zip_int64_t n = zip_fread(member->file, (unsigned char *)out + *got, want - *got);
        if (n < 0)
            return fail(member->context, TAS_BAD_DATA, "%s: damaged: %s", member->from,
                        zip_error_strerror(zip_file_get_error(member->file)));
        if (n == 0) break;
        *got += (size_t)n;
    }
    return TAS_OK;
}

static void close_member(array_stream *stream)
{
    member_stream *member = (member_stream *)stream;
    if (member->file) zip_fclose(member->file);
    free(member->from);
    free(member);
}

/* What the directory says of a member must be possible for the archive's size. */
static tas_status check_member(const archive *of, const char *from, const zip_stat_t *about)
{
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if ((about->valid & needed) != needed)
        return fail(of->context, TAS_BAD_DATA, "%s: the archive's directory has no sizes", from);
    if (about->encryption_method != ZIP_EM_NONE) return fail(of->context, TAS_BAD_DATA, "%s: encrypted", from);
    if (about->comp_method != ZIP_CM_STORE && about->comp_method != ZIP_CM_DEFLATE)
        return fail(of->context, TAS_BAD_DATA, "%s: compressed by method %d, expected stored or deflated (0 or 8)",
                    from, about->comp_method);
    if (about->comp_size > of->size)
        return fail(of->context, TAS_BAD_DATA, "%s: %" PRIu64 " bytes in an archive of %" PRIu64, from,
                    (uint64_t)about->comp_size, of->size);
    if (about->comp_method == ZIP_CM_STORE && about->comp_size != about->size)
        return fail(of->context, TAS_BAD_DATA, "%s: stored, but of %" PRIu64 " bytes %" PRIu64 " are there", from,
                    (uint64_t)about->size, (uint64_t)about->comp_size);
    return TAS_OK;
}

static tas_status open_member(void *user, int index, array *out)
{
    const archive *of = user;
    zip_stat_t about;
    *out = (array){.context = of->context};
    member_stream *member = calloc(1, sizeof *member);
    if (!member) return fail(of->context, TAS_NO_MEMORY, "%s: no memory", of->path);
    *member = (member_stream){.stream = {read_member, close_member}, .context = of->context};
    out->stream = &member->stream;
    if (asprintf(&member->from, "%s: %s", of->path, of->name[index]) < 0) member->from = NULL;
    out->from = member->from ? strdup(member->from) : NULL;
    if (!out->from) return fail(of->context, TAS_NO_MEMORY, "%s: no memory", of->path);

    if (zip_stat_index(of->zip, of->index[index], 0, &about))
        return fail(of->context, TAS_BAD_DATA, "%s: %s", out->from, zip_strerror(of->zip));
    tas_status status = check_member(of, out->from, &about);
    if (status) return status;
    member->file = zip_fopen_index(of->zip, of->index[index], 0);
    if (!member->file) return fail(of->context, TAS_BAD_DATA, "%s: %s", out->from, zip_strerror(of->zip));
    status = npy_read_header(out, about.size);
    if (!status) status = array_check_deflated(out, about.comp_size);
    return status;
}

/* Members whose names end in .npy; *name is malloc()ed. */
static bool take_name(const char *file, char **name)
{
    const size_t bytes = strlen(file);
    if (bytes <= 4 || strcmp(file + bytes - 4, ".npy")) return true;
    *name = strndup(file, bytes - 4);
    return *name != NULL;
}

static tas_status list_members(archive *of)
{
    const zip_int64_t entries = zip_get_num_entries(of->zip, 0);
    of->name = calloc((size_t)entries + 1, sizeof *of->name);
    of->index = calloc((size_t)entries + 1, sizeof *of->index);
    if (!of->name || !of->index) return fail(of->context, TAS_NO_MEMORY, "%s: no memory", of->path);
    for (zip_int64_t i = 0; i < entries; i++) {
        const char *file = zip_get_name(of->zip, (zip_uint64_t)i, 0);
        if (file && !take_name(file, &of->name[of->count]))
            return fail(of->context, TAS_NO_MEMORY, "%s: no memory", of->path);
        if (of->name[of->count]) of->index[of->count++] = (zip_uint64_t)i;
    }
    return TAS_OK;
}

static tas_status open_archive(archive *of)
{
    int fd = -1, code = 0;
    const tas_status status = file_open(of->context, of->path, &fd, &of->size);
    if (status) return status;
    of->zip = zip_fdopen(fd, ZIP_CHECKCONS, &code);
    if (!of->zip) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        fail(of->context, TAS_BAD_DATA, "%s: not a ZIP archive that can be read: %s; it seems to be %s", of->path,
             zip_error_strerror(&error), file_describe(of->path));
        zip_error_fini(&error);
        close(fd);
        return TAS_BAD_DATA;
    }
    return list_members(of);
}

static void close_archive(archive *of)
{
    for (size_t i = 0; i < of->count; i++) free(of->name[i]);
    free(of->name);
    free(of->index);
    if (of->zip) zip_discard(of->zip);
}

static tas_status open_sets(const reader_request *request, reader_result *out)
{
    archive all = {.context = request->context, .path = request->path};
    tas_status status = reader_refuse_others(request, &reader_npz, (const char *const[]){NULL});
    if (!status) status = open_archive(&all);
    const named_arrays arrays = {
        .name = (const char *const *)all.name, .count = all.count, .open = open_member, .user = &all};
    if (!status) status = named_arrays_read(request, &arrays, out);
    close_archive(&all);
    return status;
}

#else /* the table of readers refuses it by `missing` */

static tas_status open_sets(const reader_request *request, reader_result *out)
{
    (void)out;
    return fail(request->context, TAS_BAD_FILE, "%s: built without libzip", request->path);
}
#endif

static bool has_ending(const char *text, size_t bytes, const char *ending)
{
    return bytes > strlen(ending) && !memcmp(text + bytes - strlen(ending), ending, strlen(ending));
}

/* A ZIP archive whose own name ends in .npz, or that of its first member in .npy: 2 bytes at 26 are the length of the
 * name, which begins at 30. */
static bool recognize(const reader_look *look)
{
    const unsigned char *head = look->head;
    if (look->folder) return false;
    if (has_ending(look->path, strlen(look->path), ".npz")) return true;
    if (look->head_bytes < 30 || memcmp(head, "PK\3\4", 4)) return false;
    const size_t length = head[26] | (size_t)head[27] << 8;
    return 30 + length <= look->head_bytes && has_ending((const char *)head + 30, length, ".npy");
}

const reader reader_npz = {
    .name = "npz",
    .title = "a .npz archive of NumPy arrays",
    .rules = "An archive as numpy.savez() or numpy.savez_compressed() writes it, with arrays x_train and y_train, "
             "x_test and y_test; or x and y. The names may be in upper case; other arrays are "
             "ignored.\n\n" NAMED_ARRAYS_RULES,
#if !HAVE_ZIP
    .missing = "libzip-dev",
#endif
    .recognize = recognize,
    .open = open_sets,
};
