/* input CxHxW [mean M] [std S]: x = (byte / 255 - M) / S, or (float - M) / S, with one M and S for all or for each
 * channel. */
#include "network/build.h"

#include "arith.h"

/* One number has no planes. */
static tas_status infer(const text_line *line, layer *self)
{
    self->out.flat = !self->out.height;
    if (self->out.flat) self->out.height = self->out.width = 1;
    return layer_check_scales(line, self, self->out.channels, self->out.flat ? "values" : "channels");
}

static void set_scale(const layer *self, uint32_t channel, float scale[IMAGE_CONSTANTS])
{
    const float mean = line_list_at(&self->mean, channel, 0), std = line_list_at(&self->std, channel, 1);
    scale[IMAGE_SCALE_BYTES] = arith_div(1, 255 * std);
    scale[IMAGE_SCALE_FLOATS] = arith_div(1, std);
    scale[IMAGE_OFFSET] = arith_flush(arith_div(-mean, std));
}

/* One scale for all channels is passed by value, unless images are augmented. */
static void set_scales(tas_network *network, const layer *self)
{
    const uint32_t channels = self->out.channels;
    const bool augmented = network->layer_count > 1 && self[1].kind == &layer_augment;
    set_scale(self, 0, network->scale);
    network->by_channel = self->mean.count > 1 || self->std.count > 1;
    if (!network->by_channel && !augmented) return;
    network->channel_scales = build_constants(network, self, (uint64_t)channels * IMAGE_CONSTANTS, "scales");
    if (network->failed) return;
    float *scales = network->tensors[network->channel_scales].constants;
    for (uint32_t c = 0; c < channels; c++) set_scale(self, c, scales + (size_t)c * IMAGE_CONSTANTS);
}

static void lower(tas_network *network, layer *self)
{
    network->in = self->out;
    network->unresolved |= self->normalize;
    network->inputs = (uint32_t)shape_elements(self->out);
    network->mean[0] = network->mean[1] = line_list_at(&self->mean, 0, 0);
    for (uint32_t c = 1; c < self->mean.count; c++) {
        const float mean = self->mean.values[c];
        if (mean < network->mean[0]) network->mean[0] = mean;
        if (mean > network->mean[1]) network->mean[1] = mean;
    }
    set_scales(network, self);
    network->input = self->y = build_tensor(network, ROLE_INPUT, network->inputs, "input");
    if (self->y >= 0) network->tensors[self->y].batch_panels = self->batch_panels;
}

static const line_argument arguments[] = {
    {.usage = "CxHxW",
     .data = "the shape of the data set's examples",
     .what = "the shape of one example",
     .text = "Channels x height x width. Two numbers are the height x width of one channel. One number is a count of "
             "values without height and width, for networks of dense layers. The word 'data' stands for the shape of "
             "the data set's examples.",
     .type = ARGUMENT_SHAPE,
     .offset = offsetof(layer, out),
     .least = 1,
     .most = 1 << 24},
    LAYER_MEAN_ARGUMENT(
        "inputs",
        "Subtracted from each value; 0 by default. One number, or one for each channel (without height and width: "
        "for each value): 0.49,0.48,0.45."),
    LAYER_STD_ARGUMENT("inputs", "Each value is then divided by S; 1 by default. One number, or one for each channel."),
    LAYER_NORMALIZE_ARGUMENT(
        "Stands for the mean and std of the training split, whatever is held out of it: of each channel, or without "
        "height and width of each value. What is the same in all examples has its own value as mean, and std 1. A "
        "checkpoint stores the numbers."),
    {0},
};

const layer_kind layer_input = {
    .name = "input",
    .text = "The shape of one example, and how its values are scaled: (byte / 255 - M) / S, or (x - M) / S if they are "
            "floats.",
    .arguments = arguments,
    .infer = infer,
    .lower = lower,
};
