/* Launches of cl/reorder.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/reorder.h"

static tas_status reorder(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    enum { REORDER_RUN = 64 }; /* elements of a panel: they stay in the level 1 cache from one example to the next */
    const opencl_device *cl = device->cl;
    const uint32_t run = cl->cpu ? REORDER_RUN : 1;
    char options[64];
    cl_kernel kernel;
    (void)scratch;
    snprintf(options, sizeof options, "-D GROUP=%u -D RUN=%u -D PANEL=%u", cl->cpu ? 1 : cl->group, run,
             op_panel_width(a));
    tas_status status =
        program_get_kernel(device, "reorder", a->op == OP_TO_ROWS ? "to_rows" : "to_panels", options, &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->n), A_U32(a->size[REORDER_ELEMENTS]));
    launch_range range = launch_line(cl->cpu ? 1 : cl->group, (a->size[REORDER_ELEMENTS] + run - 1) / run);
    range.global[1] = op_padded(a) / op_panel_width(a);
    return launch_kernel(device, kernel, range, &args);
}

const launcher reorder_launchers[] = {
    {OP_TO_ROWS, reorder, NULL},
    {OP_TO_PANELS, reorder, NULL},
    {0},
};
