/* Optimizers, and the list of calls that an update is. Scalars come from arith.h and from products and quotients of
 * doubles, which IEEE rounds the same everywhere. */
#include "train/update.h"

#include "arith.h"
#include "base/format.h"
#include "ops/adam.h"
#include "ops/divisor.h"
#include "ops/lamb.h"
#include "ops/lars.h"
#include "ops/lion.h"
#include "ops/rmsprop.h"
#include "ops/sgd.h"
#include "ops/sum_squares.h"
#include "train/schedule.h"

#include <stdlib.h>

/* An optimizer is one row below. Its calls are given the parameters, the sums of gradients, its slots, the divisor and
 * the record of what was not finite; those of an optimizer that adapts its rate to each weight have a ratio. */
typedef struct optimizer {
    const char *name;
    op_id op;
    op_id before; /* an operation over all parameters that comes first and replaces the sums; 0: none */
    int slots;    /* values kept per parameter; those of `before` if there is one */
    bool adapts;  /* needs the norms of each weight, and of its gradient or of what replaced that */
    tas_train_options usual;
    tas_status (*check)(tas_context *context, const tas_train_options *options);     /* its settings */
    void (*print)(const tas_train_options *options, char text[UPDATE_TEXT]);         /* them, for a message */
    void (*set)(const tas_train_options *options, float lr, float decay, uint64_t t, /* the scalars of a call, */
                op_args *args);
    void (*set_ratio)(const tas_train_options *options, float decay, op_args *args); /* and of a ratio */
} optimizer;

/* SGD and LARS ---------------------------------------------------------------------------------------------------- */

static tas_status check_momentum(tas_context *context, const tas_train_options *options)
{
    return schedule_check_rate(context, "momentum", options->momentum, 1);
}

static void print_sgd(const tas_train_options *options, char text[UPDATE_TEXT])
{
    snprintf(text, UPDATE_TEXT, "momentum %s", format_float(options->momentum).text);
}

