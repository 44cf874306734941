/* The data set: arrays, a callback, a folder of IDX files, or a part of another. */
#include "data/dataset.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRAIN_IMAGES "train-images-idx3-ubyte"
#define TRAIN_LABELS "train-labels-idx1-ubyte"
#define TEST_IMAGES "t10k-images-idx3-ubyte"
#define TEST_LABELS "t10k-labels-idx1-ubyte"

enum { FILL_MOST = 1024 }; /* examples that a callback is asked for at once */

uint64_t tas_data_count(const tas_data *data) { return data->is.count; }
size_t tas_data_input_size(const tas_data *data) { return data->is.input_size; }
uint32_t tas_data_classes(const tas_data *data) { return data->is.classes; }

size_t data_input_bytes(const tas_data *data)
{
    return data->is.input_type == TAS_INPUT_F32 ? data->is.input_size * sizeof(float) : data->is.input_size;
}

size_t data_target_bytes(const tas_data *data)
{
    return data->is.target_type == TAS_TARGET_F32 ? data->is.target_size * sizeof(float) : sizeof(uint32_t);
}

void tas_data_options_init(tas_data_options *options) { *options = (tas_data_options){.size = sizeof *options}; }

void tas_data_close(tas_data **data)
{
    if (!data || !*data) return;
    free((*data)->own_inputs);
    free((*data)->own_targets);
    free((*data)->own_index);
    idx_close(&(*data)->images);
    free(*data);
    *data = NULL;
}

/* Content --------------------------------------------------------------------------------------------------------- */

/* index[k] is the place in the data set of the k-th example; NULL: k. */
static uint64_t place_of(const uint64_t *index, size_t k) { return index ? index[k] : k; }

/* By bits, so that no compiler's view of NaN and no alignment of the caller's matters. */
static tas_status check_floats(const tas_data *data, const char *what, const uint64_t *index, size_t n, size_t size,
                               const void *values)
{
    const unsigned char *at = values;
    for (size_t example = 0; example < n; example++) {
        for (size_t element = 0; element < size; element++, at += sizeof(float)) {
            uint32_t bits;
            float value;
            memcpy(&bits, at, sizeof bits);
            if ((bits & 0x7f800000u) != 0x7f800000u) continue;
            memcpy(&value, at, sizeof value);
            return fail(data->context, TAS_BAD_DATA, "%s: example %" PRIu64 ": %s %zu is %g, expected a finite number",
                        data->name, place_of(index, example), what, element, (double)value);
        }
    }
    return TAS_OK;
}

static tas_status check_labels(const tas_data *data, const uint64_t *index, size_t n, const void *labels)
{
    for (size_t k = 0; k < n; k++) {
        uint32_t label;
        memcpy(&label, (const unsigned char *)labels + k * sizeof label, sizeof label);
        if (label >= data->is.classes)
            return fail(data->context, TAS_BAD_DATA,
                        "%s: example %" PRIu64 ": label %" PRIu32 ", expected less than %" PRIu32, data->name,
                        place_of(index, k), label, data->is.classes);
    }
    return TAS_OK;
}

static tas_status check_examples(const tas_data *data, const uint64_t *index, size_t n, const void *inputs,
                                 const void *targets)
{
    tas_status status = TAS_OK;
    if (data->is.input_type == TAS_INPUT_F32)
        status = check_floats(data, "input", index, n, data->is.input_size, inputs);
    if (status) return status;
    if (data->is.target_type == TAS_TARGET_LABEL) return check_labels(data, index, n, targets);
    return check_floats(data, "target", index, n, data->is.target_size, targets);
}

static int call_fill(const tas_data *data, const uint64_t *index, size_t n, void *inputs, void *targets)
{
    entry_state ours;
    callback_begin(data->context, &ours);
    const int result = data->is.fill(data->is.user, index, n, inputs, targets);
    callback_end(&ours);
    return result;
}

/* Which examples of a set are wanted: those of a list, or without one those from `first` on. */
typedef struct choice {
    const tas_data *data;
    const uint32_t *list;
    uint64_t first;
} choice;

