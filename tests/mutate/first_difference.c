/* The cases of verify until the first that differs, for tests/mutate/mutate.py: verify counts them all, and opens a
 * device whose every kernel it has tested.
 *
 *     first_difference cpu|gpu|small-gpu CASES OPERATION...   kernels for processors, or those for GPUs, with groups as
 *                                                             large as the first device allows, or of 32 at most
 *     first_difference digests                                the canonical trainings on the reference
 *
 * Exits with 0 if nothing differs, with 1 and a line on stdout if something does, with 2 if it cannot run. */
#include "device/select.h"
#include "verify/cases.h"
#include "verify/training.h"

#include <stdlib.h>
#include <string.h>

enum { SAME, DIFFERS, CANNOT };

static int fail_run(tas_context *context, const char *what)
{
    printf("%s: %s\n", what, tas_error(context));
    return DIFFERS; /* a device that was open refuses what it did before */
}

static int compare_digests(tas_context *context, tas_device *device)
{
    for (int which = 0; which < TRAININGS; which++) {
        char digest[65];
        if (training_digest(device, which, digest)) return fail_run(context, training_name(which));
        if (!strcmp(digest, tas_canonical_digest((size_t)which))) continue;
        printf("%s: digest %.16s\n", training_name(which), digest);
        return DIFFERS;
    }
    return SAME;
}

/* The first edge shapes, then random cases, of one operation. */
static int compare_cases(tas_context *context, tas_device *device, op_id op, uint32_t cases)
{
    for (uint32_t i = 0; i < EDGE_CASES + cases; i++) {
        const case_name name = {.seed = 1, .number = i};
        case_results results = {0};
        op_args args;
        if (!case_draw_args(op, &name, &args)) continue; /* past the last edge shape */
        if (cases_count(device, op, &name, &results)) return fail_run(context, op_get(op)->name);
        if (!results.failed) continue;
        char text[CASES_TEXT];
        printf("%s: %s\n", op_get(op)->name, cases_print(&results, text));
        return DIFFERS;
    }
    return SAME;
}

static int compare_named(tas_context *context, tas_device *device, const char *name, uint32_t cases)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (!strcmp(op_get((op_id)op)->name, name)) return compare_cases(context, device, (op_id)op, cases);
    printf("unknown operation '%s'\n", name);
    return CANNOT;
}

/* Devices without vectors get the kernels for GPUs. */
static tas_status open_first(tas_context *context, const char *kernels, tas_device **out)
{
    tas_device_info *list;
    size_t count, order[64], chosen;
    tas_status status = discover_list(context, &list, &count);
    if (status || count > 64) return status ? status : TAS_NO_DEVICE;
    status = select_device(context, NULL, list, count, order, &chosen);
    if (!status && strcmp(kernels, "cpu")) list[order[0]].vector_width = 1;
    if (!status && !strcmp(kernels, "small-gpu")) list[order[0]].max_group = 32;
    if (!status) status = open_opencl(context, &list[order[0]], TAS_ARITH_UNTESTED, out);
    tas_devices_free(list);
    return status;
}

int main(int argc, char **argv)
{
    tas_context *context = NULL;
    tas_device *device = NULL;
    const bool digests = argc == 2 && !strcmp(argv[1], "digests");
    if ((!digests && argc < 4) || tas_context_open(&context)) return CANNOT;
    tas_status status = digests ? reference_open(context, &device) : open_first(context, argv[1], &device);
    int result = CANNOT;
    if (status)
        result = fail_run(context, "opening the device");
    else if (digests)
        result = compare_digests(context, device);
    else
        result = SAME;
    for (int i = 3; i < argc && result == SAME; i++)
        result = compare_named(context, device, argv[i], (uint32_t)strtoul(argv[2], NULL, 10));
    fflush(stdout);
    device_close(&device);
    tas_context_close(&context);
    return result;
}
