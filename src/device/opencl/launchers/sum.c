/* Launches of cl/sum.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/sum.h"

static tas_status sum_blocks(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_grouped(device, "sum", "sum_blocks", &kernel);
    if (status) return status;
    const uint32_t all = a->size[SUM_ELEMENTS], row = a->size[SUM_ROW] ? a->size[SUM_ROW] : all;
    const size_t blocks = sum_block_count(all, row);
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(all), A_U32(a->size[SUM_AT]), A_U32(a->size[SUM_FROM]), A_U32(row));
    return launch_kernel(device, kernel, launch_line(cl->group, blocks * cl->group), &args);
}

static tas_status check_finite(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "sum", "check_finite", "", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->size[CHECK_ELEMENTS]),
                                  A_U32(a->size[CHECK_STEP]), A_U32(a->size[CHECK_WHAT]));
    return launch_kernel(device, kernel, launch_elements(cl, 0, a->size[CHECK_ELEMENTS]), &args);
}

const launcher sum_launchers[] = {
    {OP_SUM_BLOCKS, sum_blocks, NULL},
    {OP_CHECK_FINITE, check_finite, NULL},
    {0},
};