/* The place of the k-th of them in the set that they come from. */
static uint64_t place_in_root(const choice *of, size_t k)
{
    const uint64_t at = of->list ? of->list[k] : of->first + k;
    return of->data->index ? of->data->index[at] : at;
}

/* In pieces, so that the callback's indices need no memory that could fail. */
static tas_status fetch_by_fill(const choice *of, size_t n, unsigned char *inputs, unsigned char *targets)
{
    const tas_data *root = data_root(of->data);
    const bool listed = of->list || of->data->index;
    uint64_t index[FILL_MOST];
    for (size_t done = 0; done < n;) {
        const size_t piece = n - done < FILL_MOST ? n - done : FILL_MOST;
        for (size_t k = 0; k < piece; k++) index[k] = place_in_root(of, done + k);
        const int result = call_fill(root, index, piece, inputs, targets);
        if (result)
            return fail(root->context, TAS_BAD_DATA, "%s: returned %d for %s %" PRIu64 " to %" PRIu64, root->name,
                        result, listed ? "a list of examples," : "examples", index[0], index[piece - 1]);
        tas_status status = check_examples(root, index, piece, inputs, targets);
        if (status) return status;
        inputs += piece * data_input_bytes(root);
        targets += piece * data_target_bytes(root);
        done += piece;
    }
    return TAS_OK;
}

/* rows[k] = the array's row of the k-th example */
static void copy_rows(const choice *of, const void *array, size_t n, size_t bytes, unsigned char *rows)
{
    const unsigned char *from = array;
    if (!of->list && !of->data->index)
        memcpy(rows, from + of->first * bytes, n * bytes);
    else
        for (size_t k = 0; k < n; k++) memcpy(rows + k * bytes, from + place_in_root(of, k) * bytes, bytes);
}

static tas_status fetch(const choice *of, size_t n, void *inputs, void *targets)
{
    const tas_data *root = data_root(of->data);
    if (root->is.fill) return fetch_by_fill(of, n, inputs, targets);
    tas_status status = idx_begin(root->context, &root->images, of->list ? IDX_AT_RANDOM : IDX_IN_ORDER);
    if (status) return status;
    copy_rows(of, root->is.inputs, n, data_input_bytes(root), inputs);
    copy_rows(of, root->is.targets, n, data_target_bytes(root), targets);
    return TAS_OK;
}

tas_status data_fetch(const tas_data *data, uint64_t first, size_t n, void *inputs, void *targets)
{
    if (first > data->is.count || n > data->is.count - first)
        return fail(data->context, TAS_BAD_ARGUMENT, "%s: %zu examples from %" PRIu64 ", there are %" PRIu64,
                    data->name, n, first, data->is.count);
    return fetch(&(choice){.data = data, .first = first}, n, inputs, targets);
}

tas_status data_pick(const tas_data *data, const uint32_t *index, size_t n, void *inputs, void *targets)
{
    for (size_t k = 0; k < n; k++)
        if (index[k] >= data->is.count)
            return fail(data->context, TAS_BAD_ARGUMENT,
                        "%s: example %" PRIu32 " at place %zu of a list, there are %" PRIu64, data->name, index[k], k,
                        data->is.count);
    return fetch(&(choice){.data = data, .list = index}, n, inputs, targets);
}

/* Arrays and callbacks -------------------------------------------------------------------------------------------- */

