/* Launches of cl/adam.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/adam.h"
#include "ops/divisor.h"
#include "ops/lamb.h"

static tas_status adam(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]), A_MEM(&m[5]),
                            A_U32(a->size[UPDATE_ELEMENTS]), A_U32(a->size[UPDATE_AT]));
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "adam", "adam", "", &kernel);
    if (status) return status;
    for (int k = 0; k < ADAM_SCALARS; k++) launch_add(&args, A_F32(a->scalar[k])); /* in their order */
    return launch_kernel(device, kernel, launch_elements(device->cl, a->size[UPDATE_AT], a->size[UPDATE_ELEMENTS]),
                         &args);
}

static tas_status lamb_direction(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]), A_MEM(&m[5]),
                            A_U32(a->size[UPDATE_ELEMENTS]), A_U32(a->size[UPDATE_AT]));
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "adam", "lamb_direction", "", &kernel);
    if (status) return status;
    for (int k = ADAM_BETA1; k <= ADAM_EPSILON; k++) launch_add(&args, A_F32(a->scalar[k])); /* in their order */
    launch_add(&args, A_F32(a->scalar[ADAM_DECOUPLED]));
    return launch_kernel(device, kernel, launch_elements(device->cl, a->size[UPDATE_AT], a->size[UPDATE_ELEMENTS]),
                         &args);
}

static tas_status lamb_step(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_U32(a->size[UPDATE_ELEMENTS]),
                            A_U32(a->size[UPDATE_AT]), A_U32(a->size[UPDATE_ADAPTED]));
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "adam", "lamb_step", "", &kernel);
    if (status) return status;
    launch_add(&args, A_F32(a->scalar[LAMB_LR]));
    return launch_kernel(device, kernel, launch_elements(device->cl, a->size[UPDATE_AT], a->size[UPDATE_ELEMENTS]),
                         &args);
}

const launcher adam_launchers[] = {
    {OP_ADAM, adam, NULL}, {OP_LAMB_DIRECTION, lamb_direction, NULL}, {OP_LAMB_STEP, lamb_step, NULL}, {0}};
