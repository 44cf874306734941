/* upsample and pad: planes that are enlarged. */
#include "network/build.h"

#include "ops/resize.h"

enum { SIDE_MOST = 1 << 24, PADDING_MOST = 1 << 12, AS_BEFORE = PADDING_MOST + 1 };

static tas_status check_size(const text_line *line, const layer *self, uint64_t height, uint64_t width)
{
    if (self->in.flat)
        return line_fail(line,
                         "%s needs planes, but its input is %u values without height and width; expected an input of "
                         "channels x height x width (input 1x28x28), and no dense or flatten before it",
                         self->kind->name, self->in.channels);
    if (height > SIDE_MOST || width > SIDE_MOST || height * width * self->in.channels > UINT32_MAX)
        return line_fail(line, "planes of %llux%llu are too large", (unsigned long long)height,
                         (unsigned long long)width);
    return TAS_OK;
}

static tas_status infer_upsample(const text_line *line, layer *self)
{
    const uint64_t height = (uint64_t)self->in.height * self->stride[0];
    const uint64_t width = (uint64_t)self->in.width * self->stride[1];
    self->out = (shape){self->in.channels, (uint32_t)height, (uint32_t)width, false};
    return check_size(line, self, height, width);
}

static tas_status infer_pad(const text_line *line, layer *self)
{
    for (int side = 0; side < 2; side++)
        if (self->padding_after[side] == AS_BEFORE) self->padding_after[side] = self->padding[side];
    const uint64_t height = (uint64_t)self->in.height + self->padding[0] + self->padding_after[0];
    const uint64_t width = (uint64_t)self->in.width + self->padding[1] + self->padding_after[1];
    self->out = (shape){self->in.channels, (uint32_t)height, (uint32_t)width, false};
    return check_size(line, self, height, width);
}

/* `by`: the block or the padding of resize.h. */
static op_args args_of(const layer *self, op_id op, const uint32_t by[2])
{
    return (op_args){.op = op,
                     .size = {[RESIZE_C] = self->in.channels,
                              [RESIZE_H] = self->in.height,
                              [RESIZE_W] = self->in.width,
                              [RESIZE_OH] = self->out.height,
                              [RESIZE_OW] = self->out.width,
                              [RESIZE_Y] = by[0],
                              [RESIZE_X] = by[1]}};
}

static void lower_forward(tas_network *network, layer *self, op_id op, const uint32_t by[2])
{
    self->y = build_value(network, self, true, shape_elements(self->out), "");
    build_forward(network, (op_call){.args = args_of(self, op, by), .operand = {self->x[0], self->y}});
}

static void lower_gradient(tas_network *network, layer *self, op_id op, const uint32_t by[2])
{
    if (!self->needs_dx[0]) return;
    self->dx[0] = build_input_gradient(network, self, 0);
    build_backward(network, (op_call){.args = args_of(self, op, by), .operand = {self->dy, self->dx[0]}});
}

static void lower_upsample(tas_network *network, layer *self)
{
    lower_forward(network, self, OP_UPSAMPLE_FORWARD, self->stride);
}

static void lower_upsample_backward(tas_network *network, layer *self)
{
    lower_gradient(network, self, OP_UPSAMPLE_BACKWARD, self->stride);
}

static void lower_pad(tas_network *network, layer *self)
{
    lower_forward(network, self, OP_PAD_FORWARD, self->padding);
}

static void lower_pad_backward(tas_network *network, layer *self)
{
    lower_gradient(network, self, OP_PAD_BACKWARD, self->padding);
}

static const line_argument upsample_arguments[] = {
    {.usage = "N",
     .what = "a factor",
     .text = "How many rows and columns each row and column becomes.",
     .type = ARGUMENT_SIZES,
     .offset = offsetof(layer, stride),
     .least = 1,
     .most = PADDING_MOST},
    {0},
};

static const line_argument pad_arguments[] = {
    {.usage = "P",
     .what = "the padding",
     .text = "Rows above and columns to the left of each plane.",
     .type = ARGUMENT_SIZES,
     .offset = offsetof(layer, padding),
     .least = 0,
     .most = PADDING_MOST},
    {.usage = "Q",
     .what = "the padding behind the planes",
     .text = "Rows below and columns to the right; as many as above and to the left by default.",
     .type = ARGUMENT_SIZES,
     .optional = true,
     .offset = offsetof(layer, padding_after),
     .least = 0,
     .most = PADDING_MOST,
     .initial = AS_BEFORE},
    {0},
};

const layer_kind layer_upsample = {
    .name = "upsample",
    .text = "Enlarges planes: each value becomes a block of N x N equal ones (nearest neighbor).",
    .arguments = upsample_arguments,
    .spatial = true,
    .infer = infer_upsample,
    .lower = lower_upsample,
    .lower_backward = lower_upsample_backward,
};

const layer_kind layer_pad = {
    .name = "pad",
    .text = "Zeros around each plane.",
    .arguments = pad_arguments,
    .spatial = true,
    .infer = infer_pad,
    .lower = lower_pad,
    .lower_backward = lower_pad_backward,
};
