/* What every device does: the ledger, and dispatch to the table of launchers. */
#include "device/profile.h"

#include <stdlib.h>

static void count_used(tas_device *device, uint64_t bytes)
{
    device->used_bytes += bytes;
    if (device->used_bytes > device->peak_bytes) device->peak_bytes = device->used_bytes;
}

tas_status device_alloc(tas_device *device, uint64_t bytes, mem *out)
{
    tas_status status = device->driver->alloc(device, bytes, out);
    if (status) return status;
    device->pieces++;
    count_used(device, bytes);
    return TAS_OK;
}

void device_release(tas_device *device, mem *m)
{
    if (!m->host && !m->cl) return;
    device->pieces--;
    device->used_bytes -= m->bytes;
    device->driver->release(device, m);
    *m = (mem){0};
}

tas_status device_alloc_host(tas_device *device, uint64_t bytes, host_mem *out)
{
    *out = (host_mem){0};
    if (!bytes) return TAS_OK;
    if (bytes <= SIZE_MAX) out->bytes = malloc((size_t)bytes);
    if (!out->bytes)
        return fail(device->context, TAS_NO_MEMORY, "no memory for %llu bytes on the host", (unsigned long long)bytes);
    out->count = bytes;
    device->host_bytes += bytes;
    if (device->host_bytes > device->host_peak_bytes) device->host_peak_bytes = device->host_bytes;
    if (device->info.shared_memory) count_used(device, bytes);
    return TAS_OK;
}

void device_release_host(tas_device *device, host_mem *m)
{
    device->host_bytes -= m->count;
    if (device->info.shared_memory) device->used_bytes -= m->count;
    free(m->bytes);
    *m = (host_mem){0};
}

void device_reset_peaks(tas_device *device)
{
    device->peak_bytes = device->used_bytes;
    device->host_peak_bytes = device->host_bytes;
}

tas_status device_reopen(tas_device *device)
{
    if (!device->pieces) return device->driver->reopen(device);
    return fail(device->context, TAS_DEVICE_FAILED, "%s: cannot be reopened while %d pieces of its memory are in use",
                device->info.id, device->pieces);
}

void device_list_calls(tas_device *device, device_calls *calls)
{
    *calls = (device_calls){0};
    if (device->tester.prepare) device->calls = calls;
}

static void list_call(device_calls *calls, const op_args *args)
{
    if (calls->count == calls->room && !calls->failed) {
        const int room = calls->room ? 2 * calls->room : 64;
        op_args *grown = realloc(calls->list, (size_t)room * sizeof *grown);
        calls->failed = !grown;
        if (!grown) return;
        calls->list = grown;
        calls->room = room;
    }
    if (!calls->failed) calls->list[calls->count++] = *args;
}

tas_status device_prepare(tas_device *device)
{
    device_calls *calls = device->calls;
    if (!calls) return TAS_OK;
    device->calls = NULL;
    const tas_status status = device->tester.prepare(device->tester.self, calls->list, calls->count);
    free(calls->list);
    *calls = (device_calls){0};
    return status;
}

/* By rates that any device reaches. */
static double most_seconds(const tas_device *device, const op_args *args)
{
    static const double flops = 2e9, bytes = 1e9; /* per second */
    return (double)device->flops / flops + (double)op_bytes(args) / bytes;
}

static tas_status launch(tas_device *device, const op_args *args, const mem *operand, const mem *scratch)
{
    if (!device->context->wait || device->driver->never_fails)
        return device->launch[args->op](device, args, operand, scratch);
    device->queued += most_seconds(device, args);
    const double before = device_wait_begin(device);
    const tas_status status = device->launch[args->op](device, args, operand, scratch);
    wait_end(device->context, before);
    return status;
}

tas_status device_run(tas_device *device, const op_args *args, const mem *operand, const mem *scratch)
{
    const op_row *row = op_get(args->op);
    const op_args *outer = device->running; /* of a test, which runs within a call */
    if (device->calls) {
        list_call(device->calls, args);
        return TAS_OK;
    }
    if (!device->launch[args->op])
        return fail(device->context, TAS_DEVICE_FAILED, "%s: has no kernel for %s", device->info.id, row->name);
    const device_observer *observer = device->observer;
    device->flops = row->flops ? row->flops(args) * args->n : 0;
    tas_status status = observer ? observer->before(observer->self, args, operand) : TAS_OK;
    device->running = args;
    if (!status) status = launch(device, args, operand, scratch);
    device->running = outer;
    if (!status && is_profiled(device)) device->profile->moved += op_bytes(args);
    return !status && observer ? observer->after(observer->self, args, operand) : status;
}

uint64_t device_scratch(tas_device *device, const op_args *args)
{
    return device->scratch[args->op] ? device->scratch[args->op](device, args) : 0;
}

uint32_t device_weight_panel(tas_device *device, uint32_t rows, uint32_t cols)
{
    return device->weight_panel ? device->weight_panel(device, rows, cols) : 1;
}

uint32_t device_batch_panel(tas_device *device, uint32_t tile)
{
    return device->batch_panel ? device->batch_panel(device, tile) : 1;
}

uint64_t device_limit(tas_device *device, uint64_t usual, uint64_t small)
{
    device->limited = true;
    return device->small_limits ? device->small_limits * small : usual;
}

void device_close(tas_device **device)
{
    if (!device || !*device) return;
    if ((*device)->context->hangs) {
        *device = NULL;
        return;
    }
    profile_close(*device);
    if ((*device)->tester.close) (*device)->tester.close((*device)->tester.self);
    if ((*device)->tuning.close) (*device)->tuning.close((*device)->tuning.self);
    (*device)->driver->close(*device);
    free(*device);
    *device = NULL;
}

const char *tas_tier_name(tas_tier tier)
{
    static const char *const names[] = {[TAS_TIER_UNTESTED] = "untested",
                                        [TAS_TIER_EXACT] = "exact",
                                        [TAS_TIER_TOLERANCE] = "tolerance",
                                        [TAS_TIER_REFUSED] = "refused"};
    return (unsigned)tier < sizeof names / sizeof *names ? names[tier] : "unknown";
}

const char *tas_device_type_name(tas_device_type type)
{
    static const char *const names[] = {[TAS_TYPE_REFERENCE] = "reference",
                                        [TAS_TYPE_CPU] = "cpu",
                                        [TAS_TYPE_GPU] = "gpu",
                                        [TAS_TYPE_OTHER] = "other",
                                        [TAS_TYPE_NONE] = "none"};
    return (unsigned)type < sizeof names / sizeof *names ? names[type] : "unknown";
}

const tas_device_info *tas_device_get_info(const tas_device *device) { return &device->info; }
