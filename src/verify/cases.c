/* Cases: draws one, runs it by the reference and on a device, and compares the bits. */
#include "verify/cases.h"

#include "verify/banded.h"

#include "arith.h"

#include <stdlib.h>
#include <string.h>

/* The operand that DRAW_TINY draws around 1: by turns the first input of floats, the second, or none (-1). None if
 * there is only one. */
static int large_operand(const op_row *row, uint32_t turn)
{
    int found[OP_OPERANDS], count = 0;
    for (int o = 0; row->operand[o].name; o++)
        if (row->operand[o].type == TYPE_F32 && row->operand[o].access != ACCESS_OUT) found[count++] = o;
    return count > 1 && turn < 2 ? found[turn] : -1;
}

static draw draw_of(op_id op, const case_name *name)
{
    return (draw){.seed = name->seed,
                  .operation = op,
                  .number = name->number,
                  .mode = name->number % DRAW_MODES,
                  .least = op_get(op)->flushes ? -43 : -40};
}

/* Puts a name's sizes in the place of those drawn; none may be larger. */
static bool set_sizes(const case_name *name, op_args *args)
{
    bool any = false;
    const bool has_examples = args->n > 0;
    for (int f = 0; f < FIELDS; f++) {
        uint32_t *size = case_name_field(args, f);
        if (!name->given[f]) continue;
        if (name->value[f] > *size) return false;
        *size = name->value[f];
        any = true;
    }
    if (!any) return true;
    if (has_examples && !args->n) return false;
    args->replaces = 0;
    return op_get(args->op)->fit(args) && args->batch >= (uint64_t)args->first + args->n;
}

/* By turns the result has memory of its own, or that of the first input that it may replace. */
static uint8_t draw_replaced(const op_args *args, draw *d)
{
    const op_row *row = op_get(args->op);
    int o = 0;
    while (row->operand[o].name && !row->may_replace(args, o)) o++;
    return row->operand[o].name && draw_turn(d) % 2 ? (uint8_t)(o + 1) : 0;
}

static bool draw_args(op_id op, const case_name *name, draw *d, op_args *out)
{
    *out = (op_args){.op = op};
    if (!op_get(op)->shape(out, d, name->number < EDGE_CASES ? (int)name->number : -1)) return false;
    out->relu = op_get(op)->may_relu && draw_turn(d) % 2;
    out->adds = op_get(op)->addend && draw_turn(d) / 2 % 2;
    out->masked = op_get(op)->mask && draw_turn(d) / 2 % 2;
    if (op_get(op)->may_replace) out->replaces = draw_replaced(out, d);
    return true;
}

bool case_draw_args(op_id op, const case_name *name, op_args *out)
{
    draw d = draw_of(op, name);
    return draw_args(op, name, &d, out) && set_sizes(name, out);
}

/* Draws the operands of a case whose arguments are set, and runs its reference. */
static tas_status fill_case(tas_context *context, const op_row *row, draw *d, int large, test_case *out)
{
    for (int o = 0; row->operand[o].name; o++) {
        const op_operand *operand = &row->operand[o];
        const uint64_t elements = row->elements(&out->args, o), bytes = elements * op_type_bytes(operand->type);
        out->operands = o + 1;
        out->elements[o] = elements;
        d->around_one = o == large;
        out->before[o] = malloc((size_t)bytes + 1);
        out->after[o] = malloc((size_t)bytes + 1);
        if (!out->before[o] || !out->after[o]) {
            case_close(out);
            return fail(context, TAS_NO_MEMORY, "no memory for a case of %s", row->name);
        }
        if (operand->access == ACCESS_OUT)
            banded_fill_guard(out->before[o], bytes); /* every element must be written */
        else if (!row->fill || !row->fill(&out->args, o, out->before[o], d))
            draw_fill(operand->type, elements, out->before[o], d);
        if (out->args.masked && o == row->mask - 1) draw_zeros(elements, out->before[o], d);
        memcpy(out->after[o], out->before[o], (size_t)bytes);
    }
    void *scratch = row->scratch ? malloc((size_t)row->scratch(&out->args) + 1) : NULL;
    if (row->scratch && !scratch) {
        case_close(out);
        return fail(context, TAS_NO_MEMORY, "no memory for a case of %s", row->name);
    }
    row->reference(&out->args, out->after, scratch);
    free(scratch);
    return TAS_OK;
}

