/* Opens a device: finds the one that an id names, and tests it before its first use. */
#include "device/opencl/launchers/clblast.h"
#include "device/select.h"
#include "verify/cases.h"
#include "verify/tier.h"

#include <stdlib.h>
#include <string.h>

enum { SELF_TEST_EDGES = 10, SELF_TEST_CASES = 10 }; /* each mode of values in each form of the products' kernels */

static const double first_report = 1, report_interval = 2; /* seconds */

/* How far the self-test is, if it takes long: the first time, kernels are built. `next` is when to report. */
static void note_progress(tas_device *device, int op, double *next)
{
    if (now_seconds() < *next) return;
    note(device->context, "first use of %s: building and testing kernels: %s (%d of %d)", device->info.id,
         op_get((op_id)op)->name, op + 1, OP_COUNT);
    *next = now_seconds() + report_interval;
}

/* A few cases of each operation. wrong describes the first failure, or is "". */
static tas_status self_test(tas_device *device, double next_report, char *wrong, size_t bytes)
{
    wrong[0] = 0;
    for (int op = 0; op < OP_COUNT; op++) {
        case_results results;
        note_progress(device, op, &next_report);
        if (device->arith == TAS_ARITH_FAST && !clblast_unused(device) && clblast_provides((op_id)op)) continue;
        tas_status status = cases_verify(device, (op_id)op, 1, SELF_TEST_EDGES, SELF_TEST_CASES, NULL, &results);
        if (status) return status;
        if (!results.failed) continue;
        char text[CASES_TEXT];
        snprintf(wrong, bytes, "%s: %s", op_get((op_id)op)->name, cases_print(&results, text));
        return TAS_OK;
    }
    return TAS_OK;
}

tas_status tas_devices(tas_context *context, tas_device_info **list, size_t *count)
{
    entry_state saved;
    entry_begin(context, &saved);
    tas_status status = discover_list(context, list, count);
    for (size_t i = 0; i < *count; i++) (*list)[i].tier = tier_recall(&(*list)[i]);
    entry_end(&saved);
    return status;
}

static tas_status open_tested(tas_context *context, const tas_device_info *info, tas_arith arith, tas_device **out)
{
    char wrong[64 + CASES_TEXT];
    const double next_report = now_seconds() + first_report;
    tas_status status = open_opencl(context, info, arith, out);
    if (status) return status;
    (*out)->info.tier = tier_recall(info);
    const bool fast = arith == TAS_ARITH_FAST && !clblast_unused(*out);
    if (arith == TAS_ARITH_UNTESTED) return TAS_OK;
    if ((*out)->info.tier == TAS_TIER_EXACT) {
        if (fast) (*out)->info.tier = TAS_TIER_TOLERANCE;
        return TAS_OK;
    }

    /* A refused device is tested again: a library or driver may have been fixed without a new version. */
    (*out)->reported = true;
    status = self_test(*out, next_report, wrong, sizeof wrong);
    (*out)->reported = false;
    if (!status && wrong[0])
        status = fail(context, TAS_MISMATCH, "%s: failed its self-test: its results differ from the reference: %s",
                      info->id, wrong);
    if (!status) (*out)->info.tier = fast ? TAS_TIER_TOLERANCE : TAS_TIER_EXACT;
    if (wrong[0])
        tier_remember(context, info, TAS_TIER_REFUSED);
    else if (!status && !fast) /* with CLBlast the device's own products were not tested */
        tier_remember(context, info, TAS_TIER_EXACT);
    if (status) device_close(out);
    return status;
}

static tas_status open_row(tas_context *context, const tas_device_info *info, tas_arith arith, tas_device **out)
{
    if (info->type == TAS_TYPE_REFERENCE) return reference_open(context, out);
    return open_tested(context, info, arith, out);
}

/* Reports why the reference is used although nobody asked for it. Devices that failed were reported already. */
static void note_fallback(tas_context *context, const tas_device_info *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].type == TAS_TYPE_NONE) note(context, "skipping %s: %s", list[i].id, list[i].note);
    note(context, "%s: using the C reference, which is slow (one thread)",
         count > 1     ? "no OpenCL device can be used"
         : *list->note ? list->note
                       : "no OpenCL driver is installed");
}

static tas_status open_device(tas_context *context, const char *id, tas_arith arith, tas_device **out)
{
    tas_device_info *list = NULL;
    size_t count = 0, tries = 0, *order = NULL;
    if (id && !strcmp(id, "reference")) return reference_open(context, out); /* without loading any driver */
    tas_status status = discover_list(context, &list, &count);
    if (status) return status;
    order = malloc(count * sizeof *order);
    status = order ? select_device(context, id, list, count, order, &tries)
                   : fail(context, TAS_NO_MEMORY, "no memory for a list of devices");
    if (status) goto end;

    for (size_t i = 0; i < tries; i++) {
        status = open_row(context, &list[order[i]], arith, out);
        if (!status || id) goto end;
        note(context, "skipping %s: %s", list[order[i]].id, tas_error(context));
    }
    status = reference_open(context, out);
end:
    if (!status && !id && !(*out)->cl) note_fallback(context, list, count);
    free(order);
    tas_devices_free(list);
    return status;
}

tas_status tas_device_open(tas_context *context, const char *id, tas_arith arith, tas_device **out)
{
    entry_state saved;
    *out = NULL;
    entry_begin(context, &saved);
    tas_status status = (unsigned)arith > TAS_ARITH_UNTESTED
                            ? fail(context, TAS_BAD_ARGUMENT, "arith %d: expected one of tas_arith", (int)arith)
                            : open_device(context, id, arith, out);
    entry_end(&saved);
    return status;
}

void tas_device_close(tas_device **device) { device_close(device); }
