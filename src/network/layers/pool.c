/* max_pool K [stride S] [padding P], avg_pool K [...], global_avg_pool. The stride is the kernel's size where none is
 * given. A maximum leaves the padding out; a mean counts it as zeros. */
#include "network/layer.h"

#include "arith.h"
#include "ops/window.h"

static tas_status parse(line *text, layer *self)
{
    tas_status status = line_pair(text, "the window's size", 1, 1u << 12, self->kernel);
    self->stride[0] = self->kernel[0];
    self->stride[1] = self->kernel[1];
    while (!status && text->read < text->count) {
        if (line_is(text, "stride"))
            status = line_pair(text, "the stride", 1, 1u << 12, self->stride);
        else if (line_is(text, "padding"))
            status = line_pair(text, "the padding", 0, 1u << 12, self->padding);
        else
            break;
    }
    if (!status && (self->padding[0] > self->kernel[0] / 2 || self->padding[1] > self->kernel[1] / 2))
        status = line_fail(text, "padding %ux%u: at most half of the window, %ux%u", self->padding[0], self->padding[1],
                           self->kernel[0], self->kernel[1]);
    return status;
}

static tas_status infer(const line *text, layer *self)
{
    const uint32_t height = window_out(self->in.height, self->kernel[0], self->stride[0], self->padding[0], 1);
    const uint32_t width = window_out(self->in.width, self->kernel[1], self->stride[1], self->padding[1], 1);
    if (!height || !width)
        return line_fail(text, "a window of %ux%u does not fit planes of %ux%u with padding %ux%u", self->kernel[0],
                         self->kernel[1], self->in.height, self->in.width, self->padding[0], self->padding[1]);
    self->out = (shape){self->in.channels, height, width};
    return TAS_OK;
}

static tas_status infer_global(const line *text, layer *self)
{
    if ((uint64_t)self->in.height * self->in.width > 1u << 24)
        return line_fail(text, "planes of %ux%u: at most 2^24 values", self->in.height, self->in.width);
    self->kernel[0] = self->stride[0] = self->in.height;
    self->kernel[1] = self->stride[1] = self->in.width;
    self->out = (shape){self->in.channels, 1, 1};
    return TAS_OK;
}

static op_args args_of(const layer *self, op_id op)
{
    const shape in = self->in, out = self->out;
    const float count = (float)((uint64_t)self->kernel[0] * self->kernel[1]);
    return (op_args){.op = op,
                     .size = {in.channels, in.height, in.width, out.channels, out.height, out.width, self->kernel[0],
                              self->kernel[1], self->stride[0], self->stride[1], self->padding[0], self->padding[1], 1,
                              1, 1},
                     .scalar = {count, arith_div(1, count)}};
}

static void lower_pool(tas_network *network, layer *self, op_id op)
{
    self->op = op;
    self->y = add_value(network, self, true, shape_elements(self->out), "");
    add_forward(network, (op_call){.args = args_of(self, op), .operand = {self->x, self->y}});
}

static void lower_max(tas_network *network, layer *self) { lower_pool(network, self, OP_MAX_POOL_FORWARD); }
static void lower_average(tas_network *network, layer *self) { lower_pool(network, self, OP_AVERAGE_POOL_FORWARD); }

static void lower_backward(tas_network *network, layer *self, bool wants_dx)
{
    if (!wants_dx) return;
    self->dx = add_value(network, self, true, shape_elements(self->in), ".dx");
    op_call call = {.args = args_of(self, self->op + 1), .operand = {self->x, self->dy, self->dx}};
    if (self->op == OP_AVERAGE_POOL_FORWARD) call = (op_call){.args = call.args, .operand = {self->dy, self->dx}};
    add_backward(network, call);
}

const layer_kind layer_max_pool = {
    .name = "max_pool",
    .usage = "max_pool K [stride S] [padding P]",
    .spatial = true,
    .parse = parse,
    .infer = infer,
    .lower = lower_max,
    .lower_backward = lower_backward,
};
const layer_kind layer_avg_pool = {
    .name = "avg_pool",
    .usage = "avg_pool K [stride S] [padding P]",
    .spatial = true,
    .parse = parse,
    .infer = infer,
    .lower = lower_average,
    .lower_backward = lower_backward,
};
const layer_kind layer_global_avg_pool = {
    .name = "global_avg_pool",
    .usage = "global_avg_pool",
    .spatial = true,
    .infer = infer_global,
    .lower = lower_average,
    .lower_backward = lower_backward,
};
