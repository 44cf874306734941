/* The feed: from the data set to the tile, which is gathered, normalized and cast on the device. The set lies there as
 * it came, or its tiles pass through two stages: while the device works on one, the host fills and uploads the other.
 */
#include "train/feed.h"

#include "ops/feed.h"
#include "train/scale.h"

#include <stdlib.h>
#include <string.h>

/* Labels, 0 and 1, are the targets of the only output. */
static bool is_one_answer(const tas_network *network) { return network->loss == TAS_LOSS_BCE && network->outputs == 1; }

tas_status feed_check(const tas_network *network, const tas_data *data)
{
    const tas_data_options *options = &data->options;
    tas_context *context = network->context;
    if (options->input_size != network->inputs)
        return fail(context, TAS_BAD_NETWORK, "%s: takes %u values per example, but %s has %zu", network->from,
                    network->inputs, data->name, options->input_size);
    if (options->target_type == TAS_TARGET_LABEL && options->classes > network->outputs + is_one_answer(network))
        return fail(context, TAS_BAD_NETWORK, "%s: has %u outputs, but %s has %u classes", network->from,
                    network->outputs, data->name, options->classes);
    if (options->target_type == TAS_TARGET_F32 && network->classes)
        return fail(context, TAS_BAD_NETWORK, "%s: loss %s needs labels, but %s has float targets; expected 'loss %s'",
                    network->from, tas_loss_name(TAS_LOSS_SOFTMAX), data->name, tas_loss_name(TAS_LOSS_MSE));
    if (options->target_type == TAS_TARGET_F32 && network->class_weights)
        return fail(context, TAS_BAD_NETWORK, "%s: the loss has weights of classes, but %s has float targets",
                    network->from, data->name);
    if (options->target_type == TAS_TARGET_LABEL && network_scales_targets(network))
        return fail(context, TAS_BAD_NETWORK, "%s: the loss has a mean or std of float targets, but %s has labels",
                    network->from, data->name);
    if (options->target_type == TAS_TARGET_F32 && options->target_size != network->outputs)
        return fail(context, TAS_BAD_NETWORK, "%s: has %u outputs, but %s has %zu target values per example",
                    network->from, network->outputs, data->name, options->target_size);
    return TAS_OK;
}

void feed_note(const tas_network *network, const tas_data *data)
{
    const tas_data *root = dataset_root(data);
    const shape in = network->in;
    tas_data_info images;
    tas_data_get_info(data, &images);
    const bool planes = in.height == images.height && in.width == images.width;
    const bool stacked = in.height * in.channels == images.height && in.width == images.width;
    if (root->options.target_type == TAS_TARGET_LABEL && root->options.classes < network->outputs)
        note_once(network->context, "%s: %u outputs for the %u classes of %s: those above are never right",
                  network->from, network->outputs, root->options.classes, root->name);
    if (images.height && !in.flat && !planes && !stacked)
        note_once(network->context,
                  "%s: the input is %u channels of %u x %u, but the images of %s are %u x %u; 'input %ux%u' keeps them",
                  network->from, in.channels, in.height, in.width, root->name, images.height, images.width,
                  images.height, images.width);
    if (root->options.input_type == TAS_INPUT_U8 && (network->mean[0] < 0 || network->mean[1] > 1))
        note_once(network->context,
                  "%s: the mean of %g is outside of 0 to 1, in which the pixels of %s lie (byte / 255)", network->from,
                  (double)network->mean[network->mean[0] >= 0], root->name);
}

/* The weights of examples whose targets are given: of a list, or without one from `first` on. */
static void make_weights(const tas_network *network, const tas_data *data, const uint32_t *order, uint64_t first,
                         size_t n, const void *targets, float *weights)
{
    const uint32_t *labels = targets;
    dataset_weights(data, order, first, n, weights);
    for (size_t k = 0; k < n && network->class_weights; k++) weights[k] *= network->class_weights[labels[k]];
}

/* What the device gets of targets, in their place. */
static void prepare_targets(const tas_network *network, const tas_data *data, size_t n, void *targets)
{
    if (data->options.target_type == TAS_TARGET_F32) scale_targets(network, n, targets);
}

