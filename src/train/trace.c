/* A trace of a run: see trace.h. */
#include "train/trace.h"

#include "arith.h"
#include "base/digest.h"
#include "device/operand.h"
#include "ops/divisor.h"
#include "train/piece.h"
#include "train/recovery.h"

#include <stdlib.h>
#include <string.h>

struct trace_item {
    int tensor;    /* of the network; NO_TENSOR: another value */
    digest digest; /* so far, */
    uint32_t seen; /* of so many examples of the batch */
};

/* The list ------------------------------------------------------------------------------------------------------- */

static tas_status no_memory(tas_run *run) { return fail(run->model->context, TAS_NO_MEMORY, "no memory for a trace"); }

static bool add_item(tas_run *run, op_id op, int index, const char *name)
{
    trace *t = &run->trace;
    if ((t->count & (t->count - 1)) == 0) { /* a power of two, or 0: full */
        const size_t room = (size_t)(t->count ? 2 * t->count : 1);
        trace_item *items = realloc(t->items, room * sizeof *items);
        if (items) t->items = items;
        tas_trace_entry *entries = items ? realloc(t->entries, room * sizeof *entries) : NULL;
        if (!entries) return false;
        t->entries = entries;
    }
    t->items[t->count] = (trace_item){.tensor = index};
    t->entries[t->count] = (tas_trace_entry){.operation = op_get(op)->name, .is_float = 1};
    snprintf(t->entries[t->count].tensor, sizeof t->entries->tensor, "%s", name);
    if (index != NO_TENSOR) t->entries[t->count].is_float = run->w.network->tensors[index].type == TYPE_F32;
    t->count++;
    return true;
}

static bool add_tensor(tas_run *run, op_id op, int index)
{
    return index == NO_TENSOR || add_item(run, op, index, run->w.network->tensors[index].name);
}

static bool is_traced(const tensor *t)
{
    return t->role == ROLE_VALUE || t->role == ROLE_LOSS || t->role == ROLE_SUM || t->role == ROLE_GRADIENT;
}

/* Whether one of the calls up to `end` writes to a tensor, too: values that are written piece by piece are whole after
 * the last of them. */
static bool is_written(const op_call *call, const op_call *end, int index)
{
    for (; call < end; call++)
        for (int o = 0; op_get(call->args.op)->operand[o].name; o++)
            if (call->operand[o] == index && op_get(call->args.op)->operand[o].access == ACCESS_INOUT) return true;
    return false;
}

/* What a call writes. A gradient without a partial sum stands in two places. */
static bool add_call(tas_run *run, const op_call *call, const op_call *end)
{
    const op_row *row = op_get(call->args.op);
    const int first = run->trace.count;
    for (int o = 0; row->operand[o].name; o++) {
        const int index = call->operand[o];
        bool twice = run->w.network->tensors[index].role == ROLE_VALUE && is_written(call + 1, end, index);
        if (row->operand[o].access == ACCESS_IN || !is_traced(&run->w.network->tensors[index])) continue;
        for (int i = first; i < run->trace.count; i++) twice |= run->trace.items[i].tensor == index;
        if (!twice && !add_tensor(run, call->args.op, index)) return false;
    }
    return true;
}

static bool add_calls(tas_run *run, const op_call *calls, int count, int **first)
{
    *first = malloc(((size_t)count + 1) * sizeof **first);
    if (!*first) return false;
    for (int c = 0; c < count; c++) {
        (*first)[c] = run->trace.count;
        if (calls[c].when != CALL_EVALUATION && !add_call(run, &calls[c], calls + count)) return false;
    }
    (*first)[count] = run->trace.count;
    return true;
}

static bool add_update(tas_run *run)
{
    const tas_network *network = run->w.network;
    char name[PIECE_NAME];
    run->trace.update = run->trace.count;
    if (!add_item(run, OP_WATCH, NO_TENSOR, "loss") || !add_item(run, OP_WATCH, NO_TENSOR, "divisor")) return false;
    for (piece p = piece_before_first; piece_next(run, &p);) {
        const int index = network->parameters[p.parameter];
        const bool trained = network->tensors[index].role == ROLE_PARAMETER;
        const op_id op = trained ? optimizers_row(run->options.optimizer)->op : OP_NORM_UPDATE_RUNNING;
        if (!add_item(run, op, index, piece_name(run, &p, name))) return false;
    }
    return true;
}

