/* input CxHxW [mean M] [std S]: x = (byte / 255 - M) / S, or (float - M) / S, with one M and S for all or for each
 * channel. */
#include "network/build.h"

#include "arith.h"

static tas_status check_count(const text_line *line, const layer *self, const char *what, uint32_t count)
{
    if (count <= 1 || count == self->out.channels) return TAS_OK;
    return line_fail(line, "'%s' has %u numbers; expected one, or one for each of the %u %s", what, count,
                     self->out.channels, self->out.flat ? "values" : "channels");
}

/* One number has no planes. */
static tas_status infer(const text_line *line, layer *self)
{
    self->out.flat = !self->out.height;
    if (self->out.flat) self->out.height = self->out.width = 1;
    const tas_status status = check_count(line, self, "mean", self->mean.count);
    return status ? status : check_count(line, self, "std", self->std.count);
}

/* The value for a channel. */
static float value_at(const line_list *list, uint32_t channel, float initial)
{
    return list->count ? list->values[list->count > 1 ? channel : 0] : initial;
}

static void set_scale(const layer *self, uint32_t channel, float scale[IMAGE_CONSTANTS])
{
    const float mean = value_at(&self->mean, channel, 0), std = value_at(&self->std, channel, 1);
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
    network->inputs = (uint32_t)shape_elements(self->out);
    network->mean[0] = network->mean[1] = value_at(&self->mean, 0, 0);
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
     .what = "the shape of one example",
     .text = "Channels x height x width. Two numbers are the height x width of one channel. One number is a count of "
             "values without height and width, for networks of dense layers.",
     .type = ARGUMENT_SHAPE,
     .offset = offsetof(layer, out),
     .least = 1,
     .most = 1 << 24},
    {.usage = "mean M,...",
     .what = "the mean of the inputs",
     .text = "Subtracted from each value; 0 by default. One number, or one for each channel: 0.49,0.48,0.45.",
     .type = ARGUMENT_LIST,
     .optional = true,
     .offset = offsetof(layer, mean),
     .least = -1e6,
     .most = 1e6},
    {.usage = "std S,...",
     .what = "the standard deviation of the inputs",
     .text = "Each value is then divided by S; 1 by default. One number, or one for each channel.",
     .type = ARGUMENT_LIST,
     .optional = true,
     .offset = offsetof(layer, std),
     .least = 1e-6,
     .most = 1e6},
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
