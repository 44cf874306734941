/* add, concat, multiply: the value so far and earlier ones, which the line names. */
#include "network/build.h"

#include "ops/join.h"

static void print_shape(char text[48], shape s)
{
    if (s.flat)
        snprintf(text, 48, "%u values", s.channels);
    else
        snprintf(text, 48, "%ux%ux%u", s.channels, s.height, s.width);
}

/* A value of a dense layer may meet a plane of one value: both are C x 1 x 1. */
static bool same_plane(shape a, shape b) { return a.height == b.height && a.width == b.width; }

static tas_status fail_shapes(const text_line *line, const layer *self, int k, const char *expected)
{
    char first[48], other[48];
    print_shape(first, self->in);
    print_shape(other, self->ins[k]);
    return line_fail(line, "'%s' is %s, but the value before this line is %s; %s expects %s", line->word[k], other,
                     first, self->kind->name, expected);
}

static tas_status infer_same(const text_line *line, layer *self)
{
    for (int k = 1; k < self->inputs; k++)
        if (!same_plane(self->in, self->ins[k]) || self->in.channels != self->ins[k].channels)
            return fail_shapes(line, self, k, "values of one shape");
    return TAS_OK;
}

static tas_status infer_concat(const text_line *line, layer *self)
{
    uint64_t channels = self->in.channels;
    for (int k = 1; k < self->inputs; k++) {
        if (!same_plane(self->in, self->ins[k])) return fail_shapes(line, self, k, "planes of one height and width");
        channels += self->ins[k].channels;
    }
    if (channels > UINT32_MAX) return line_fail(line, "more than 2^32 channels");
    self->out.channels = (uint32_t)channels;
    return TAS_OK;
}

/* add ------------------------------------------------------------------------------------------------------------- */

/* What makes input k adds `other` to it, if nobody else reads it without. What the other is made of comes before. */
static bool end_with_sum(tas_network *network, layer *self, int k, int other)
{
    op_call *end[2];
    const int ends = build_find_ends(network, self, k, end);
    for (int e = 0; e < ends; e++)
        if (!op_get(end[e]->args.op)->addend || end[e]->args.relu || end[e]->args.adds) return false;
    if (!ends) return false;
    self->y = build_value(network, self, self->batch_panels, shape_elements(self->in), "");
    for (int e = 0; e < ends; e++) {
        const op_row *row = op_get(end[e]->args.op);
        end[e]->operand[op_result(row)] = self->y;
        end[e]->operand[row->addend - 1] = self->x[other];
        end[e]->args.adds = true;
    }
    return true;
}

static void lower_add(tas_network *network, layer *self)
{
    const bool ended = end_with_sum(network, self, 0, 1) || end_with_sum(network, self, 1, 0);
    if (!ended) self->y = build_sum(network, self, self->x[0], self->x[1], false);
    for (int k = 2; k < self->inputs; k++) self->y = build_sum(network, self, self->y, self->x[k], false);
}

/* Each input's gradient is that of the sum. */
static void lower_add_backward(tas_network *network, layer *self)
{
    (void)network;
    for (int k = 0; k < self->inputs; k++) self->dx[k] = self->dy;
}

/* concat ---------------------------------------------------------------------------------------------------------- */

static op_call copy_of(const layer *self, op_id op, int from, int to, int k, uint32_t at)
{
    return (op_call){.args = {.op = op,
                              .size = {[JOIN_ELEMENTS] = (uint32_t)shape_elements(self->ins[k]),
                                       [JOIN_WHOLE] = (uint32_t)shape_elements(self->out),
                                       [JOIN_AT] = at}},
                     .operand = {from, to}};
}

static void lower_concat(tas_network *network, layer *self)
{
    uint32_t at = 0;
    self->y = build_value(network, self, self->batch_panels, shape_elements(self->out), "");
    for (int k = 0; k < self->inputs; at += (uint32_t)shape_elements(self->ins[k++]))
        build_forward(network, copy_of(self, OP_CONCAT_FORWARD, self->x[k], self->y, k, at));
}

static void lower_concat_backward(tas_network *network, layer *self)
{
    uint32_t at = 0;
    for (int k = 0; k < self->inputs; at += (uint32_t)shape_elements(self->ins[k++])) {
        if (!self->needs_dx[k]) continue;
        self->dx[k] = build_input_gradient(network, self, k);
        build_backward(network, copy_of(self, OP_CONCAT_BACKWARD, self->dy, self->dx[k], k, at));
    }
}

/* multiply -------------------------------------------------------------------------------------------------------- */

static void build_product(tas_network *network, const layer *self, int a, int b, int y, bool backward)
{
    const op_call call = {.args = {.op = OP_MULTIPLY, .size = {[JOIN_ELEMENTS] = (uint32_t)shape_elements(self->out)}},
                          .operand = {a, b, y}};
    if (backward)
        build_backward(network, call);
    else
        build_forward(network, call);
}

static void lower_multiply(tas_network *network, layer *self)
{
    self->y = build_value(network, self, self->batch_panels, shape_elements(self->out), "");
    build_product(network, self, self->x[0], self->x[1], self->y, false);
}

static void lower_multiply_backward(tas_network *network, layer *self)
{
    for (int k = 0; k < 2; k++) {
        if (!self->needs_dx[k]) continue;
        self->dx[k] = build_input_gradient(network, self, k);
        build_product(network, self, self->x[1 - k], self->dy, self->dx[k], true);
    }
}

static const line_argument names[] = {
    {.usage = "NAME...",
     .what = "names of earlier values",
     .text = "Values that earlier lines have named with 'as NAME'.",
     .type = ARGUMENT_NAMES,
     .least = 1,
     .most = LAYER_INPUTS - 1},
    {0},
};

static const line_argument one_name[] = {
    {.usage = "NAME",
     .what = "the name of an earlier value",
     .text = "A value that an earlier line has named with 'as NAME'.",
     .type = ARGUMENT_NAMES,
     .least = 1,
     .most = 1},
    {0},
};

const layer_kind layer_add = {
    .name = "add",
    .text = "The sum of the value so far and of the named ones, which all have one shape: the end of a residual block.",
    .arguments = names,
    .elementwise = true,
    .infer = infer_same,
    .lower = lower_add,
    .lower_backward = lower_add_backward,
};

const layer_kind layer_concat = {
    .name = "concat",
    .text = "The channels of the value so far, and behind them those of the named values, in the order of their names. "
            "All have planes of one height and width.",
    .arguments = names,
    .elementwise = true,
    .infer = infer_concat,
    .lower = lower_concat,
    .lower_backward = lower_concat_backward,
};

const layer_kind layer_multiply = {
    .name = "multiply",
    .text = "The product of the value so far and the named one, value by value: a gate. Both have one shape.",
    .arguments = one_name,
    .elementwise = true,
    .infer = infer_same,
    .lower = lower_multiply,
    .lower_backward = lower_multiply_backward,
};
