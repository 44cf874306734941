/* Launches of cl/bias.cl. */
#include "ops/bias.h"

#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

static tas_status add_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t wide = op_panel_width(a), elements = a->size[BIAS_POSITIONS] * wide;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_singles(device, "bias", "add_bias", "", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(elements), A_U32(a->size[BIAS_CHANNELS]));
    launch_range range = launch_singles(device->cl, elements); /* of one plane */
    range.global[0] *= (size_t)(op_padded(a) / wide) * a->size[BIAS_CHANNELS];
    return launch_kernel(device, kernel, range, &args);
}

const launcher bias_launchers[] = {{OP_ADD_BIAS, add_bias, NULL}, {0}};
