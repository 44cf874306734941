/* batch_norm, layer_norm, group_norm: x less its mean, by its standard deviation, times a weight per channel, plus a
 * bias (ops/norm.c). They differ in the values that share a mean: see the texts below. */
#include "network/build.h"

#include "ops/norm.h"

/* Sets of channels that are normalized together. */
static uint32_t sets_of(const layer *self)
{
    if (self->kind == &layer_batch_norm) return self->in.channels;
    return self->kind == &layer_group_norm ? self->groups : 1;
}

static uint64_t positions_of(const layer *self) { return (uint64_t)self->in.height * self->in.width; }

static tas_status infer(const text_line *line, layer *self)
{
    const uint32_t channels = self->in.channels;
    self->out = self->in;
    if (positions_of(self) > 1u << 24)
        return line_fail(line, "planes of %ux%u: at most 2^24 values", self->in.height, self->in.width);
    if (channels % sets_of(self))
        return line_fail(line, "group_norm %u: expected a divisor of %u channels", self->groups, channels);
    if (self->batch_group == 1 && positions_of(self) == 1)
        return line_fail(line, "batch_norm group 1 over single values: a group of one value has no variance; expected "
                               "larger groups, or none for the whole batch");
    if (self->kind != &layer_batch_norm && channels / sets_of(self) * positions_of(self) == 1)
        return line_fail(line, "%s %u over %u single values: one value has no variance; expected at most %u groups",
                         self->kind->name, sets_of(self), channels, channels / 2 ? channels / 2 : 1);
    return TAS_OK;
}

static op_args args_of(const layer *self, op_id op)
{
    const bool batch = self->kind == &layer_batch_norm;
    return (op_args){.op = op,
                     .size = {[NORM_CHANNELS] = self->in.channels,
                              [NORM_POSITIONS] = (uint32_t)positions_of(self),
                              [NORM_SETS] = sets_of(self),
                              [NORM_GROUP] = batch ? self->batch_group : 1,
                              [NORM_PER_TILE] = !batch},
                     .scalar = {[NORM_EPSILON] = self->epsilon, [NORM_MOMENTUM] = self->momentum}};
}

static int build_vector(tas_network *network, layer *self, const char *what, init_rule init, bool statistic)
{
    const parameter_shape vector = {
        .what = what, .dims = {self->in.channels}, .ndims = 1, .no_decay = true, .init = init};
    return statistic ? build_statistic(network, self, &vector) : build_parameter(network, self, &vector);
}

/* ---- batch_norm -------------------------------------------------------------------------------------------------- */

static void build_normalized(tas_network *network, layer *self, op_args args, call_when when)
{
    build_forward(network, (op_call){.args = args,
                                     .operand = {self->x[0], self->statistics, self->weight, self->bias, self->y,
                                                 self->x[0] /* nothing is added */},
                                     .when = when});
}

/* The running statistics, and what they make of x. */
static void build_evaluation(tas_network *network, layer *self, int mean, int variance, call_when when)
{
    op_args evaluated = args_of(self, OP_NORM_FORWARD);
    evaluated.size[NORM_GROUP] = 0;
    build_forward(network, (op_call){.args = args_of(self, OP_NORM_LOAD_RUNNING),
                                     .operand = {mean, variance, self->statistics},
                                     .when = when});
    build_normalized(network, self, evaluated, when);
}

/* A whole batch is folded once, after all tiles; groups with each tile. */
static void build_fold(tas_network *network, const layer *self, op_call call, bool backward)
{
    call.whole_batch = !self->batch_group;
    if (backward)
        build_backward(network, call);
    else
        build_forward(network, call);
}