static bool list_items(tas_run *run)
{
    const tas_network *network = run->w.network;
    const op_id gather = run->data->options.input_type == TAS_INPUT_U8 ? OP_GATHER_BYTES : OP_GATHER_FLOATS;
    return add_tensor(run, gather, network->input) && add_tensor(run, gather, network->label) &&
           add_tensor(run, OP_GATHER_FLOATS, network->target) &&
           add_calls(run, network->forward, network->forward_count, &run->trace.first[0]) &&
           add_calls(run, network->backward, network->backward_count, &run->trace.first[1]) && add_update(run);
}

tas_status trace_open(tas_run *run)
{
    if (!run->options.trace_every || !run->options.on_trace) return TAS_OK;
    return list_items(run) ? TAS_OK : no_memory(run);
}

void trace_close(tas_run *run)
{
    trace *t = &run->trace;
    free(t->items);
    free(t->entries);
    free(t->first[0]);
    free(t->first[1]);
    free(t->values);
    *t = (trace){0};
}

/* Digests -------------------------------------------------------------------------------------------------------- */

static tas_status keep_values(tas_run *run, const void *values, size_t bytes)
{
    trace *t = &run->trace;
    char *grown = realloc(t->values, t->bytes + bytes + 1);
    if (!grown) return no_memory(run);
    memcpy(grown + t->bytes, values, bytes);
    t->values = grown;
    t->bytes += bytes;
    return TAS_OK;
}

/* Values that come next, of 4 bytes each. */
static tas_status add_values(tas_run *run, int i, uint32_t *values, uint64_t elements)
{
    tas_trace_entry *entry = &run->trace.entries[i];
    for (uint64_t k = 0; k < elements && entry->is_float; k++)
        if (arith_is_nan(arith_float(values[k]))) values[k] = arith_bits(arith_float(ARITH_NAN));
    digest_add_values(&run->trace.items[i].digest, values, sizeof *values, (size_t)elements);
    entry->elements += elements;
    if (i + 1 != run->options.trace_values) return TAS_OK;
    return keep_values(run, values, (size_t)elements * sizeof *values);
}

/* Which rows of a tensor a call for these examples has finished: none while it sums over more of them. */
typedef struct rows {
    uint64_t at, count;
} rows;

static rows finished_rows(const tensor *t, uint32_t n, uint32_t first, uint32_t batch)
{
    const bool last = first + n == batch;
    const uint64_t group = t->group ? t->group : batch;
    switch (t->spread) {
    case SPREAD_EXAMPLE: return (rows){0, n};
    case SPREAD_BATCH: return (rows){first, n};
    case SPREAD_GROUP:
        if (t->group) return (rows){first / group, (first + n + group - 1) / group - first / group};
        return (rows){0, last};
    case SPREAD_ONCE: break;
    }
    return (rows){0, last};
}

/* A gradient, or values of the tile, the batch or its groups. */
static tas_status read_tensor(tas_run *run, int index, rows some, void *to)
{
    workspace *w = &run->w;
    const tensor *t = &w->network->tensors[index];
    const mem *m = &w->tensor[index];
    const layout panels = {(uint32_t)some.count, (uint32_t)t->elements, w->panel_width};
    if (t->role != ROLE_GRADIENT)
        return operand_read(w->device, t->batch_panels ? panels : (layout){0}, t->type, m, some.at * t->elements,
                            some.count * t->elements, to);
    char *packed = malloc((size_t)m->bytes + 1);
    if (!packed) return no_memory(run);
    const tas_status status = w->device->driver->read(w->device, m, 0, packed, m->bytes);
    if (!status) parameters_unpack(run->model, t->parameter, packed, to);
    free(packed);
    return status;
}

static tas_status add_tensor_rows(tas_run *run, int i, uint32_t n, uint32_t first)
{
    trace_item *item = &run->trace.items[i];
    const tensor *t = &run->w.network->tensors[item->tensor];
    if (item->seen != first) return TAS_OK; /* in another pass: it was seen before */
    const rows some = finished_rows(t, n, first, run->trace.batch);
    item->seen = first + n;
    if (!some.count) return TAS_OK;
    uint32_t *values = malloc((size_t)(some.count * t->elements) * sizeof *values + 1);
    if (!values) return no_memory(run);
    tas_status status = read_tensor(run, item->tensor, some, values);
    if (!status) status = add_values(run, i, values, some.count * t->elements);
    free(values);
    return status;
}

/* The feed's tensors, when a call first reads them. */
static tas_status add_inputs(tas_run *run, const op_call *call, uint32_t n, uint32_t first)
{
    const op_row *row = op_get(call->args.op);
    tas_status status = TAS_OK;
    for (int o = 0; row->operand[o].name; o++)
        for (int i = 0; i < run->trace.first[0][0] && !status; i++)
            if (run->trace.items[i].tensor == call->operand[o]) status = add_tensor_rows(run, i, n, first);
    return status;
}

