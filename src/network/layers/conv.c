/* conv2d N K [stride S] [padding P] [dilation D] [groups G] [init he|glorot]: cross-correlation, as the field's
 * convolution is, W (N, C / groups, K, K), with zeros around each plane. K, S, P, D are one number, or height x width.
 */
#include "network/layer.h"

#include "ops/window.h"

static tas_status parse(line *text, layer *self)
{
    tas_status status = line_u32(text, "a number of output channels", 1, 1u << 24, &self->units);
    if (!status) status = line_pair(text, "the kernel's size", 1, 1u << 12, self->kernel);
    self->stride[0] = self->stride[1] = self->dilation[0] = self->dilation[1] = self->groups = 1;
    self->init = INIT_HE;
    while (!status && text->read < text->count) {
        if (line_is(text, "stride"))
            status = line_pair(text, "the stride", 1, 1u << 12, self->stride);
        else if (line_is(text, "padding"))
            status = line_pair(text, "the padding", 0, 1u << 12, self->padding);
        else if (line_is(text, "dilation"))
            status = line_pair(text, "the dilation", 1, 1u << 12, self->dilation);
        else if (line_is(text, "groups"))
            status = line_u32(text, "a number of groups", 1, 1u << 24, &self->groups);
        else {
            const int before = text->read;
            status = line_init(text, &self->init);
            if (text->read == before) break;
        }
    }
    return status;
}

static tas_status infer(const line *text, layer *self)
{
    const shape in = self->in;
    const uint32_t height =
        window_out(in.height, self->kernel[0], self->stride[0], self->padding[0], self->dilation[0]);
    const uint32_t width = window_out(in.width, self->kernel[1], self->stride[1], self->padding[1], self->dilation[1]);
    if (!height || !width)
        return line_fail(text, "a kernel of %ux%u (dilation %ux%u) does not fit planes of %ux%u with padding %ux%u",
                         self->kernel[0], self->kernel[1], self->dilation[0], self->dilation[1], in.height, in.width,
                         self->padding[0], self->padding[1]);
    if (in.channels % self->groups || self->units % self->groups)
        return line_fail(text, "groups %u: expected a divisor of %u channels in and %u out", self->groups, in.channels,
                         self->units);
    const uint64_t taps = (uint64_t)self->kernel[0] * self->kernel[1] * (in.channels / self->groups);
    if (taps > UINT32_MAX || taps * self->units > UINT32_MAX)
        return line_fail(text, "%u x %llu weights: more than 2^32", self->units, (unsigned long long)taps);
    self->out = (shape){self->units, height, width};
    return TAS_OK;
}

static op_args args_of(const layer *self, op_id op)
{
    const shape in = self->in, out = self->out;
    op_args args = {.op = op,
                    .size = {in.channels, in.height, in.width, out.channels, out.height, out.width, self->kernel[0],
                             self->kernel[1], self->stride[0], self->stride[1], self->padding[0], self->padding[1],
                             self->dilation[0], self->dilation[1], self->groups}};
    args.size[WINDOW_GRANULE] = granule_of(window_weights(&args), out.height * out.width);
    return args;
}

static void lower(tas_network *network, layer *self)
{
    const op_args args = args_of(self, OP_CONV_FORWARD);
    const uint32_t fan_in = (uint32_t)window_chain(&args);
    const uint64_t fan = (uint64_t)self->units / self->groups * self->kernel[0] * self->kernel[1];
    const uint32_t fan_out = fan > UINT32_MAX ? UINT32_MAX : (uint32_t)fan;
    const parameter_is weight = {
        .what = "weight",
        .dims = {self->units, self->in.channels / self->groups, self->kernel[0], self->kernel[1]},
        .ndims = 4,
        .init = self->init,
        .fan_in = fan_in,
        .fan_out = fan_out,
        .granule = args.size[WINDOW_GRANULE]};
    const parameter_is bias = {.what = "bias",
                               .dims = {self->units},
                               .ndims = 1,
                               .fan_in = fan_in,
                               .fan_out = fan_out,
                               .granule = args.size[WINDOW_GRANULE]};
    self->weight = add_parameter(network, self, &weight);
    self->bias = add_parameter(network, self, &bias);
    self->y = add_value(network, self, true, shape_elements(self->out), "");
    add_forward(network, (op_call){.args = args, .operand = {self->x, self->weight, self->bias, self->y}});
}

static void lower_backward(tas_network *network, layer *self, bool wants_dx)
{
    const tensor *w = &network->tensors[self->weight], *b = &network->tensors[self->bias];
    const int weight = w->gradient, weight_open = w->open == NO_TENSOR ? weight : w->open;
    const int bias = b->gradient, bias_open = b->open == NO_TENSOR ? bias : b->open;
    if (wants_dx) {
        self->dx = add_value(network, self, true, shape_elements(self->in), ".dx");
        add_backward(network, (op_call){.args = args_of(self, OP_CONV_BACKWARD_INPUT),
                                        .operand = {self->dy, self->weight, self->dx}});
    }
    add_backward(network, (op_call){.args = args_of(self, OP_CONV_BACKWARD_WEIGHTS),
                                    .operand = {self->x, self->dy, weight, weight_open}});
    add_backward(network,
                 (op_call){.args = args_of(self, OP_CONV_BACKWARD_BIAS), .operand = {self->dy, bias, bias_open}});
}

const layer_kind layer_conv2d = {
    .name = "conv2d",
    .usage = "conv2d N K [stride S] [padding P] [dilation D] [groups G] [init he|glorot]",
    .spatial = true,
    .parse = parse,
    .infer = infer,
    .lower = lower,
    .lower_backward = lower_backward,
};