/* Uploads the whole set, piece by piece. The run keeps the memory of a piece, so that its use of memory is constant. */
static tas_status upload_set(workspace *w, const tas_data *data)
{
    const device_driver *driver = w->device->driver;
    const size_t in = dataset_input_bytes(data), out = dataset_target_bytes(data);
    const size_t weight = w->plan.weighted ? sizeof(float) : 0;
    const uint64_t count = data->options.count, chunk = plan_upload(in + out + weight, count);
    const source *to = &w->source[0];
    host_mem *piece = &w->stage[0].memory;
    tas_status status = device_alloc_host(w->device, (in + out + weight) * chunk, piece);
    char *targets = piece->bytes, *inputs = piece->bytes + (out + weight) * chunk;
    float *weights = (float *)(void *)(piece->bytes + out * chunk);
    for (uint64_t at = 0; at < count && !status; at += chunk) {
        const uint64_t some = count - at < chunk ? count - at : chunk;
        status = dataset_fetch(data, at, (size_t)some, inputs, targets);
        if (!status && weight) make_weights(w->network, data, NULL, at, (size_t)some, targets, weights);
        if (!status) prepare_targets(w->network, data, (size_t)some, targets);
        if (!status) status = driver->write(w->device, &to->inputs, at * in, inputs, some * in, true);
        if (!status) status = driver->write(w->device, &to->targets, at * out, targets, some * out, true);
        if (!status && weight)
            status = driver->write(w->device, &to->weights, at * weight, weights, some * weight, true);
    }
    return status;
}

static tas_status open_stages(workspace *w, const tas_data *data)
{
    const uint64_t tile = w->plan.tile, in = dataset_input_bytes(data), out = dataset_target_bytes(data);
    const uint64_t weight = w->plan.weighted ? sizeof(float) : 0;
    tas_status status = TAS_OK;
    for (int s = 0; s < STAGES && !status; s++) {
        stage *of = &w->stage[s];
        status = device_alloc_host(w->device, tile * (sizeof *of->order + in + out + weight), &of->memory);
        if (status) return status;
        of->order = (uint32_t *)(void *)of->memory.bytes;
        of->weights = (float *)(void *)(of->order + tile);
        of->targets = (unsigned char *)(of->order + tile) + tile * weight;
        of->inputs = of->targets + tile * out;
    }
    return status;
}

tas_status feed_open(workspace *w, const tas_data *data)
{
    w->tiles_fed = 0;
    return w->plan.resident ? upload_set(w, data) : open_stages(w, data);
}

tas_status feed_settle(workspace *w)
{
    tas_status status = TAS_OK;
    for (int s = 0; s < STAGES; s++) {
        const tas_status one = w->device->driver->join(w->device, &w->stage[s].uploaded);
        if (!status) status = one;
    }
    return status;
}

void feed_close(workspace *w)
{
    for (int s = 0; s < STAGES; s++) {
        stage *of = &w->stage[s];
        w->device->driver->join(w->device, &of->uploaded); /* reads from memory that is freed here */
        w->device->driver->join(w->device, &of->used);
        device_release_host(w->device, &of->memory);
        *of = (stage){0};
    }
}

tas_status feed_order(workspace *w, const uint32_t *order, uint32_t count)
{
    if (!w->plan.resident) return TAS_OK;
    return w->device->driver->write(w->device, &w->source[0].order, 0, order, (uint64_t)count * sizeof *order, true);
}

/* Images that are augmented, or whose channels have scales of their own. In an evaluation images stay as they are. */
static void gather_images(const workspace *w, op_args *args)
{
    const tas_network *network = w->network;
    args->op = args->op == OP_GATHER_BYTES ? OP_GATHER_IMAGE_BYTES : OP_GATHER_IMAGE_FLOATS;
    args->epoch = w->epoch;
    args->seed = w->seed;
    args->size[IMAGE_HEIGHT] = network->in.height;
    args->size[IMAGE_WIDTH] = network->in.width;
    if (w->evaluating) return;
    args->size[IMAGE_FLIP] = network->flip;
    args->size[IMAGE_SHIFT] = network->shift;
    args->size[IMAGE_CUTOUT] = network->cutout;
}

/* Inputs, and labels if the set has them. */
static tas_status gather_inputs(workspace *w, bool bytes, const source *from, op_args args)
{
    const tas_network *network = w->network;
    const int scales = network->channel_scales;
    const bool images = network->by_channel || (scales != NO_TENSOR && !w->evaluating);
    args.op = bytes ? OP_GATHER_BYTES : OP_GATHER_FLOATS;
    args.panel_width = network->tensors[network->input].batch_panels ? w->panel_width : 1;
    args.size[GATHER_ELEMENTS] = network->inputs;
    args.scalar[GATHER_SCALE] = network->scale[bytes ? IMAGE_SCALE_BYTES : IMAGE_SCALE_FLOATS];
    args.scalar[GATHER_SHIFT] = network->scale[IMAGE_OFFSET];
    mem inputs[OP_OPERANDS] = {from->inputs, from->order};
    if (args.size[GATHER_LABELS]) {
        inputs[2] = from->targets;
        inputs[3] = w->tensor[network->label];
    }
    inputs[4] = w->tensor[network->input];
    if (images) {
        gather_images(w, &args);
        inputs[5] = w->tensor[scales];
    }
    return device_run(w->device, &args, inputs, NULL);
}

