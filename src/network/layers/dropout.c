/* dropout P: in training each value is 0 with probability P, else divided by 1 - P (Srivastava et al. 2014,
 * "inverted"); in an evaluation values pass unchanged. The mask is a function of seed, layer, epoch, example and unit
 * (contract, rule 5). */
#include "network/build.h"

#include "arith.h"
#include "ops/dropout.h"

/* A word below the threshold drops: P 2^32, exact since P has 24 bits. */
static op_args args_of(const tas_network *network, const layer *self, op_id op, op_id activation)
{
    return (op_args){.op = op,
                     .size = {[DROPOUT_ACTIVATION] = activation,
                              [DROPOUT_ELEMENTS] = (uint32_t)shape_elements(self->in),
                              [DROPOUT_LAYER] = (uint32_t)(self - network->layers),
                              [DROPOUT_THRESHOLD] = (uint32_t)((double)self->rate * 0x1p32)},
                     .scalar = {[DROPOUT_SCALE] = arith_div(1, 1 - self->rate), [DROPOUT_SLOPE] = self->slope}};
}

/* The call of the activation before is left out, and its x is the input here, if its gradient can do without its y:
 * that of a relu is computed from what dropout makes. */
static bool take_activation(tas_network *network, layer *self, const layer *before)
{
    op_call *end[2];
    if (before->saved == before->y && before->kind != &layer_relu) return false;
    if (build_find_ends(network, self, 0, end) != 1 || end[0]->args.op != before->op) return false;
    self->x[0] = end[0]->operand[0];
    network->forward_count--;
    return true;
}

static void lower(tas_network *network, layer *self)
{
    const layer *before = build_find_maker(network, self, 0);
    bool takes = false;
    if (self->frozen) {
        self->y = self->x[0];
        return;
    }
    if (before && before->kind->activates) {
        takes = take_activation(network, self, before);
        self->slope = before->slope;
        if (takes || before->saved == before->y) self->op = before->op;
    }
    self->y = build_value(network, self, self->batch_panels, shape_elements(self->in), "");
    build_forward(network, (op_call){.args = args_of(network, self, OP_DROPOUT_FORWARD, takes ? self->op : 0),
                                     .operand = {self->x[0], network->order, self->y}});
}

static void lower_backward(tas_network *network, layer *self)
{
    if (self->frozen) self->dx[0] = self->dy;
    if (self->frozen || !self->needs_dx[0]) return;
    self->dx[0] = build_value(network, self, self->batch_panels, shape_elements(self->in), ".dx");
    if (self->op) build_find_maker(network, self, 0)->masked = true;
    build_backward(network, (op_call){.args = args_of(network, self, OP_DROPOUT_BACKWARD, self->op),
                                      .operand = {self->dy, network->order, self->dx[0],
                                                  self->op == OP_RELU_FORWARD ? self->y : self->x[0]}});
}

static const line_argument arguments[] = {
    {.usage = "P",
     .what = "the share of values to drop",
     .text = "The probability that a value is dropped, from 0 to 0.99.",
     .type = ARGUMENT_NUMBER,
     .offset = offsetof(layer, rate),
     .least = 0,
     .most = 0.99},
    {0},
};

const layer_kind layer_dropout = {
    .name = "dropout",
    .text = "In training each value becomes 0 with probability P and is otherwise divided by 1 - P. In evaluation "
            "values pass unchanged.",
    .arguments = arguments,
    .elementwise = true,
    .freezes = true,
    .lower = lower,
    .lower_backward = lower_backward,
};
