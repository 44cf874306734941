/* Auditing a run: see audit.h. */
#include "train/audit.h"

#include "device/operand.h"
#include "ops/compare.h"
#include "train/recovery.h"
#include "train/run.h"

#include "philox.h"

#include <stdlib.h>
#include <string.h>

/* Operands -------------------------------------------------------------------------------------------------------- */

bool audit_is_asked(const tas_train_options *options) { return options->audit > 0 || options->audit_step; }

/* Operations that gather rows of a data set, which may be far larger than the tile. */
static bool gathers(op_id op) { return op >= OP_GATHER_BYTES && op <= OP_GATHER_IMAGE_FLOATS; }

static void *alloc_values(tas_run *run, op_type type, uint64_t elements)
{
    void *values = malloc((size_t)(elements * op_type_bytes(type)) + 1);
    if (!values) fail(run->model->context, TAS_NO_MEMORY, "no memory on the host for an operand that is audited");
    return values;
}

static void free_values(audit *a)
{
    for (int o = 0; o < OP_OPERANDS; o++) {
        if (a->same[o] == o) free(a->values[o]);
        a->values[o] = NULL;
        a->same[o] = o;
    }
    a->checks = false;
}

static bool is_same(const mem *a, const mem *b) { return a->host == b->host && a->cl == b->cl && a->bytes == b->bytes; }

/* Operands that lie in one place are one for the reference as well: a gradient that has no partial sum beside it. */
static int first_of(const mem *operand, int o)
{
    int first = 0;
    while (!is_same(&operand[first], &operand[o])) first++;
    return first;
}

/* One operand as the device has it, in canonical layout, malloc()ed. args are those of the device. */
static tas_status read_whole(tas_run *run, const op_args *args, int o, const mem *m, void **out)
{
    tas_device *device = run->model->device;
    const op_row *row = op_get(args->op);
    const uint64_t elements = row->elements(args, o);
    const layout from = operand_layout(device, args, o, elements);
    *out = alloc_values(run, row->operand[o].type, elements);
    if (!*out) return TAS_NO_MEMORY;
    tas_status status;
    int tries = 0;
    do status = operand_read(device, from, row->operand[o].type, m, 0, elements, *out);
    while (status == TAS_NO_MEMORY && model_should_retry(run->model, status, &tries));
    return status;
}

/* The rows of the source that the tile needs, their places in the order, and their labels: a direct source of as many
 * rows. */
static tas_status read_rows(tas_run *run, const op_args *args, const mem *operand)
{
    tas_device *device = run->model->device;
    audit *a = &run->audit;
    const op_type type = op_get(args->op)->operand[0].type;
    const uint64_t row = args->size[GATHER_ELEMENTS], labels = args->size[GATHER_LABELS];
    a->values[0] = alloc_values(run, type, args->n * row);
    a->values[1] = alloc_values(run, TYPE_U32, args->n);
    a->values[2] = alloc_values(run, TYPE_U32, args->n * labels);
    if (!a->values[0] || !a->values[1] || !a->values[2]) return TAS_NO_MEMORY;
    const layout flat = {0};
    const uint32_t *order = a->values[1];
    tas_status status = operand_read(device, flat, TYPE_U32, &operand[1], args->size[GATHER_AT], args->n, a->values[1]);
    for (uint32_t r = 0; r < args->n && !status; r++) {
        const uint64_t from = args->size[GATHER_DIRECT] ? r : order[r];
        if (!args->size[GATHER_DIRECT] && from >= args->size[GATHER_SOURCE])
            return fail(device->context, TAS_MISMATCH, "%s: entry %u of the order is %u, of %u examples",
                        op_get(args->op)->name, args->size[GATHER_AT] + r, order[r], args->size[GATHER_SOURCE]);
        status = operand_read(device, flat, type, &operand[0], from * row, row,
                              (char *)a->values[0] + r * row * op_type_bytes(type));
        if (!status && labels)
            status = operand_read(device, flat, TYPE_U32, &operand[2], from, 1, (uint32_t *)a->values[2] + r);
    }
    a->args.size[GATHER_SOURCE] = a->args.size[GATHER_ORDER] = args->n;
    a->args.size[GATHER_AT] = 0;
    a->args.size[GATHER_DIRECT] = 1;
    return status;
}

/* Tiles are chosen by an example in them, so that a retry in smaller tiles chooses, too. */
static bool is_chosen(const tas_run *run)
{
    const step_place *at = &run->w.place;
    const uint32_t example = (uint32_t)((uint64_t)run->audit.word * at->batch >> 32);
    return !at->n || run->audit.all_tiles || example - at->first < at->n;
}

