/* Launch of cl/adam.cl. */
#include "device/opencl/opencl.h"

#include "ops/adam.h"

enum { BUFFERS = 5, SCALARS = ADAM_RECIPROCAL + 1 };

static tas_status adam(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const struct cl_device *cl = device->cl;
    cl_arg args[BUFFERS + 1 + SCALARS];
    cl_kernel kernel;
    (void)scratch;
    tas_status status = cl_get_elements(device, "adam", "adam", "", &kernel);
    if (status) return status;
    for (int k = 0; k < BUFFERS; k++) args[k] = A_MEM(&m[k]);
    args[BUFFERS] = A_U32(a->size[ADAM_ELEMENTS]);
    for (int k = 0; k < SCALARS; k++) args[BUFFERS + 1 + k] = A_F32(a->scalar[k]); /* in their order */
    return cl_launch(device, kernel, cl_elements(cl, a->size[ADAM_ELEMENTS]), BUFFERS + 1 + SCALARS, args);
}

void cl_override_adam(tas_device *device) { device->launch[OP_ADAM] = adam; }
