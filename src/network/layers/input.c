/* input CxHxW [mean M] [std S]: x = (byte / 255 - M) / S, or (float - M) / S. */
#include "network/build.h"

#include "arith.h"

/* One number has no planes. */
static tas_status infer(const text_line *line, layer *self)
{
    (void)line;
    self->out.flat = !self->out.height;
    if (self->out.flat) self->out.height = self->out.width = 1;
    return TAS_OK;
}

static void lower(tas_network *network, layer *self)
{
    network->in = self->out;
    network->mean = self->mean;
    network->inputs = (uint32_t)shape_elements(self->out);
    network->scale_u8 = arith_div(1, 255 * self->std);
    network->scale_f32 = arith_div(1, self->std);
    network->shift = arith_flush(arith_div(-self->mean, self->std));
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
    {.usage = "mean M",
     .what = "the mean of the inputs",
     .text = "Subtracted from each value; 0 by default.",
     .type = ARGUMENT_NUMBER,
     .optional = true,
     .offset = offsetof(layer, mean),
     .least = -1e6,
     .most = 1e6,
     .initial = 0},
    {.usage = "std S",
     .what = "the standard deviation of the inputs",
     .text = "Each value is then divided by S; 1 by default.",
     .type = ARGUMENT_NUMBER,
     .optional = true,
     .offset = offsetof(layer, std),
     .least = 1e-6,
     .most = 1e6,
     .initial = 1},
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
