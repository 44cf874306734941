/* relu, leaky SLOPE, tanh, sigmoid, gelu */
#include "network/layer.h"

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
    const uint32_t elements = (uint32_t)shape_elements(self->in);
    self->op = op;
    self->y = add_value(network, self, self->held, elements, "");
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
    const uint32_t elements = (uint32_t)shape_elements(self->in);
    const op_id op = self->op + 1;
    const bool wants_x = op == OP_LEAKY_BACKWARD || op == OP_GELU_BACKWARD;
    if (!wants_dx) return;
    self->dx = add_value(network, self, self->held, elements, ".dx");
    add_backward(network, (op_call){.args = {.op = op, .size = {elements}, .scalar = {self->value}},
                                    .operand = {wants_x ? self->x : self->y, self->dy, self->dx}});
}

#define ACTIVATION(NAME, USAGE, PARSE)                                                                                 \
    const layer_kind layer_##NAME = {.name = #NAME,                                                                    \
                                     .usage = USAGE,                                                                   \
                                     .elementwise = true,                                                              \
                                     .parse = PARSE,                                                                   \
                                     .lower = lower_##NAME,                                                            \
                                     .lower_backward = lower_backward};
ACTIVATION(relu, "relu", NULL)
ACTIVATION(leaky, "leaky [SLOPE]", parse_leaky)
ACTIVATION(tanh, "tanh", NULL)
ACTIVATION(sigmoid, "sigmoid", NULL)
ACTIVATION(gelu, "gelu", NULL)
