/* Optimizers. Their scalars come from arith.h and from products and quotients of doubles, which IEEE rounds the same
 * everywhere. */
#include "train/update.h"

#include "arith.h"
#include "base/format.h"
#include "ops/adam.h"
#include "ops/divisor.h"
#include "ops/sgd.h"
#include "train/schedule.h"
#include "train/step.h"

/* An optimizer is one row below. */
typedef struct optimizer {
    const char *name;
    int slots;                                                                   /* values kept per parameter */
    tas_status (*check)(tas_context *context, const tas_train_options *options); /* its settings */
    void (*print)(const tas_train_options *options, char text[UPDATE_TEXT]);     /* them, for a message */
    void (*set)(const tas_train_options *options, float lr, uint64_t t,          /* its operation and scalars */
                op_args *args);
} optimizer;

/* SGD ------------------------------------------------------------------------------------------------------------- */

static tas_status check_sgd(tas_context *context, const tas_train_options *options)
{
    return schedule_check_rate(context, "momentum", options->momentum, 1);
}

static void print_sgd(const tas_train_options *options, char text[UPDATE_TEXT])
{
    snprintf(text, UPDATE_TEXT, "momentum %s", format_float(options->momentum).text);
}

static void set_sgd(const tas_train_options *options, float lr, uint64_t t, op_args *args)
{
    float *s = args->scalar;
    (void)t;
    args->op = OP_SGD;
    args->size[SGD_NESTEROV] = options->nesterov != 0;
    s[SGD_LR] = lr;
    s[SGD_MOMENTUM] = options->momentum;
    s[SGD_DECAY] = options->weight_decay;
}

/* Adam and AdamW -------------------------------------------------------------------------------------------------- */

/* At least 2^-60, as rates: products with them are then safe, and a root of v that became 0 was at most epsilon. */
static tas_status check_adam(tas_context *context, const tas_train_options *options)
{
    const float betas[] = {options->beta1, options->beta2};
    for (int k = 0; k < 2; k++)
        if (betas[k] != 0 && !(betas[k] >= 0x1p-60f && betas[k] < 1))
            return fail(context, TAS_BAD_ARGUMENT, "beta%d %s: expected 0, or a number from 1e-18 to below 1", k + 1,
                        format_float(betas[k]).text);
    if (options->epsilon >= 0x1p-60f && options->epsilon <= 1e6f) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "epsilon %s: expected a number from 1e-18 to 1000000",
                format_float(options->epsilon).text);
}

static void print_adam(const tas_train_options *options, char text[UPDATE_TEXT])
{
    snprintf(text, UPDATE_TEXT, "betas %s and %s, epsilon %s", format_float(options->beta1).text,
             format_float(options->beta2).text, format_float(options->epsilon).text);
}

/* 1 / (1 - beta^t), rounded from a double whose error is at most a factor of 1 + 2^-28: that of beta^t is at most
 * 1 + t 2^-53, which the difference magnifies by beta^t / (1 - beta^t), at most 1 / (t (1 - beta)). */
static float unbias(float beta, uint64_t t) { return (float)(1 / (1 - schedule_power((double)beta, t))); }

static void set_adam(const tas_train_options *options, float lr, uint64_t t, op_args *args)
{
    float *s = args->scalar;
    args->op = OP_ADAM;
    s[ADAM_LR] = lr;
    s[ADAM_BETA1] = options->beta1;
    s[ADAM_REST1] = 1 - options->beta1;
    s[ADAM_BETA2] = options->beta2;
    s[ADAM_REST2] = (1 - options->beta2) * ADAM_SCALE;
    s[ADAM_UNBIAS1] = unbias(options->beta1, t) * ADAM_ROOT;
    s[ADAM_UNBIAS2] = unbias(options->beta2, t);
    s[ADAM_EPSILON] = options->epsilon * ADAM_ROOT;
    s[ADAM_DECAY] = options->weight_decay;
    s[ADAM_DECOUPLED] = 0;
}

/* The decay is decoupled from the gradient. */
static void set_adamw(const tas_train_options *options, float lr, uint64_t t, op_args *args)
{
    set_adam(options, lr, t, args);
    args->scalar[ADAM_DECAY] = 0;
    args->scalar[ADAM_DECOUPLED] = options->weight_decay;
}

/* The table ------------------------------------------------------------------------------------------------------- */

static const optimizer optimizers[] = {
    [TAS_SGD] = {"sgd", 1, check_sgd, print_sgd, set_sgd},
    [TAS_ADAM] = {"adam", 2, check_adam, print_adam, set_adam},
    [TAS_ADAMW] = {"adamw", 2, check_adam, print_adam, set_adamw},
};

static bool is_known(tas_optimizer which) { return (unsigned)which < sizeof optimizers / sizeof *optimizers; }

const char *tas_optimizer_name(tas_optimizer which) { return is_known(which) ? optimizers[which].name : NULL; }

tas_status update_check(tas_context *context, const tas_train_options *options)
{
    const tas_status status = schedule_check_rate(context, "weight decay", options->weight_decay, 1e6f);
    if (status) return status;
    if (!is_known(options->optimizer))
        return fail(context, TAS_BAD_ARGUMENT, "unknown optimizer %d", (int)options->optimizer);
    return optimizers[options->optimizer].check(context, options);
}

int update_slots(tas_optimizer which) { return optimizers[which].slots; }

const char *update_print(const tas_train_options *options, char text[UPDATE_TEXT])
{
    optimizers[options->optimizer].print(options, text);
    return text;
}

op_args update_args(const tas_train_options *options, float lr, uint64_t t, uint32_t elements)
{
    op_args args = {.size = {[UPDATE_ELEMENTS] = elements}};
    optimizers[options->optimizer].set(options, lr, t, &args);
    return args;
}

tas_status update_run(workspace *w, const op_args *args)
{
    mem operand[OP_OPERANDS] = {w->part[PART_PARAMETERS], w->part[PART_GRADIENT]};
    int count = 2;
    for (int k = 1; k < STEP_PARTS && w->plan.bytes[step_parts[k]]; k++) operand[count++] = w->part[step_parts[k]];
    operand[count++] = w->divisor;
    operand[count] = w->first_bad;
    return device_run(w->device, args, operand, NULL);
}
