/* Launches of cl/reorder.cl. */
#include "device/opencl/opencl.h"

#include "ops/reorder.h"

static tas_status reorder(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    enum { REORDER_RUN = 64 }; /* elements of a panel: they stay in the nearest cache while lanes go by */
    const struct cl_device *cl = device->cl;
    const uint32_t run = cl->cpu ? REORDER_RUN : 1;
    char options[64];
    cl_kernel kernel;
    (void)scratch;
    snprintf(options, sizeof options, "-D GROUP=%u -D RUN=%u -D LANES=%u", cl->cpu ? 1 : cl->group, run,
             op_panel_width(a));
    tas_status status =
        cl_get_kernel(device, "reorder", a->op == OP_TO_ROWS ? "to_rows" : "to_panels", options, &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->n), A_U32(a->size[REORDER_ELEMENTS])};
    cl_range range = cl_line(cl->cpu ? 1 : cl->group, (a->size[REORDER_ELEMENTS] + run - 1) / run);
    range.global[1] = op_padded(a) / op_panel_width(a);
    return cl_launch(device, kernel, range, 4, args);
}

void cl_override_reorder(tas_device *device) { device->launch[OP_TO_ROWS] = device->launch[OP_TO_PANELS] = reorder; }
