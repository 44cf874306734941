/* Optimizers: their settings, and the scalars of their operations, which come from arith.h and from products and
 * quotients of doubles, which IEEE rounds the same everywhere. */
#include "train/optimizers.h"

#include "arith.h"
#include "base/format.h"
#include "ops/adam.h"
#include "ops/divisor.h"
#include "ops/lamb.h"
#include "ops/lars.h"
#include "ops/lion.h"
#include "ops/preconditioned.h"
#include "ops/rmsprop.h"
#include "ops/sgd.h"
#include "train/schedule.h"

/* SGD and LARS ---------------------------------------------------------------------------------------------------- */

static tas_status check_momentum(tas_context *context, const tas_train_options *options)
{
    return schedule_check_rate(context, "momentum", options->momentum, 1);
}

static void print_sgd(const tas_train_options *options, char text[OPTIMIZERS_TEXT])
{
    snprintf(text, OPTIMIZERS_TEXT, "momentum %s", format_float(options->momentum).text);
}

static void set_sgd(const tas_train_options *options, const optimizer_step *step, float decay, op_args *args)
{
    float *s = args->scalar;
    args->size[SGD_NESTEROV] = options->nesterov != 0;
    s[SGD_LR] = step->lr;
    s[SGD_MOMENTUM] = options->momentum;
    s[SGD_DECAY] = decay;
}

static tas_status check_lars(tas_context *context, const tas_train_options *options)
{
    const tas_status status = check_momentum(context, options);
    if (status || (options->trust >= 0x1p-60f && options->trust <= 1e6f)) return status;
    return fail(context, TAS_BAD_ARGUMENT, "trust %s: expected a number from 1e-18 to 1000000",
                format_float(options->trust).text);
}

static void print_lars(const tas_train_options *options, char text[OPTIMIZERS_TEXT])
{
    snprintf(text, OPTIMIZERS_TEXT, "momentum %s, trust %s", format_float(options->momentum).text,
             format_float(options->trust).text);
}

static void set_lars(const tas_train_options *options, const optimizer_step *step, float decay, op_args *args)
{
    float *s = args->scalar;
    s[LARS_LR] = step->lr;
    s[LARS_MOMENTUM] = options->momentum;
    s[LARS_DECAY] = decay;
}

static void set_lars_ratio(const tas_train_options *options, float decay, op_args *args)
{
    args->size[TRUST_OF_SUM] = 1;
    args->scalar[TRUST_COEFFICIENT] = options->trust;
    args->scalar[TRUST_DECAY] = decay;
}

/* Adam, AdamW and LAMB -------------------------------------------------------------------------------------------- */

/* At least 2^-60, as rates: products with them are then safe, and a root of v that became 0 was at most epsilon. */
static tas_status check_decay(tas_context *context, const char *name, float value)
{
    if (value == 0 || (value >= 0x1p-60f && value < 1)) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "%s %s: expected 0, or a number from 1e-18 to below 1", name,
                format_float(value).text);
}

static tas_status check_epsilon(tas_context *context, const tas_train_options *options)
{
    if (options->epsilon >= 0x1p-60f && options->epsilon <= 1e6f) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "epsilon %s: expected a number from 1e-18 to 1000000",
                format_float(options->epsilon).text);
}

static tas_status check_betas(tas_context *context, const tas_train_options *options)
{
    const tas_status status = check_decay(context, "beta1", options->beta1);
    return status ? status : check_decay(context, "beta2", options->beta2);
}

static tas_status check_adam(tas_context *context, const tas_train_options *options)
{
    const tas_status status = check_betas(context, options);
    return status ? status : check_epsilon(context, options);
}

static void print_adam(const tas_train_options *options, char text[OPTIMIZERS_TEXT])
{
    snprintf(text, OPTIMIZERS_TEXT, "betas %s and %s, epsilon %s", format_float(options->beta1).text,
             format_float(options->beta2).text, format_float(options->epsilon).text);
}

/* 1 / (1 - beta^t), rounded from a double whose error is at most a factor of 1 + 2^-28: that of beta^t is at most
 * 1 + t 2^-53, which the difference magnifies by beta^t / (1 - beta^t), at most 1 / (t (1 - beta)). faded: beta^t. */
