/* Data sets of pictures: folders of PNG and JPEG files. */
#include "data/readers/picture.h"
#include "data/readers/picture_cache.h"
#include "data/readers/picture_list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libraries.h"

enum { HEADER_BYTES = 1 << 16 };                     /* within which most headers end */
static const uint64_t file_most = (uint64_t)1 << 30; /* bytes */
static const double report_interval = 10;            /* seconds */

typedef struct images {
    const reader_request *request;
    picture_list list;
    picture_shape shape; /* wanted, then what it is; resized is of the split in work */
    bool any_size;       /* other sizes are brought to it */
    uint64_t resized[2]; /* pictures for which that was so */
    picture_cache cache;
    double begin, next_report;
} images;

/* Files ----------------------------------------------------------------------------------------------------------- */

static tas_status read_problem(const images *of, tas_status status)
{
    return status == TAS_NO_MEMORY ? status : reader_problem(of->request, "%s", tas_error(of->request->context));
}

/* pixels of *out NULL: a problem was reported. */
static tas_status decode_file(const images *of, const picture_file *file, picture *out)
{
    char *bytes = NULL, error[PICTURE_ERROR];
    size_t size = 0;
    *out = (picture){0};
    tas_status status = file_read(of->request->context, file->path, file_most, &bytes, &size);
    if (status) return read_problem(of, status);
    if (!picture_decode((unsigned char *)bytes, size, false, out, error))
        status = reader_problem(of->request, "%s: %s", file->path, error);
    free(bytes);
    return status;
}

/* The sizes alone: from the file's beginning, which seldom is not enough. height of *out 0: a problem was reported. */
static tas_status look_at_file(const images *of, const picture_file *file, picture *out)
{
    char *bytes = NULL, error[PICTURE_ERROR];
    unsigned char beginning[HEADER_BYTES];
    uint64_t on_disk = 0;
    size_t size = 0;
    int fd;
    *out = (picture){0};
    tas_status status = file_open(of->request->context, file->path, &fd, &on_disk);
    if (status) return read_problem(of, status);
    const size_t count = file_read_head(fd, beginning, sizeof beginning);
    close(fd);
    if (count && picture_decode(beginning, count, true, out, error)) return TAS_OK;
    status = file_read(of->request->context, file->path, file_most, &bytes, &size);
    if (status) return read_problem(of, status);
    if (!picture_decode((unsigned char *)bytes, size, true, out, error))
        status = reader_problem(of->request, "%s: %s", file->path, error);
    free(bytes);
    return status;
}

static void begin_reports(images *of)
{
    of->begin = now_seconds();
    of->next_report = of->begin + report_interval;
}

static void report(images *of, const char *what, uint64_t done, uint64_t count)
{
    const double now = now_seconds();
    if (now < of->next_report) return;
    of->next_report = now + report_interval;
    note(of->request->context, "%s: %" PRIu64 " of %" PRIu64 " pictures %s, %.0f s left", of->request->path, done,
         count, what, (now - of->begin) / (double)done * (double)(count - done));
}

/* Sizes ----------------------------------------------------------------------------------------------------------- */

/* A network's input, or a checkpoint's; all 0 for a network that takes what comes. */
static tas_status set_wanted(images *of)
{
    const schema *kept = of->request->schema;
    const tas_reading *reading = of->request->reading;
    if (kept && kept->height && kept->width)
        of->shape = (picture_shape){kept->channels, kept->height, kept->width, 0};
    else if (reading->height && reading->width)
        of->shape = (picture_shape){reading->channels, reading->height, reading->width, 0};
    const uint64_t pixels = (uint64_t)of->shape.height * of->shape.width;
    of->any_size = pixels && reading->resize != TAS_CHOICE_NO;
    if (of->shape.channels == 0 || of->shape.channels == 1 || of->shape.channels == 3) {
        if (pixels <= PICTURE_PIXELS_MOST) return TAS_OK;
        return fail(of->request->context, TAS_BAD_DATA,
                    "%s: the input's %" PRIu32 " x %" PRIu32 " pixels are more than the %d of a picture",
                    of->request->path, of->shape.height, of->shape.width, PICTURE_PIXELS_MOST);
    }
    return fail(of->request->context, TAS_BAD_DATA,
                "%s: pictures have 1 or 3 channels, but the network's input has %" PRIu32, of->request->path,
                of->shape.channels);
}

