/* Launch of cl/sgd.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/sgd.h"

static tas_status sgd(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "sgd", "sgd", "", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]),
                                  A_U32(a->size[SGD_ELEMENTS]), A_U32(a->size[SGD_NESTEROV]), A_F32(a->scalar[SGD_LR]),
                                  A_F32(a->scalar[SGD_MOMENTUM]), A_F32(a->scalar[SGD_DECAY]));
    return launch_kernel(device, kernel, launch_elements(cl, a->size[SGD_ELEMENTS]), &args);
}

const launcher sgd_launchers[] = {
    {OP_SGD, sgd, NULL},
    {0},
};
