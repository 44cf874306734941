/* Opening an OpenCL device. */
#include "device/opencl/discover.h"
#include "device/opencl/driver.h"
#include "device/opencl/launchers/clblast.h"
#include "device/opencl/launchers/launchers.h"
#include "device/opencl/program.h"
#include "device/tuning.h"

#include <stdlib.h>

enum { LARGE_GROUP = 256 };

/* The limit on groups that a driver reports may be wrong for a kernel in either direction, so the kernels with
 * barriers are queried. */
static tas_status find_group(tas_device *device)
{
    opencl_device *cl = device->cl;
    if (!device->info.max_group || device->info.max_group >= 64)
        program_build_all(device, (program_need[]){{"sum", "-D GROUP=64 -D RUN=1"}, {"loss", "-D ROWS=4"}}, 2);
    for (cl->group = 64; cl->group > 16; cl->group /= 2) {
        cl_kernel kernel;
        char rows[32];
        bool fits = true;
        if (device->info.max_group && cl->group > device->info.max_group) continue;
        snprintf(rows, sizeof rows, "-D ROWS=%u", cl->group / ROW_LANES);
        tas_status status = program_get_grouped(device, "sum", "sum_blocks", &kernel);
        if (!status) status = program_check_group(device, kernel, cl->group, &fits);
        if (!status) status = program_get_kernel(device, "loss", "softmax_loss", rows, &kernel);
        if (!status) status = program_check_group(device, kernel, cl->group, &fits);
        if (status || fits) return status;
    }
    return TAS_OK;
}

static tas_status choose_groups(tas_device *device)
{
    opencl_device *cl = device->cl;
    const tas_status status = find_group(device);
    const bool large = cl->group == 64 && device->info.max_group >= LARGE_GROUP;
    cl->large_group = large && device->info.type == TAS_TYPE_GPU ? LARGE_GROUP : cl->group;
    return status;
}

tas_status open_opencl(tas_context *context, const tas_device_info *info, tas_arith arith, tas_device **out)
{
    *out = NULL;
    tas_device *device = calloc(1, sizeof *device);
    opencl_device *cl = calloc(1, sizeof *cl);
    if (!device || !cl) {
        free(device);
        free(cl);
        return fail(context, TAS_NO_MEMORY, "%s: no memory to open it", info->id);
    }
    *device = (tas_device){
        .context = context, .info = *info, .arith = arith, .driver = &driver_table, .variant = -1, .cl = cl};

    tas_status status = discover_find(context, info->long_id, &cl->platform, &cl->id);
    if (status) goto fail;
    status = driver_open_context(device, "clCreateContext");
    if (status) goto fail;
    /* On a processor whose driver reports no vectors, work-items run side by side, as on a GPU (llvmpipe). */
    cl->cpu = info->type == TAS_TYPE_CPU && info->vector_width >= 4;
    status = choose_groups(device);
    if (status) goto fail;

    launchers_install(device);
    if (arith == TAS_ARITH_FAST) status = clblast_open(device);
    if (!status) status = tuning_load(device);
    if (status) goto fail;
    *out = device;
    return TAS_OK;
fail:
    device_close(&device);
    return status;
}
