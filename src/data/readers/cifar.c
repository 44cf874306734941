/* The binary versions of CIFAR-10 and CIFAR-100 (https://www.cs.toronto.edu/~kriz/cifar.html). A record is
 *
 *     CIFAR-10     1 byte   the label                       3072 bytes   an image
 *     CIFAR-100    2 bytes  the coarse and the fine label   3072 bytes   an image
 *
 * and an image has a red, a green and a blue plane of 32 x 32 bytes. */
#include "data/readers/paths.h"
#include "data/readers/reader.h"

#include "base/file.h"
#include "base/text.h"
#include "data/builder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 32, PLANES = 3, IMAGE = PLANES * SIDE * SIDE, PIECE = 256, FILES_MOST = 5, NAMES_BYTES = 1 << 16 };

typedef struct kind {
    const char *what;
    const char *train[FILES_MOST], *test; /* ended by NULL if there are fewer */
    const char *names;                    /* of the classes, one per line */
    size_t label_bytes;                   /* the last one is the class */
    uint32_t classes;
} kind;

static const kind kinds[] = {
    {.what = "CIFAR-10",
     .train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
     .test = "test_batch.bin",
     .names = "batches.meta.txt",
     .label_bytes = 1,
     .classes = 10},
    {.what = "CIFAR-100",
     .train = {"train.bin"},
     .test = "test.bin",
     .names = "fine_label_names.txt",
     .label_bytes = 2,
     .classes = 100},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* The folder of what is read. */
typedef struct source {
    const reader_request *request;
    const kind *kind;
    char *folder;
    bool pixels;
} source;

static bool has_file(const char *folder, const char *name)
{
    char *path = paths_join(folder, name);
    const bool found = path && !access(path, F_OK);
    free(path);
    return found;
}

static const kind *find_kind(const char *folder)
{
    for (int k = 0; k < KINDS; k++)
        if (has_file(folder, kinds[k].train[0]) || has_file(folder, kinds[k].test)) return &kinds[k];
    return NULL;
}

/* A file of a set stands for its folder, which is malloc()ed; NULL without memory. */
static char *folder_of(const char *path)
{
    const char *base = paths_base(path);
    if (paths_is_folder(path)) return strdup(path);
    return base == path ? strdup(".") : strndup(path, (size_t)(base - path));
}

/* Files ------------------------------------------------------------------------------------------------------------ */

typedef struct batch_file {
    tas_context *context;
    char *path;
    int fd;
    uint64_t records;
} batch_file;

static void close_file(batch_file *file)
{
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    *file = (batch_file){.fd = -1};
}

static tas_status open_file(const source *of, const char *name, batch_file *out)
{
    const size_t record = of->kind->label_bytes + IMAGE;
    uint64_t size = 0;
    *out = (batch_file){.context = of->request->context, .fd = -1};
    out->path = paths_join(of->folder, name);
    if (!out->path) return fail(out->context, TAS_NO_MEMORY, "%s: no memory", of->folder);
    const tas_status status = file_open(out->context, out->path, &out->fd, &size);
    if (status) {
        out->fd = -1;
        return status;
    }
    out->records = size / record;
    if (size && size % record == 0) return TAS_OK;
    return fail(out->context, TAS_BAD_DATA,
                "%s: %" PRIu64 " bytes, expected a multiple of %zu (%s: %zu of labels and %d of pixels per image)",
                out->path, size, record, of->kind->what, of->kind->label_bytes, IMAGE);
}

static void put_image(const source *of, const unsigned char *from, void *row)
{
    if (of->pixels) {
        memcpy(row, from, IMAGE);
        return;
    }
    for (int i = 0; i < IMAGE; i++) {
        const float value = from[i];
        memcpy((float *)row + i, &value, sizeof value);
    }
}

static tas_status put_record(const source *of, const batch_file *file, uint64_t index, const unsigned char *record,
                             void *row, uint32_t *label)
{
    put_image(of, record + of->kind->label_bytes, row);
    *label = record[of->kind->label_bytes - 1];
    if (*label < of->kind->classes) return TAS_OK;
    const uint32_t wrong = *label;
    *label = 0;
    return reader_problem(of->request, "%s: image %" PRIu64 ": label %" PRIu32 ", expected 0 to %" PRIu32, file->path,
                          index, wrong, of->kind->classes - 1);
}

/* Room for that many more labels, *used of them so far. */
static tas_status grow_labels(const batch_file *file, uint64_t used, reader_set *set)
{
    uint32_t *grown = realloc(set->targets, (size_t)(used + file->records) * sizeof *grown);
    if (!grown) return fail(file->context, TAS_NO_MEMORY, "%s: no memory for the labels", file->path);
    set->targets = grown;
    return TAS_OK;
}

static tas_status read_records(const source *of, const batch_file *file, builder *b, uint32_t *label)
{
    const size_t record = of->kind->label_bytes + IMAGE, row = IMAGE * (of->pixels ? 1 : sizeof(float));
    unsigned char *piece = malloc(PIECE * record);
    tas_status status = piece ? TAS_OK : fail(file->context, TAS_NO_MEMORY, "%s: no memory", file->path);
    for (uint64_t done = 0; done < file->records && !status;) {
        const size_t n = file->records - done < PIECE ? (size_t)(file->records - done) : PIECE;
        void *rows = NULL;
        status = file_read_at(file->context, file->path, file->fd, done * record, piece, n * record);
        if (!status) status = builder_add(b, n, &rows);
        for (size_t i = 0; i < n && !status; i++)
            status =
                put_record(of, file, done + i, piece + i * record, (unsigned char *)rows + i * row, &label[done + i]);
        done += n;
    }
    free(piece);
    return status;
}

static tas_status read_file(const source *of, const char *name, builder *b, uint64_t *used, reader_set *set)
{
    batch_file file;
    tas_status status = open_file(of, name, &file);
    if (!status) status = grow_labels(&file, *used, set);
    if (!status) status = read_records(of, &file, b, (uint32_t *)set->targets + *used);
    *used += file.records;
    close_file(&file);
    return status;
}

/* Splits ----------------------------------------------------------------------------------------------------------- */

/* The files of a split; fewer batches than all are the first ones. */
static tas_status read_split(const source *of, const char *const *name, int count, reader_set *set)
{
    tas_context *context = of->request->context;
    builder *b = NULL;
    uint64_t used = 0, rows = 0;
    tas_status status =
        builder_open(context, of->folder, IMAGE * (of->pixels ? 1 : sizeof(float)), of->request->reading->cache, 0, &b);
    for (int i = 0; i < count && !status; i++) status = read_file(of, name[i], b, &used, set);
    if (!status) status = builder_finish(b, &set->inputs, &rows);
    builder_close(&b);
    if (status) return status;
    set->options.count = rows;
    set->options.input_size = IMAGE;
    set->options.input_type = of->pixels ? TAS_INPUT_U8 : TAS_INPUT_F32;
    set->options.target_type = TAS_TARGET_LABEL;
    set->options.classes = of->kind->classes;
    set->present = true;
    return TAS_OK;
}

static tas_status read_training(const source *of, reader_set *set)
{
    const char *const *name = of->kind->train;
    int count = 0, all = 0, there = 0;
    while (all < FILES_MOST && name[all]) there += has_file(of->folder, name[all++]);
    while (count < all && has_file(of->folder, name[count])) count++;
    if (there > count)
        return fail(of->request->context, TAS_BAD_FILE, "%s: %s is missing, although there are later ones", of->folder,
                    name[count]);
    return count ? read_split(of, name, count, set) : TAS_OK;
}

/* Names ------------------------------------------------------------------------------------------------------------ */

/* As schemas want them. */
static bool is_name(const char *name, char *const *others, uint32_t count)
{
    if (strlen(name) > SCHEMA_NAME_BYTES) return false;
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(others[i], name)) return false;
    return text_is_utf8(name);
}

