/* loss softmax | mse. Softmax cross-entropy wants labels; mse takes float targets, or labels as 1 at the class. */
#include "network/layer.h"

static tas_status parse(line *text, layer *self)
{
    if (line_is(text, "softmax"))
        self->op = OP_SOFTMAX_LOSS;
    else if (line_is(text, "mse"))
        self->op = OP_SQUARED_LOSS;
    else
        return line_fail(text, "expected 'softmax' or 'mse' after 'loss'");
    return TAS_OK;
}

static void lower(tas_network *network, layer *self)
{
    network->outputs = (uint32_t)shape_elements(self->in);
    network->output = self->x;
    network->classes = self->op == OP_SOFTMAX_LOSS;
    network->losses = add_tensor(network, ROLE_LOSS, 1, "loss");
    network->hits = network->classes ? add_tensor(network, ROLE_HIT, 1, "hits") : NO_TENSOR;
    network->label = add_tensor(network, ROLE_LABEL, 1, "label");
    network->target = network->classes ? NO_TENSOR : add_tensor(network, ROLE_TARGET, network->outputs, "target");
    self->dx = add_tensor(network, ROLE_VALUE, network->outputs, "loss.dx");
    op_call call = {.args = {.op = self->op, .size = {network->outputs}},
                    .operand = {self->x, network->label, network->losses, network->hits, self->dx}};
    if (!network->classes)
        call = (op_call){.args = call.args, .operand = {self->x, network->target, network->losses, self->dx}};
    add_forward(network, call);
}

/* Its gradient comes with the loss itself. */
static void lower_backward(tas_network *network, layer *self, bool wants_dx)
{
    (void)network;
    (void)self;
    (void)wants_dx;
}

const layer_kind layer_loss = {
    .name = "loss",
    .usage = "loss softmax|mse",
    .parse = parse,
    .lower = lower,
    .lower_backward = lower_backward,
};