static tas_status check_shape(tas_context *context, const tas_data_options *is)
{
    uint64_t inputs, targets, bytes;
    if (is->count == 0 || is->count > UINT32_MAX)
        return fail(context, TAS_BAD_ARGUMENT, "data: count %" PRIu64 ", expected 1 to %" PRIu32, is->count,
                    UINT32_MAX);
    if (is->input_size == 0) return fail(context, TAS_BAD_ARGUMENT, "data: input_size 0, expected at least 1");
    if (is->input_type != TAS_INPUT_U8 && is->input_type != TAS_INPUT_F32)
        return fail(context, TAS_BAD_ARGUMENT, "data: input_type %d is not known", (int)is->input_type);
    if (is->target_type != TAS_TARGET_LABEL && is->target_type != TAS_TARGET_F32)
        return fail(context, TAS_BAD_ARGUMENT, "data: target_type %d is not known", (int)is->target_type);
    if (is->target_type == TAS_TARGET_LABEL && is->classes == 0)
        return fail(context, TAS_BAD_ARGUMENT, "data: classes 0, expected at least 1 with labels");
    if (is->target_type == TAS_TARGET_F32 && is->target_size == 0)
        return fail(context, TAS_BAD_ARGUMENT, "data: target_size 0, expected at least 1 with float targets");
    const uint64_t target_size = is->target_type == TAS_TARGET_F32 ? is->target_size : 1;
    if (!mul_size(is->input_size, sizeof(float), &inputs) || !mul_size(target_size, sizeof(float), &targets) ||
        !add_size(inputs, targets, &bytes) || !mul_size(bytes, is->count, &bytes) || bytes > SIZE_MAX / 2)
        return fail(context, TAS_BAD_ARGUMENT,
                    "data: %" PRIu64 " examples of %zu inputs and %" PRIu64 " targets are more than fit in memory",
                    is->count, is->input_size, target_size);
    return TAS_OK;
}

static tas_status check_options(tas_context *context, const tas_data_options *options)
{
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT, "data: options of %zu bytes, expected %zu: use tas_data_options_init()",
                    options->size, sizeof *options);
    if (options->fill && (options->inputs || options->targets))
        return fail(context, TAS_BAD_ARGUMENT, "data: both arrays and fill, expected one of the two");
    if (!options->fill && (!options->inputs || !options->targets))
        return fail(context, TAS_BAD_ARGUMENT, "data: %s NULL, expected inputs and targets, or fill",
                    options->inputs ? "targets" : "inputs");
    return check_shape(context, options);
}

/* Puts a copy of *array in its place. */
static tas_status own_array(tas_data *data, const void **array, uint64_t bytes, void **own)
{
    *own = malloc((size_t)bytes);
    if (!*own)
        return fail(data->context, TAS_NO_MEMORY, "%s: no memory for a copy of %" PRIu64 " bytes", data->name, bytes);
    *array = memcpy(*own, *array, (size_t)bytes);
    return TAS_OK;
}

static tas_status create_data(tas_context *context, const tas_data_options *options, const char *name, tas_data **out)
{
    tas_data *data = calloc(1, sizeof *data);
    if (!data) return fail(context, TAS_NO_MEMORY, "%s: no memory", name);
    data->context = context;
    data->is = *options;
    if (options->target_type == TAS_TARGET_LABEL)
        data->is.target_size = 0;
    else
        data->is.classes = 0;
    snprintf(data->name, sizeof data->name, "%s", name);
    *out = data;
    return TAS_OK;
}

static tas_status open_data(tas_context *context, const tas_data_options *options, tas_data **out)
{
    tas_status status = check_options(context, options);
    if (status) return status;
    status = create_data(context, options, options->fill ? "callback" : "arrays", out);
    if (status || options->fill) return status;

    tas_data *data = *out;
    status = check_examples(data, NULL, (size_t)data->is.count, data->is.inputs, data->is.targets);
    if (status || options->borrow) return status;
    status = own_array(data, &data->is.inputs, data->is.count * data_input_bytes(data), &data->own_inputs);
    if (status) return status;
    return own_array(data, &data->is.targets, data->is.count * data_target_bytes(data), &data->own_targets);
}

tas_status tas_data_open(tas_context *context, const tas_data_options *options, tas_data **out)
{
    entry_state caller;
    *out = NULL;
    entry_begin(context, &caller);
    tas_status status = open_data(context, options, out);
    if (status) tas_data_close(out);
    entry_end(&caller);
    return status;
}

/* Folders --------------------------------------------------------------------------------------------------------- */