static tas_status split_names(const source *of, const char *path, char *text, schema *out)
{
    tas_context *context = of->request->context;
    char *rest = NULL, *name = strtok_r(text, "\r\n", &rest);
    uint32_t count = 0;
    out->class_names = calloc(of->kind->classes, sizeof *out->class_names);
    if (!out->class_names) return fail(context, TAS_NO_MEMORY, "%s: no memory", path);
    for (; name && count < of->kind->classes; name = strtok_r(NULL, "\r\n", &rest)) {
        if (!is_name(name, out->class_names, count))
            return fail(context, TAS_BAD_DATA,
                        "%s: class %" PRIu32 ": \"%.40s\", expected a name in UTF-8 of at most %d bytes that no other "
                        "class has",
                        path, count, name, SCHEMA_NAME_BYTES);
        out->class_names[count] = strdup(name);
        if (!out->class_names[count++]) return fail(context, TAS_NO_MEMORY, "%s: no memory", path);
    }
    if (count == of->kind->classes && !name) return TAS_OK;
    return fail(context, TAS_BAD_DATA, "%s: %s names than the %" PRIu32 " classes of %s", path, name ? "more" : "fewer",
                of->kind->classes, of->kind->what);
}

static tas_status read_names(const source *of, schema *out)
{
    char *text = NULL;
    size_t bytes = 0;
    if (!has_file(of->folder, of->kind->names)) return TAS_OK;
    char *path = paths_join(of->folder, of->kind->names);
    if (!path) return fail(of->request->context, TAS_NO_MEMORY, "%s: no memory", of->folder);
    tas_status status = file_read(of->request->context, path, NAMES_BYTES, &text, &bytes);
    if (!status) status = split_names(of, path, text, out);
    free(text);
    free(path);
    return status;
}

