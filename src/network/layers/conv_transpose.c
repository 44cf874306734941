/* conv_transpose2d: the gradient of a convolution to its input, as a layer. Of that convolution, the mirror, this
 * layer's output is the input, and this layer's input the output: so the operations of conv2d do it all, with their
 * roles exchanged. W (C, N / groups, K, K), as in PyTorch. */
#include "network/build.h"

#include "ops/bias.h"
#include "ops/window.h"

/* Along one side; negative if the padding leaves nothing. */
static int64_t size_out(const layer *self, int side, uint32_t in)
{
    return ((int64_t)in - 1) * self->stride[side] - 2 * (int64_t)self->padding[side] + self->kernel[side] +
           self->padding_after[side];
}

static tas_status infer(const text_line *line, layer *self)
{
    const shape in = self->in;
    const tas_status status = layer_check_planes(line, self);
    if (status) return status;
    for (int side = 0; side < 2; side++)
        if (self->padding_after[side] >= self->stride[side])
            return line_fail(line, "output_padding %ux%u: expected less than the stride, %ux%u", self->padding_after[0],
                             self->padding_after[1], self->stride[0], self->stride[1]);
    const int64_t height = size_out(self, 0, in.height), width = size_out(self, 1, in.width);
    if (height < 1 || width < 1)
        return line_fail(line, "padding %ux%u leaves nothing of planes of %ux%u", self->padding[0], self->padding[1],
                         in.height, in.width);
    if (height > 1 << 24 || width > 1 << 24 || (uint64_t)height * (uint64_t)width > UINT32_MAX / self->units)
        return line_fail(line, "planes of %lldx%lld are too large", (long long)height, (long long)width);
    if (in.channels % self->groups || self->units % self->groups)
        return line_fail(line, "groups %u: expected a divisor of %u channels in and %u out", self->groups, in.channels,
                         self->units);
    const uint64_t taps = (uint64_t)self->kernel[0] * self->kernel[1] * (self->units / self->groups);
    if (taps > UINT32_MAX || taps * in.channels > UINT32_MAX)
        return line_fail(line, "%u x %llu weights: more than 2^32", in.channels, (unsigned long long)taps);
    self->out = (shape){.channels = self->units, .height = (uint32_t)height, .width = (uint32_t)width};
    return TAS_OK;
}

/* An operation of the mirror. Its sums over examples run over this layer's inputs. */
static op_args args_of(const layer *self, op_id op)
{
    layer mirror = *self;
    mirror.in = self->out;
    mirror.out = self->in;
    op_args args = layer_window_args(&mirror, op);
    args.size[WINDOW_GRANULE] = network_granule(window_weights(&args), self->in.height * self->in.width);
    return args;
}

/* The sums of dy over all positions of the output, by the layer's granules. */
static op_args bias_args_of(const layer *self)
{
    op_args args = layer_window_args(self, OP_CONV_BACKWARD_BIAS);
    args.size[WINDOW_GRANULE] = args_of(self, OP_CONV_BACKWARD_WEIGHTS).size[WINDOW_GRANULE];
    return args;
}

/* The most inputs that an output is computed from: with a stride, only some taps reach it. */
static uint32_t fan_in_of(const layer *self)
{
    uint64_t fan = self->in.channels / self->groups;
    for (int side = 0; side < 2; side++) fan *= (self->kernel[side] - 1) / self->stride[side] + 1;
    return fan > UINT32_MAX ? UINT32_MAX : (uint32_t)fan;
}

static void lower(tas_network *network, layer *self)
{
    const op_args args = args_of(self, OP_CONV_BACKWARD_INPUT);
    const uint32_t fan_in = fan_in_of(self), fan_out = (uint32_t)window_chain(&args);
    const parameter_shape weight = {
        .what = "weight",
        .dims = {self->in.channels, self->units / self->groups, self->kernel[0], self->kernel[1]},
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
    self->y = build_value(network, self, true, shape_elements(self->out), "");
    build_forward(network,
                  (op_call){.args = args, .operand = {self->x[0], self->weight, self->y, self->x[0], self->x[0]}});
    if (self->no_bias) return;
    self->bias = build_parameter(network, self, &bias);
    build_forward(
        network,
        (op_call){
            .args = {.op = OP_ADD_BIAS,
                     .size = {[BIAS_CHANNELS] = self->units, [BIAS_POSITIONS] = self->out.height * self->out.width}},
            .operand = {self->y, self->bias}});
}

static void lower_backward(tas_network *network, layer *self)
{
    if (self->needs_dx[0]) {
        self->dx[0] = build_input_gradient(network, self, 0);
        build_backward(network, (op_call){.args = args_of(self, OP_CONV_FORWARD_NO_BIAS),
                                          .operand = {self->dy, self->weight, self->dx[0]}});
    }
    if (self->frozen) return;
    const tensor *w = &network->tensors[self->weight];
    const int weight = w->gradient, weight_open = w->partial == NO_TENSOR ? weight : w->partial;
    build_backward(network, (op_call){.args = args_of(self, OP_CONV_BACKWARD_WEIGHTS),
                                      .operand = {self->dy, self->x[0], weight, weight_open}});
    if (self->no_bias) return;
    const tensor *b = &network->tensors[self->bias];
    const int bias = b->gradient, bias_open = b->partial == NO_TENSOR ? bias : b->partial;
    build_backward(network, (op_call){.args = bias_args_of(self), .operand = {self->dy, bias, bias_open}});
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
     .text = "Rows and columns between the places at which inputs are added to the output; 1 by default.",
     .type = ARGUMENT_SIZES,
     .optional = true,
     .offset = offsetof(layer, stride),
     .least = 1,
     .most = 1 << 12,
     .initial = 1},
    {.usage = "padding P",
     .what = "the padding",
     .text = "Rows and columns that are cut off on each side of the output; 0 by default.",
     .type = ARGUMENT_SIZES,
     .optional = true,
     .offset = offsetof(layer, padding),
     .least = 0,
     .most = 1 << 12,
     .initial = 0},
    {.usage = "output_padding E",
     .what = "the output's padding",
     .text = "Rows and columns that the output has more, below and to the right; less than the stride, 0 by default.",
     .type = ARGUMENT_SIZES,
     .optional = true,
     .offset = offsetof(layer, padding_after),
     .least = 0,
     .most = 1 << 12,
     .initial = 0},
    {.usage = "groups G",
     .what = "a number of groups",
     .text = "Splits the channels into G groups, as for conv2d; 1 by default.",
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

const layer_kind layer_conv_transpose2d = {
    .name = "conv_transpose2d",
    .text =
        "A transposed convolution, which enlarges planes: each input adds its K x K weights, times its value, to the "
        "output, (H - 1) S + K - 2 P + E rows high. With a bias per output channel unless 'no bias' is given.",
    .arguments = arguments,
    .spatial = true,
    .infer = infer,
    .freezes = true,
    .lower = lower,
    .lower_backward = lower_backward,
};