/* It is complete once all leaves of the batch were added. */
static bool is_gradient(const tas_run *run, int i)
{
    return run->w.network->tensors[run->trace.items[i].tensor].role == ROLE_GRADIENT;
}

static tas_status after_call(void *self, const op_call *call, uint32_t n, uint32_t first)
{
    tas_run *run = self;
    const tas_network *network = run->w.network;
    const bool forward = call >= network->forward && call < network->forward + network->forward_count;
    const int *items = run->trace.first[!forward] + (call - (forward ? network->forward : network->backward));
    tas_status status = call->whole_batch ? TAS_OK : add_inputs(run, call, n, first);
    for (int i = items[0]; i < items[1] && !status; i++)
        if (!is_gradient(run, i)) status = add_tensor_rows(run, i, n, first);
    return status;
}

static tas_status after_sums(void *self, const op_call *call)
{
    tas_run *run = self;
    const int *items = run->trace.first[1] + (call - run->w.network->backward);
    tas_status status = TAS_OK;
    for (int i = items[0]; i < items[1] && !status; i++)
        if (is_gradient(run, i)) status = add_tensor_rows(run, i, run->trace.batch, 0);
    return status;
}

/* A step --------------------------------------------------------------------------------------------------------- */

static bool is_wanted(const tas_run *run, uint64_t step)
{
    const tas_train_options *options = &run->options;
    if (!run->trace.count || !step || step < options->trace_first || step <= run->trace.last) return false;
    return step == 1 || step == options->trace_first || step % options->trace_every == 0;
}

const step_observer *trace_begin(tas_run *run, uint64_t step)
{
    trace *t = &run->trace;
    t->on = is_wanted(run, step);
    if (!t->on) return NULL;
    t->batch = run_step_at(run, step).count;
    t->bytes = 0;
    for (int i = 0; i < t->count; i++) {
        digest_begin(&t->items[i].digest);
        t->items[i].seen = 0;
        t->entries[i].elements = 0;
    }
    t->observer = (step_observer){.self = run, .after_call = after_call, .after_sums = after_sums};
    return &t->observer;
}

static tas_status add_piece(tas_run *run, int i, const piece *p, const char *state)
{
    const uint64_t elements = piece_info(run, p)->elements;
    float *values = malloc((size_t)elements * sizeof *values + 1);
    if (!values) return no_memory(run);
    parameters_unpack(run->model, run->w.network->parameters[p->parameter], state + p->at, values);
    const tas_status status = add_values(run, i, (uint32_t *)(void *)values, elements);
    free(values);
    return status;
}

/* The loss and the divisor, then the state as a snapshot has it. */
static tas_status read_update(tas_run *run, uint64_t step)
{
    workspace *w = &run->w;
    uint32_t words[DIVISOR_VALUES];
    int i = run->trace.update;
    char *state = malloc((size_t)w->plan.snapshot + 1);
    if (!state) return no_memory(run);
    tas_status status = operand_read(w->device, (layout){0}, TYPE_F32, &w->ring, step % RING, 1, words);
    if (!status) status = add_values(run, i++, words, 1);
    if (!status) status = operand_read(w->device, (layout){0}, TYPE_F32, &w->divisor, 0, DIVISOR_VALUES, words);
    if (!status) status = add_values(run, i++, words, DIVISOR_VALUES);
    if (!status) status = recovery_read(run, state);
    for (piece p = piece_before_first; !status && piece_next(run, &p);) status = add_piece(run, i++, &p, state);
    free(state);
    return status;
}

/* A callback that ends the run ends it after this step. */
static void report(tas_run *run, uint64_t step)
{
    trace *t = &run->trace;
    entry_state ours;
    for (int i = 0; i < t->count; i++) digest_end(&t->items[i].digest, t->entries[i].sha256);
    const tas_trace public = {.step = step,
                              .batch = t->batch,
                              .entries = t->entries,
                              .count = t->count,
                              .values = run->options.trace_values ? t->values : NULL,
                              .bytes = t->bytes};
    t->last = step;
    callback_begin(run->model->context, &ours);
    const int ends = run->options.on_trace(run->options.user, &public);
    callback_end(&ours);
    if (ends) run->model->cancelled = 1;
}

tas_status trace_end(tas_run *run, uint64_t step)
{
    if (!run->trace.on) return TAS_OK;
    const tas_status status = read_update(run, step);
    run->trace.on = false;
    if (!status) report(run, step);
    return status;
}
