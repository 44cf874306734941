/* The update's scalars, with arith.h and with products and quotients of doubles, which IEEE rounds the same everywhere.
 */
#include "train/update.h"

#include "arith.h"
#include "ops/adam.h"
#include "train/schedule.h"

/* 2^-60 at least, as rates: products with them are then safe, and a root of v that became 0 was no more than epsilon.
 */
static tas_status check_adam(tas_context *context, const tas_train_options *is)
{
    const float betas[] = {is->beta1, is->beta2};
    for (int k = 0; k < 2; k++)
        if (betas[k] != 0 && !(betas[k] >= 0x1p-60f && betas[k] < 1))
            return fail(context, TAS_BAD_ARGUMENT, "beta%d %g: expected 0, or a number from 1e-18 to below 1", k + 1,
                        (double)betas[k]);
    if (is->epsilon >= 0x1p-60f && is->epsilon <= 1e6f) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "epsilon %g: expected a number from 1e-18 to 1e+06", (double)is->epsilon);
}

tas_status update_check(tas_context *context, const tas_train_options *is)
{
    const tas_status status = check_rate(context, "weight decay", is->weight_decay, 1e6f);
    if (status) return status;
    switch (is->optimizer) {
    case TAS_SGD: return check_rate(context, "momentum", is->momentum, 1);
    case TAS_ADAM:
    case TAS_ADAMW: return check_adam(context, is);
    default: return fail(context, TAS_BAD_ARGUMENT, "optimizer %d is not known", (int)is->optimizer);
    }
}

bool update_has_second(tas_optimizer optimizer) { return optimizer != TAS_SGD; }

static void set_sgd(const tas_train_options *is, float lr, float count, op_args *args)
{
    const float scalars[] = {lr, is->momentum, is->weight_decay, count, arith_div(1, count)};
    args->op = OP_SGD;
    args->size[1] = is->nesterov != 0;
    for (int k = 0; k < 5; k++) args->scalar[k] = scalars[k];
}

/* 1 / (1 - beta^t), rounded from a double that is off by a factor of 1 + 2^-28 at most: beta^t is off by one of 1 + t
 * 2^-53, which the difference magnifies by beta^t / (1 - beta^t), at most 1 / (t (1 - beta)). */
static float unbias(float beta, uint64_t t) { return (float)(1 / (1 - power_of((double)beta, t))); }

static void set_adam(const tas_train_options *is, float lr, uint64_t t, float count, op_args *args)
{
    float *s = args->scalar;
    args->op = OP_ADAM;
    s[ADAM_LR] = lr;
    s[ADAM_BETA1] = is->beta1;
    s[ADAM_REST1] = 1 - is->beta1;
    s[ADAM_BETA2] = is->beta2;
    s[ADAM_REST2] = (1 - is->beta2) * ADAM_SCALE;
    s[ADAM_UNBIAS1] = unbias(is->beta1, t) * ADAM_ROOT;
    s[ADAM_UNBIAS2] = unbias(is->beta2, t);
    s[ADAM_EPSILON] = is->epsilon * ADAM_ROOT;
    s[ADAM_DECAY] = is->optimizer == TAS_ADAM ? is->weight_decay : 0;
    s[ADAM_DECOUPLED] = is->optimizer == TAS_ADAMW ? is->weight_decay : 0;
    s[ADAM_COUNT] = count;
    s[ADAM_RECIPROCAL] = arith_div(1, count);
}

op_args update_args(const tas_train_options *is, float lr, uint64_t t, uint32_t elements, uint32_t batch)
{
    op_args args = {.batch = batch, .size = {elements}};
    if (is->optimizer == TAS_SGD)
        set_sgd(is, lr, (float)batch, &args);
    else
        set_adam(is, lr, t, (float)batch, &args);
    return args;
}