/* folder/name, or folder/name.gz where that is not there. */
static tas_status find_file(tas_context *context, const char *folder, const char *name, char **path)
{
    struct stat about;
    if (stat(folder, &about)) return fail(context, TAS_BAD_FILE, "%s: %s", folder, strerror(errno));
    if (!S_ISDIR(about.st_mode))
        return fail(context, TAS_BAD_FILE, "%s: expected a folder of IDX files, found %s", folder,
                    file_describe(folder));
    *path = malloc(strlen(folder) + strlen(name) + sizeof "/.gz");
    if (!*path) return fail(context, TAS_NO_MEMORY, "%s: no memory", folder);
    strcat(strcat(strcpy(*path, folder), "/"), name);
    if (!access(*path, F_OK) || !access(strcat(*path, ".gz"), F_OK)) return TAS_OK;
    return fail(context, TAS_BAD_FILE, "%s: neither %s nor %s.gz is there", folder, name, name);
}

static tas_status open_file(tas_context *context, const char *folder, const char *name, int dims_wanted, bool map,
                            uint64_t *dims, idx_elements *out)
{
    char *path = NULL;
    tas_status status = find_file(context, folder, name, &path);
    if (!status) status = idx_open(context, path, dims_wanted, map, dims, out);
    free(path);
    return status;
}

/* Labels are uint32_t in memory; classes are as many as the greatest label needs. */
static tas_status widen_labels(tas_data *data, const unsigned char *labels)
{
    uint32_t *wide = malloc((size_t)data->is.count * sizeof *wide);
    if (!wide) return fail(data->context, TAS_NO_MEMORY, "%s: no memory for the labels", data->name);
    data->is.targets = data->own_targets = wide;
    for (uint64_t i = 0; i < data->is.count; i++) {
        wide[i] = labels[i];
        if (wide[i] >= data->is.classes) data->is.classes = wide[i] + 1;
    }
    return TAS_OK;
}

static const char rules[] =
    "A data set is a folder of four IDX files, the format of MNIST: " TRAIN_IMAGES " and " TRAIN_LABELS
    " for training, " TEST_IMAGES " and " TEST_LABELS
    " for the test. Each may be compressed with gzip, its name then ending "
    "in .gz.\n\n"
    "An IDX file is a magic number, the sizes and the elements, row by row, all numbers being 4 bytes, the most "
    "significant first. Images have the magic number 0x00000803 and the sizes count, height, width; labels have "
    "0x00000801 "
    "and the size count. The elements are unsigned bytes. The classes are 0 to the greatest label.";

const char *tas_data_rules(void) { return rules; }

static tas_status open_folder(tas_context *context, const char *folder, tas_split split, tas_data **out)
{
    static const char *const images_name[] = {TRAIN_IMAGES, TEST_IMAGES};
    static const char *const labels_name[] = {TRAIN_LABELS, TEST_LABELS};
    uint64_t images[3], count = 0; /* (count, height, width) */
    idx_elements pixels = {0}, labels = {0};
    char name[sizeof(*out)->name];
    tas_data_options is;
    tas_data_options_init(&is);
    if (split != TAS_TRAIN && split != TAS_TEST)
        return fail(context, TAS_BAD_ARGUMENT, "%s: split %d is not known", folder, (int)split);

    tas_status status = open_file(context, folder, images_name[split], 3, true, images, &pixels);
    if (!status) status = open_file(context, folder, labels_name[split], 1, false, &count, &labels);
    if (!status && images[0] != count)
        status = fail(context, TAS_BAD_DATA, "%s: %" PRIu64 " images in %s, but %" PRIu64 " labels in %s", folder,
                      images[0], images_name[split], count, labels_name[split]);
    if (status) goto end;

    is.count = count;
    is.input_size = (size_t)(images[1] * images[2]);
    snprintf(name, sizeof name, "%.*s (%s)", (int)sizeof name - 10, folder, split == TAS_TRAIN ? "train" : "test");
    status = create_data(context, &is, name, out);
    if (status) goto end;
    (*out)->images = pixels;
    (*out)->is.inputs = pixels.bytes;
    (*out)->height = (uint32_t)images[1];
    (*out)->width = (uint32_t)images[2];
    pixels = (idx_elements){0};
    status = widen_labels(*out, labels.bytes);
end:
    idx_close(&pixels);
    idx_close(&labels);
    return status;
}

