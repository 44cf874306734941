/* The update of a step: see update.h. */
#include "train/update.h"

#include "ops/dense_update.h"
#include "ops/divisor.h"
#include "ops/sum_squares.h"
#include "train/optimizers.h"
#include "train/options.h"
#include "train/schedule.h"

#include <stdlib.h>

tas_status update_check(tas_context *context, const tas_train_options *options)
{
    tas_status status = schedule_check_rate(context, "weight decay", options->weight_decay, 1e6f);
    if (!status) status = schedule_check_rate(context, "clip", options->clip, 1e6f);
    if (status) return status;
    if (!tas_decay_on_name(options->decay_on))
        return fail(context, TAS_BAD_ARGUMENT, "unknown decay_on %d", (int)options->decay_on);
    if (!optimizers_row(options->optimizer))
        return fail(context, TAS_BAD_ARGUMENT, "unknown optimizer %d", (int)options->optimizer);
    return optimizers_row(options->optimizer)->check(context, options);
}

const char *tas_decay_on_name(tas_decay_on which)
{
    static const char *const names[] = {[TAS_DECAY_ON_ALL] = "all", [TAS_DECAY_ON_WEIGHTS] = "weights"};
    return (unsigned)which < sizeof names / sizeof *names ? names[which] : NULL;
}

void update_request(plan_request *request, tas_optimizer which, bool clips, bool noise)
{
    const optimizer *row = optimizers_row(which);
    request->slots = row->slots;
    request->clips = clips;
    request->adapts = row->adapts;
    request->fuses = row->fused && !clips && !noise;
}

bool update_preconditions(tas_optimizer which) { return optimizers_row(which)->precondition != NULL; }

