/* The table of formats, and which of them a path has. */
#include "data/recognize.h"

#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* In the order in which they are asked: those with a magic number before those that are text; pictures at last, since
 * other sets may have some beside them. */
static const reader *const readers[] = {&reader_idx,    &reader_npz, &reader_npy, &reader_cifar,
                                        &reader_libsvm, &reader_csv, &reader_tsv, &reader_images};
enum { READERS = sizeof readers / sizeof *readers };

int tas_format(size_t index, tas_format_info *info)
{
    if (index >= READERS) return 0;
    const reader *row = readers[index];
    *info = (tas_format_info){row->name, row->title, row->rules, row->missing};
    return 1;
}

const reader *recognize_name(const char *name)
{
    for (int i = 0; i < READERS; i++)
        if (!strcmp(readers[i]->name, name)) return readers[i];
    return NULL;
}

/* A gzip file that is damaged has as many bytes as could be read. */
static tas_status read_head(tas_context *context, const char *path, reader_look *look)
{
    gzFile stream = gzopen(path, "rb");
    if (!stream) return fail(context, TAS_BAD_FILE, "%s: cannot be read: %s", path, strerror(errno));
    const int got = gzread(stream, look->head, sizeof look->head);
    look->head_bytes = got > 0 ? (size_t)got : 0;
    look->gzip = !gzdirect(stream);
    gzclose_r(stream);
    return TAS_OK;
}

static tas_status look_at(tas_context *context, const char *path, reader_look *look)
{
    struct stat about;
    *look = (reader_look){.path = path};
    if (stat(path, &about)) return fail(context, TAS_BAD_FILE, "%s: %s", path, strerror(errno));
    look->folder = S_ISDIR(about.st_mode);
    if (look->folder && access(path, X_OK)) return fail(context, TAS_BAD_FILE, "%s: %s", path, strerror(errno));
    if (!look->folder && !S_ISREG(about.st_mode))
        return fail(context, TAS_BAD_FILE, "%s: expected a file or a folder, found %s", path, file_describe(path));
    return look->folder ? TAS_OK : read_head(context, path, look);
}

/* "idx, csv, npz" */
static const char *list_names(char *text, size_t bytes)
{
    size_t at = 0;
    for (int i = 0; i < READERS && at < bytes; i++)
        at += (size_t)snprintf(text + at, bytes - at, "%s%s", i ? ", " : "", readers[i]->name);
    return text;
}

static tas_status refuse(tas_context *context, const reader_look *look)
{
    char names[256];
    list_names(names, sizeof names);
    if (look->folder)
        return fail(context, TAS_BAD_FILE,
                    "%s: nothing in this folder is recognized as a data set; the formats are: %s", look->path, names);
    return fail(context, TAS_BAD_FILE, "%s: expected a data set, found %s; the formats are: %s", look->path,
                file_describe(look->path), names);
}

static tas_status find(tas_context *context, const reader_look *look, const char *format, const reader **out)
{
    char names[256];
    *out = NULL;
    if (format) {
        *out = recognize_name(format);
        if (*out) return TAS_OK;
        return fail(context, TAS_BAD_ARGUMENT, "unknown format '%s'; expected one of: %s", format,
                    list_names(names, sizeof names));
    }
    for (int i = 0; i < READERS && !*out; i++)
        if (readers[i]->recognize(look)) *out = readers[i];
    return *out ? TAS_OK : refuse(context, look);
}

tas_status recognize_format(tas_context *context, const char *path, const tas_reading *reading, const reader **out)
{
    reader_look look;
    const bool is_idx = reading->train_images || reading->test_images; /* its files are named one by one */
    tas_status status = look_at(context, path, &look);
    if (!status) status = find(context, &look, is_idx && !reading->format ? "idx" : reading->format, out);
    if (status || !(*out)->missing) return status;
    return fail(context, TAS_BAD_FILE, "%s: this build cannot read %s: it was made without %s", path, (*out)->title,
                (*out)->missing);
}