static tas_status before(void *self, const op_args *args, const mem *operand)
{
    tas_run *run = self;
    audit *a = &run->audit;
    tas_status status = TAS_OK;
    free_values(a); /* of an operation that the device refused */
    if (!is_chosen(run)) return TAS_OK;
    a->args = *args;
    const bool rows = gathers(args->op);
    if (rows) status = read_rows(run, args, operand);
    for (int o = rows ? 3 : 0; op_get(args->op)->operand[o].name && !status; o++) {
        a->same[o] = first_of(operand, o);
        if (a->same[o] == o)
            status = read_whole(run, args, o, &operand[o], &a->values[o]);
        else
            a->values[o] = a->values[a->same[o]];
    }
    a->checks = !status;
    return status;
}

/* Comparing ------------------------------------------------------------------------------------------------------- */

/* A tensor whose memory that is and which does not share it; its name, or that of the operand. */
static const char *name_of(const tas_run *run, int o, const mem *m)
{
    const workspace *w = &run->w;
    const op_call *call = w->place.call;
    if (call) return w->network->tensors[call->operand[o]].name;
    for (int t = 0; t < w->network->tensor_count; t++)
        if (is_same(&w->tensor[t], m)) return w->network->tensors[t].name;
    return "";
}

/* "tile 2, examples 33 to 64 of 64", or "the whole batch". */
static const char *print_place(const step_place *at, char *text, size_t bytes)
{
    if (at->n)
        snprintf(text, bytes, "tile %u, examples %u to %u of %u", at->tile + 1, at->first + 1, at->first + at->n,
                 at->batch);
    else
        snprintf(text, bytes, "the whole batch");
    return text;
}

/* The first difference of the run stays in the result. */
static tas_status report(tas_run *run, int o, const mem *m, uint64_t elements, const comparison *c)
{
    const op_row *row = op_get(run->audit.args.op);
    const op_type type = row->operand[o].type;
    tas_audit *result = &run->result.audit;
    char place[96], is[COMPARE_VALUE_TEXT], should[COMPARE_VALUE_TEXT], text[512];
    tas_audit_difference d = {.step = run->audit.next,
                              .tile = run->w.place.n ? run->w.place.tile + 1 : 0,
                              .operation = row->name,
                              .operand = row->operand[o].name,
                              .element = c->first,
                              .elements = elements,
                              .different = c->different,
                              .is = c->is,
                              .should = c->should,
                              .is_float = type == TYPE_F32};
    if (d.is_float) d.ulp = compare_ulp(arith_float(c->is), arith_float(c->should));
    snprintf(d.tensor, sizeof d.tensor, "%s", name_of(run, o, m));
    snprintf(
        text, sizeof text, "step %llu (%s): %s: %s[%llu]%s%s is %s, the reference has %s; %llu of %llu elements differ",
        (unsigned long long)d.step, print_place(&run->w.place, place, sizeof place), d.operation, d.operand,
        (unsigned long long)d.element, *d.tensor ? " of " : "", d.tensor, compare_print_value(type, c->is, is),
        compare_print_value(type, c->should, should), (unsigned long long)d.different, (unsigned long long)elements);
    if (!result->first.step) result->first = d;
    if (!run->options.audit_continues) return fail(run->model->context, TAS_MISMATCH, "audit: %s", text);
    note(run->model->context, "audit: %s", text);
    return TAS_OK;
}

static tas_status compare_operand(tas_run *run, const op_args *args, int o, const mem *m, bool *differs)
{
    const op_row *row = op_get(args->op);
    void *is = NULL;
    tas_status status = read_whole(run, args, o, m, &is);
    if (!status) {
        const uint64_t elements = row->elements(args, o);
        const comparison c = compare_bits(row->operand[o].type, is, run->audit.values[o], elements);
        if (c.different && !*differs) status = report(run, o, m, elements, &c);
        *differs |= c.different != 0;
    }
    free(is);
    return status;
}

/* The device computes while the reference does. */
static tas_status run_reference(tas_run *run)
{
    audit *a = &run->audit;
    const op_row *row = op_get(a->args.op);
    void *scratch = row->scratch ? malloc((size_t)row->scratch(&a->args) + 1) : NULL;
    if (row->scratch && !scratch)
        return fail(run->model->context, TAS_NO_MEMORY, "no memory on the host for an operation that is audited");
    row->reference(&a->args, a->values, scratch);
    free(scratch);
    return TAS_OK;
}

