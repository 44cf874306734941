/* Launches of cl/weigh.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/weigh.h"

static tas_status weigh(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t count = a->n * a->size[WEIGH_OUTPUTS];
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_singles(device, "weigh", "weigh", "", &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]), A_U32(count),
             A_U32(a->size[WEIGH_OUTPUTS]), A_U32(a->first), A_U32(a->at), A_U32(a->size[WEIGH_DIRECT]));
    return launch_kernel(device, kernel, launch_singles(device->cl, count), &args);
}

const launcher weigh_launchers[] = {{OP_WEIGH, weigh, NULL}, {0}};
