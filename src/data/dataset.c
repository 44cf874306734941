/* The data set: arrays or a callback, and how examples are fetched from any set. */
#include "data/dataset.h"

#include "base/digest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FILL_MOST = 1024 }; /* examples per call of a callback */

uint64_t tas_data_count(const tas_data *data) { return data->options.count; }
size_t tas_data_input_size(const tas_data *data) { return data->options.input_size; }
uint32_t tas_data_classes(const tas_data *data) { return data->options.classes; }

size_t dataset_input_bytes(const tas_data *data)
{
    return data->options.input_type == TAS_INPUT_F32 ? data->options.input_size * sizeof(float)
                                                     : data->options.input_size;
}

size_t dataset_target_bytes(const tas_data *data)
{
    return data->options.target_type == TAS_TARGET_F32 ? data->options.target_size * sizeof(float) : sizeof(uint32_t);
}

void dataset_digest_inputs(const tas_data *data, const void *inputs, size_t n, digest *d)
{
    const size_t size = data->options.input_type == TAS_INPUT_F32 ? sizeof(float) : 1;
    digest_add_values(d, inputs, size, n * data->options.input_size);
}

void dataset_digest_targets(const tas_data *data, const void *targets, size_t n, digest *d)
{
    const size_t size = sizeof(uint32_t); /* labels and floats */
    digest_add_values(d, targets, size, n * dataset_target_bytes(data) / size);
}

void tas_data_options_init(tas_data_options *options) { *options = (tas_data_options){.size = sizeof *options}; }

void tas_data_close(tas_data **data)
{
    if (!data || !*data) return;
    tas_data *shared = (*data)->shared;
    if (shared && !--shared->parts) tas_data_close(&shared);
    about_free(&(*data)->about);
    free((*data)->own_inputs);
    free((*data)->own_targets);
    free((*data)->own_weights);
    free((*data)->own_index);
    elements_close(&(*data)->inputs);
    free(*data);
    *data = NULL;
}

/* Content --------------------------------------------------------------------------------------------------------- */

/* index[k] is the index in the data set of the k-th example; NULL: k. */
static uint64_t place_of(const uint64_t *index, size_t k) { return index ? index[k] : k; }

/* The bits of the k-th float of an array, whatever its alignment. */
static uint32_t bits_at(const void *values, uint64_t k)
{
    uint32_t bits;
    memcpy(&bits, (const unsigned char *)values + k * sizeof bits, sizeof bits);
    return bits;
}

static tas_status check_floats(const tas_data *data, const char *what, const uint64_t *index, size_t n, size_t size,
                               const void *values)
{
    for (uint64_t k = 0; k < (uint64_t)n * size; k++) {
        const uint32_t bits = bits_at(values, k);
        float value;
        if ((bits & 0x7f800000u) != 0x7f800000u) continue;
        memcpy(&value, &bits, sizeof value);
        return fail(data->context, TAS_BAD_DATA,
                    "%s: example %" PRIu64 ": %s %" PRIu64 " is %g, expected a finite number", data->name,
                    place_of(index, (size_t)(k / size)), what, k % size, (double)value);
    }
    return TAS_OK;
}

/* The number of inputs that rule 8 of the contract makes 0: not 0, but below 2^-40 in magnitude. */
static uint64_t count_tiny(size_t count, const void *inputs)
{
    const uint32_t least = (127u - 40) << 23; /* 2^-40 */
    uint64_t tiny = 0;
    for (size_t k = 0; k < count; k++) {
        const uint32_t magnitude = bits_at(inputs, k) & 0x7fffffffu;
        tiny += magnitude > 0 && magnitude < least;
    }
    return tiny;
}

/* Once per set: for a callback, with the first examples that have any. */
static void note_tiny(const tas_data *data, size_t n, const void *inputs)
{
    if (data->options.input_type != TAS_INPUT_F32 || data->has_noted_tiny) return;
    const uint64_t tiny = count_tiny(n * data->options.input_size, inputs);
    if (!tiny) return;
    note(data->context,
         "%s: %" PRIu64 " of %" PRIu64 " inputs%s are smaller than 2^-40 (9.1e-13) and are used as 0; scale "
         "them up if they matter",
         data->name, tiny, (uint64_t)n * data->options.input_size,
         data->options.fill ? " of the examples read so far" : "");
    ((tas_data *)data)->has_noted_tiny = true; /* the one thing about a set that reading changes */
}

