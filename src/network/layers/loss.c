/* The loss, which ends a network. Each is a row of LOSSES. */
#include "network/build.h"

#include "ops/loss.h"

/* What a line of a loss may set beside the weights of classes. */
enum { SETS_NOTHING = 0, SETS_SMOOTHING = 1, SETS_DELTA = 2, SETS_SCALES = 4 };

/* tas_loss in capitals, its name, the operation, whether the operation's targets are labels (else they are floats, and
 * labels become 1 at the class and 0 elsewhere), what a line may set, and what it computes, for the manual. */
#define LOSSES(ROW)                                                                                                    \
    ROW(SOFTMAX, softmax, OP_SOFTMAX_LOSS, true, SETS_SMOOTHING, "cross-entropy of classes, which needs labels")       \
    ROW(MSE, mse, OP_SQUARED_LOSS, false, SETS_SCALES, "mean of d^2, d being an output less its target")               \
    ROW(BCE, bce, OP_LOGISTIC_LOSS, false, SETS_NOTHING,                                                               \
        "binary cross-entropy of logits, for one or several answers of yes or no: mean of "                            \
        "-t ln p - (1 - t) ln(1 - p), p = 1 / (1 + e^-output), with targets t from 0 to 1")                            \
    ROW(MAE, mae, OP_ABSOLUTE_LOSS, false, SETS_SCALES, "mean of |d|")                                                 \
    ROW(HUBER, huber, OP_HUBER_LOSS, false, SETS_DELTA | SETS_SCALES,                                                  \
        "mean of d^2 / 2 if |d| <= D, else of D (|d| - D / 2)")

static const struct loss_row {
    const char *name;
    op_id op;
    bool labels;
    int sets;
} rows[] = {
#define ROWS(UPPER, NAME, OP, LABELS, SETS, TEXT) [TAS_LOSS_##UPPER] = {#NAME, OP, LABELS, SETS},
    LOSSES(ROWS)
#undef ROWS
};

const char *tas_loss_name(tas_loss loss)
{
    return (unsigned)loss < sizeof rows / sizeof *rows ? rows[loss].name : NULL;
}

/* Weights are those of labels: one per output, or two for a single answer of yes or no. */
static tas_status check_weights(const text_line *line, const layer *self)
{
    const uint64_t outputs = shape_elements(self->in);
    const uint32_t classes = outputs == 1 && self->loss == TAS_LOSS_BCE ? 2 : (uint32_t)outputs;
    bool any = false;
    for (uint32_t k = 0; k < self->weights.count; k++) any |= self->weights.values[k] > 0;
    if (self->weights.count && self->weights.count != classes)
        return line_fail(line, "expected %u weights, one per class, got %u", classes, self->weights.count);
    if (self->weights.count && !any) return line_fail(line, "the weights are all 0: expected one above 0");
    return TAS_OK;
}

static tas_status infer(const text_line *line, layer *self)
{
    const struct loss_row *row = &rows[self->loss];
    self->op = row->op;
    if (self->smoothing != 0 && !(row->sets & SETS_SMOOTHING))
        return line_fail(line, "'smoothing' is for loss softmax alone, not for loss %s", row->name);
    if (self->delta != 0 && !(row->sets & SETS_DELTA))
        return line_fail(line, "'delta' is for loss huber alone, not for loss %s", row->name);
    if ((self->normalize || self->mean.count || self->std.count) && !(row->sets & SETS_SCALES))
        return line_fail(line, "'%s' is for losses mse, mae and huber alone, not for loss %s",
                         self->normalize    ? LINE_NORMALIZE
                         : self->mean.count ? "mean"
                                            : "std",
                         row->name);
    if (self->delta == 0) self->delta = 1;
    const uint64_t outputs = shape_elements(self->in);
    const tas_status status = layer_check_scales(line, self, (uint32_t)outputs, "outputs");
    return status ? status : check_weights(line, self);
}

