/* Examples of a set for people and programs, and its fingerprint. */
#include "data/dataset.h"

#include "base/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 1 << 20, SAMPLE = 1 << 16 };
static const uint64_t whole_most = (uint64_t)1 << 30; /* bytes of a set of which all examples count */

/* Values as layers see them before the network's mean and std. */
static void to_floats(const tas_data *data, size_t n, const unsigned char *bytes, float *values)
{
    for (size_t k = 0; k < n * data->options.input_size; k++) values[k] = (float)bytes[k] / 255;
}

static tas_status get_one(const tas_data *data, uint64_t index, unsigned char *bytes, float *inputs, void *target)
{
    const bool floats = data->options.input_type == TAS_INPUT_F32;
    if (!inputs && !dataset_root(data)->options.fill) return dataset_fetch(data, index, 1, NULL, target);
    const tas_status status = dataset_fetch(data, index, 1, floats && inputs ? (void *)inputs : bytes, target);
    if (!status && !floats && inputs) to_floats(data, 1, bytes, inputs);
    return status;
}

tas_status tas_data_get(const tas_data *data, const uint64_t *index, size_t n, float *inputs, void *targets)
{
    entry_state caller;
    const size_t target_bytes = dataset_target_bytes(data), size = data->options.input_size;
    tas_status status = TAS_OK;
    entry_begin(data->context, &caller);
    unsigned char *bytes = malloc(dataset_input_bytes(data));
    char *target = malloc(target_bytes);
    if (!bytes || !target) status = fail(data->context, TAS_NO_MEMORY, "%s: no memory", data->name);
    for (size_t k = 0; k < n && !status; k++)
        status = get_one(data, index ? index[k] : k, bytes, inputs ? inputs + k * size : NULL,
                         targets ? (char *)targets + k * target_bytes : target);
    free(target);
    free(bytes);
    entry_end(&caller);
    return status;
}

/* Fingerprint ----------------------------------------------------------------------------------------------------- */

/* Examples first .. first+n-1, with their weights. */
static tas_status add_examples(const tas_data *data, digest *d, uint64_t first, size_t n, unsigned char *inputs,
                               unsigned char *targets, float *weights)
{
    const tas_status status = dataset_fetch(data, first, n, inputs, targets);
    if (status) return status;
    dataset_digest_inputs(data, inputs, n, d);
    dataset_digest_targets(data, targets, n, d);
    if (!dataset_root(data)->options.weights) return TAS_OK;
    dataset_weights(data, NULL, first, n, weights);
    digest_add(d, weights, n);
    return TAS_OK;
}

static tas_status add_all(const tas_data *data, digest *d)
{
    const uint64_t count = data->options.count, bytes = dataset_input_bytes(data) + dataset_target_bytes(data);
    uint64_t all;
    const bool whole = mul_size(bytes, count, &all) && all <= whole_most;
    const uint64_t piece = !whole ? 1 : PIECE / bytes ? PIECE / bytes : 1;
    const uint64_t pieces = whole ? (count + piece - 1) / piece : count < SAMPLE ? count : SAMPLE;
    unsigned char *inputs = malloc((size_t)(piece * dataset_input_bytes(data)));
    unsigned char *targets = malloc((size_t)(piece * dataset_target_bytes(data)));
    float *weights = malloc((size_t)piece * sizeof *weights);
    tas_status status = TAS_OK;
    if (!inputs || !targets || !weights) status = fail(data->context, TAS_NO_MEMORY, "%s: no memory", data->name);
    for (uint64_t k = 0; k < pieces && !status; k++) {
        const uint64_t first = whole ? k * piece : (uint64_t)((double)k * (double)count / (double)pieces);
        const uint64_t some = count - first < piece ? count - first : piece;
        status = add_examples(data, d, first, (size_t)some, inputs, targets, weights);
    }
    free(weights);
    free(targets);
    free(inputs);
    return status;
}

tas_status tas_data_fingerprint(const tas_data *data, char hex[65])
{
    const tas_data_options *of = &data->options;
    digest d;
    entry_state caller;
    char head[160];
    tas_status status = TAS_OK;
    entry_begin(data->context, &caller);
    digest_begin(&d);
    const int length = snprintf(head, sizeof head, "%" PRIu64 " %zu %d %d %" PRIu32 " %zu", of->count, of->input_size,
                                (int)of->input_type, (int)of->target_type, of->classes, of->target_size);
    digest_add_bytes(&d, head, (size_t)length);
    if (!dataset_root(data)->options.fill) status = add_all(data, &d);
    digest_end(&d, hex);
    entry_end(&caller);
    return status;
}
