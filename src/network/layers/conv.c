/* conv2d: cross-correlation, as the field's convolution is, W (N, C / groups, K, K), with zeros around each plane. */
#include "network/build.h"

#include "ops/window.h"

static tas_status infer(const text_line *line, layer *self)
{
    const shape in = self->in;
    const tas_status status = layer_check_planes(line, self);
    if (status) return status;
    const uint32_t height =
        window_out(in.height, self->kernel[0], self->stride[0], self->padding[0], self->dilation[0]);
    const uint32_t width = window_out(in.width, self->kernel[1], self->stride[1], self->padding[1], self->dilation[1]);
    if (!height || !width)
        return line_fail(line, "a kernel of %ux%u (dilation %ux%u) does not fit planes of %ux%u with padding %ux%u",
                         self->kernel[0], self->kernel[1], self->dilation[0], self->dilation[1], in.height, in.width,
                         self->padding[0], self->padding[1]);
    if (in.channels % self->groups || self->units % self->groups)
        return line_fail(line, "groups %u: expected a divisor of %u channels in and %u out", self->groups, in.channels,
                         self->units);
    const uint64_t taps = (uint64_t)self->kernel[0] * self->kernel[1] * (in.channels / self->groups);
    if (taps > UINT32_MAX || taps * self->units > UINT32_MAX)
        return line_fail(line, "%u x %llu weights: more than 2^32", self->units, (unsigned long long)taps);
    self->out = (shape){.channels = self->units, .height = height, .width = width};
    return TAS_OK;
}

static op_args args_of(const layer *self, op_id op)
{
    op_args args = layer_window_args(self, op);
    args.size[WINDOW_GRANULE] = network_granule(window_weights(&args), self->out.height * self->out.width);
    return args;
}

static void lower(tas_network *network, layer *self)
{
    const op_args args = args_of(self, self->no_bias ? OP_CONV_FORWARD_NO_BIAS : OP_CONV_FORWARD);
    const uint32_t fan_in = (uint32_t)window_chain(&args);
    const uint64_t fan = (uint64_t)self->units / self->groups * self->kernel[0] * self->kernel[1];
    const uint32_t fan_out = fan > UINT32_MAX ? UINT32_MAX : (uint32_t)fan;
    const parameter_shape weight = {
        .what = "weight",
        .dims = {self->units, self->in.channels / self->groups, self->kernel[0], self->kernel[1]},
        .ndims = 4,
        .init = (init_rule)self->init,
        .fan_in = fan_in,
        .fan_out = fan_out,
        .granule = args.size[WINDOW_GRANULE]};
    const parameter_shape bias = {.what = "bias",
                                  .dims = {self->units},
                                  .ndims = 1,
                                  .no_decay = true,
                                  .fan_in = fan_in,
                                  .fan_out = fan_out,
                                  .granule = args.size[WINDOW_GRANULE]};
    self->weight = build_parameter(network, self, &weight);
    if (!self->no_bias) self->bias = build_parameter(network, self, &bias);
    self->y = build_value(network, self, true, shape_elements(self->out), "");
    op_call call = {.args = args, .operand = {self->x[0], self->weight, self->bias, self->y}};
    if (self->no_bias) call.operand[2] = self->y;
    build_forward(network, call);
}

static void lower_backward(tas_network *network, layer *self)
{
    if (!self->frozen)
        build_backward_parameters(
            network, self, args_of(self, self->no_bias ? OP_CONV_BACKWARD_WEIGHTS : OP_CONV_BACKWARD_PARAMETERS));
    if (!self->needs_dx[0]) return;
    self->dx[0] = build_value(network, self, true, shape_elements(self->in), ".dx");
    build_backward_input(network, self,
                         (op_call){.args = args_of(self, OP_CONV_BACKWARD_INPUT),
                                   .operand = {self->dy, self->weight, self->dx[0], self->dy, self->dy}});
}

static const line_argument arguments[] = {
    {.usage = "N",
     .what = "a number of output channels",
     .text = "The number of output channels.",
     .type = ARGUMENT_COUNT,
     .offset = offsetof(layer, units),
     .least = 1,
     .most = 1 << 24},
    {.usage = "K",
     .what = "the kernel's size",
     .text = "The kernel's size.",
     .type = ARGUMENT_SIZES,
     .offset = offsetof(layer, kernel),
     .least = 1,
     .most = 1 << 12},
    {.usage = "stride S",
     .what = "the stride",
     .text = "Rows and columns from one output to the next; 1 by default.",
     .type = ARGUMENT_SIZES,
     .optional = true,
     .offset = offsetof(layer, stride),
     .least = 1,
     .most = 1 << 12,
     .initial = 1},
    {.usage = "padding P",
     .what = "the padding",
     .text = "Rows and columns of zeros on each side of a plane; 0 by default.",
     .type = ARGUMENT_SIZES,
     .optional = true,
     .offset = offsetof(layer, padding),
     .least = 0,
     .most = 1 << 12,
     .initial = 0},
    {.usage = "dilation D",
     .what = "the dilation",
     .text = "Rows and columns from one of the kernel's taps to the next; 1 by default.",
     .type = ARGUMENT_SIZES,
     .optional = true,
     .offset = offsetof(layer, dilation),
     .least = 1,
     .most = 1 << 12,
     .initial = 1},
    {.usage = "groups G",
     .what = "a number of groups",
     .text = "Splits the channels into G groups; an output is computed only from the inputs of its own group. G "
             "divides the channels in and out; 1 by default.",
     .type = ARGUMENT_COUNT,
     .optional = true,
     .offset = offsetof(layer, groups),
     .least = 1,
     .most = 1 << 24,
     .initial = 1},
    LAYER_INIT_ARGUMENT,
    LAYER_NO_BIAS_ARGUMENT,
    {0},
};

const layer_kind layer_conv2d = {
    .name = "conv2d",
    .text = "A convolution over planes (cross-correlation, as in other libraries), with a bias per output channel "
            "unless 'no bias' is given.",
    .arguments = arguments,
    .spatial = true,
    .infer = infer,
    .freezes = true,
    .lower = lower,
    .lower_backward = lower_backward,
};
