/* Launches of cl/resize.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/resize.h"

enum { RESIZE_RUN = 64 };

static tas_status resize(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    static const char *const names[OP_COUNT] = {[OP_UPSAMPLE_FORWARD] = "upsample_forward",
                                                [OP_UPSAMPLE_BACKWARD] = "upsample_backward",
                                                [OP_PAD_FORWARD] = "pad_forward",
                                                [OP_PAD_BACKWARD] = "pad_backward"};
    const opencl_device *cl = device->cl;
    const uint32_t *s = a->size, group = cl->cpu ? 1 : cl->group, run = cl->cpu ? RESIZE_RUN : 1;
    const bool large = a->op == OP_UPSAMPLE_FORWARD || a->op == OP_PAD_FORWARD;
    const uint32_t plane = large ? s[RESIZE_OH] * s[RESIZE_OW] : s[RESIZE_H] * s[RESIZE_W];
    const uint32_t count = op_padded(a) / op_panel_width(a) * s[RESIZE_C] * plane;
    char options[64];
    cl_kernel kernel;
    (void)scratch;
    snprintf(options, sizeof options, "-D GROUP=%u -D RUN=%u -D PANEL=%u", group, run, op_panel_width(a));
    tas_status status = program_get_kernel(device, "resize", names[a->op], options, &kernel);
    if (status) return status;
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(count));
    for (int i = RESIZE_H; i <= RESIZE_X; i++) launch_add(&args, A_U32(s[i]));
    return launch_kernel(device, kernel, launch_line(group, block_count(count, run)), &args);
}

const launcher resize_launchers[] = {
    {OP_UPSAMPLE_FORWARD, resize, NULL},
    {OP_UPSAMPLE_BACKWARD, resize, NULL},
    {OP_PAD_FORWARD, resize, NULL},
    {OP_PAD_BACKWARD, resize, NULL},
    {0},
};
