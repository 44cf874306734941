/* max_pool, avg_pool, global_avg_pool. A maximum ignores the padding, a mean counts it as zeros. */
#include "network/build.h"

#include "arith.h"
#include "ops/pool.h"

static tas_status infer(const text_line *line, layer *self)
{
    const tas_status status = layer_check_planes(line, self);
    if (status) return status;
    for (int side = 0; side < 2; side++)
        if (!self->stride[side]) self->stride[side] = self->kernel[side];
    if (self->padding[0] > self->kernel[0] / 2 || self->padding[1] > self->kernel[1] / 2)
        return line_fail(line, "padding %ux%u: expected at most half of the window, %ux%u", self->padding[0],
                         self->padding[1], self->kernel[0], self->kernel[1]);
    const uint32_t height = window_out(self->in.height, self->kernel[0], self->stride[0], self->padding[0], 1);
    const uint32_t width = window_out(self->in.width, self->kernel[1], self->stride[1], self->padding[1], 1);
    if (!height || !width)
        return line_fail(line, "a window of %ux%u does not fit planes of %ux%u with padding %ux%u", self->kernel[0],
                         self->kernel[1], self->in.height, self->in.width, self->padding[0], self->padding[1]);
    self->out = (shape){.channels = self->in.channels, .height = height, .width = width};
    return TAS_OK;
}

static tas_status infer_global(const text_line *line, layer *self)
{
    if ((uint64_t)self->in.height * self->in.width > 1u << 24)
        return line_fail(line, "planes of %ux%u: at most 2^24 values", self->in.height, self->in.width);
    self->kernel[0] = self->stride[0] = self->in.height;
    self->kernel[1] = self->stride[1] = self->in.width;
    self->out = (shape){.channels = self->in.channels, .height = 1, .width = 1};
    return TAS_OK;
}

static op_args args_of(const layer *self, op_id op)
{
    const float count = (float)((uint64_t)self->kernel[0] * self->kernel[1]);
    op_args args = layer_window_args(self, op);
    args.scalar[POOL_COUNT] = count;
    args.scalar[POOL_RECIPROCAL] = arith_div(1, count);
    return args;
}

static void lower_pool(tas_network *network, layer *self, op_id op)
{
    self->op = op;
    self->y = build_value(network, self, true, shape_elements(self->out), "");
    build_forward(network, (op_call){.args = args_of(self, op), .operand = {self->x[0], self->y}});
}

static void lower_max(tas_network *network, layer *self) { lower_pool(network, self, OP_MAX_POOL_FORWARD); }
static void lower_average(tas_network *network, layer *self) { lower_pool(network, self, OP_AVERAGE_POOL_FORWARD); }

static void lower_backward(tas_network *network, layer *self)
{
    if (!self->needs_dx[0]) return;
    self->dx[0] = build_value(network, self, true, shape_elements(self->in), ".dx");
    op_call call = {.args = args_of(self, self->op + 1), .operand = {self->x[0], self->dy, self->dx[0]}};
    if (self->op == OP_AVERAGE_POOL_FORWARD)
        call = (op_call){.args = call.args, .operand = {self->dy, self->dx[0], self->dy}};
    build_backward_input(network, self, call);
}

static const line_argument arguments[] = {
    {.usage = "K",
     .what = "the window's size",
     .text = "The window's size.",
     .type = ARGUMENT_SIZES,
     .offset = offsetof(layer, kernel),
     .least = 1,
     .most = 1 << 12},
    {.usage = "stride S",
     .what = "the stride",
     .text = "Rows and columns from one window to the next; the window's size by default.",
     .type = ARGUMENT_SIZES,
     .optional = true,
     .offset = offsetof(layer, stride),
     .least = 1,
     .most = 1 << 12,
     .initial = 0},
    {.usage = "padding P",
     .what = "the padding",
     .text = "Rows and columns around each plane, at most half of the window; 0 by default.",
     .type = ARGUMENT_SIZES,
     .optional = true,
     .offset = offsetof(layer, padding),
     .least = 0,
     .most = 1 << 12,
     .initial = 0},
    {0},
};

const layer_kind layer_max_pool = {
    .name = "max_pool",
    .text = "The maximum of each window of a plane. The padding is never a maximum.",
    .arguments = arguments,
    .spatial = true,
    .infer = infer,
    .lower = lower_max,
    .lower_backward = lower_backward,
};
const layer_kind layer_avg_pool = {
    .name = "avg_pool",
    .text = "The mean of each window of a plane. The padding counts as zeros: at the border, too, the sum is divided "
            "by the number of values in a whole window (PyTorch's count_include_pad, its default).",
    .arguments = arguments,
    .spatial = true,
    .infer = infer,
    .lower = lower_average,
    .lower_backward = lower_backward,
};
const layer_kind layer_global_avg_pool = {
    .name = "global_avg_pool",
    .text = "The mean of each plane: one value per channel.",
    .spatial = true,
    .infer = infer_global,
    .lower = lower_average,
    .lower_backward = lower_backward,
};