static float unbias(double faded) { return (float)(1 / (1 - faded)); }

static void set_adam(const tas_train_options *options, const optimizer_step *step, float decay, op_args *args)
{
    float *s = args->scalar;
    s[ADAM_LR] = step->lr;
    s[ADAM_BETA1] = options->beta1;
    s[ADAM_REST1] = 1 - options->beta1;
    s[ADAM_BETA2] = step->beta2;
    s[ADAM_REST2] = (1 - step->beta2) * ADAM_SCALE;
    s[ADAM_UNBIAS1] = unbias(schedule_power((double)options->beta1, step->t)) * ADAM_ROOT;
    s[ADAM_UNBIAS2] = unbias(step->faded2);
    s[ADAM_EPSILON] = options->epsilon * ADAM_ROOT;
    s[ADAM_DECAY] = decay;
    s[ADAM_DECOUPLED] = 0;
}

/* The decay is decoupled from the gradient. */
static void set_adamw(const tas_train_options *options, const optimizer_step *step, float decay, op_args *args)
{
    set_adam(options, step, decay, args);
    args->scalar[ADAM_DECAY] = 0;
    args->scalar[ADAM_DECOUPLED] = decay;
}

static void precondition(const tas_train_options *options, const optimizer_step *step, op_args *args)
{
    args->scalar[PRECONDITIONED_UNBIAS] = unbias(step->faded2);
    args->scalar[PRECONDITIONED_EPSILON] = options->epsilon * ADAM_ROOT;
}

static void set_lamb(const tas_train_options *options, const optimizer_step *step, float decay, op_args *args)
{
    if (args->op == OP_LAMB_STEP)
        args->scalar[LAMB_LR] = step->lr;
    else
        set_adamw(options, step, decay, args);
}

static void set_lamb_ratio(const tas_train_options *options, float decay, op_args *args)
{
    (void)options;
    (void)decay;
    args->size[TRUST_OF_SUM] = 0;
    args->scalar[TRUST_COEFFICIENT] = 1;
    args->scalar[TRUST_DECAY] = 0;
}

/* RMSprop --------------------------------------------------------------------------------------------------------- */

static tas_status check_rmsprop(tas_context *context, const tas_train_options *options)
{
    tas_status status = check_momentum(context, options);
    if (!status) status = check_decay(context, "alpha", options->alpha);
    return status ? status : check_epsilon(context, options);
}

static void print_rmsprop(const tas_train_options *options, char text[OPTIMIZERS_TEXT])
{
    snprintf(text, OPTIMIZERS_TEXT, "alpha %s, momentum %s, epsilon %s", format_float(options->alpha).text,
             format_float(options->momentum).text, format_float(options->epsilon).text);
}

static void set_rmsprop(const tas_train_options *options, const optimizer_step *step, float decay, op_args *args)
{
    float *s = args->scalar;
    s[RMSPROP_LR] = step->lr;
    s[RMSPROP_ALPHA] = options->alpha;
    s[RMSPROP_REST] = (1 - options->alpha) * ADAM_SCALE;
    s[RMSPROP_EPSILON] = options->epsilon * ADAM_ROOT;
    s[RMSPROP_MOMENTUM] = options->momentum;
    s[RMSPROP_DECAY] = decay;
}

/* Lion ------------------------------------------------------------------------------------------------------------ */

static void print_lion(const tas_train_options *options, char text[OPTIMIZERS_TEXT])
{
    snprintf(text, OPTIMIZERS_TEXT, "betas %s and %s", format_float(options->beta1).text,
             format_float(options->beta2).text);
}

static void set_lion(const tas_train_options *options, const optimizer_step *step, float decay, op_args *args)
{
    float *s = args->scalar;
    s[LION_LR] = step->lr;
    s[LION_BETA1] = options->beta1;
    s[LION_REST1] = 1 - options->beta1;
    s[LION_BETA2] = options->beta2;
    s[LION_REST2] = 1 - options->beta2;
    s[LION_DECAY] = decay;
}

