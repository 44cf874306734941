/* loss softmax | mse. Softmax cross-entropy needs labels; mse uses float targets, or labels as 1 at the class. */
#include "network/build.h"

#include "ops/loss.h"

static tas_status infer(const text_line *line, layer *self)
{
    (void)line;
    self->op = self->loss == TAS_LOSS_SOFTMAX ? OP_SOFTMAX_LOSS : OP_SQUARED_LOSS;
    return TAS_OK;
}

static void lower(tas_network *network, layer *self)
{
    network->outputs = (uint32_t)shape_elements(self->in);
    network->output = self->x[0];
    network->classes = self->op == OP_SOFTMAX_LOSS;
    network->losses = build_tensor(network, ROLE_LOSS, 1, "loss");
    network->correct = network->classes ? build_tensor(network, ROLE_CORRECT, 1, "hits") : NO_TENSOR;
    network->label = build_tensor(network, ROLE_LABEL, 1, "label");
    network->target = network->classes ? NO_TENSOR : build_tensor(network, ROLE_TARGET, network->outputs, "target");
    self->dx[0] = build_tensor(network, ROLE_VALUE, network->outputs, "loss.dx");
    op_call call = {.args = {.op = self->op, .size = {[LOSS_OUTPUTS] = network->outputs}},
                    .operand = {self->x[0], network->label, network->losses, network->correct, self->dx[0]}};
    if (!network->classes)
        call = (op_call){.args = call.args, .operand = {self->x[0], network->target, network->losses, self->dx[0]}};
    build_forward(network, call);
}

/* Its gradient comes with the loss itself. */
static void lower_backward(tas_network *network, layer *self)
{
    (void)network;
    (void)self;
}

/* As in the usage below. */
const char *tas_loss_name(tas_loss loss)
{
    switch (loss) {
    case TAS_LOSS_SOFTMAX: return "softmax";
    case TAS_LOSS_MSE: return "mse";
    }
    return NULL;
}

static const line_argument arguments[] = {
    {.usage = "softmax|mse",
     .what = "'softmax' or 'mse' after 'loss'",
     .text =
         "softmax is the cross-entropy of classes: it needs labels, and at least as many outputs as classes. mse is "
         "the mean squared difference to the targets; with labels, the target is 1 at the class and 0 elsewhere.",
     .type = ARGUMENT_CHOICE,
     .offset = offsetof(layer, loss),
     .least = TAS_LOSS_SOFTMAX},
    {0},
};

const layer_kind layer_loss = {
    .name = "loss",
    .text = "What training minimizes: the mean over the examples of a batch. Always the last line; softmax if there is "
            "none.",
    .arguments = arguments,
    .infer = infer,
    .lower = lower,
    .lower_backward = lower_backward,
};