static void lower_batch(tas_network *network, layer *self)
{
    const uint64_t channels = self->in.channels;
    network->coupled |= !self->frozen;
    if (self->frozen) self->batch_group = 0; /* which is that of an evaluation */
    self->weight = build_vector(network, self, "weight", INIT_ONE, false);
    self->bias = build_vector(network, self, "bias", INIT_ZERO, false);
    const int mean = build_vector(network, self, "running_mean", INIT_ZERO, true);
    const int variance = build_vector(network, self, "running_var", INIT_ONE, true);
    const int rows = self->frozen ? NO_TENSOR : build_sums(network, self, SPREAD_BATCH, 0, 2 * channels, ".rows");
    self->statistics = build_sums(network, self, SPREAD_GROUP, self->batch_group, 3 * channels, ".statistics");
    self->y = build_value(network, self, self->batch_panels, shape_elements(self->in), "");
    if (network->failed) return;
    if (self->frozen) {
        build_evaluation(network, self, mean, variance, CALL_ALWAYS);
        return;
    }
    network->tensors[self->statistics].least = positions_of(self) == 1 ? 2 : 1; /* values of a variance */
    network->tensors[self->statistics].layer = network->lowering;

    build_forward(network,
                  (op_call){.args = args_of(self, OP_NORM_ROWS), .operand = {self->x[0], rows}, .when = CALL_TRAINING});
    build_fold(network, self,
               (op_call){.args = args_of(self, OP_NORM_STATISTICS),
                         .operand = {rows, self->statistics},
                         .when = CALL_TRAINING},
               false);
    build_normalized(network, self, args_of(self, OP_NORM_FORWARD), CALL_TRAINING);
    build_evaluation(network, self, mean, variance, CALL_EVALUATION);
    build_update(network, (op_call){.args = args_of(self, OP_NORM_UPDATE_RUNNING),
                                    .operand = {self->statistics, mean, variance, NO_TENSOR /* the record */}});
}

/* ---- backward, for all three ------------------------------------------------------------------------------------- */

static void build_gradients(tas_network *network, layer *self, int rows, int sums)
{
    const int weight = network->tensors[self->weight].gradient, bias = network->tensors[self->bias].gradient;
    build_backward(network, (op_call){.args = args_of(self, OP_NORM_BACKWARD_ROWS),
                                      .operand = {self->x[0], self->statistics, self->dy, rows}});
    if (!self->frozen)
        build_fold(network, self,
                   (op_call){.args = args_of(self, OP_NORM_BACKWARD_PARAMETERS), .operand = {rows, weight, bias}},
                   true);
    if (!self->needs_dx[0]) return;
    self->dx[0] = build_input_gradient(network, self, 0);
    build_fold(network, self,
               (op_call){.args = args_of(self, OP_NORM_BACKWARD_SUMS),
                         .operand = {rows, self->statistics, self->weight, sums}},
               true);
    build_backward(network,
                   (op_call){.args = args_of(self, OP_NORM_BACKWARD_INPUT),
                             .operand = {self->x[0], self->statistics, self->weight, self->dy, sums, self->dx[0]}});
}

/* With statistics that do not depend on the batch dx = gamma dy / std: the means to subtract are 0. */
static void lower_frozen_backward(tas_network *network, layer *self)
{
    const int zeros = build_constants(network, self, 2 * (uint64_t)self->in.channels, "zeros");
    self->dx[0] = build_input_gradient(network, self, 0);
    if (network->failed) return;
    build_backward(network,
                   (op_call){.args = args_of(self, OP_NORM_BACKWARD_INPUT),
                             .operand = {self->x[0], self->statistics, self->weight, self->dy, zeros, self->dx[0]}});
}

static void lower_batch_backward(tas_network *network, layer *self)
{
    const uint64_t channels = self->in.channels;
    if (self->frozen) {
        lower_frozen_backward(network, self);
        return;
    }
    const int rows = build_sums(network, self, SPREAD_BATCH, 0, 2 * channels, ".dy.rows");
    const int sums = self->needs_dx[0]
                         ? build_sums(network, self, SPREAD_GROUP, self->batch_group, 2 * channels, ".dy.sums")
                         : NO_TENSOR;
    if (!network->failed) build_gradients(network, self, rows, sums);
}

/* ---- layer_norm and group_norm ----------------------------------------------------------------------------------- */

