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

tas_status case_open(tas_context *context, op_id op, uint64_t seed, uint32_t number, test_case *out)
{
    const op_row *row = op_get(op);
    draw d = {.seed = seed, .operation = op, .number = number, .mode = number % DRAW_MODES};
    d.least = row->flushes ? -43 : -40;
    const int large = large_operand(row, number / DRAW_MODES % 3);
    *out = (test_case){.args = {.op = op}, .number = number, .mode = d.mode};
    if (!row->shape(&out->args, &d, number < EDGE_CASES ? (int)number : -1)) return TAS_STOPPED;

    for (int o = 0; row->operand[o].name; o++) {
        const op_operand *operand = &row->operand[o];
        const uint64_t elements = row->elements(&out->args, o), bytes = elements * op_type_bytes(operand->type);
        out->operands = o + 1;
        out->elements[o] = elements;
        d.around_one = o == large;
        out->before[o] = malloc((size_t)bytes + 1);
        out->after[o] = malloc((size_t)bytes + 1);
        if (!out->before[o] || !out->after[o]) {
            case_close(out);
            return fail(context, TAS_NO_MEMORY, "no memory for a case of %s", row->name);
        }
        if (operand->access == ACCESS_OUT)
            banded_fill_guard(out->before[o], bytes); /* every element must be written */
        else if (!row->fill || !row->fill(&out->args, o, out->before[o], &d))
            draw_fill(operand->type, elements, out->before[o], &d);
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
        got[o] = malloc((size_t)bytes + 1);
        if (!got[o]) return fail(device->context, TAS_NO_MEMORY, "no memory for a case");
        status = banded_read(device, &operand[o], bytes, got[o], stray);
    }
    return status;
}

tas_status case_run(tas_device *device, const test_case *c, void **got, bool *stray)
{
    op_args args = c->args;
    /* as many examples per panel as for this tile, or as for a large one */
    const bool large = (c->number + c->number / DRAW_MODES + (device->small_limits != 0)) % 2 == 0;
    args.panel_width = device_batch_panel(device, large ? UINT32_MAX : args.n);
    banded operand[OP_OPERANDS] = {0}, scratch;
    mem slices[OP_OPERANDS] = {0};
    tas_status status = banded_open_scratch(device, device_scratch(device, &args), &scratch);
    *stray = false;
    for (int o = 0; o < c->operands && !status; o++) {
        got[o] = NULL;
        status = banded_open(device, c, o, args.panel_width, &operand[o]);
        slices[o] = operand[o].slice;
    }
    if (!status) status = device_run(device, &args, slices, &scratch.slice);
    if (!status) status = device->driver->finish(device);
    if (!status) status = read_results(device, c, operand, &scratch, got, stray);
    for (int o = 0; o < c->operands; o++) banded_close(device, &operand[o]);
    banded_close(device, &scratch);
    return status;
}

/* "n=3 first=0 batch=3 size=10,784 scalar=0.01" */
static void print_args(const op_args *a, char *text, size_t bytes)
{
    int n = snprintf(text, bytes, "n=%u first=%u batch=%u size=", a->n, a->first, a->batch);
    for (int i = 0; i < OP_SIZES && n > 0 && (size_t)n < bytes; i++)
        n += snprintf(text + n, bytes - (size_t)n, "%s%u", i ? "," : "", a->size[i]);
}

static bool equal_words(uint32_t a, uint32_t b, op_type type)
{
    if (a == b) return true;
    return type == TYPE_F32 && arith_is_nan(arith_float(a)) && arith_is_nan(arith_float(b));
}

