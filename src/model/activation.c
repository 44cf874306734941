/* relu, leaky SLOPE, tanh, sigmoid, gelu */
#include "model/layer.h"

static tas_status parse_leaky(line *text, layer *self)
{
    self->value = 0.01f;
    if (text->read == text->count) return TAS_OK;
    tas_status status = line_f32(text, "the slope below 0", &self->value);
    if (!status && !(self->value >= 0 && self->value <= 1))
        status = line_fail(text, "the slope must lie between 0 and 1");
    return status;
}

static void lower_activation(tas_network *network, layer *self, op_id op)
{
    const int place = (int)(self - network->layers);
    const uint32_t elements = (uint32_t)shape_elements(self->in);
    self->op = op;
    self->y = add_tensor(network, ROLE_VALUE, elements, "%d.%s", place, self->kind->name);
    add_forward(network, (op_call){.args = {.op = op, .size = {elements}, .scalar = {self->value}},
                                   .operand = {self->x, self->y}});
}

static void lower_relu(tas_network *network, layer *self) { lower_activation(network, self, OP_RELU_FORWARD); }
static void lower_leaky(tas_network *network, layer *self) { lower_activation(network, self, OP_LEAKY_FORWARD); }
static void lower_tanh(tas_network *network, layer *self) { lower_activation(network, self, OP_TANH_FORWARD); }
static void lower_sigmoid(tas_network *network, layer *self) { lower_activation(network, self, OP_SIGMOID_FORWARD); }
static void lower_gelu(tas_network *network, layer *self) { lower_activation(network, self, OP_GELU_FORWARD); }

/* The gradients of leaky and gelu want x, the others y. */
static void lower_backward(tas_network *network, layer *self, bool wants_dx)
{
    const int place = (int)(self - network->layers);
    const uint32_t elements = (uint32_t)shape_elements(self->in);
    const op_id op = self->op + 1;
    const bool wants_x = op == OP_LEAKY_BACKWARD || op == OP_GELU_BACKWARD;
    if (!wants_dx) return;
    self->dx = add_tensor(network, ROLE_VALUE, elements, "%d.%s.dx", place, self->kind->name);
    add_backward(network, (op_call){.args = {.op = op, .size = {elements}, .scalar = {self->value}},
                                    .operand = {wants_x ? self->x : self->y, self->dy, self->dx}});
}

const layer_kind layer_relu = {.name = "relu", .usage = "relu", .lower = lower_relu, .lower_backward = lower_backward};
const layer_kind layer_leaky = {.name = "leaky",
                                .usage = "leaky [SLOPE]",
                                .parse = parse_leaky,
                                .lower = lower_leaky,
                                .lower_backward = lower_backward};
const layer_kind layer_tanh = {.name = "tanh", .usage = "tanh", .lower = lower_tanh, .lower_backward = lower_backward};
const layer_kind layer_sigmoid = {
    .name = "sigmoid", .usage = "sigmoid", .lower = lower_sigmoid, .lower_backward = lower_backward};
const layer_kind layer_gelu = {.name = "gelu", .usage = "gelu", .lower = lower_gelu, .lower_backward = lower_backward};
