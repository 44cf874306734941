/* Activations: one value at a time, a kind of layer for each row of ops/activation.h. */
#include "network/build.h"

static void lower_activation(tas_network *network, layer *self)
{
    const uint32_t elements = (uint32_t)shape_elements(self->in);
    self->y = build_value(network, self, self->batch_panels, elements, "");
    build_forward(network, (op_call){.args = {.op = self->op,
                                              .size = {[ACTIVATION_ELEMENTS] = elements},
                                              .scalar = {[ACTIVATION_SLOPE] = self->slope}},
                                     .operand = {self->x[0], self->y}});
}

/* A relu is the last thing that the layer before it does, if nobody else reads what that has without it. */
static bool end_with_relu(tas_network *network, layer *self)
{
    op_call *end[2];
    const int ends = build_find_ends(network, self, 0, end);
    for (int e = 0; e < ends; e++)
        if (!op_get(end[e]->args.op)->may_relu || end[e]->args.relu) return false;
    if (!ends) return false;
    self->y = build_value(network, self, self->batch_panels, shape_elements(self->in), "");
    for (int e = 0; e < ends; e++) {
        end[e]->operand[op_result(op_get(end[e]->args.op))] = self->y;
        end[e]->args.relu = true;
    }
    return true;
}

static void lower_gradient(tas_network *network, layer *self)
{
    if (!self->needs_dx[0]) return;
    const uint32_t elements = (uint32_t)shape_elements(self->in);
    if (self->op == OP_RELU_FORWARD && !self->masked) self->masked = build_masked_sum(network, self);
    if (self->masked) {
        self->dx[0] = self->dy;
        return;
    }
    self->dx[0] = build_value(network, self, self->batch_panels, elements, ".dx");
    build_backward(network, (op_call){.args = {.op = self->op + 1,
                                               .size = {[ACTIVATION_ELEMENTS] = elements},
                                               .scalar = {[ACTIVATION_SLOPE] = self->slope}},
                                      .operand = {self->saved, self->dy, self->dx[0]}});
}

static const line_argument slope[] = {
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

#define SAVED_x self->x[0]
#define SAVED_y self->y
#define DEFINE(UPPER, NAME, S, SLOPE, TEXT)                                                                            \
    static void lower_##NAME(tas_network *network, layer *self)                                                        \
    {                                                                                                                  \
        self->op = OP_##UPPER##_FORWARD;                                                                               \
        if (self->op != OP_RELU_FORWARD || !end_with_relu(network, self)) lower_activation(network, self);             \
        self->saved = SAVED_##S;                                                                                       \
    }                                                                                                                  \
    const layer_kind layer_##NAME = {.name = #NAME,                                                                    \
                                     .text = TEXT,                                                                     \
                                     .arguments = (SLOPE) ? slope : NULL,                                              \
                                     .elementwise = true,                                                              \
                                     .activates = true,                                                                \
                                     .lower = lower_##NAME,                                                            \
                                     .lower_backward = lower_gradient};
ACTIVATIONS(DEFINE)