/* Whether a picture has the size of the first one, which decides where nothing is wanted. */
static tas_status compare_sizes(images *of, const picture_file *file, const picture *found, const char **first)
{
    if (!of->shape.height) {
        of->shape.height = found->height;
        of->shape.width = found->width;
        *first = file->path;
    }
    if (!*first || (found->height == of->shape.height && found->width == of->shape.width)) return TAS_OK;
    const tas_status status =
        reader_problem(of->request,
                       "%s: %" PRIu32 " x %" PRIu32 " pixels (height x width), but %s has %" PRIu32 " x %" PRIu32
                       "; pictures of several sizes need a network whose input has a size",
                       file->path, found->height, found->width, *first, of->shape.height, of->shape.width);
    return status;
}

/* Decides from the headers of both splits what is not wanted: gray if all are gray, and the one size. */
static tas_status survey(images *of)
{
    const char *first = NULL;
    bool gray = true;
    uint64_t done = 0, count = of->list.set[TAS_TRAIN].count + of->list.set[TAS_TEST].count;
    tas_status status = TAS_OK;
    begin_reports(of);
    for (int split = 0; split < 2; split++)
        for (size_t i = 0; i < of->list.set[split].count && !status; i++) {
            const picture_file *file = &of->list.set[split].file[i];
            picture found;
            status = look_at_file(of, file, &found);
            if (!status && found.height) {
                gray = gray && found.channels == 1;
                status = compare_sizes(of, file, &found, &first);
            }
            report(of, "looked at", ++done, count);
        }
    if (!of->shape.channels) of->shape.channels = gray ? 1 : 3;
    return status;
}

/* Decoding -------------------------------------------------------------------------------------------------------- */

/* Into the planes, which a problem leaves as they are. */
static tas_status decode_into(images *of, const picture_file *file, unsigned char *planes)
{
    const picture_shape *shape = &of->shape;
    picture found;
    tas_status status = decode_file(of, file, &found);
    if (status || !found.pixels) return status;
    const bool same = found.height == shape->height && found.width == shape->width;
    if (!same && !of->any_size)
        status = reader_problem(
            of->request, "%s: %" PRIu32 " x %" PRIu32 " pixels (height x width), expected %" PRIu32 " x %" PRIu32 "%s",
            file->path, found.height, found.width, shape->height, shape->width,
            of->request->reading->resize == TAS_CHOICE_NO ? " without resizing" : "");
    else if (!picture_scale(&found, shape->channels, shape->height, shape->width, planes))
        status = fail(of->request->context, TAS_NO_MEMORY, "%s: no memory to bring it to %" PRIu32 " x %" PRIu32,
                      file->path, shape->height, shape->width);
    of->shape.resized += !same;
    free(found.pixels);
    return status;
}

static tas_status decode_all(images *of, const picture_set *set, picture_store *store)
{
    unsigned char *planes = calloc(1, (size_t)store->row);
    tas_status status = TAS_OK;
    if (!planes) return fail(of->request->context, TAS_NO_MEMORY, "%s: no memory for a picture", of->request->path);
    begin_reports(of);
    for (size_t i = 0; i < set->count && !status; i++) {
        status = decode_into(of, &set->file[i], planes);
        if (!status && !reader_has_problems(of->request)) status = picture_cache_add(store, planes);
        report(of, "decoded", i + 1, set->count);
    }
    free(planes);
    return status;
}

static tas_status decode_split(images *of, tas_split split, data_elements *out)
{
    picture_store store = {0};
    const picture_set *set = &of->list.set[split];
    of->shape.resized = 0;
    tas_status status = picture_cache_begin(&of->cache, split, set->count, &of->shape, &store);
    if (!status) status = decode_all(of, set, &store);
    if (!status && !reader_has_problems(of->request)) status = picture_cache_finish(&store, of->shape.resized, out);
    picture_cache_abandon(&store);
    of->resized[split] = of->shape.resized;
    return status;
}

/* Splits ---------------------------------------------------------------------------------------------------------- */

static bool find_split(images *of, tas_split split, reader_set *set)
{
    picture_shape shape;
    if (reader_has_problems(of->request) ||
        !picture_cache_find(&of->cache, split, of->list.set[split].count, &shape, &set->inputs))
        return false;
    of->shape = shape;
    of->resized[split] = shape.resized;
    return true;
}

