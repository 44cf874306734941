/* What every device does: the ledger, and dispatch to the table of launchers. */
#include "device/profile.h"

#include <stdlib.h>

tas_status device_alloc(tas_device *device, uint64_t bytes, mem *out)
{
    tas_status status = device->driver->alloc(device, bytes, out);
    if (status) return status;
    device->pieces++;
    device->used_bytes += bytes;
    if (device->used_bytes > device->peak_bytes) device->peak_bytes = device->used_bytes;
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

tas_status device_renew(tas_device *device)
{
    if (!device->pieces) return device->driver->renew(device);
    return fail(device->context, TAS_DEVICE_FAILED,
                "%s: cannot be opened anew, since %d pieces of its memory are in use", device->info.id, device->pieces);
}

tas_status device_run(tas_device *device, const op_args *args, const mem *operand, const mem *scratch)
{
    if (!device->launch[args->op])
        return fail(device->context, TAS_DEVICE_FAILED, "%s: has no kernel for %s", device->info.id,
                    op_get(args->op)->name);
    return device->launch[args->op](device, args, operand, scratch);
}

uint64_t device_scratch(tas_device *device, const op_args *args)
{
    return device->scratch[args->op] ? device->scratch[args->op](device, args) : 0;
}

uint32_t device_panel(tas_device *device, uint32_t rows, uint32_t cols)
{
    return device->panel ? device->panel(device, rows, cols) : 1;
}

uint32_t device_lanes(tas_device *device, uint32_t tile) { return device->lanes ? device->lanes(device, tile) : 1; }

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

const tas_device_info *tas_device_get_info(const tas_device *device) { return &device->info; }