static void lower(tas_network *network, layer *self)
{
    const bool labels = rows[self->loss].labels;
    network->outputs = (uint32_t)shape_elements(self->in);
    network->output = self->x[0];
    network->loss = (tas_loss)self->loss;
    network->unresolved |= self->normalize;
    network->target_mean = self->mean;
    network->target_std = self->std;
    network->class_weights = self->weights.count ? self->weights.values : NULL;
    network->classes = labels;
    network->losses = build_tensor(network, ROLE_LOSS, 1, "loss");
    network->correct = labels ? build_tensor(network, ROLE_CORRECT, 1, "hits") : NO_TENSOR;
    network->label = build_tensor(network, ROLE_LABEL, 1, "label");
    network->target = labels ? NO_TENSOR : build_tensor(network, ROLE_TARGET, network->outputs, "target");
    self->dx[0] = build_tensor(network, ROLE_VALUE, network->outputs, "loss.dx");
    network->output_gradient = self->dx[0];
    op_call call = {.args = {.op = self->op, .size = {[LOSS_OUTPUTS] = network->outputs}},
                    .operand = {self->x[0], network->label, network->losses, network->correct, self->dx[0]}};
    if (!labels) {
        call = (op_call){.args = call.args, .operand = {self->x[0], network->target, network->losses, self->dx[0]}};
        call.args.scalar[LOSS_DELTA] = self->delta;
    } else {
        call.args.scalar[LOSS_SMOOTHING] = self->smoothing;
    }
    build_forward(network, call);
}

/* Its gradient comes with the loss itself. */
static void lower_backward(tas_network *network, layer *self)
{
    (void)network;
    (void)self;
}

#define NAMES(UPPER, NAME, OP, LABELS, SETS, TEXT) "|" #NAME
#define TEXTS(UPPER, NAME, OP, LABELS, SETS, TEXT) " " #NAME ": " TEXT "."

static const line_argument arguments[] = {
    {.usage = &LOSSES(NAMES)[1],
     .data = "softmax if the data set's targets are classes, else for mse",
     .what = "a loss after 'loss'",
     .text = "An example's loss." LOSSES(TEXTS) " Means are over the outputs. If the targets are labels, softmax needs "
                                                "at least as many outputs as there are classes; for the other losses "
                                                "the target is 1 at the class and 0 "
                                                "elsewhere, and with one output and bce it is the label, 0 or 1. The "
                                                "word 'data' stands for softmax if the data set's targets are classes, "
                                                "else for mse.",
     .type = ARGUMENT_CHOICE,
     .offset = offsetof(layer, loss),
     .least = TAS_LOSS_SOFTMAX},
    {.usage = "smoothing X",
     .what = "the smoothing",
     .text =
         "softmax only: label smoothing. The target is X / C more for each of the C classes, and 1 - X at the label.",
     .type = ARGUMENT_NUMBER,
     .optional = true,
     .offset = offsetof(layer, smoothing),
     .least = 0,
     .most = 1},
    {.usage = "delta D",
     .what = "the delta",
     .text = "huber only: where the loss becomes linear; 1 if it is left out.",
     .type = ARGUMENT_NUMBER,
     .optional = true,
     .offset = offsetof(layer, delta),
     .least = 1e-6,
     .most = 1e6},
    {.usage = "weights W,...",
     .what = "the weights of classes",
     .text =
         "Needs labels: a weight per class, by which an example's loss is multiplied. The mean divides by the sum of "
         "the weights of the batch. (PyTorch's weights act alike, except that with label smoothing they apply to "
         "each class's term instead of the example's loss.)",
     .type = ARGUMENT_LIST,
     .optional = true,
     .offset = offsetof(layer, weights),
     .least = 0,
     .most = 1e6},
    LAYER_MEAN_ARGUMENT(
        "targets",
        "mse, mae and huber only, of float targets: the loss is that of (t - M) / S for a target t, which the "
        "outputs learn. Predictions, RMSE, MAE and R2 are in the data's own units, output S + M. One number, or one "
        "for each output; 0 by default."),
    LAYER_STD_ARGUMENT("targets", "The S of 'mean'; 1 by default."),
    LAYER_NORMALIZE_ARGUMENT("Stands for the mean and std of the training examples' targets. 'loss data normalize' is "
                             "'loss softmax' if the targets are classes. A checkpoint stores the numbers."),
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