bool case_equal(const test_case *c, void *const *got, uint64_t seed, char *text, size_t bytes)
{
    const op_row *row = op_get(c->args.op);
    char args[240];
    print_args(&c->args, args, sizeof args);
    for (int o = 0; o < c->operands; o++) {
        const op_operand *operand = &row->operand[o];
        if (row->undefined && row->undefined(&c->args, o)) continue;
        if (operand->type == TYPE_U8) {
            if (!memcmp(got[o], c->after[o], (size_t)c->elements[o])) continue;
            snprintf(text, bytes, "%s: %s was changed; seed %llu case %u", args, operand->name,
                     (unsigned long long)seed, c->number);
            return false;
        }
        for (uint64_t i = 0; i < c->elements[o]; i++) {
            const uint32_t is = ((const uint32_t *)got[o])[i], should = ((const uint32_t *)c->after[o])[i];
            if (equal_words(is, should, operand->type)) continue;
            snprintf(text, bytes, "%s: %s[%llu] is %08x (%g), the reference has %08x (%g); seed %llu case %u", args,
                     operand->name, (unsigned long long)i, is, (double)arith_float(is), should,
                     (double)arith_float(should), (unsigned long long)seed, c->number);
            return false;
        }
    }
    return true;
}

/* Runs a case and compares what it gives with the reference's results. */
static tas_status compare_case(tas_device *device, const test_case *c, uint64_t seed, bool *equal, char *text,
                               size_t bytes)
{
    void *got[OP_OPERANDS] = {0};
    bool stray = false;
    tas_status status = case_run(device, c, got, &stray);
    if (!status) {
        *equal = case_equal(c, got, seed, text, bytes);
        if (*equal && stray) {
            *equal = false;
            snprintf(text, bytes, "wrote outside an operand; seed %llu case %u", (unsigned long long)seed, c->number);
        }
    }
    case_free_results(c, got);
    return status;
}

/* Runs one case. If its launcher has limits, runs it again with small ones, so that it is cut into pieces as a large
 * layer is. */
static tas_status verify_case(tas_device *device, op_id op, uint64_t seed, uint32_t number, bool *equal, char *text,
                              size_t bytes)
{
    test_case c;
    tas_status status = case_open(device->context, op, seed, number, &c);
    if (status) return status;
    device->limited = false;
    status = compare_case(device, &c, seed, equal, text, bytes);
    if (!status && *equal && device->limited) {
        device->small_limits = 1 + (number + number / (3 * DRAW_MODES)) % 3; /* not in step with modes and forms */
        status = compare_case(device, &c, seed, equal, text, bytes);
        device->small_limits = 0;
        const size_t length = strlen(text);
        if (!status && !*equal) snprintf(text + length, bytes - length, ", with small limits");
    }
    case_close(&c);
    return status;
}

/* Runs one case and counts it; text keeps the first failure. */
static tas_status count_case(tas_device *device, op_id op, uint64_t seed, uint32_t number, tas_verify_row *row,
                             char *text, size_t bytes)
{
    char what[512];
    bool equal = false;
    const uint32_t turn = number + number / DRAW_MODES; /* so that each mode of values meets each form */
    device->variant = device->variants[op] ? (int)(turn % (uint32_t)device->variants[op]) : -1;
    tas_status status = verify_case(device, op, seed, number, &equal, what, sizeof what);
    device->variant = -1;
    if (status) return status;
    if (equal)
        row->passed++;
    else if (!row->failed++)
        snprintf(text, bytes, "%s", what);
    return TAS_OK;
}

tas_status cases_verify(tas_device *device, op_id op, uint64_t seed, uint32_t edges, uint32_t cases,
                        tas_verify_row *row, char *text, size_t bytes)
{
    const double start = now_seconds();
    tas_status status = TAS_OK;
    *row = (tas_verify_row){.operation = op_get(op)->name, .provider = "kernel", .text = text};
    text[0] = 0;
    for (uint32_t i = 0; i < edges && !status; i++) status = count_case(device, op, seed, i, row, text, bytes);
    if (status == TAS_STOPPED) status = TAS_OK; /* past the last edge shape */
    for (uint32_t i = 0; i < cases && !status; i++)
        status = count_case(device, op, seed, EDGE_CASES + i, row, text, bytes);
    row->seconds = now_seconds() - start;
    return status;
}
