/* Launches of cl/dropout.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/dropout.h"

#include "philox.h"

/* Philox blocks per work-item: those of whole panels of examples, and enough to fill vectors. */
static uint32_t draws_of(tas_device *device, const op_args *a)
{
    const opencl_device *cl = device->cl;
    const uint32_t enough = 2 * opencl_vector_width(device);
    if (!cl->cpu) return 1;
    return op_panel_width(a) > enough ? op_panel_width(a) : enough;
}

/* An activation comes before dropout, its gradient behind that of dropout. */
static tas_status get_kernel(tas_device *device, const op_args *a, const char *name, launch_range *range,
                             cl_kernel *out)
{
    const opencl_device *cl = device->cl;
    const uint32_t group = cl->cpu ? 1 : cl->group, draws = draws_of(device, a), span = 4 * draws / op_panel_width(a);
    const char *function = activation_function(a->size[DROPOUT_ACTIVATION]);
    char options[160];
    const int n =
        snprintf(options, sizeof options, "-D GROUP=%u -D PANEL=%u -D DRAWS=%u", group, op_panel_width(a), draws);
    if (function && a->op == OP_DROPOUT_FORWARD)
        snprintf(options + n, sizeof options - (size_t)n, " -D FORWARD=%s", function);
    else if (function && a->size[DROPOUT_ACTIVATION] != OP_RELU_FORWARD)
        snprintf(options + n, sizeof options - (size_t)n, " -D BACKWARD=%s_gradient", function);
    *range = launch_line(group, (a->size[DROPOUT_ELEMENTS] + span - 1) / span);
    range->global[1] = op_padded(a) / op_panel_width(a);
    return program_get_kernel(device, "dropout", name, options, out);
}

static tas_status dropout(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const bool backward = a->op == OP_DROPOUT_BACKWARD && a->size[DROPOUT_ACTIVATION];
    launch_range range;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, a, "dropout", &range, &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[backward ? 3 : 0]), A_U32(a->n),
                                  A_U32(a->size[DROPOUT_ELEMENTS]), A_U32(a->at), A_U32((uint32_t)a->seed),
                                  A_U32((uint32_t)(a->seed >> 32)), A_U32(PHILOX_DROPOUT | a->size[DROPOUT_LAYER]),
                                  A_U32(a->epoch), A_U32(a->evaluating ? 0 : a->size[DROPOUT_THRESHOLD]),
                                  A_F32(a->evaluating ? 1 : a->scalar[DROPOUT_SCALE]), A_F32(a->scalar[DROPOUT_SLOPE]));
    return launch_kernel(device, kernel, range, &args);
}

static tas_status backward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_range range;
    cl_kernel kernel;
    if (a->size[DROPOUT_ACTIVATION] != OP_RELU_FORWARD) return dropout(device, a, m, scratch);
    tas_status status = get_kernel(device, a, "dropout_relu_backward", &range, &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[3]), A_MEM(&m[2]), A_U32(a->size[DROPOUT_ELEMENTS]),
                                  A_F32(a->scalar[DROPOUT_SCALE]));
    return launch_kernel(device, kernel, range, &args);
}

const launcher dropout_launchers[] = {
    {OP_DROPOUT_FORWARD, dropout, NULL},
    {OP_DROPOUT_BACKWARD, backward, NULL},
    {0},
};
