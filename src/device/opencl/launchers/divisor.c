/* Launches of cl/divisor.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/divisor.h"
#include "ops/watch.h"

static tas_status clip(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_grouped(device, "divisor", "gradient_clip", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->size[CLIP_SQUARES]),
                                  A_U32(a->size[CLIP_STEP]), A_U32(BAD_NORM), A_F32(a->scalar[CLIP_NORM]));
    return launch_kernel(device, kernel, launch_line(cl->group, cl->group), &args);
}

static tas_status trust_ratio(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_grouped(device, "divisor", "trust_ratio", &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->size[TRUST_WEIGHTS]), A_U32(a->size[TRUST_OTHERS]),
             A_U32(a->size[TRUST_OF_SUM]), A_F32(a->scalar[TRUST_COEFFICIENT]), A_F32(a->scalar[TRUST_DECAY]));
    return launch_kernel(device, kernel, launch_line(cl->group, cl->group), &args);
}

const launcher divisor_launchers[] = {
    {OP_CLIP, clip, NULL},
    {OP_TRUST_RATIO, trust_ratio, NULL},
    {0},
};
