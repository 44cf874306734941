/* Launches of cl/watch.cl. */
#include "ops/watch.h"

#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

static tas_status watch(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "watch", "watch", "", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]), A_MEM(&m[5]),
                                  A_U32(a->size[WATCH_SUMS]), A_U32(a->size[WATCH_WEIGHTED]),
                                  A_U32(a->size[WATCH_ELEMENTS]), A_U32(a->size[WATCH_STEP]),
                                  A_U32(a->size[WATCH_PLACES]), A_U32(BAD_STEP), A_F32(a->scalar[WATCH_EXAMPLES]));
    const uint32_t elements = a->size[WATCH_ELEMENTS] ? a->size[WATCH_ELEMENTS] : 1;
    return launch_kernel(device, kernel, launch_elements(device->cl, 0, elements), &args);
}

const launcher watch_launchers[] = {{OP_WATCH, watch, NULL}, {0}};