static tas_status after(void *self, const op_args *args, const mem *operand)
{
    tas_run *run = self;
    tas_audit *result = &run->result.audit;
    const op_row *row = op_get(args->op);
    bool differs = false;
    if (!run->audit.checks) return TAS_OK;
    tas_status status = run->model->device->driver->flush(run->model->device);
    if (!status) status = run_reference(run);
    result->operations += !status;
    for (int o = 0; row->operand[o].name && !status; o++) {
        if (row->operand[o].access == ACCESS_IN) continue;
        if (row->undefined && row->undefined(args, o))
            result->undefined++;
        else
            status = compare_operand(run, args, o, &operand[o], &differs);
    }
    result->different += differs;
    free_values(&run->audit);
    return status == TAS_NO_MEMORY ? TAS_DEVICE_FAILED
                                   : status; /* the operation was accepted, and is not to run again */
}

/* When ------------------------------------------------------------------------------------------------------------ */

/* Steps from one audited step to the next, on average. */
static double mean_gap(const tas_run *run)
{
    const tas_audit *done = &run->result.audit;
    const double share = (double)run->options.audit, each = done->seconds / (double)done->steps;
    const double gap = run->step_seconds > 0 ? each * (1 - share) / (share * run->step_seconds) : 1;
    return gap < 1 ? 1 : gap;
}

/* The next one after `step`, which depends on the seed, and on how long the device takes. */
static void draw_next(tas_run *run, uint64_t step)
{
    audit *a = &run->audit;
    const uint64_t left = run->steps - step, first = left < AUDIT_FIRST ? left : AUDIT_FIRST;
    const philox_block words = philox(run->options.seed, PHILOX_AUDIT, (uint32_t)step, (uint32_t)(step >> 32),
                                      (uint32_t)run->result.audit.steps);
    const double unit = (double)words.v[0] * 0x1p-32;
    const double gap = run->result.audit.steps ? 2 * mean_gap(run) - 1 : (double)first;
    a->word = words.v[1];
    a->next = gap < 0x1p60 ? step + 1 + (uint64_t)(unit * gap) : UINT64_MAX;
    a->all_tiles = run->options.audit_step != 0;
    if (run->options.audit_step) a->next = run->options.audit_step > step ? run->options.audit_step : UINT64_MAX;
}

uint64_t audit_left(tas_run *run)
{
    if (!audit_is_asked(&run->options)) return UINT64_MAX;
    if (run->audit.next <= run->step) draw_next(run, run->step);
    return run->audit.next == UINT64_MAX ? UINT64_MAX : run->audit.next - run->step - 1;
}

void audit_begin(tas_run *run)
{
    run->audit.found = run->result.audit.different;
    run->audit.observer = (device_observer){run, before, after};
    run->model->device->observer = &run->audit.observer;
}

void audit_end(tas_run *run)
{
    run->model->device->observer = NULL;
    free_values(&run->audit);
}

/* Before the next one is drawn, which needs the time of this one. */
tas_status audit_pass(tas_run *run, double start)
{
    tas_audit *result = &run->result.audit;
    const bool right = result->different == run->audit.found;
    const tas_status status = right ? recovery_take(run) : TAS_OK;
    const double seconds = now_seconds() - start - run->step_seconds;
    if (right && !status) audit_keep(run, run->snapshot.copy[0].bytes, run->step);
    result->steps++;
    result->seconds += seconds > 0 ? seconds : 0;
    return status == TAS_NO_MEMORY ? TAS_OK : status; /* it is taken later */
}

/* Opening --------------------------------------------------------------------------------------------------------- */

static tas_status check(const tas_run *run)
{
    const tas_device *device = run->model->device;
    if (device->info.type == TAS_TYPE_REFERENCE)
        return fail(device->context, TAS_BAD_ARGUMENT,
                    "%s: cannot be audited, as the reference is what others are compared with; expected another device",
                    device->info.id);
    if (device->arith == TAS_ARITH_FAST)
        return fail(device->context, TAS_BAD_ARGUMENT,
                    "%s: cannot be audited with fast arithmetic, which need not have the bits of the reference",
                    device->info.id);
    return TAS_OK;
}

tas_status audit_open(tas_run *run)
{
    if (!audit_is_asked(&run->options)) return TAS_OK;
    const tas_status status = check(run);
    return status ? status : device_alloc_host(run->model->device, run->w.plan.snapshot, &run->audit.copy);
}

void audit_close(tas_run *run)
{
    free_values(&run->audit);
    device_release_host(run->model->device, &run->audit.copy);
}

void audit_keep(tas_run *run, const char *snapshot, uint64_t step)
{
    if (!run->audit.copy.bytes) return;
    memcpy(run->audit.copy.bytes, snapshot, (size_t)run->w.plan.snapshot);
    run->audit.step = step;
}
