/* tas_verify(): every operation, the providers, the canonical training; and the tier that a device earns by it. */
#include "verify/gradients.h"
#include "verify/operations.h"
#include "verify/providers.h"
#include "verify/report.h"
#include "verify/tier.h"
#include "verify/training.h"

#include <string.h>

void tas_verify_options_init(tas_verify_options *options)
{
    *options = (tas_verify_options){.size = sizeof *options, .seed = 1, .cases = 20, .providers = 1, .training = 1};
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

/* A tier is earned by enough cases of all operations, and lost by one. */
static void set_tier(tas_device *device, bool failed, bool enough)
{
    if (!device->cl || (!failed && !enough)) return;
    device->info.tier = failed ? TAS_TIER_REFUSED : TAS_TIER_EXACT;
    tier_remember(device->context, &device->info, device->info.tier);
}

/* What is not an operation of the table. A provider's failures do not count against the device. */
static tas_status verify_others(tas_device *device, const tas_verify_options *options, const selection *chosen,
                                const report *to)
{
    tas_status status = TAS_OK;
    if (chosen->providers && device->cl) {
        report_begin(to, tas_verify_name(NAME_CLBLAST));
        status = providers_verify(device, options->seed, options->cases, to);
    }
    if (!status && chosen->gradients) {
        report_begin(to, tas_verify_name(NAME_GRADIENTS));
        status = gradients_verify(device, options->seed, to);
    }
    if (!status && chosen->training) report_begin(to, tas_verify_name(NAME_TRAINING));
    for (int which = 0; which < TRAININGS && !status && chosen->training; which++)
        status = verify_training(device, which, to);
    return status;
}

static tas_status verify(tas_device *device, const tas_verify_options *options, const report *to)
{
    const tas_verify_result *result = to->result;
    operations_tally tally = {0};
    selection chosen;
    tas_status status = selection_make(device->context, options, &chosen);
    if (!status)
        status = options->seconds > 0 ? operations_verify_until(device, options, &chosen, to, &tally)
                                      : operations_verify(device, options, &chosen, to, &tally);
    if (!status) status = verify_others(device, options, &chosen, to);
    if (status) return status;
    set_tier(device, tally.failed || (chosen.training && !result->digest_ok), chosen.all && !tally.few);
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
        status = verify(device, options,
                        &(report){device->context, options->on_begin, options->on_progress, on_row, user, result});
    entry_end(&saved);
    return status;
}
