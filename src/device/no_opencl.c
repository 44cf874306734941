/* Takes the place of opencl/ in a build without OpenCL: the reference is the only device. */
#include "device/benchmark.h"
#include "device/opencl/launchers/clblast.h"
#include "device/opencl/rehearse.h"
#include "device/select.h"

#include <stdlib.h>
#include <string.h>

#define WITHOUT "Tassello was built without OpenCL (meson option opencl)"

tas_status discover_list(tas_context *context, tas_device_info **list, size_t *count)
{
    *count = 0;
    *list = malloc(sizeof **list);
    if (!*list) return fail(context, TAS_NO_MEMORY, "no memory to list the devices");
    reference_describe(*list);
    strcpy((*list)->note, WITHOUT);
    select_name_all(*list, &(const char[PCI_TEXT]){""}, 1);
    *count = 1;
    return TAS_OK;
}

void tas_devices_free(tas_device_info *list) { free(list); }

/* No row of the list leads here; a caller of the library may have kept one. */
tas_status open_opencl(tas_context *context, const tas_device_info *info, tas_arith arith, tas_device **out)
{
    (void)arith;
    *out = NULL;
    return fail(context, TAS_NO_DEVICE, "%s: " WITHOUT, info->id);
}

tas_status benchmark_opencl(tas_device *device, double *gflops, double *gbytes_s)
{
    (void)gflops;
    (void)gbytes_s;
    return fail(device->context, TAS_NO_DEVICE, "%s: " WITHOUT, device->info.id);
}

const char *clblast_unused(const tas_device *device)
{
    (void)device;
    return WITHOUT;
}

bool clblast_computes(const tas_device *device, const op_args *call)
{
    (void)device;
    (void)call;
    return false;
}

bool clblast_provides(op_id op)
{
    (void)op;
    return false;
}

uint32_t clblast_indirect_edge(tas_device *device)
{
    (void)device;
    return 0;
}

tas_status rehearse(tas_device *device, const op_args *call, rehearsal *to)
{
    (void)call;
    (void)to;
    return fail(device->context, TAS_NO_DEVICE, "%s: " WITHOUT, device->info.id);
}

int rehearse_find(const rehearsed_kernel *list, int count, const rehearsed_kernel *kernel)
{
    (void)list;
    (void)kernel;
    return count;
}

bool rehearse_is_built(const tas_device *device, const rehearsed_kernel *kernel)
{
    (void)device;
    (void)kernel;
    return false;
}

void rehearse_build_all(tas_device *device, const rehearsed_kernel *list, int count)
{
    (void)device, (void)list, (void)count;
}

tas_status rehearse_build(tas_device *device, const rehearsed_kernel *kernel)
{
    (void)kernel;
    return fail(device->context, TAS_NO_DEVICE, "%s: " WITHOUT, device->info.id);
}