static void set_sgd(const tas_train_options *options, float lr, float decay, uint64_t t, op_args *args)
{
    float *s = args->scalar;
    (void)t;
    args->size[SGD_NESTEROV] = options->nesterov != 0;
    s[SGD_LR] = lr;
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

static void print_lars(const tas_train_options *options, char text[UPDATE_TEXT])
{
    snprintf(text, UPDATE_TEXT, "momentum %s, trust %s", format_float(options->momentum).text,
             format_float(options->trust).text);
}

static void set_lars(const tas_train_options *options, float lr, float decay, uint64_t t, op_args *args)
{
    float *s = args->scalar;
    (void)t;
    s[LARS_LR] = lr;
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

static void print_adam(const tas_train_options *options, char text[UPDATE_TEXT])
{
    snprintf(text, UPDATE_TEXT, "betas %s and %s, epsilon %s", format_float(options->beta1).text,
             format_float(options->beta2).text, format_float(options->epsilon).text);
}

/* 1 / (1 - beta^t), rounded from a double whose error is at most a factor of 1 + 2^-28: that of beta^t is at most
 * 1 + t 2^-53, which the difference magnifies by beta^t / (1 - beta^t), at most 1 / (t (1 - beta)). */
static float unbias(float beta, uint64_t t) { return (float)(1 / (1 - schedule_power((double)beta, t))); }

static void set_adam(const tas_train_options *options, float lr, float decay, uint64_t t, op_args *args)
{
    float *s = args->scalar;
    s[ADAM_LR] = lr;
    s[ADAM_BETA1] = options->beta1;
    s[ADAM_REST1] = 1 - options->beta1;
    s[ADAM_BETA2] = options->beta2;
    s[ADAM_REST2] = (1 - options->beta2) * ADAM_SCALE;
    s[ADAM_UNBIAS1] = unbias(options->beta1, t) * ADAM_ROOT;
    s[ADAM_UNBIAS2] = unbias(options->beta2, t);
    s[ADAM_EPSILON] = options->epsilon * ADAM_ROOT;
    s[ADAM_DECAY] = decay;
    s[ADAM_DECOUPLED] = 0;
}

/* The decay is decoupled from the gradient. */
static void set_adamw(const tas_train_options *options, float lr, float decay, uint64_t t, op_args *args)
{
    set_adam(options, lr, decay, t, args);
    args->scalar[ADAM_DECAY] = 0;
    args->scalar[ADAM_DECOUPLED] = decay;
}

static void set_lamb(const tas_train_options *options, float lr, float decay, uint64_t t, op_args *args)
{
    if (args->op == OP_LAMB_STEP)
        args->scalar[LAMB_LR] = lr;
    else
        set_adamw(options, lr, decay, t, args);
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

static void print_rmsprop(const tas_train_options *options, char text[UPDATE_TEXT])
{
    snprintf(text, UPDATE_TEXT, "alpha %s, momentum %s, epsilon %s", format_float(options->alpha).text,
             format_float(options->momentum).text, format_float(options->epsilon).text);
}

static void set_rmsprop(const tas_train_options *options, float lr, float decay, uint64_t t, op_args *args)
{
    float *s = args->scalar;
    (void)t;
    s[RMSPROP_LR] = lr;
    s[RMSPROP_ALPHA] = options->alpha;
    s[RMSPROP_REST] = (1 - options->alpha) * ADAM_SCALE;
    s[RMSPROP_EPSILON] = options->epsilon * ADAM_ROOT;
    s[RMSPROP_MOMENTUM] = options->momentum;
    s[RMSPROP_DECAY] = decay;
}

/* Lion ------------------------------------------------------------------------------------------------------------ */

static void print_lion(const tas_train_options *options, char text[UPDATE_TEXT])
{
    snprintf(text, UPDATE_TEXT, "betas %s and %s", format_float(options->beta1).text,
             format_float(options->beta2).text);
}

static void set_lion(const tas_train_options *options, float lr, float decay, uint64_t t, op_args *args)
{
    float *s = args->scalar;
    (void)t;
    s[LION_LR] = lr;
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
                 .slots = 1,
                 .usual = {.lr = 0.02f, .momentum = 0.9f},
                 .check = check_momentum,
                 .print = print_sgd,
                 .set = set_sgd},
    [TAS_ADAM] = {.name = "adam",
                  .op = OP_ADAM,
                  .slots = 2,
                  .usual = {.lr = 0.001f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f},
                  .check = check_adam,
                  .print = print_adam,
                  .set = set_adam},
    [TAS_ADAMW] = {.name = "adamw",
                   .op = OP_ADAM,
                   .slots = 2,
                   .usual = {.lr = 0.001f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f},
                   .check = check_adam,
                   .print = print_adam,
                   .set = set_adamw},
    [TAS_RMSPROP] = {.name = "rmsprop",
                     .op = OP_RMSPROP,
                     .slots = 2,
                     .usual = {.lr = 0.001f, .alpha = 0.99f, .epsilon = 1e-8f},
                     .check = check_rmsprop,
                     .print = print_rmsprop,
                     .set = set_rmsprop},
    [TAS_LION] = {.name = "lion",
                  .op = OP_LION,
                  .slots = 1,
                  .usual = {.lr = 0.0001f, .beta1 = 0.9f, .beta2 = 0.99f},
                  .check = check_betas,
                  .print = print_lion,
                  .set = set_lion},
    [TAS_LARS] = {.name = "lars",
                  .op = OP_LARS,
                  .slots = 1,
                  .adapts = true,
                  .usual = {.lr = 2, .momentum = 0.9f, .trust = 0.001f},
                  .check = check_lars,
                  .print = print_lars,
                  .set = set_lars,
                  .set_ratio = set_lars_ratio},
    [TAS_LAMB] = {.name = "lamb",
                  .op = OP_LAMB_STEP,
                  .before = OP_LAMB_DIRECTION,
                  .slots = 2,
                  .adapts = true,
                  .usual = {.lr = 0.001f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-6f},
                  .check = check_adam,
                  .print = print_adam,
                  .set = set_lamb,
                  .set_ratio = set_lamb_ratio},
};

static bool is_known(tas_optimizer which) { return (unsigned)which < sizeof optimizers / sizeof *optimizers; }

const char *tas_optimizer_name(tas_optimizer which) { return is_known(which) ? optimizers[which].name : NULL; }

void tas_train_options_choose(tas_train_options *options, tas_optimizer which)
{
    if (!is_known(which)) return;
    const tas_train_options *usual = &optimizers[which].usual;
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

tas_status update_check(tas_context *context, const tas_train_options *options)
{
    tas_status status = schedule_check_rate(context, "weight decay", options->weight_decay, 1e6f);
    if (!status) status = schedule_check_rate(context, "clip", options->clip, 1e6f);
    if (status) return status;
    if (!tas_decay_on_name(options->decay_on))
        return fail(context, TAS_BAD_ARGUMENT, "unknown decay_on %d", (int)options->decay_on);
    if (!is_known(options->optimizer))
        return fail(context, TAS_BAD_ARGUMENT, "unknown optimizer %d", (int)options->optimizer);
    return optimizers[options->optimizer].check(context, options);
}

const char *tas_decay_on_name(tas_decay_on which)
{
    static const char *const names[] = {[TAS_DECAY_ON_ALL] = "all", [TAS_DECAY_ON_WEIGHTS] = "weights"};
    return (unsigned)which < sizeof names / sizeof *names ? names[which] : NULL;
}

void update_request(plan_request *request, tas_optimizer which, bool clips)
{
    request->slots = optimizers[which].slots;
    request->clips = clips;
    request->adapts = optimizers[which].adapts;
}

const char *update_print(const tas_train_options *options, char text[UPDATE_TEXT])
{
    optimizers[options->optimizer].print(options, text);
    return text;
}

/* The list -------------------------------------------------------------------------------------------------------- */

struct update_call {
    op_args args;
    const mem *operand[OP_OPERANDS]; /* in the workspace, which may have other memory there later */
    bool optimizer;                  /* its scalars are set in each step, with this decay */
    float decay;
};

static update_call *add_call(update *u, op_id op)
{
    if ((u->count & (u->count - 1)) == 0) { /* a power of two, or 0: full */
        update_call *grown = realloc(u->calls, (size_t)(u->count ? 2 * u->count : 1) * sizeof *grown);
        if (!grown) {
            u->failed = true;
            return NULL;
        }
        u->calls = grown;
    }
    update_call *call = &u->calls[u->count++];
    *call = (update_call){.args = {.op = op}};
    return call;
}

/* Squares of a parameter, its gradient or what replaced that, into the list of sums from `at` on; gives how many. */
static uint32_t add_squares(update *u, int index, uint32_t at)
{
    const tensor *t = &u->w->network->tensors[index];
    update_call *call = add_call(u, t->weight_panels ? OP_SQUARE_ROWS : OP_SQUARE_BLOCKS);
    if (!call) return 0;
    op_args *args = &call->args;
    args->scalar[SQUARES_SCALE] = 1;
    if (t->weight_panels) {
        args->size[SQUARES_ROWS] = t->dims[0];
        args->size[SQUARES_COLS] = t->dims[1];
        args->size[SQUARES_ROWS_AT] = at;
    } else {
        args->size[SQUARES_ELEMENTS] = (uint32_t)t->elements;
        args->size[SQUARES_AT] = at;
    }
    call->operand[0] = &u->w->tensor[index];
    call->operand[1] = &u->w->update_squares;
    return plan_squares(t);
}

/* In the canonical order of the parameters, whatever their places. */
static void add_clip(update *u)
{
    const tas_network *network = u->w->network;
    uint32_t count = 0;
    for (int i = 0; i < network->parameter_count; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        if (t->role == ROLE_PARAMETER) count += add_squares(u, t->gradient, count);
    }
    update_call *call = add_call(u, OP_CLIP);
    if (!call) return;
    call->args.size[CLIP_SQUARES] = count;
    call->args.scalar[CLIP_NORM] = u->options->clip;
    call->operand[0] = &u->w->update_squares;
    call->operand[1] = &u->w->divisor;
    call->operand[2] = &u->w->first_bad;
}

static float decay_of(const update *u, bool weights)
{
    return weights || u->options->decay_on == TAS_DECAY_ON_ALL ? u->options->weight_decay : 0;
}

/* A call for the parameters from byte `from` to `to` of their part; weights: it has the decay of weights. */
static update_call *add_range(update *u, op_id op, uint64_t from, uint64_t to, bool weights)
{
    workspace *w = u->w;
    update_call *call = from < to ? add_call(u, op) : NULL;
    int count = 2;
    if (!call) return NULL;
    call->optimizer = true;
    call->decay = decay_of(u, weights);
    call->args.size[UPDATE_AT] = (uint32_t)(from / sizeof(float));
    call->args.size[UPDATE_ELEMENTS] = (uint32_t)((to - from) / sizeof(float));
    call->operand[0] = &w->part[PART_PARAMETERS];
    call->operand[1] = &w->part[PART_GRADIENT];
    if (op != OP_LAMB_STEP)
        for (int k = 0; k < optimizers[u->options->optimizer].slots; k++)
            call->operand[count++] = &w->part[k ? PART_STATE_2 : PART_STATE];
    call->operand[count++] = &w->divisor;
    call->operand[count] = &w->first_bad;
    return call;
}

/* One call if all parameters share their settings, else one per group. */
static void add_groups(update *u, op_id op)
{
    const plan *p = &u->w->plan;
    if (decay_of(u, true) == decay_of(u, false)) {
        add_range(u, op, 0, p->trained, true);
        return;
    }
    add_range(u, op, 0, p->decayed, true);
    add_range(u, op, p->decayed, p->trained, false);
}

/* A weight that has a rate of its own. */
static void add_adapted(update *u, const optimizer *row, int index)
{
    const region *place = &u->w->plan.tensor[index];
    const uint32_t weights = add_squares(u, index, 0);
    const uint32_t others = add_squares(u, u->w->network->tensors[index].gradient, weights);
    update_call *ratio = add_call(u, OP_TRUST_RATIO);
    if (!ratio) return;
    row->set_ratio(u->options, decay_of(u, true), &ratio->args);
    ratio->args.size[TRUST_WEIGHTS] = weights;
    ratio->args.size[TRUST_OTHERS] = others;
    ratio->operand[0] = &u->w->update_squares;
    ratio->operand[1] = &u->w->divisor;
    update_call *call = add_range(u, row->op, place->offset, place->offset + place->bytes, true);
    if (call) call->args.size[UPDATE_ADAPTED] = 1;
}

static void add_optimizer(update *u)
{
    const optimizer *row = &optimizers[u->options->optimizer];
    const tas_network *network = u->w->network;
    if (row->before) add_groups(u, row->before);
    if (!row->adapts) {
        add_groups(u, row->op);
        return;
    }
    for (int i = 0; i < network->parameter_count; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        if (t->role == ROLE_PARAMETER && t->decays) add_adapted(u, row, network->parameters[i]);
    }
    add_range(u, row->op, u->w->plan.decayed, u->w->plan.trained, false);
}

static void add_statistics(update *u)
{
    const tas_network *network = u->w->network;
    for (int c = 0; c < network->update_count; c++) {
        const op_call *from = &network->update[c];
        update_call *call = add_call(u, from->args.op);
        if (!call) return;
        call->args = from->args;
        for (int o = 0; op_get(from->args.op)->operand[o].name; o++)
            call->operand[o] = from->operand[o] == NO_TENSOR ? &u->w->first_bad : &u->w->tensor[from->operand[o]];
    }
}

tas_status update_open(update *u, const tas_train_options *options, workspace *w)
{
    *u = (update){.options = options, .w = w};
    if (options->clip > 0) add_clip(u);
    add_optimizer(u);
    add_statistics(u);
    return u->failed ? fail(w->network->context, TAS_NO_MEMORY, "no memory for the calls of an update") : TAS_OK;
}

void update_close(update *u)
{
    free(u->calls);
    *u = (update){0};
}

void update_begin(update *u, float lr, uint64_t t, uint32_t number, uint32_t batch)
{
    u->accepted = 0;
    for (int c = 0; c < u->count; c++) {
        update_call *call = &u->calls[c];
        call->args.n = call->args.batch = batch;
        if (call->args.op == OP_CLIP) call->args.size[CLIP_STEP] = number;
        if (call->optimizer) optimizers[u->options->optimizer].set(u->options, lr, call->decay, t, &call->args);
    }
}

tas_status update_run(update *u)
{
    tas_status status = TAS_OK;
    while (u->accepted < u->count && !status) {
        const update_call *call = &u->calls[u->accepted];
        mem operand[OP_OPERANDS];
        for (int o = 0; op_get(call->args.op)->operand[o].name; o++) operand[o] = *call->operand[o];
        status = device_run(u->w->device, &call->args, operand, &u->w->part[PART_SCRATCH]);
        if (!status) u->accepted++;
    }
    return status;
}
