/* Launch of cl/sgd.cl. */
#include "device/opencl/opencl.h"

#include "ops/sgd.h"

static tas_status sgd(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const struct cl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = cl_get_elements(device, "sgd", "sgd", "", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),
                           A_MEM(&m[1]),
                           A_MEM(&m[2]),
                           A_MEM(&m[3]),
                           A_U32(a->size[SGD_ELEMENTS]),
                           A_U32(a->size[SGD_NESTEROV]),
                           A_F32(a->scalar[SGD_LR]),
                           A_F32(a->scalar[SGD_MOMENTUM]),
                           A_F32(a->scalar[SGD_DECAY]),
                           A_F32(a->scalar[SGD_COUNT]),
                           A_F32(a->scalar[SGD_RECIPROCAL])};
    return cl_launch(device, kernel, cl_elements(cl, a->size[SGD_ELEMENTS]), 11, args);
}

void cl_override_sgd(tas_device *device) { device->launch[OP_SGD] = sgd; }
