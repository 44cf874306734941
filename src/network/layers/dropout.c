/* dropout P: in training each value is 0 with probability P, else divided by 1 - P (Srivastava et al. 2014,
 * "inverted"); in an evaluation values pass unchanged. The mask is a function of seed, layer, epoch, example and unit
 * (contract, rule 5). */
#include "network/build.h"

#include "arith.h"
#include "ops/dropout.h"

/* A word below the threshold drops: P 2^32, exact since P has 24 bits. */
static op_args args_of(const tas_network *network, const layer *self, op_id op)
{
    return (op_args){.op = op,
                     .size = {[DROPOUT_ELEMENTS] = (uint32_t)shape_elements(self->in),
                              [DROPOUT_LAYER] = (uint32_t)(self - network->layers),
                              [DROPOUT_THRESHOLD] = (uint32_t)((double)self->rate * 0x1p32)},
                     .scalar = {[DROPOUT_SCALE] = arith_div(1, 1 - self->rate)}};
}

static void lower(tas_network *network, layer *self)
{
    if (self->frozen) {
        self->y = self->x[0];
        return;
    }
    self->y = build_value(network, self, self->batch_panels, shape_elements(self->in), "");
    build_forward(network, (op_call){.args = args_of(network, self, OP_DROPOUT_FORWARD),
                                     .operand = {self->x[0], network->order, self->y}});
}

static void lower_backward(tas_network *network, layer *self)
{
    if (self->frozen) self->dx[0] = self->dy;
    if (self->frozen || !self->needs_dx[0]) return;
    self->dx[0] = build_value(network, self, self->batch_panels, shape_elements(self->in), ".dx");
    build_backward_input(network, self,
                         (op_call){.args = args_of(network, self, OP_DROPOUT_BACKWARD),
                                   .operand = {self->dy, network->order, self->dx[0], self->dy}});
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