/* What is predicted from: the file that was named, or a folder's training split, else its test split. */
static tas_status read_inputs(const source *of, reader_set *set)
{
    const char *path = of->request->path, *file = paths_base(path);
    if (!paths_is_folder(path)) return read_split(of, &file, 1, set);
    const tas_status status = read_training(of, set);
    if (status || set->present || !has_file(of->folder, of->kind->test)) return status;
    return read_split(of, &of->kind->test, 1, set);
}

/* A checkpoint's network has the same images and classes. */
static tas_status check_schema(const source *of)
{
    const schema *kept = of->request->schema;
    if (!kept) return TAS_OK;
    if (kept->target_type != TAS_TARGET_LABEL || kept->classes != of->kind->classes)
        return fail(of->request->context, TAS_BAD_DATA,
                    "%s: %s has %" PRIu32 " classes, expected %" PRIu32 " as in the training set", of->folder,
                    of->kind->what, of->kind->classes, kept->classes);
    if (kept->input_size != IMAGE || kept->input_type != (of->pixels ? TAS_INPUT_U8 : TAS_INPUT_F32))
        return fail(of->request->context, TAS_BAD_DATA,
                    "%s: %s has images of %d x %d x %d bytes, expected %zu %s as in the training set", of->folder,
                    of->kind->what, PLANES, SIDE, SIDE, kept->input_size,
                    kept->input_type == TAS_INPUT_U8 ? "bytes" : "floats");
    return TAS_OK;
}

static tas_status read_sets(const source *of, reader_result *out)
{
    const bool *wanted = of->request->wanted;
    tas_status status = check_schema(of);
    if (!status && of->request->inputs_only)
        status = read_inputs(of, &out->split[TAS_TRAIN]);
    else if (!status && wanted[TAS_TRAIN])
        status = read_training(of, &out->split[TAS_TRAIN]);
    if (!status && wanted[TAS_TEST] && has_file(of->folder, of->kind->test))
        status = read_split(of, &of->kind->test, 1, &out->split[TAS_TEST]);
    out->schema.channels = PLANES;
    out->schema.height = out->schema.width = SIDE;
    out->schema.classes = of->kind->classes;
    return status ? status : read_names(of, &out->schema);
}

static tas_status open_sets(const reader_request *request, reader_result *out)
{
    source of = {
        .request = request, .folder = folder_of(request->path), .pixels = request->reading->pixels != TAS_CHOICE_NO};
    if (!of.folder) return fail(request->context, TAS_NO_MEMORY, "%s: no memory", request->path);
    tas_status status = reader_refuse_others(request, &reader_cifar, (const char *const[]){NULL});
    of.kind = find_kind(of.folder);
    if (!status && !of.kind)
        status =
            fail(request->context, TAS_BAD_FILE,
                 "%s: expected a folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin (CIFAR-10), or "
                 "train.bin and test.bin (CIFAR-100)",
                 of.folder);
    if (!status) status = read_sets(&of, out);
    free(of.folder);
    return status;
}

static bool is_file_of(const kind *k, const char *name)
{
    for (int i = 0; i < FILES_MOST && k->train[i]; i++)
        if (!strcmp(name, k->train[i])) return true;
    return !strcmp(name, k->test);
}

static bool recognize(const reader_look *look)
{
    if (look->folder) return find_kind(look->path);
    for (int k = 0; k < KINDS; k++)
        if (is_file_of(&kinds[k], paths_base(look->path))) return true;
    return false;
}

const reader reader_cifar = {
    .name = "cifar",
    .title = "CIFAR-10 or CIFAR-100 in binary files",
    .rules = "The folder of CIFAR-10's binary version, with data_batch_1.bin to data_batch_5.bin for training and "
             "test_batch.bin for the test; or that of CIFAR-100, with train.bin and test.bin, whose classes are the "
             "fine labels. The classes' names are in batches.meta.txt or fine_label_names.txt, if it is there. Images "
             "are 3 planes (red, green, blue) of 32 x 32 pixels. A file of the set stands for all of them, except for "
             "predictions.",
    .recognize = recognize,
    .open = open_sets,
};