static tas_status check_labels(const tas_data *data, const uint64_t *index, size_t n, const void *labels)
{
    for (size_t k = 0; k < n; k++) {
        uint32_t label;
        memcpy(&label, (const unsigned char *)labels + k * sizeof label, sizeof label);
        if (label >= data->options.classes)
            return fail(data->context, TAS_BAD_DATA,
                        "%s: example %" PRIu64 ": label %" PRIu32 ", expected less than %" PRIu32, data->name,
                        place_of(index, k), label, data->options.classes);
    }
    return TAS_OK;
}

static tas_status check_examples(const tas_data *data, const uint64_t *index, size_t n, const void *inputs,
                                 const void *targets)
{
    tas_status status = TAS_OK;
    if (data->options.input_type == TAS_INPUT_F32)
        status = check_floats(data, "input", index, n, data->options.input_size, inputs);
    if (status) return status;
    note_tiny(data, n, inputs);
    if (data->options.target_type == TAS_TARGET_LABEL) return check_labels(data, index, n, targets);
    return check_floats(data, "target", index, n, data->options.target_size, targets);
}

tas_status dataset_check(const tas_data *data)
{
    return check_examples(data, NULL, (size_t)data->options.count, data->options.inputs, data->options.targets);
}

static int call_fill(const tas_data *data, const uint64_t *index, size_t n, void *inputs, void *targets)
{
    entry_state ours;
    callback_begin(data->context, &ours);
    const int result = data->options.fill(data->options.user, index, n, inputs, targets);
    callback_end(&ours);
    return result;
}

/* A selection of a set's examples: a list of indices, or without one those from `first` on. */
typedef struct choice {
    const tas_data *data;
    const uint32_t *list;
    uint64_t first;
} choice;

/* The index of the k-th of them in the set that they come from. */
static uint64_t place_in_root(const choice *of, size_t k)
{
    const uint64_t at = of->list ? of->list[k] : of->first + k;
    return of->data->index ? of->data->index[at] : at;
}

/* In pieces, so that the indices fit on the stack. */
static tas_status fetch_by_fill(const choice *of, size_t n, unsigned char *inputs, unsigned char *targets)
{
    const tas_data *root = dataset_root(of->data);
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
        inputs += piece * dataset_input_bytes(root);
        targets += piece * dataset_target_bytes(root);
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
    const tas_data *root = dataset_root(of->data);
    if (root->options.fill) return fetch_by_fill(of, n, inputs, targets);
    tas_status status = TAS_OK;
    if (inputs)
        status = elements_begin(root->context, &root->inputs, of->list ? ELEMENTS_AT_RANDOM : ELEMENTS_IN_ORDER);
    if (status) return status;
    if (inputs) copy_rows(of, root->options.inputs, n, dataset_input_bytes(root), inputs);
    copy_rows(of, root->options.targets, n, dataset_target_bytes(root), targets);
    return TAS_OK;
}

tas_status dataset_fetch(const tas_data *data, uint64_t first, size_t n, void *inputs, void *targets)
{
    if (first > data->options.count || n > data->options.count - first)
        return fail(data->context, TAS_BAD_ARGUMENT, "%s: %zu examples from %" PRIu64 ", there are %" PRIu64,
                    data->name, n, first, data->options.count);
    return fetch(&(choice){.data = data, .first = first}, n, inputs, targets);
}

tas_status dataset_pick(const tas_data *data, const uint32_t *index, size_t n, void *inputs, void *targets)
{
    for (size_t k = 0; k < n; k++)
        if (index[k] >= data->options.count)
            return fail(data->context, TAS_BAD_ARGUMENT,
                        "%s: example %" PRIu32 " at place %zu of a list, there are %" PRIu64, data->name, index[k], k,
                        data->options.count);
    return fetch(&(choice){.data = data, .list = index}, n, inputs, targets);
}

void dataset_weights(const tas_data *data, const uint32_t *index, uint64_t first, size_t n, float *weights)
{
    const choice of = {.data = data, .list = index, .first = first};
    const float *all = dataset_root(data)->options.weights;
    for (size_t k = 0; k < n; k++) {
        weights[k] = 1;
        if (all) memcpy(&weights[k], all + place_in_root(&of, k), sizeof *all);
    }
}

/* Arrays and callbacks -------------------------------------------------------------------------------------------- */

