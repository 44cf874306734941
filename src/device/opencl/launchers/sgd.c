/* Launches of cl/sgd.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/divisor.h"
#include "ops/lars.h"
#include "ops/sgd.h"

static tas_status sgd(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]),
                            A_U32(a->size[UPDATE_ELEMENTS]), A_U32(a->size[UPDATE_AT]), A_U32(a->size[SGD_NESTEROV]));
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "sgd", "sgd", "", &kernel);
    if (status) return status;
    for (int k = 0; k < SGD_SCALARS; k++) launch_add(&args, A_F32(a->scalar[k])); /* in their order */
    return launch_kernel(device, kernel, launch_elements(device->cl, a->size[UPDATE_AT], a->size[UPDATE_ELEMENTS]),
                         &args);
}

static tas_status lars(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]),
                            A_U32(a->size[UPDATE_ELEMENTS]), A_U32(a->size[UPDATE_AT]), A_U32(a->size[UPDATE_ADAPTED]));
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "sgd", "lars", "", &kernel);
    if (status) return status;
    for (int k = 0; k < LARS_SCALARS; k++) launch_add(&args, A_F32(a->scalar[k])); /* in their order */
    return launch_kernel(device, kernel, launch_elements(device->cl, a->size[UPDATE_AT], a->size[UPDATE_ELEMENTS]),
                         &args);
}

const launcher sgd_launchers[] = {{OP_SGD, sgd, NULL}, {OP_LARS, lars, NULL}, {0}};
