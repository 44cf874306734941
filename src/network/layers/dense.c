/* dense N [init he|glorot]: y = x W^T + b, W (N, inputs). He 2015: normal with variance 2 / fan_in. Glorot 2010:
 * uniform within sqrt(6 / (fan_in + fan_out)). Biases start at 0. */
#include "network/layer.h"

static tas_status parse(line *text, layer *self)
{
    tas_status status = line_u32(text, "a number of outputs", 1, 1u << 24, &self->units);
    if (status) return status;
    return line_init(text, &self->init);
}

static tas_status infer(const line *text, layer *self)
{
    if (shape_elements(self->in) * self->units > UINT32_MAX)
        return line_fail(text, "%llu x %u weights: more than 2^32", (unsigned long long)shape_elements(self->in),
                         self->units);
    self->out = (shape){self->units, 1, 1};
    return TAS_OK;
}

static void lower(tas_network *network, layer *self)
{
    const uint32_t in = (uint32_t)shape_elements(self->in), out = self->units;
    const uint32_t granule = granule_of((uint64_t)in * out, 1);
    const parameter_is weight = {.what = "weight",
                                 .dims = {out, in},
                                 .ndims = 2,
                                 .panels = true,
                                 .init = self->init,
                                 .fan_in = in,
                                 .fan_out = out,
                                 .granule = granule};
    const parameter_is bias = {
        .what = "bias", .dims = {out}, .ndims = 1, .fan_in = in, .fan_out = out, .granule = granule};
    self->weight = add_parameter(network, self, &weight);
    self->bias = add_parameter(network, self, &bias);
    self->y = add_value(network, self, false, out, "");
    add_forward(network, (op_call){.args = {.op = OP_DENSE_FORWARD, .size = {out, in}},
                                   .operand = {self->x, self->weight, self->bias, self->y}});
}

static void lower_backward(tas_network *network, layer *self, bool wants_dx)
{
    const uint32_t in = (uint32_t)shape_elements(self->in), out = self->units;
    const uint32_t granule = granule_of((uint64_t)in * out, 1);
    if (wants_dx) {
        self->dx = add_value(network, self, false, in, ".dx");
        add_backward(network, (op_call){.args = {.op = OP_DENSE_BACKWARD_INPUT, .size = {out, in}},
                                        .operand = {self->dy, self->weight, self->dx}});
    }
    const int weight = network->tensors[self->weight].gradient, bias = network->tensors[self->bias].gradient;
    const int weight_open = network->tensors[self->weight].open, bias_open = network->tensors[self->bias].open;
    add_backward(network, (op_call){.args = {.op = OP_DENSE_BACKWARD_WEIGHTS, .size = {out, in, granule}},
                                    .operand = {self->x, self->dy, weight, granule ? weight_open : weight}});
    add_backward(network, (op_call){.args = {.op = OP_DENSE_BACKWARD_BIAS, .size = {out, in, granule}},
                                    .operand = {self->dy, bias, granule ? bias_open : bias}});
}

const layer_kind layer_dense = {
    .name = "dense",
    .usage = "dense N [init he|glorot]",
    .parse = parse,
    .infer = infer,
    .lower = lower,
    .lower_backward = lower_backward,
};
