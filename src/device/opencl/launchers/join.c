/* Launches of cl/join.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/join.h"

static tas_status combine(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t count = op_padded(a) * a->size[JOIN_ELEMENTS];
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "join", a->op == OP_ADD ? "add" : "multiply", "", &kernel);
    if (status) return status;
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(count));
    if (a->op == OP_ADD) {
        launch_add(&args, A_MASK(a, m));
        launch_add(&args, A_LEAST(a));
        launch_add(&args, A_U32(a->masked));
    }
    return launch_kernel(device, kernel, launch_elements(device->cl, 0, count), &args);
}

static tas_status copy_part(tas_device *device, const op_args *a, const mem *m, bool forward)
{
    const uint32_t wide = op_panel_width(a), elements = a->size[JOIN_ELEMENTS] * wide;
    const uint32_t whole = a->size[JOIN_WHOLE] * wide, at = a->size[JOIN_AT] * wide;
    cl_kernel kernel;
    tas_status status = program_get_singles(device, "join", "copy_part", "", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(elements), A_U32(forward ? elements : whole),
                                  A_U32(forward ? 0 : at), A_U32(forward ? whole : elements), A_U32(forward ? at : 0));
    launch_range range = launch_singles(device->cl, elements);
    range.global[1] = op_padded(a) / wide;
    return launch_kernel(device, kernel, range, &args);
}

static tas_status concat_forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return copy_part(device, a, m, true);
}

static tas_status concat_backward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return copy_part(device, a, m, false);
}

const launcher join_launchers[] = {
    {OP_ADD, combine, NULL},
    {OP_MULTIPLY, combine, NULL},
    {OP_CONCAT_FORWARD, concat_forward, NULL},
    {OP_CONCAT_BACKWARD, concat_backward, NULL},
    {0},
};