const char *update_print(const tas_train_options *options, char text[OPTIMIZERS_TEXT])
{
    optimizers_row(options->optimizer)->print(options, text);
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

/* A call for the parameters from byte `from` to `to` of their part; weights: it has the decay of weights. */
static update_call *add_range(update *u, op_id op, uint64_t from, uint64_t to, bool weights)
{
    workspace *w = u->w;
    update_call *call = from < to ? add_call(u, op) : NULL;
    int count = 2;
    if (!call) return NULL;
    call->optimizer = true;
    call->decay = options_decay(u->options, weights);
    call->args.size[UPDATE_AT] = (uint32_t)((from - u->stored.from) / sizeof(float));
    call->args.size[UPDATE_ELEMENTS] = (uint32_t)((to - from) / sizeof(float));
    call->operand[0] = &w->stored[0];
    call->operand[1] = &w->part[PART_GRADIENT];
    if (op != OP_LAMB_STEP)
        for (int k = 0; k < optimizers_row(u->options->optimizer)->slots; k++)
            call->operand[count++] = &w->stored[1 + k];
    call->operand[count++] = &w->divisor;
    call->operand[count] = &w->first_bad;
    return call;
}

/* A dense layer whose gradients are not stored, by the call that would sum them. */
static void add_fused_layer(update *u, op_id op, const op_call *sums)
{
    workspace *w = u->w;
    const bool biased = !sums->args.size[DENSE_NO_BIAS];
    const int gradient[] = {sums->operand[2], sums->operand[biased ? 4 : 2]};
    update_call *call = add_call(u, op);
    if (!call) return;
    call->args = dense_update_args(&sums->args, op);
    call->args.scalar[FUSED_BIAS_DECAY] = options_decay(u->options, false);
    call->optimizer = true;
    call->decay = options_decay(u->options, true);
    call->operand[0] = &w->tensor[sums->operand[0]];
    call->operand[1] = &w->tensor[sums->operand[1]];
    for (int k = 0; k < 2; k++) {
        call->operand[2 + 2 * k] = &w->tensor[w->network->tensors[gradient[k]].parameter];
        call->operand[3 + 2 * k] = &w->velocities[gradient[k]];
    }
    call->operand[6] = &w->divisor;
    call->operand[7] = &w->first_bad;
}

static void add_fused(update *u, op_id op)
{
    const tas_network *network = u->w->network;
    for (int c = 0; c < network->backward_count; c++)
        if (network_fuses(&network->backward[c])) add_fused_layer(u, op, &network->backward[c]);
}

/* One call if all parameters share their settings, else one per group. */
static void add_groups(update *u, op_id op)
{
    const plan *p = &u->w->plan;
    if (options_decay(u->options, true) == options_decay(u->options, false)) {
        add_range(u, op, u->stored.from, u->stored.to, true);
        return;
    }
    add_range(u, op, u->stored.from, p->decayed, true);
    add_range(u, op, p->decayed, u->stored.to, false);
}

/* A weight that has a rate of its own. */
static void add_adapted(update *u, const optimizer *row, int index)
{
    const region *place = &u->w->plan.tensor[index];
    const uint32_t weights = add_squares(u, index, 0);
    const uint32_t others = add_squares(u, u->w->network->tensors[index].gradient, weights);
    update_call *ratio = add_call(u, OP_TRUST_RATIO);
    if (!ratio) return;
    row->set_ratio(u->options, options_decay(u->options, true), &ratio->args);
    ratio->args.size[TRUST_WEIGHTS] = weights;
    ratio->args.size[TRUST_OTHERS] = others;
    ratio->operand[0] = &u->w->update_squares;
    ratio->operand[1] = &u->w->divisor;
    update_call *call = add_range(u, row->op, place->offset, place->offset + place->bytes, true);
    if (call) call->args.size[UPDATE_ADAPTED] = 1;
}

static void add_optimizer(update *u)
{
    const optimizer *row = optimizers_row(u->options->optimizer);
    const tas_network *network = u->w->network;
    if (row->fused && workspace_fuses(u->w)) add_fused(u, row->fused);
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

static tas_status finish(const update *u)
{
    return u->failed ? fail(u->w->network->context, TAS_NO_MEMORY, "no memory for the calls of an update") : TAS_OK;
}

tas_status update_open(update *u, const tas_train_options *options, workspace *w)
{
    *u = (update){.options = options, .w = w, .stored = w->plan.stored};
    if (options->clip > 0) add_clip(u);
    add_optimizer(u);
    add_statistics(u);
    return finish(u);
}

tas_status update_open_statistics(update *u, const tas_train_options *options, workspace *w)
{
    *u = (update){.options = options, .w = w, .stored = w->plan.stored, .statistics_alone = true};
    add_statistics(u);
    return finish(u);
}

void update_close(update *u)
{
    free(u->calls);
    *u = (update){0};
}

/* After its plan has become another one. */
static tas_status reopen(update *u)
{
    const tas_train_options *options = u->options;
    workspace *w = u->w;
    const bool statistics = u->statistics_alone;
    update_close(u);
    return statistics ? update_open_statistics(u, options, w) : update_open(u, options, w);
}

tas_status update_begin(update *u, const optimizer_step *step, uint32_t number, uint32_t batch)
{
    const plan_range now = u->w->plan.stored;
    const bool same = u->stored.from == now.from && u->stored.to == now.to;
    const tas_status status = same ? TAS_OK : reopen(u);
    u->accepted = 0;
    for (int c = 0; c < u->count; c++) {
        update_call *call = &u->calls[c];
        call->args.n = call->args.batch = batch;
        if (call->args.op == OP_CLIP) call->args.size[CLIP_STEP] = number;
        if (call->optimizer) optimizers_row(u->options->optimizer)->set(u->options, step, call->decay, &call->args);
    }
    return status;
}

tas_status update_run(update *u)
{
    tas_status status = TAS_OK;
    while (u->accepted < u->count && !status) {
        const update_call *call = &u->calls[u->accepted];
        mem operand[OP_OPERANDS];
        for (int o = 0; op_get(call->args.op)->operand[o].name; o++) operand[o] = *call->operand[o];
        status = device_run(u->w->device, &call->args, operand, NULL);
        if (!status) u->accepted++;
        /* Smaller tiles would lose what the tile has left, and the gradients that are stored. */
        if (status == TAS_NO_MEMORY && workspace_fuses(u->w)) return TAS_DEVICE_FAILED;
    }
    return status;
}