/* A layer sees the bytes' numbers, as floats. */
static tas_status widen(const images *of, reader_set *set)
{
    enum { AT_ONCE = 1 << 18 };
    const size_t size = set->options.input_size;
    builder *floats = NULL;
    data_elements out = {0};
    uint64_t count = 0;
    tas_status status = builder_open(of->request->context, of->request->path, size * sizeof(float),
                                     of->request->reading->cache, 0, &floats);
    if (!status) status = elements_begin(of->request->context, &set->inputs, ELEMENTS_IN_ORDER);
    for (uint64_t done = 0, n; done < set->options.count && !status; done += n) {
        void *rows;
        n = size < AT_ONCE ? AT_ONCE / size : 1;
        if (n > set->options.count - done) n = set->options.count - done;
        status = builder_add(floats, (size_t)n, &rows);
        for (size_t i = 0; i < n * size && !status; i++) ((float *)rows)[i] = set->inputs.bytes[done * size + i];
    }
    if (!status) status = builder_finish(floats, &out, &count);
    builder_close(&floats);
    if (status) return status;
    elements_close(&set->inputs);
    set->inputs = out;
    set->options.input_type = TAS_INPUT_F32;
    return TAS_OK;
}

/* Labels; for prediction with a network of values, those, all 0. */
static tas_status set_targets(const images *of, const picture_set *from, reader_set *set)
{
    const schema *kept = of->request->schema;
    const bool values = kept && kept->target_type == TAS_TARGET_F32;
    const size_t width = values ? kept->target_size : 1;
    uint32_t *labels = calloc(from->count, width * sizeof *labels); /* a float has as many bytes, and 0 is 0 */
    if (!labels) return fail(of->request->context, TAS_NO_MEMORY, "%s: no memory for the labels", of->request->path);
    for (size_t i = 0; i < from->count && !values; i++) labels[i] = from->file[i].label;
    set->targets = labels;
    set->options.target_type = values ? TAS_TARGET_F32 : TAS_TARGET_LABEL;
    set->options.target_size = values ? width : 0;
    set->options.classes = values ? 0 : of->list.classes;
    return TAS_OK;
}

static tas_status set_names(images *of, picture_set *from, reader_set *set)
{
    set->names = malloc(from->count * sizeof *set->names);
    if (!set->names) return fail(of->request->context, TAS_NO_MEMORY, "%s: no memory", of->request->path);
    for (size_t i = 0; i < from->count; i++) {
        set->names[i] = from->file[i].path;
        from->file[i].path = NULL;
    }
    return TAS_OK;
}

static bool as_pixels(const reader_request *request)
{
    if (request->reading->pixels != TAS_CHOICE_AUTO || !request->schema)
        return request->reading->pixels != TAS_CHOICE_NO;
    return request->schema->input_type == TAS_INPUT_U8;
}

static tas_status complete_split(images *of, tas_split split, reader_set *set)
{
    picture_set *from = &of->list.set[split];
    if (of->resized[split])
        note_once(of->request->context, "%s: %" PRIu64 " of %zu pictures resized to %" PRIu32 " x %" PRIu32,
                  of->request->path, of->resized[split], from->count, of->shape.height, of->shape.width);
    set->present = true;
    set->options.count = from->count;
    set->options.input_size = (size_t)of->shape.channels * of->shape.height * of->shape.width;
    set->options.input_type = TAS_INPUT_U8;
    tas_status status = set_targets(of, from, set);
    if (!status) status = set_names(of, from, set);
    if (!status && !as_pixels(of->request)) status = widen(of, set);
    return status;
}

static tas_status read_splits(images *of, reader_result *out)
{
    bool found[2] = {true, true}, wanted[2];
    tas_status status = TAS_OK;
    for (int split = 0; split < 2; split++) {
        wanted[split] = of->request->wanted[split] && of->list.set[split].present;
        if (wanted[split]) found[split] = find_split(of, (tas_split)split, &out->split[split]);
    }
    if (!(found[0] && found[1]) && !(of->shape.channels && of->shape.height)) status = survey(of);
    for (int split = 0; split < 2 && !status; split++)
        if (wanted[split] && !found[split] && of->shape.height)
            status = decode_split(of, (tas_split)split, &out->split[split].inputs);
    for (int split = 0; split < 2 && !status && !reader_has_problems(of->request); split++)
        if (wanted[split]) status = complete_split(of, (tas_split)split, &out->split[split]);
    return status;
}

