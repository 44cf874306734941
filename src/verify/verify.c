/* tas_verify(): every operation, the providers, the canonical training; and the tier that a device earns by it. */
#include "verify/cases.h"
#include "verify/providers.h"
#include "verify/report.h"
#include "verify/selection.h"
#include "verify/shrink.h"
#include "verify/tier.h"
#include "verify/training.h"

#include <string.h>

void tas_verify_options_init(tas_verify_options *options)
{
    *options = (tas_verify_options){.size = sizeof *options, .seed = 1, .cases = 20, .providers = 1, .training = 1};
}

static const double shrink_seconds = 3;

/* A row's texts, which stay until it is reported. */
typedef struct row_texts {
    char what[DIFFERENCE_TEXT], name[CASE_NAME_TEXT], shape[SHAPE_TEXT];
} row_texts;

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

/* The row of an operation; status is that of the case that the device could not run, or TAS_OK. */
static void report_operation(tas_device *device, op_id op, case_results *results, tas_status status, const report *to)
{
    row_texts texts;
    tas_verify_row row = {.operation = op_get(op)->name,
                          .provider = "kernel",
                          .passed = results->passed,
                          .failed = results->failed,
                          .seconds = results->seconds,
                          .text = "",
                          .failure = {.name = "", .shape = "", .operand = ""}};
    if (results->failed || status) row.failure = describe_failure(results, &texts);
    if (results->failed) row.text = compare_print(&results->what, texts.what);
    if (status) { /* a device that fails in one operation may pass others */
        row.failed++;
        row.text = tas_error(device->context);
    }
    report_row(to, &row);
}

static tas_status verify_operation(tas_device *device, op_id op, const tas_verify_options *options, const report *to)
{
    case_results results;
    const tas_status status = cases_verify(device, op, options->seed, EDGE_CASES, options->cases, &results);
    if (status == TAS_NO_MEMORY) return status;
    if (results.failed && !status) shrink_case(device, op, shrink_seconds, &results.first, &results.what);
    report_operation(device, op, &results, status, to);
    return TAS_OK;
}

/* One case by its name, as it is. */
static tas_status verify_case(tas_device *device, op_id op, const char *text, const report *to)
{
    case_name name;
    case_results results = {0};
    if (!case_name_read(text, &name))
        return fail(device->context, TAS_BAD_ARGUMENT, "case %s: expected SEED:NUMBER, or SEED:NUMBER:SIZE=N,...",
                    text);
    const tas_status status = cases_count(device, op, &name, &results);
    if (status == TAS_STOPPED)
        return fail(device->context, TAS_BAD_ARGUMENT, "case %s: %s has no edge shape of this number", text,
                    op_get(op)->name);
    if (status == TAS_NO_MEMORY || status == TAS_BAD_ARGUMENT) return status;
    report_operation(device, op, &results, status, to);
    return TAS_OK;
}

static tas_status verify_operations(tas_device *device, const tas_verify_options *options, const selection *chosen,
                                    const report *to)
{
    tas_status status = TAS_OK;
    for (int op = 0; op < OP_COUNT && !status; op++) {
        if (!chosen->op[op]) continue;
        report_begin(to, op_get((op_id)op)->name);
        status = options->only_case ? verify_case(device, (op_id)op, options->only_case, to)
                                    : verify_operation(device, (op_id)op, options, to);
    }
    return status;
}

static tas_status verify_training(tas_device *device, int which, const report *to)
{
    tas_verify_result *result = to->result;
    const double start = now_seconds();
    char why[256] = "the digest differs", *digest = result->digest[which];
    const tas_status status = training_digest(device, which, digest);
    if (status == TAS_NO_MEMORY) return status;
    if (status) snprintf(why, sizeof why, "%s", tas_error(device->context)); /* results too wrong to train with */
    const bool equal = !status && !strcmp(digest, tas_canonical_digest((size_t)which));
    const tas_verify_row row = {.operation = training_name(which),
                                .provider = "kernel",
                                .passed = equal,
                                .failed = !equal,
                                .seconds = now_seconds() - start,
                                .text = equal ? "" : why};
    result->digest_ok = equal && (!which || result->digest_ok);
    report_row(to, &row);
    return TAS_OK;
}

/* A tier is earned by all operations, and lost by one. */
static void set_tier(tas_device *device, const selection *chosen, bool exact)
{
    if (!device->cl || (exact && !chosen->all)) return;
    device->info.tier = exact ? TAS_TIER_EXACT : TAS_TIER_REFUSED;
    tier_remember(device->context, &device->info, device->info.tier);
}

static tas_status verify(tas_device *device, const tas_verify_options *options, const report *to)
{
    const tas_verify_result *result = to->result;
    selection chosen;
    tas_status status = selection_make(device->context, options, &chosen);
    if (!status) status = verify_operations(device, options, &chosen, to);
    const uint32_t failed = result->failed; /* a provider's failures do not count against the device */
    if (!status && chosen.providers && device->cl) {
        report_begin(to, tas_verify_name(NAME_CLBLAST));
        status = providers_verify(device, options->seed, options->cases, to);
    }
    if (!status && chosen.training) report_begin(to, tas_verify_name(NAME_TRAINING));
    for (int which = 0; which < TRAININGS && !status && chosen.training; which++)
        status = verify_training(device, which, to);
    if (status) return status;
    set_tier(device, &chosen, !failed && (!chosen.training || result->digest_ok));
    if (!result->failed) return TAS_OK;
    return fail(device->context, TAS_MISMATCH, "%s: %u of %u rows failed", device->info.id, result->failed,
                result->failed + result->passed);
}

tas_status tas_verify(tas_device *device, const tas_verify_options *options, tas_verify_fn on_row, void *user,
                      tas_verify_result *result)
{
    entry_state saved;
    tas_verify_result own;
    if (!result) result = &own;
    entry_begin(device->context, &saved);
    *result = (tas_verify_result){0};
    tas_status status;
    if (options->size != sizeof *options)
        status = fail(device->context, TAS_BAD_ARGUMENT,
                      "options.size is %zu, expected %zu: initialize with tas_verify_options_init()", options->size,
                      sizeof *options);
    else if (device->arith == TAS_ARITH_FAST)
        status = fail(device->context, TAS_BAD_ARGUMENT,
                      "%s: opened with TAS_ARITH_FAST; tas_verify() needs TAS_ARITH_EXACT or TAS_ARITH_UNTESTED",
                      device->info.id);
    else
        status = verify(device, options, &(report){device->context, options->on_begin, on_row, user, result});
    entry_end(&saved);
    return status;
}
