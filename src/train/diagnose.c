/* Finding what was not finite: see diagnose.h. */
#include "train/diagnose.h"

#include "base/format.h"
#include "ops/sum.h"
#include "ops/watch.h"
#include "train/schedule.h"
#include "train/step.h"
#include "train/update.h"

#include <stdlib.h>

/* Whether some of the first elements of a piece of memory are not finite: *bad. Waits. */
static tas_status find_bad(workspace *w, const mem *values, uint64_t elements, bool *bad)
{
    const uint32_t clear[2] = {0, 0};
    uint32_t record[2];
    const device_driver *driver = w->device->driver;
    tas_status status = driver->write(w->device, &w->first_bad, 0, clear, sizeof clear, true);
    const op_args args = {.op = OP_CHECK_FINITE,
                          .size = {[CHECK_ELEMENTS] = (uint32_t)elements, [CHECK_STEP] = 1, [CHECK_WHAT] = BAD_STEP}};
    const mem operand[] = {*values, w->first_bad};
    if (!status) status = device_run(w->device, &args, operand, NULL);
    if (!status) status = driver->read(w->device, &w->first_bad, 0, record, sizeof record);
    *bad = !status && record[0];
    return status;
}

/* The search for the first tensor that is not finite. */
typedef struct search {
    workspace *w;
    uint32_t panel_width; /* examples of a panel */
    int found;            /* a tensor; -1: none yet */
} search;

/* Elements of an operand that the call has written, for a tile of n examples. */
static uint64_t written_elements(const search *s, int operand, uint32_t n, uint32_t first)
{
    const tensor *out = &s->w->network->tensors[operand];
    const uint64_t padded = ((uint64_t)n + s->panel_width - 1) / s->panel_width * s->panel_width;
    if (out->role == ROLE_VALUE) return (out->batch_panels ? padded : n) * out->elements;
    if (out->role == ROLE_LOSS) return first + n;       /* those behind are another batch's */
    return s->w->tensor[operand].bytes / sizeof(float); /* a gradient with its pads */
}

/* Looks at what a call has written; TAS_NOT_FINITE ends the search. */
static tas_status look(void *self, const op_call *call, uint32_t n, uint32_t first)
{
    search *s = self;
    const op_row *row = op_get(call->args.op);
    tas_status status = TAS_OK;
    for (int o = 0; row->operand[o].name && !status; o++) {
        const int operand = call->operand[o];
        const tensor_role role = s->w->network->tensors[operand].role;
        bool bad = false;
        if (row->operand[o].access == ACCESS_IN || role == ROLE_CORRECT || role == ROLE_PARTIAL) continue;
        /* Sums show in the values made of them; what is written piece by piece was looked at before. */
        if (role == ROLE_SUM || (role == ROLE_VALUE && row->operand[o].access == ACCESS_INOUT)) continue;
        status = find_bad(s->w, &s->w->tensor[operand], written_elements(s, operand, n, first), &bad);
        if (!bad) continue;
        s->found = operand;
        return TAS_NOT_FINITE;
    }
    return status;
}

/* A sum of leaves may be the first that is not finite. */
static tas_status look_at_sums(void *self, const op_call *call) { return look(self, call, 0, 0); }

/* The first tensor of a step's gradient that is not finite, by name. */
static tas_status look_for_tensor(tas_run *run, uint64_t step)
{
    workspace *w = &run->w;
    search s = {w, w->plan.step_panel_width, -1};
    const step_observer observer = {.self = &s, .after_call = look, .after_sums = look_at_sums};
    const run_step at = run_step_at(run, step);
    const step_batch batch = {.data = run->data,
                              .order = run->order,
                              .at = at.at,
                              .count = at.count,
                              .panel_width = w->plan.step_panel_width};
    /* What the bad step left in open granules must not be found. */
    tas_status status = TAS_OK;
    if (w->part[PART_GRADIENT].bytes) status = w->device->driver->zero(w->device, &w->part[PART_GRADIENT]);
    if (!status) status = step_gradient(w, &batch, &observer);
    snprintf(run->result.bad_tensor, sizeof run->result.bad_tensor, "%s",
             s.found < 0 ? "the sum of losses" : w->network->tensors[s.found].name);
    return status == TAS_NOT_FINITE ? TAS_OK : status;
}