static tas_status describe(images *of, schema *out)
{
    out->channels = of->shape.channels;
    out->height = of->shape.height;
    out->width = of->shape.width;
    out->resized = of->any_size;
    out->classes = of->list.classes;
    out->class_names = of->list.class_names;
    of->list.class_names = NULL;
    return TAS_OK;
}

static tas_status check_request(const reader_request *request)
{
    static const char *const uses[] = {"resize", NULL};
    const schema *kept = request->schema;
    tas_status status = reader_refuse_others(request, &reader_images, uses);
    if (status) return status;
    const bool values = kept ? kept->target_type == TAS_TARGET_F32 : request->reading->targets == TAS_TARGETS_VALUES;
    if (values && !request->inputs_only)
        return fail(request->context, TAS_BAD_DATA,
                    "%s: folders of pictures have classes, but the network's targets are values", request->path);
    if (kept && kept->input_type == TAS_INPUT_F32 && request->reading->pixels == TAS_CHOICE_AUTO &&
        strcmp(kept->format, reader_images.name) != 0)
        return fail(request->context, TAS_BAD_DATA,
                    "%s: the network was trained on numbers (%s), not on pixels; 'pixels' has to say whether a byte is "
                    "a number from 0 to 255, or from 0 to 1",
                    request->path, kept->format);
    return TAS_OK;
}

static tas_status open_sets(const reader_request *request, reader_result *out)
{
    images of = {.request = request};
    tas_status status = check_request(request);
    if (!status) status = set_wanted(&of);
    if (!status) status = picture_list_open(request, &of.list);
    if (!status) status = picture_cache_open(request, &of.list, &of.shape, !request->inputs_only, &of.cache);
    if (!status) status = read_splits(&of, out);
    if (!status) status = describe(&of, &out->schema);
    picture_list_close(&of.list);
    return status;
}

static bool recognize(const reader_look *look)
{
    if (look->folder) return picture_list_recognize(look->path);
    return !look->gzip && picture_recognize(look->head, look->head_bytes) != PICTURE_NONE;
}

const reader reader_images = {
    .name = "images",
    .title = "a folder of pictures",
    .rules =
        "PNG and JPEG files, which are recognized by their content, in a folder for each class: FOLDER/CLASS/*, or "
        "FOLDER/train/CLASS/* for training with FOLDER/test/CLASS/* (else val or validation) for the test. The names "
        "of the training split's folders, sorted by their bytes, are the classes; whole numbers are sorted as numbers, "
        "and those from 0 on without a gap have no other name. Pictures are in the order of the classes, then of their "
        "names. Hidden files, and those that are not pictures by content and by name, are ignored and counted. For "
        "prediction a picture, or a folder of them, will do.\n\n"
        "Pictures become 8 bits, gray or RGB, as the network's input has 1 or 3 channels; if it leaves that open, gray "
        "if all are gray (by their headers), else RGB. RGB becomes gray by (299 R + 587 G + 114 B + 500) / 1000, "
        "rounded down. PNG: 16 bits are rounded to 8, palettes are looked up, alpha is dropped, color profiles and "
        "gamma are not applied. JPEG: CMYK is refused, and the rotation in EXIF data is not applied; decoding is exact "
        "on each machine with the same version of libjpeg-turbo (integer transform, chroma repeated), but other "
        "decoders may differ by small amounts.\n\n"
        "Pictures of another size than the network's input are brought to it, unless resizing is off; nothing is cut "
        "off, and the ratio of the sides is not kept. Both sides are scaled with the weights max(0, 2 max(n, N) - |(2 "
        "i + 1) N - (2 o + 1) n|) for pixel i of n in the picture and o of N in the input, which is bilinear "
        "interpolation with antialiasing; the sum over both sides is divided by that of the weights and rounded to the "
        "nearest, all in exact integers. If the network's input has no size, all pictures must have the same.\n\n"
        "Decoded pictures are kept in the cache, in files pictures-*, for which names, sizes and times of all files "
        "count. When one is written, those that were not used for 30 days are removed.",
#if !HAVE_PNG && !HAVE_JPEG
    .missing = "libpng-dev and libjpeg-dev",
#endif
    .recognize = recognize,
    .open = open_sets,
};