/* The table ------------------------------------------------------------------------------------------------------- */

static const optimizer optimizers[] = {
    [TAS_SGD] = {.name = "sgd",
                 .op = OP_SGD,
                 .fused = OP_DENSE_SGD,
                 .slots = 1,
                 .slot_name = {"momentum"},
                 .scaling = TAS_SCALING_LINEAR,
                 .usual = {.lr = 0.02f, .momentum = 0.9f},
                 .check = check_momentum,
                 .print = print_sgd,
                 .set = set_sgd},
    [TAS_ADAM] = {.name = "adam",
                  .op = OP_ADAM,
                  .slots = 2,
                  .slot_name = {"first_moment", "second_moment"},
                  .scaling = TAS_SCALING_SQRT,
                  .scales_beta2 = true,
                  .usual = {.lr = 0.001f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f},
                  .check = check_adam,
                  .print = print_adam,
                  .set = set_adam,
                  .precondition = precondition},
    [TAS_ADAMW] = {.name = "adamw",
                   .op = OP_ADAM,
                   .slots = 2,
                   .slot_name = {"first_moment", "second_moment"},
                   .scaling = TAS_SCALING_SQRT,
                   .scales_beta2 = true,
                   .usual = {.lr = 0.001f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f},
                   .check = check_adam,
                   .print = print_adam,
                   .set = set_adamw,
                   .precondition = precondition},
    [TAS_RMSPROP] = {.name = "rmsprop",
                     .op = OP_RMSPROP,
                     .slots = 2,
                     .slot_name = {"mean_square", "momentum"},
                     .scaling = TAS_SCALING_SQRT,
                     .usual = {.lr = 0.001f, .alpha = 0.99f, .epsilon = 1e-8f},
                     .check = check_rmsprop,
                     .print = print_rmsprop,
                     .set = set_rmsprop},
    [TAS_LION] = {.name = "lion",
                  .op = OP_LION,
                  .slots = 1,
                  .slot_name = {"momentum"},
                  .scaling = TAS_SCALING_SQRT,
                  .usual = {.lr = 0.0001f, .beta1 = 0.9f, .beta2 = 0.99f},
                  .check = check_betas,
                  .print = print_lion,
                  .set = set_lion},
    [TAS_LARS] = {.name = "lars",
                  .op = OP_LARS,
                  .slots = 1,
                  .slot_name = {"momentum"},
                  .adapts = true,
                  .scaling = TAS_SCALING_LINEAR,
                  .usual = {.lr = 2, .momentum = 0.9f, .trust = 0.001f},
                  .check = check_lars,
                  .print = print_lars,
                  .set = set_lars,
                  .set_ratio = set_lars_ratio},
    [TAS_LAMB] = {.name = "lamb",
                  .op = OP_LAMB_STEP,
                  .before = OP_LAMB_DIRECTION,
                  .slots = 2,
                  .slot_name = {"first_moment", "second_moment"},
                  .adapts = true,
                  .scaling = TAS_SCALING_SQRT,
                  .scales_beta2 = true,
                  .usual = {.lr = 0.001f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-6f},
                  .check = check_adam,
                  .print = print_adam,
                  .set = set_lamb,
                  .set_ratio = set_lamb_ratio},
};

const optimizer *optimizers_row(tas_optimizer which)
{
    return (unsigned)which < sizeof optimizers / sizeof *optimizers ? &optimizers[which] : NULL;
}

const char *tas_optimizer_name(tas_optimizer which)
{
    const optimizer *row = optimizers_row(which);
    return row ? row->name : NULL;
}

void tas_train_options_choose(tas_train_options *options, tas_optimizer which)
{
    if (!optimizers_row(which)) return;
    const tas_train_options *usual = &optimizers_row(which)->usual;
    options->optimizer = which;
    options->nesterov = 0;
    options->lr = usual->lr;
    options->momentum = usual->momentum;
    options->beta1 = usual->beta1;
    options->beta2 = usual->beta2;
    options->epsilon = usual->epsilon;
    options->alpha = usual->alpha;
    options->trust = usual->trust;
}
