/* Activations: one value at a time. */
#include "network/build.h"

static void lower_activation(tas_network *network, layer *self, op_id op)
{
    const uint32_t elements = (uint32_t)shape_elements(self->in);
    self->op = op;
    self->y = build_value(network, self, self->held, elements, "");
    build_forward(network, (op_call){.args = {.op = op, .size = {elements}, .scalar = {self->slope}},
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
    self->dx = build_value(network, self, self->held, elements, ".dx");
    build_backward(network, (op_call){.args = {.op = op, .size = {elements}, .scalar = {self->slope}},
                                      .operand = {wants_x ? self->x : self->y, self->dy, self->dx}});
}

static const line_argument leaky_arguments[] = {
    {.usage = "SLOPE",
     .what = "the slope below 0",
     .text = "The factor below 0, from 0 to 1; 0.01 by default.",
     .type = ARGUMENT_NUMBER,
     .optional = true,
     .offset = offsetof(layer, slope),
     .least = 0,
     .most = 1,
     .initial = 0.01},
    {0},
};

#define ACTIVATION(NAME, ARGUMENTS, TEXT)                                                                              \
    const layer_kind layer_##NAME = {.name = #NAME,                                                                    \
                                     .text = TEXT,                                                                     \
                                     .arguments = ARGUMENTS,                                                           \
                                     .elementwise = true,                                                              \
                                     .lower = lower_##NAME,                                                            \
                                     .lower_backward = lower_backward};
ACTIVATION(relu, NULL, "The greater of x and 0.")
ACTIVATION(leaky, leaky_arguments, "x above 0, SLOPE x elsewhere.")
ACTIVATION(tanh, NULL, "The hyperbolic tangent of x.")
ACTIVATION(sigmoid, NULL, "1 / (1 + e^-x).")
ACTIVATION(gelu, NULL, "x P(x), P being the normal distribution function; the exact form, with erf.")