tas_status case_open(tas_context *context, op_id op, uint64_t seed, uint32_t number, test_case *out)
{
    return case_open_named(context, op, &(case_name){.seed = seed, .number = number}, out);
}

tas_status case_open_named(tas_context *context, op_id op, const case_name *name, test_case *out)
{
    const op_row *row = op_get(op);
    draw d = draw_of(op, name);
    const int large = large_operand(row, name->number / DRAW_MODES % 3);
    *out = (test_case){.number = name->number, .mode = d.mode};
    if (!draw_args(op, name, &d, &out->args)) return TAS_STOPPED;
    if (!set_sizes(name, &out->args)) {
        char text[CASE_NAME_TEXT];
        return fail(context, TAS_BAD_ARGUMENT, "case %s: %s has no such shape", case_name_print(name, text), row->name);
    }

    return fill_case(context, row, &d, large, out);
}

tas_status case_open_call(tas_context *context, const op_args *call, uint32_t number, test_case *out)
{
    draw d = draw_of(call->op, &(case_name){.seed = 1, .number = number});
    *out = (test_case){.args = *call, .number = number, .mode = d.mode, .panel_width = op_panel_width(call)};
    out->args.panel_width = 0;
    return fill_case(context, op_get(call->op), &d, -1, out);
}

void case_close(test_case *c)
{
    for (int o = 0; o < c->operands; o++) {
        free(c->before[o]);
        free(c->after[o]);
    }
    c->operands = 0;
}

void case_free_results(const test_case *c, void **got)
{
    for (int o = 0; o < c->operands; o++) free(got[o]);
}

/* Reads the results, and checks that nothing was written outside them or scratch. */
static tas_status read_results(tas_device *device, const test_case *c, const banded *operand, const banded *scratch,
                               void **got, bool *stray)
{
    tas_status status = banded_read(device, scratch, 0, NULL, stray);
    for (int o = 0; o < c->operands && !status; o++) {
        const uint64_t bytes = c->elements[o] * op_type_bytes(op_get(c->args.op)->operand[o].type);
        const bool moved = c->args.replaces && o == op_result(op_get(c->args.op));
        got[o] = malloc((size_t)bytes + 1);
        if (!got[o]) return fail(device->context, TAS_NO_MEMORY, "no memory for a case");
        status = banded_read(device, &operand[moved ? c->args.replaces - 1 : o], bytes, got[o], stray);
    }
    return status;
}

/* As many examples per panel as for this tile, or as for a large one. */
static uint32_t panel_width_of(tas_device *device, uint32_t number, uint32_t n)
{
    const bool large = (number + number / DRAW_MODES + (device->small_limits != 0)) % 2 == 0;
    return device_batch_panel(device, large ? UINT32_MAX : n);
}

tas_status case_run(tas_device *device, const test_case *c, void **got, bool *stray)
{
    op_args args = c->args;
    args.panel_width = c->panel_width ? c->panel_width : panel_width_of(device, c->number, args.n);
    banded operand[OP_OPERANDS] = {0}, scratch;
    mem slices[OP_OPERANDS] = {0};
    tas_status status = banded_open_scratch(device, device_scratch(device, &args), &scratch);
    *stray = false;
    for (int o = 0; o < c->operands && !status; o++) {
        got[o] = NULL;
        status = banded_open(device, c, o, args.panel_width, &operand[o]);
        slices[o] = operand[o].slice;
    }
    if (args.replaces) slices[op_result(op_get(args.op))] = slices[args.replaces - 1];
    if (!status) status = device_run(device, &args, slices, &scratch.slice);
    if (!status) status = device->driver->finish(device);
    if (!status) status = read_results(device, c, operand, &scratch, got, stray);
    for (int o = 0; o < c->operands; o++) banded_close(device, &operand[o]);
    banded_close(device, &scratch);
    return status;
}

/* Chooses the form of a case, so that each mode of values meets each form. */
static void choose_variant(tas_device *device, op_id op, uint32_t number)
{
    const uint32_t turn = number + number / DRAW_MODES;
    device->variant = device->variants[op] ? (int)(turn % (uint32_t)device->variants[op]) : -1;
}

static void choose_pieces(tas_device *device, uint32_t number)
{
    const bool cut = device->cuts == CUTS_ALL || (device->cuts == CUTS_SOME && number % 5 == 2);
    device->launch_pieces = cut ? 2 + (number + number / DRAW_MODES) % 3 : 0;
}