static tas_status gather_targets(workspace *w, const source *from, op_args args)
{
    const tas_network *network = w->network;
    args.op = OP_GATHER_FLOATS;
    args.size[GATHER_ELEMENTS] = network->outputs;
    args.scalar[GATHER_SCALE] = 1;
    const mem targets[OP_OPERANDS] = {from->targets, from->order, {0}, {0}, w->tensor[network->target]};
    return device_run(w->device, &args, targets, NULL);
}

static tas_status make_one_hot(workspace *w, uint32_t n)
{
    const tas_network *network = w->network;
    const op_args args = {.op = OP_ONE_HOT,
                          .n = n,
                          .batch = n,
                          .size = {[ONE_HOT_CLASSES] = network->outputs, [ONE_HOT_FIRST] = is_one_answer(network)}};
    const mem one_hot[] = {w->tensor[network->label], w->tensor[network->target]};
    return device_run(w->device, &args, one_hot, NULL);
}

tas_status feed_gather(workspace *w, const tas_data *data, const source *from, bool direct, uint32_t at, uint32_t n)
{
    const bool labels = data->options.target_type == TAS_TARGET_LABEL;
    const uint32_t order = (uint32_t)(from->order.bytes / sizeof(uint32_t));
    const op_args args = {.n = n,
                          .batch = n,
                          .size = {[GATHER_SOURCE] = order,
                                   [GATHER_ORDER] = order,
                                   [GATHER_AT] = at,
                                   [GATHER_DIRECT] = direct,
                                   [GATHER_LABELS] = labels}};
    const tas_status status = gather_inputs(w, data->options.input_type == TAS_INPUT_U8, from, args);
    if (status || (labels && w->network->classes)) return status;
    return labels ? make_one_hot(w, n) : gather_targets(w, from, args);
}

/* Fills a stage on the host, once its last upload has come, and sends it off, once the device is done with the last
 * tile there. */
static tas_status fill_stage(workspace *w, const tas_data *data, const uint32_t *order, uint32_t n, int s)
{
    const device_driver *driver = w->device->driver;
    const size_t in = dataset_input_bytes(data), out = dataset_target_bytes(data);
    stage *of = &w->stage[s];
    const source *to = &w->source[s];
    tas_status status = driver->join(w->device, &of->uploaded);
    if (!status) status = dataset_pick(data, order, n, of->inputs, of->targets);
    memcpy(of->order, order, n * sizeof *order);
    if (!status && w->plan.weighted) make_weights(w->network, data, order, 0, n, of->targets, of->weights);
    if (!status) prepare_targets(w->network, data, n, of->targets);
    if (!status) status = driver->write_later(w->device, &to->inputs, of->inputs, n * in, of->used, &of->uploaded);
    if (!status) status = driver->write_later(w->device, &to->targets, of->targets, n * out, of->used, &of->uploaded);
    if (!status && w->plan.weighted)
        status =
            driver->write_later(w->device, &to->weights, of->weights, n * sizeof *of->weights, of->used, &of->uploaded);
    if (!status)
        status = driver->write_later(w->device, &to->order, of->order, n * sizeof *order, of->used, &of->uploaded);
    return status;
}

tas_status feed_tile(workspace *w, const tas_data *data, const uint32_t *order, uint32_t at, uint32_t n)
{
    const int s = w->plan.resident ? 0 : (int)(w->tiles_fed % STAGES);
    w->at = w->plan.resident ? at : 0;
    w->tensor[w->network->order] = w->source[s].order;
    if (w->plan.resident) return feed_gather(w, data, &w->source[0], false, at, n);
    tas_status status = fill_stage(w, data, order + at, n, s);
    if (!status) status = w->device->driver->await(w->device, w->stage[s].uploaded);
    return status ? status : feed_gather(w, data, &w->source[s], true, 0, n);
}

tas_status feed_done(workspace *w)
{
    if (w->plan.resident) return TAS_OK;
    tas_status status = w->device->driver->mark(w->device, &w->stage[w->tiles_fed++ % STAGES].used);
    return status ? status : w->device->driver->flush(w->device);
}