/* Gradients that are not stored get the memory of the optimizer's state for a while. */
static tas_status find_tensor(tas_run *run, uint64_t step)
{
    workspace *w = &run->w;
    const mem *state = &w->part[PART_STATE];
    const device_driver *driver = w->device->driver;
    if (!workspace_fuses(w)) return look_for_tensor(run, step);
    void *kept = malloc(state->bytes);
    if (!kept) return fail(run->model->context, TAS_NO_MEMORY, "no memory to look for what is not finite");
    tas_status status = driver->read(w->device, state, 0, kept, state->bytes);
    workspace_lend_state(w);
    if (!status) status = look_for_tensor(run, step);
    const tas_status back = driver->write(w->device, state, 0, kept, state->bytes, true);
    free(kept);
    return status ? status : back;
}

/* "lr 0.1, momentum 0.9": the settings of a step. */
enum { SETTINGS_TEXT = 32 + OPTIMIZERS_TEXT };
static const char *print_settings(const tas_run *run, uint64_t step, char text[SETTINGS_TEXT])
{
    char settings[OPTIMIZERS_TEXT];
    snprintf(text, SETTINGS_TEXT, "lr %s, %s", format_float(run_lr(run, step)).text,
             update_print(&run->options, settings));
    return text;
}

/* The first of the parameters and of the running statistics that is not finite, by name. */
static tas_status find_parameter(tas_run *run)
{
    workspace *w = &run->w;
    bool bad = false;
    tas_status status = TAS_OK;
    for (int i = 0; i < w->network->parameter_count && !status && !bad; i++) {
        const int t = w->network->parameters[i];
        status = find_bad(w, &w->tensor[t], w->tensor[t].bytes / sizeof(float), &bad);
        if (bad) snprintf(run->result.bad_tensor, sizeof run->result.bad_tensor, "%s", w->network->tensors[t].name);
    }
    return status;
}

tas_status diagnose_weights(tas_run *run)
{
    workspace *w = &run->w;
    char settings[SETTINGS_TEXT];
    bool bad = false;
    tas_status status = TAS_OK;
    int tries = 0;
    do { /* it changes nothing */
        status = find_bad(w, &w->part[PART_PARAMETERS], w->plan.bytes[PART_PARAMETERS] / sizeof(float), &bad);
        if (!status && bad) status = find_parameter(run);
    } while (model_should_retry(run->model, status, &tries));
    if (status || !bad) return status;
    run->weights_bad = true;
    run->result.bad_step = run->step;
    return fail(
        run->model->context, TAS_NOT_FINITE,
        "step %llu: the updated %s is not finite (%s, weight decay %s); the model has the weights of step %llu; try a "
        "smaller lr",
        (unsigned long long)run->step, run->result.bad_tensor, print_settings(run, run->step, settings),
        format_float(run->options.weight_decay).text, (unsigned long long)run->snapshot.step);
}

tas_status diagnose_step(tas_run *run, uint64_t step, uint32_t what)
{
    char settings[SETTINGS_TEXT];
    run->step = step - 1;
    run->result.bad_step = step;
    tas_status status = diagnose_weights(run);
    if (status) return status;
    if (what == BAD_WEIGHTS)
        snprintf(run->result.bad_tensor, sizeof run->result.bad_tensor, "an updated weight");
    else if (what == BAD_NORM)
        snprintf(run->result.bad_tensor, sizeof run->result.bad_tensor, "the norm of the gradient");
    else
        status = find_tensor(run, step);
    if (status) return status;
    return fail(run->model->context, TAS_NOT_FINITE,
                "step %llu: %s is not finite (%s); the model has the weights of step %llu; try a smaller lr",
                (unsigned long long)step, run->result.bad_tensor, print_settings(run, step, settings),
                (unsigned long long)step - 1);
}
