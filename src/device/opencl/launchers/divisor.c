/* Launch of cl/divisor.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/divisor.h"

static tas_status divisor(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_kernel(device, "divisor", "divisor", "", &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->size[DIVISOR_FROM_SUM]), A_F32(a->scalar[DIVISOR_EXAMPLES]));
    return launch_kernel(device, kernel, launch_line(1, 1), &args);
}

const launcher divisor_launchers[] = {{OP_DIVISOR, divisor, NULL}, {0}};