/* Small limits are not in step with modes and forms. */
static uint32_t small_limits_of(uint32_t number) { return 1 + (number + number / (3 * DRAW_MODES)) % 3; }

/* Runs a case and compares what it gives with the reference's results. */
static tas_status compare_case(tas_device *device, const test_case *c, difference *out)
{
    void *got[OP_OPERANDS] = {0};
    bool stray = false;
    tas_status status = case_run(device, c, got, &stray);
    if (!status) compare_results(c, got, out);
    if (!status && !out->found) out->stray = stray;
    case_free_results(c, got);
    return status;
}

static tas_status run_limits(tas_device *device, const test_case *c, difference *out)
{
    device->limited = false;
    tas_status status = compare_case(device, c, out);
    if (status || out->found || out->stray || !device->limited) return status;
    device->small_limits = small_limits_of(c->number);
    status = compare_case(device, c, out);
    out->limited = true;
    device->small_limits = 0;
    return status;
}

tas_status case_verify(tas_device *device, op_id op, const case_name *name, difference *out)
{
    test_case c;
    *out = (difference){.found = false};
    tas_status status = case_open_named(device->context, op, name, &c);
    if (status) return status;
    out->args = c.args;
    choose_variant(device, op, name->number);
    choose_pieces(device, name->number);
    status = run_limits(device, &c, out);
    device->variant = -1;
    device->launch_pieces = 0;
    case_close(&c);
    return status;
}

tas_status case_verify_call(tas_device *device, const op_args *call, uint32_t number, difference *out)
{
    test_case c;
    *out = (difference){.found = false, .args = *call};
    tas_status status = case_open_call(device->context, call, number, &c);
    if (status) return status;
    choose_pieces(device, number);
    status = compare_case(device, &c, out);
    device->launch_pieces = 0;
    case_close(&c);
    return status;
}

tas_status case_rehearse(tas_device *device, op_id op, const case_name *name, rehearsal *to)
{
    op_args args;
    if (!case_draw_args(op, name, &args)) return TAS_STOPPED;
    choose_variant(device, op, name->number);
    args.panel_width = panel_width_of(device, name->number, args.n);
    device->limited = false;
    tas_status status = rehearse(device, &args, to);
    if (!status && device->limited) {
        device->small_limits = small_limits_of(name->number);
        args.panel_width = panel_width_of(device, name->number, args.n);
        status = rehearse(device, &args, to);
        device->small_limits = 0;
    }
    device->variant = -1;
    return status;
}

tas_status cases_count(tas_device *device, op_id op, const case_name *name, case_results *results)
{
    const double start = now_seconds();
    difference what;
    const tas_status status = case_verify(device, op, name, &what);
    results->seconds += now_seconds() - start;
    if (status == TAS_STOPPED) return status;
    const bool bad = status || what.found || what.stray;
    if (bad && !results->failed) {
        results->first = *name;
        results->what = what;
    }
    if (status) return status;
    results->passed += !bad;
    results->failed += bad;
    return TAS_OK;
}

static tas_status count_and_call(tas_device *device, op_id op, const case_name *name, const case_hook *hook,
                                 case_results *results)
{
    const tas_status status = cases_count(device, op, name, results);
    if (!status && hook) hook->call(hook->user);
    return status;
}

tas_status cases_verify(tas_device *device, op_id op, uint64_t seed, uint32_t edges, uint32_t cases,
                        const case_hook *hook, case_results *results)
{
    case_name name = {.seed = seed};
    tas_status status = TAS_OK;
    *results = (case_results){0};
    for (; name.number < edges && !status; name.number++) status = count_and_call(device, op, &name, hook, results);
    if (status == TAS_STOPPED) status = TAS_OK; /* past the last edge shape */
    for (uint32_t i = 0; i < cases && !status; i++) {
        name.number = EDGE_CASES + i;
        status = count_and_call(device, op, &name, hook, results);
    }
    return status;
}

const char *cases_print(const case_results *results, char text[CASES_TEXT])
{
    char what[DIFFERENCE_TEXT], name[CASE_NAME_TEXT];
    snprintf(text, CASES_TEXT, "%s; case %s", compare_print(&results->what, what),
             case_name_print(&results->first, name));
    return text;
}
