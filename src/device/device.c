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

tas_status device_run(tas_device *device, const op_args *args, const mem *operand, const mem *scratch)
{
    const op_row *row = op_get(args->op);
    if (!device->launch[args->op])
        return fail(device->context, TAS_DEVICE_FAILED, "%s: has no kernel for %s", device->info.id, row->name);
    const device_observer *observer = device->observer;
    device->flops = row->flops ? row->flops(args) * args->n : 0;
    tas_status status = observer ? observer->before(observer->self, args, operand) : TAS_OK;
    if (!status) status = device->launch[args->op](device, args, operand, scratch);
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
    profile_close(*device);
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