static tas_status check_shape(tas_context *context, const tas_data_options *options)
{
    uint64_t inputs, targets, bytes;
    if (options->count == 0 || options->count > UINT32_MAX)
        return fail(context, TAS_BAD_ARGUMENT, "data: count %" PRIu64 ", expected 1 to %" PRIu32, options->count,
                    UINT32_MAX);
    if (options->input_size == 0) return fail(context, TAS_BAD_ARGUMENT, "data: input_size 0, expected at least 1");
    if (options->input_type != TAS_INPUT_U8 && options->input_type != TAS_INPUT_F32)
        return fail(context, TAS_BAD_ARGUMENT, "data: unknown input_type %d", (int)options->input_type);
    if (options->target_type != TAS_TARGET_LABEL && options->target_type != TAS_TARGET_F32)
        return fail(context, TAS_BAD_ARGUMENT, "data: unknown target_type %d", (int)options->target_type);
    if (options->target_type == TAS_TARGET_LABEL && options->classes == 0)
        return fail(context, TAS_BAD_ARGUMENT, "data: classes 0, expected at least 1 with labels");
    if (options->target_type == TAS_TARGET_F32 && options->target_size == 0)
        return fail(context, TAS_BAD_ARGUMENT, "data: target_size 0, expected at least 1 with float targets");
    const uint64_t target_size = options->target_type == TAS_TARGET_F32 ? options->target_size : 1;
    if (!mul_size(options->input_size, sizeof(float), &inputs) || !mul_size(target_size, sizeof(float), &targets) ||
        !add_size(inputs, targets, &bytes) || !mul_size(bytes, options->count, &bytes) || bytes > SIZE_MAX / 2)
        return fail(context, TAS_BAD_ARGUMENT,
                    "data: %" PRIu64 " examples of %zu inputs and %" PRIu64 " targets do not fit in memory",
                    options->count, options->input_size, target_size);
    return TAS_OK;
}

static tas_status check_options(tas_context *context, const tas_data_options *options)
{
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT,
                    "data: options.size is %zu, expected %zu: initialize with tas_data_options_init()", options->size,
                    sizeof *options);
    if (options->fill && (options->inputs || options->targets))
        return fail(context, TAS_BAD_ARGUMENT, "data: both arrays and fill, expected one of the two");
    if (!options->fill && (!options->inputs || !options->targets))
        return fail(context, TAS_BAD_ARGUMENT, "data: %s NULL, expected inputs and targets, or fill",
                    options->inputs ? "targets" : "inputs");
    return check_shape(context, options);
}

static tas_status check_weights(const tas_data *data)
{
    for (uint64_t k = 0; k < data->options.count; k++) {
        float w;
        memcpy(&w, data->options.weights + k, sizeof w);
        if (!(w >= 0 && w <= 1e6f))
            return fail(data->context, TAS_BAD_DATA, "%s: example %" PRIu64 ": the weight is %g, expected 0 to 1000000",
                        data->name, k, (double)w);
    }
    return TAS_OK;
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

tas_status dataset_create(tas_context *context, const tas_data_options *options, const char *name, tas_data **out)
{
    tas_data *data = calloc(1, sizeof *data);
    if (!data) return fail(context, TAS_NO_MEMORY, "%s: no memory", name);
    data->context = context;
    data->options = *options;
    if (options->target_type == TAS_TARGET_LABEL)
        data->options.target_size = 0;
    else
        data->options.classes = 0;
    snprintf(data->name, sizeof data->name, "%s", name);
    *out = data;
    return TAS_OK;
}

static tas_status open_weights(tas_data *data)
{
    const void *copy = data->options.weights;
    if (!copy) return TAS_OK;
    tas_status status = check_weights(data);
    if (!status && !data->options.borrow)
        status = own_array(data, &copy, data->options.count * sizeof(float), &data->own_weights);
    data->options.weights = copy;
    return status;
}

static tas_status open_data(tas_context *context, const tas_data_options *options, tas_data **out)
{
    tas_status status = check_options(context, options);
    if (status) return status;
    status = dataset_create(context, options, options->fill ? "callback" : "arrays", out);
    if (!status) status = open_weights(*out);
    if (status || options->fill) return status;

    tas_data *data = *out;
    status = dataset_check(data);
    if (status || options->borrow) return status;
    status = own_array(data, &data->options.inputs, data->options.count * dataset_input_bytes(data), &data->own_inputs);
    if (status) return status;
    return own_array(data, &data->options.targets, data->options.count * dataset_target_bytes(data),
                     &data->own_targets);
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
