/* dense N [init he|glorot] [no bias]: y = x W^T + b, W (N, inputs). He 2015: normal with variance 2 / fan_in. Glorot
 * 2010: uniform within sqrt(6 / (fan_in + fan_out)). Biases start at 0. */
#include "network/build.h"

#include "ops/dense.h"

static tas_status infer(const text_line *line, layer *self)
{
    if (shape_elements(self->in) * self->units > UINT32_MAX)
        return line_fail(line, "%llu x %u weights: more than 2^32", (unsigned long long)shape_elements(self->in),
                         self->units);
    self->out = (shape){self->units, 1, 1, .flat = true};
    return TAS_OK;
}

static void lower(tas_network *network, layer *self)
{
    const uint32_t in = (uint32_t)shape_elements(self->in), out = self->units;
    const uint32_t granule = network_granule((uint64_t)in * out, 1);
    const parameter_shape weight = {.what = "weight",
                                    .dims = {out, in},
                                    .ndims = 2,
                                    .weight_panels = true,
                                    .init = (init_rule)self->init,
                                    .fan_in = in,
                                    .fan_out = out,
                                    .granule = granule};
    const parameter_shape bias = {
        .what = "bias", .dims = {out}, .ndims = 1, .no_decay = true, .fan_in = in, .fan_out = out, .granule = granule};
    self->weight = build_parameter(network, self, &weight);
    if (!self->no_bias) self->bias = build_parameter(network, self, &bias);
    self->y = build_value(network, self, false, out, "");
    op_call call = {.args = {.op = self->no_bias ? OP_DENSE_FORWARD_NO_BIAS : OP_DENSE_FORWARD,
                             .size = {[DENSE_OUTPUTS] = out, [DENSE_INPUTS] = in}},
                    .operand = {self->x[0], self->weight, self->bias, self->y}};
    if (self->no_bias) call.operand[2] = self->y;
    build_forward(network, call);
}

static void lower_backward(tas_network *network, layer *self)
{
    const uint32_t in = (uint32_t)shape_elements(self->in), out = self->units;
    const uint32_t granule = network_granule((uint64_t)in * out, 1);
    const op_args parameters = {
        .op = self->no_bias ? OP_DENSE_BACKWARD_WEIGHTS : OP_DENSE_BACKWARD_PARAMETERS,
        .size = {
            [DENSE_OUTPUTS] = out, [DENSE_INPUTS] = in, [DENSE_GRANULE] = granule, [DENSE_NO_BIAS] = self->no_bias}};
    if (!self->frozen) build_backward_parameters(network, self, parameters);
    if (!self->needs_dx[0]) return;
    self->dx[0] = build_value(network, self, false, in, ".dx");
    build_backward_input(
        network, self,
        (op_call){.args = {.op = OP_DENSE_BACKWARD_INPUT, .size = {[DENSE_OUTPUTS] = out, [DENSE_INPUTS] = in}},
                  .operand = {self->dy, self->weight, self->dx[0], self->dy}});
}

static const line_argument arguments[] = {
    {.usage = "N",
     .data = "the number of the data set's classes or target values",
     .what = "a number of outputs",
     .text =
         "The number of outputs. The word 'data' stands for that of the data set's classes, or of its target values.",
     .type = ARGUMENT_COUNT,
     .offset = offsetof(layer, units),
     .least = 1,
     .most = 1 << 24},
    LAYER_INIT_ARGUMENT,
    LAYER_NO_BIAS_ARGUMENT,
    {0},
};

const layer_kind layer_dense = {
    .name = "dense",
    .text =
        "A fully connected layer: each output is a weighted sum of all inputs, which are taken in the order channel, "
        "row, column, plus a bias unless 'no bias' is given.",
    .arguments = arguments,
    .infer = infer,
    .freezes = true,
    .lower = lower,
    .lower_backward = lower_backward,
};