/* Each example has its own statistics, so that these are values of the tile. */
static void lower_example(tas_network *network, layer *self)
{
    self->batch_group = 1;
    self->weight = build_vector(network, self, "weight", INIT_ONE, false);
    self->bias = build_vector(network, self, "bias", INIT_ZERO, false);
    const int rows = build_value(network, self, false, 2 * (uint64_t)self->in.channels, ".rows");
    self->statistics = build_value(network, self, false, 3 * (uint64_t)sets_of(self), ".statistics");
    self->y = build_value(network, self, self->batch_panels, shape_elements(self->in), "");
    if (network->failed) return;
    build_forward(network, (op_call){.args = args_of(self, OP_NORM_ROWS), .operand = {self->x[0], rows}});
    build_forward(network, (op_call){.args = args_of(self, OP_NORM_STATISTICS), .operand = {rows, self->statistics}});
    build_normalized(network, self, args_of(self, OP_NORM_FORWARD), CALL_ALWAYS);
}

static void lower_example_backward(tas_network *network, layer *self)
{
    const int rows = build_value(network, self, false, 2 * (uint64_t)self->in.channels, ".dy.rows");
    const int sums =
        self->needs_dx[0] ? build_value(network, self, false, 2 * (uint64_t)sets_of(self), ".dy.sums") : NO_TENSOR;
    if (!network->failed) build_gradients(network, self, rows, sums);
}

/* ---- the language ------------------------------------------------------------------------------------------------ */

#define EPSILON                                                                                                        \
    {                                                                                                                  \
        .usage = "epsilon E", .what = "the epsilon", .text = "Added to the variance; 1e-5 by default.",                \
        .type = ARGUMENT_NUMBER, .optional = true, .offset = offsetof(layer, epsilon), .least = 1e-12, .most = 1,      \
        .initial = 1e-5                                                                                                \
    }

static const line_argument batch_arguments[] = {
    {.usage = "group N",
     .what = "a number of examples",
     .text = "Normalizes consecutive groups of N examples of the batch (ghost batches) instead of the whole batch; the "
             "last one of a batch may be smaller. Tiles are then multiples of N.",
     .type = ARGUMENT_COUNT,
     .optional = true,
     .offset = offsetof(layer, batch_group),
     .least = 1,
     .most = 1 << 24,
     .initial = 0},
    {.usage = "momentum M",
     .what = "the momentum",
     .text = "The part of a batch's statistics in the running ones: running = (1 - M) running + M batch; 0.1 by "
             "default.",
     .type = ARGUMENT_NUMBER,
     .optional = true,
     .offset = offsetof(layer, momentum),
     .least = 0,
     .most = 1,
     .initial = 0.1},
    EPSILON,
    {0},
};

static const line_argument layer_arguments[] = {EPSILON, {0}};

static const line_argument group_arguments[] = {
    {.usage = "G",
     .what = "a number of groups",
     .text = "The number of groups, a divisor of the channels.",
     .type = ARGUMENT_COUNT,
     .offset = offsetof(layer, groups),
     .least = 1,
     .most = 1 << 24},
    EPSILON,
    {0},
};

const layer_kind layer_batch_norm = {
    .name = "batch_norm",
    .text = "Batch normalization: each channel has one mean and one variance over all examples of the batch and all "
            "positions, whatever the tile. y = weight (x - mean) / sqrt(variance + E) + bias, with a weight and a bias "
            "per channel. Evaluation uses running statistics, which each step updates as PyTorch does, with the "
            "unbiased variance.",
    .arguments = batch_arguments,
    .elementwise = true,
    .infer = infer,
    .freezes = true,
    .lower = lower_batch,
    .lower_backward = lower_batch_backward,
};
const layer_kind layer_layer_norm = {
    .name = "layer_norm",
    .text = "Layer normalization: all values of an example have one mean and one variance. The weight and the bias are "
            "per channel: without planes that is one per value, as in PyTorch's LayerNorm; with planes it is PyTorch's "
            "GroupNorm of one group.",
    .arguments = layer_arguments,
    .elementwise = true,
    .infer = infer,
    .freezes = true,
    .lower = lower_example,
    .lower_backward = lower_example_backward,
};
const layer_kind layer_group_norm = {
    .name = "group_norm",
    .text =
        "Group normalization: the channels are cut into G groups of neighbors, and each group of an example has one "
        "mean and one variance. The weight and the bias are per channel.",
    .arguments = group_arguments,
    .elementwise = true,
    .infer = infer,
    .freezes = true,
    .lower = lower_example,
    .lower_backward = lower_example_backward,
};
