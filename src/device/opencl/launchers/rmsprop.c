/* Launch of cl/rmsprop.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/divisor.h"
#include "ops/rmsprop.h"

static tas_status rmsprop(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]), A_MEM(&m[5]),
                            A_U32(a->size[UPDATE_ELEMENTS]), A_U32(a->size[UPDATE_AT]));
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "rmsprop", "rmsprop", "", &kernel);
    if (status) return status;
    for (int k = 0; k < RMSPROP_SCALARS; k++) launch_add(&args, A_F32(a->scalar[k])); /* in their order */
    return launch_kernel(device, kernel, launch_elements(device->cl, a->size[UPDATE_AT], a->size[UPDATE_ELEMENTS]),
                         &args);
}

const launcher rmsprop_launchers[] = {{OP_RMSPROP, rmsprop, NULL}, {0}};