tas_status tas_data_open_folder(tas_context *context, const char *folder, tas_split split, tas_data **out)
{
    entry_state caller;
    *out = NULL;
    entry_begin(context, &caller);
    tas_status status = open_folder(context, folder, split, out);
    if (status) tas_data_close(out);
    entry_end(&caller);
    return status;
}

/* Parts ----------------------------------------------------------------------------------------------------------- */

/* A part of a set with that many examples: until it is given a list, the first ones. `which` is for errors. */
static tas_status create_part(const tas_data *whole, uint64_t count, const char *which, tas_data **out)
{
    char name[sizeof whole->name];
    tas_data_options is = whole->is;
    is.count = count;
    snprintf(name, sizeof name, "%s %" PRIu64 " of %.200s", which, count, whole->name);
    tas_status status = create_data(whole->context, &is, name, out);
    if (status) return status;
    (*out)->root = data_root(whole);
    (*out)->index = whole->index;
    return TAS_OK;
}

static tas_status create_listed(const tas_data *whole, uint64_t count, const char *which, tas_data **out)
{
    tas_status status = create_part(whole, count, which, out);
    if (status) return status;
    (*out)->index = (*out)->own_index = malloc((size_t)count * sizeof *(*out)->own_index);
    if ((*out)->index) return TAS_OK;
    return fail(whole->context, TAS_NO_MEMORY, "%s: no memory for a list of %" PRIu64 " examples", whole->name, count);
}

/* From places in the whole to places in the set that its examples come from. */
static void resolve(const tas_data *whole, tas_data *part)
{
    if (!whole->index) return;
    for (uint64_t k = 0; k < part->is.count; k++) part->own_index[k] = whole->index[part->own_index[k]];
}

static tas_status split(const tas_data *whole, uint64_t count, uint64_t seed, tas_data **rest, tas_data **held_out)
{
    tas_status status = TAS_OK;
    if (count == 0 || count >= whole->is.count)
        return fail(whole->context, TAS_BAD_ARGUMENT,
                    "%s: %" PRIu64 " examples to hold out, expected 1 to all but one of %" PRIu64, whole->name, count,
                    whole->is.count);
    if (rest) status = create_listed(whole, whole->is.count - count, "the other", rest);
    if (!status && held_out) status = create_listed(whole, count, "the drawn", held_out);
    if (status) return status;
    draw_split(seed, (uint32_t)whole->is.count, (uint32_t)count, held_out ? (*held_out)->own_index : NULL,
               rest ? (*rest)->own_index : NULL);
    if (rest) resolve(whole, *rest);
    if (held_out) resolve(whole, *held_out);
    return TAS_OK;
}

tas_status tas_data_split(const tas_data *whole, uint64_t count, uint64_t seed, tas_data **rest, tas_data **held_out)
{
    entry_state caller;
    if (rest) *rest = NULL;
    if (held_out) *held_out = NULL;
    entry_begin(whole->context, &caller);
    const tas_status status = split(whole, count, seed, rest, held_out);
    if (status) tas_data_close(rest);
    if (status) tas_data_close(held_out);
    entry_end(&caller);
    return status;
}

tas_status tas_data_head(const tas_data *whole, uint64_t count, tas_data **out)
{
    entry_state caller;
    tas_status status = TAS_OK;
    *out = NULL;
    entry_begin(whole->context, &caller);
    if (count == 0 || count > whole->is.count)
        status = fail(whole->context, TAS_BAD_ARGUMENT, "%s: the first %" PRIu64 " examples, expected 1 to %" PRIu64,
                      whole->name, count, whole->is.count);
    if (!status) status = create_part(whole, count, "the first", out);
    entry_end(&caller);
    return status;
}
