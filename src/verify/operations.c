/* Operations: their cases in order, or in turns for a time; and their rows. */
#include "verify/operations.h"

#include "verify/shrink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double shrink_seconds = 3;

enum { TIER_CASES = 20 };

/* A row's texts, which stay until it is reported. */
typedef struct row_texts {
    char what[DIFFERENCE_TEXT], name[CASE_NAME_TEXT], shape[SHAPE_TEXT];
} row_texts;

/* The first failure, as it is reported. */
static tas_verify_failure describe_failure(const case_results *results, row_texts *texts)
{
    const difference *what = &results->what;
    const op_operand *operand = &op_get(what->args.op)->operand[what->operand];
    return (tas_verify_failure){.name = case_name_print(&results->first, texts->name),
                                .shape = compare_print_shape(&what->args, texts->shape),
                                .operand = what->found ? operand->name : "",
                                .element = what->element,
                                .differing = what->differing,
                                .elements = what->elements,
                                .got = what->got,
                                .expected = what->expected,
                                .floats = what->found && operand->type == TYPE_F32,
                                .ulp = what->ulp};
}

/* Where an operation's cases are, and the cases of all. */
typedef struct operation {
    op_id op;
    case_results results;
    tas_status status;         /* not TAS_OK: the device could not run a case, */
    char why[DIFFERENCE_TEXT]; /* for this reason */
} operation;

typedef struct progress_state {
    const report *to;
    const operation *now;
    uint64_t cases;
    double start, seconds; /* seconds: of the whole, 0 if that is not known */
} progress_state;

static void on_case(void *user)
{
    progress_state *p = user;
    const double seconds = now_seconds() - p->start;
    const double left = p->seconds > 0 ? p->seconds - seconds : NAN;
    p->cases++;
    report_progress(p->to, &(tas_verify_progress){.operation = op_get(p->now->op)->name,
                                                  .cases = p->cases,
                                                  .seconds = seconds,
                                                  .left = left < 0 ? 0 : left});
}

/* A device that fails in one operation may pass others. */
static void note_status(tas_device *device, operation *o, tas_status status)
{
    o->status = status;
    snprintf(o->why, sizeof o->why, "%s", tas_error(device->context));
}

static void report_operation(tas_device *device, operation *o, bool shrinks, const report *to, operations_tally *tally)
{
    case_results *results = &o->results;
    row_texts texts;
    if (results->failed && shrinks) shrink_case(device, o->op, shrink_seconds, &results->first, &results->what);
    tas_verify_row row = {.operation = op_get(o->op)->name,
                          .provider = "kernel",
                          .passed = results->passed,
                          .failed = results->failed + (o->status != TAS_OK),
                          .seconds = results->seconds,
                          .text = "",
                          .failure = {.name = "", .shape = "", .operand = ""}};
    if (row.failed) row.failure = describe_failure(results, &texts);
    if (results->failed) row.text = compare_print(&results->what, texts.what);
    if (o->status) row.text = o->why;
    row.skipped = !row.failed && !row.passed;
    if (row.skipped) row.text = "the time was over before its first case";
    to->result->cases += row.passed + row.failed;
    tally->failed |= row.failed > 0;
    tally->few |= row.passed < TIER_CASES;
    report_row(to, &row);
}

static bool is_fatal(tas_status status) { return status == TAS_NO_MEMORY || status == TAS_BAD_ARGUMENT; }

/* One case by its name, as it is. */
static tas_status run_named(tas_device *device, operation *o, const char *text)
{
    case_name name;
    if (!case_name_read(text, &name))
        return fail(device->context, TAS_BAD_ARGUMENT, "case %s: expected SEED:NUMBER, or SEED:NUMBER:SIZE=N,...",
                    text);
    const tas_status status = cases_count(device, o->op, &name, &o->results);
    if (status == TAS_STOPPED)
        return fail(device->context, TAS_BAD_ARGUMENT, "case %s: %s has no edge shape of this number", text,
                    op_get(o->op)->name);
    return status;
}

tas_status operations_verify(tas_device *device, const tas_verify_options *options, const selection *chosen,
                             const report *to, operations_tally *tally)
{
    progress_state p = {.to = to, .start = now_seconds()};
    for (int op = 0; op < OP_COUNT; op++) {
        operation o = {.op = (op_id)op};
        if (!chosen->op[op]) continue;
        p.now = &o;
        report_begin(to, op_get(o.op)->name);
        const tas_status status = options->only_case
                                      ? run_named(device, &o, options->only_case)
                                      : cases_verify(device, o.op, options->seed, EDGE_CASES, options->cases,
                                                     &(case_hook){on_case, &p}, &o.results);
        if (is_fatal(status)) return status;
        if (status) note_status(device, &o, status);
        report_operation(device, &o, !options->only_case, to, tally);
    }
    return TAS_OK;
}

/* ---- for a time -------------------------------------------------------------------------------------------------- */

/* The numbers of a pass: all edge shapes, and as many random ones in turn. The next pass has the next seed. */
static case_name name_at(uint64_t seed, uint64_t turn)
{
    const uint32_t in_pass = (uint32_t)(turn % (2 * EDGE_CASES));
    return (case_name){.seed = seed + turn / (2 * EDGE_CASES), .number = in_pass / 2 + in_pass % 2 * EDGE_CASES};
}

/* One case of each operation. */
static tas_status run_turn(tas_device *device, operation *list, int count, const case_name *name, progress_state *p)
{
    for (int i = 0; i < count && now_seconds() - p->start < p->seconds; i++) {
        operation *o = &list[i];
        if (o->status) continue;
        p->now = o;
        report_begin(p->to, op_get(o->op)->name);
        const tas_status status = cases_count(device, o->op, name, &o->results);
        if (status == TAS_STOPPED) continue; /* past its last edge shape */
        if (is_fatal(status)) return status;
        if (status) note_status(device, o, status);
        on_case(p);
    }
    return TAS_OK;
}

tas_status operations_verify_until(tas_device *device, const tas_verify_options *options, const selection *chosen,
                                   const report *to, operations_tally *tally)
{
    progress_state p = {.to = to, .start = now_seconds(), .seconds = options->seconds};
    operation *list = calloc(OP_COUNT, sizeof *list);
    tas_status status = list ? TAS_OK : fail(device->context, TAS_NO_MEMORY, "no memory for a list of operations");
    int count = 0;
    for (int op = 0; op < OP_COUNT && list; op++)
        if (chosen->op[op]) list[count++].op = (op_id)op;
    for (uint64_t turn = 0; !status && count && now_seconds() - p.start < options->seconds; turn++) {
        const case_name name = name_at(options->seed, turn);
        status = run_turn(device, list, count, &name, &p);
    }
    for (int i = 0; i < count && !status; i++) {
        report_begin(to, op_get(list[i].op)->name);
        report_operation(device, &list[i], true, to, tally);
    }
    free(list);
    return status;
}
