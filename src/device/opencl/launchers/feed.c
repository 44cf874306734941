/* Launches of cl/feed.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/feed.h"

/* The kernel of that name, for each element of each panel of examples. */
static tas_status launch_gather(tas_device *device, const op_args *a, const char *name, const launch_args *args)
{
    char lanes[32];
    cl_kernel kernel;
    snprintf(lanes, sizeof lanes, " -D PANEL=%u", op_panel_width(a));
    tas_status status = program_get_elementwise(device, "feed", name, lanes, &kernel);
    if (status) return status;
    launch_range range = launch_elements(device->cl, a->size[GATHER_ELEMENTS]);
    range.global[1] = op_padded(a) / op_panel_width(a);
    return launch_kernel(device, kernel, range, args);
}

static tas_status gather(tas_device *device, const op_args *a, const mem *m, const char *name)
{
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->size[GATHER_ELEMENTS]),
                                  A_U32(a->size[GATHER_AT]), A_U32(a->size[GATHER_DIRECT]), A_U32(a->n),
                                  A_F32(a->scalar[GATHER_SCALE]), A_F32(a->scalar[GATHER_SHIFT]));
    return launch_gather(device, a, name, &args);
}

static tas_status gather_bytes(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return gather(device, a, m, "gather_bytes");
}

static tas_status gather_floats(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return gather(device, a, m, "gather_floats");
}

static tas_status gather_image(tas_device *device, const op_args *a, const mem *m, const char *name)
{
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_U32(a->size[GATHER_ELEMENTS]),
             A_U32(a->size[GATHER_AT]), A_U32(a->size[GATHER_DIRECT]), A_U32(a->n), A_U32(a->size[IMAGE_HEIGHT]),
             A_U32(a->size[IMAGE_WIDTH]), A_U32(a->size[IMAGE_FLIP]), A_U32(a->size[IMAGE_SHIFT]),
             A_U32(a->size[IMAGE_CUTOUT]), A_U32(a->epoch), A_U32((uint32_t)a->seed), A_U32((uint32_t)(a->seed >> 32)));
    return launch_gather(device, a, name, &args);
}

static tas_status gather_image_bytes(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return gather_image(device, a, m, "gather_image_bytes");
}

static tas_status gather_image_floats(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return gather_image(device, a, m, "gather_image_floats");
}

static tas_status gather_labels(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "feed", "gather_labels", " -D PANEL=1", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->n), A_U32(a->size[GATHER_AT]),
                                  A_U32(a->size[GATHER_DIRECT]));
    return launch_kernel(device, kernel, launch_elements(cl, a->n), &args);
}

static tas_status one_hot(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const uint32_t count = a->n * a->size[ONE_HOT_CLASSES];
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "feed", "one_hot", " -D PANEL=1", &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(count), A_U32(a->size[ONE_HOT_CLASSES]), A_U32(a->size[ONE_HOT_FIRST]));
    return launch_kernel(device, kernel, launch_elements(cl, count), &args);
}

const launcher feed_launchers[] = {
    {OP_GATHER_BYTES, gather_bytes, NULL},
    {OP_GATHER_FLOATS, gather_floats, NULL},
    {OP_GATHER_IMAGE_BYTES, gather_image_bytes, NULL},
    {OP_GATHER_IMAGE_FLOATS, gather_image_floats, NULL},
    {OP_GATHER_LABELS, gather_labels, NULL},
    {OP_ONE_HOT, one_hot, NULL},
    {0},
};
