/* The feed: from the data set to the tile. The set lies on the device as it came; a tile is gathered, normalised and cast
 * there. */
#include "train/model.h"

#include <stdlib.h>

tas_status check_data(const tas_network *network, const tas_data *data)
{
    const tas_data_options *is = &data->is;
    tas_context *context = network->context;
    if (is->input_size != network->inputs)
        return fail(context, TAS_BAD_NETWORK, "%s: takes %u values an example, but %s has %zu", network->from,
                    network->inputs, data->name, is->input_size);
    if (is->target_type == TAS_TARGET_LABEL && is->classes > network->outputs)
        return fail(context, TAS_BAD_NETWORK, "%s: has %u outputs, but %s has %u classes", network->from,
                    network->outputs, data->name, is->classes);
    if (is->target_type == TAS_TARGET_F32 && network->classes)
        return fail(context, TAS_BAD_NETWORK,
                    "%s: loss softmax wants labels, but %s has float targets; expected 'loss mse'", network->from,
                    data->name);
    if (is->target_type == TAS_TARGET_F32 && is->target_size != network->outputs)
        return fail(context, TAS_BAD_NETWORK, "%s: has %u outputs, but %s has %zu target values an example",
                    network->from, network->outputs, data->name, is->target_size);
    return TAS_OK;
}

tas_status feed_upload(workspace *w, const tas_data *data, uint64_t first, uint32_t n)
{
    const device_driver *driver = w->device->driver;
    const size_t in = data_input_bytes(data), out = data_target_bytes(data);
    const size_t host = 1u << 22, row = in + out; /* about 4 MB of host memory */
    const uint32_t fit = row > host ? 1 : (uint32_t)(host / row), chunk = fit < n ? fit : n;
    char *inputs = malloc(in * chunk), *targets = malloc(out * chunk);
    tas_status status =
        inputs && targets ? TAS_OK : fail(data->context, TAS_NO_MEMORY, "%s: no memory to read it", data->name);
    for (uint64_t at = 0; at < n && !status; at += chunk) {
        const uint32_t some = n - at < chunk ? (uint32_t)(n - at) : chunk;
        status = data_fetch(data, first + at, some, inputs, targets);
        if (!status) status = driver->write(w->device, &w->inputs, at * in, inputs, (uint64_t)some * in, true);
        if (!status) status = driver->write(w->device, &w->targets, at * out, targets, (uint64_t)some * out, true);
    }
    free(inputs);
    free(targets);
    return status;
}

tas_status feed_tile(workspace *w, const tas_data *data, uint32_t at, uint32_t n)
{
    const tas_network *network = w->network;
    const bool bytes = data->is.input_type == TAS_INPUT_U8, labels = data->is.target_type == TAS_TARGET_LABEL;
    const uint32_t order = (uint32_t)(w->order.bytes / sizeof(uint32_t));
    op_args args = {.op = bytes ? OP_GATHER_BYTES : OP_GATHER_FLOATS,
                    .n = n,
                    .batch = n,
                    .size = {network->inputs, order, order, at},
                    .scalar = {bytes ? network->scale_u8 : network->scale_f32, network->shift}};
    const mem inputs[] = {w->inputs, w->order, w->tensor[network->input]};
    tas_status status = device_run(w->device, &args, inputs, NULL);
    if (status) return status;

    const int to = labels ? network->label : network->target;
    args.op = labels ? OP_GATHER_LABELS : OP_GATHER_FLOATS;
    args.size[0] = labels ? 1 : network->outputs;
    args.scalar[0] = 1;
    args.scalar[1] = 0;
    const mem targets[] = {w->targets, w->order, w->tensor[to]};
    status = device_run(w->device, &args, targets, NULL);
    if (status || !labels || network->classes) return status;

    args = (op_args){.op = OP_ONE_HOT, .n = n, .batch = n, .size = {network->outputs}};
    const mem one_hot[] = {w->tensor[network->label], w->tensor[network->target]};
    return device_run(w->device, &args, one_hot, NULL);
}
