/* Launches of cl/sum.cl. */
#include "device/opencl/opencl.h"

#include "ops/sum.h"

static tas_status sum_blocks(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const struct cl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = cl_get_simple(device, "sum", "sum_blocks", &kernel);
    if (status) return status;
    const size_t blocks = ((size_t)a->size[SUM_ELEMENTS] + SUM_LANES - 1) / SUM_LANES;
    const cl_arg args[] = {A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->size[SUM_ELEMENTS]), A_U32(a->size[SUM_AT])};
    return cl_launch(device, kernel, cl_line(cl->group, blocks * cl->group), 4, args);
}

static tas_status record_loss(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    cl_kernel kernel;
    (void)scratch;
    tas_status status = cl_get_simple(device, "sum", "record_loss", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),
                           A_MEM(&m[1]),
                           A_MEM(&m[2]),
                           A_U32(a->size[RECORD_STEP]),
                           A_U32(a->size[RECORD_PLACES]),
                           A_F32(a->scalar[RECORD_EXAMPLES])};
    return cl_launch(device, kernel, cl_line(1, 1), 6, args);
}

static tas_status check_finite(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const struct cl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = cl_get_elements(device, "sum", "check_finite", "", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->size[CHECK_ELEMENTS]), A_U32(a->size[CHECK_STEP]),
                           A_U32(a->size[CHECK_WHAT])};
    return cl_launch(device, kernel, cl_elements(cl, a->size[CHECK_ELEMENTS]), 5, args);
}

void cl_override_sum(tas_device *device)
{
    device->launch[OP_SUM_BLOCKS] = sum_blocks;
    device->launch[OP_RECORD_LOSS] = record_loss;
    device->launch[OP_CHECK_FINITE] = check_finite;
}
