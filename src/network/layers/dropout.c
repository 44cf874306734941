/* dropout P: while training, each value is 0 with probability P, else divided by 1 - P (Srivastava et al. 2014,
 * "inverted"); an evaluation lets everything through. The mask is a function of seed, layer, epoch, example and unit
 * (contract, rule 5). */
#include "network/layer.h"

#include "arith.h"

static tas_status parse(line *text, layer *self)
{
    tas_status status = line_f32(text, "the share of values to drop", &self->value);
    if (!status && !(self->value >= 0 && self->value <= 0.99f))
        status = line_fail(text, "the share of values to drop must lie between 0 and 0.99");
    return status;
}

/* A word below the threshold drops: P 2^32, exact since P has 24 bits. */
static op_args args_of(const tas_network *network, const layer *self, op_id op)
{
    return (op_args){.op = op,
                     .size = {(uint32_t)shape_elements(self->in), (uint32_t)(self - network->layers),
                              (uint32_t)((double)self->value * 0x1p32)},
                     .scalar = {arith_div(1, 1 - self->value)}};
}

static void lower(tas_network *network, layer *self)
{
    self->y = add_value(network, self, self->held, shape_elements(self->in), "");
    add_forward(network, (op_call){.args = args_of(network, self, OP_DROPOUT_FORWARD),
                                   .operand = {self->x, network->order, self->y}});
}

static void lower_backward(tas_network *network, layer *self, bool wants_dx)
{
    if (!wants_dx) return;
    self->dx = add_value(network, self, self->held, shape_elements(self->in), ".dx");
    add_backward(network, (op_call){.args = args_of(network, self, OP_DROPOUT_BACKWARD),
                                    .operand = {self->dy, network->order, self->dx}});
}

const layer_kind layer_dropout = {
    .name = "dropout",
    .usage = "dropout P",
    .elementwise = true,
    .parse = parse,
    .lower = lower,
    .lower_backward = lower_backward,
};
