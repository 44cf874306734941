/* Launches of cl/feed.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/feed.h"

/* What the kernels have in common. Without labels, the order stands in the place of those of the source and the tile.
 */
static launch_args args_of(const op_args *a, const mem *m)
{
    const bool labels = a->size[GATHER_LABELS];
    return ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[labels ? 2 : 1]), A_MEM(&m[labels ? 3 : 1]), A_MEM(&m[4]),
                A_U32(a->size[GATHER_ELEMENTS]), A_U32(a->size[GATHER_AT]), A_U32(a->size[GATHER_DIRECT]), A_U32(a->n),
                A_U32(labels ? a->n : 0));
}

/* A range over the elements of an example, for each panel of examples. */
static launch_range panels_range(launch_range elements, const op_args *a)
{
    elements.global[1] = op_padded(a) / op_panel_width(a);
    return elements;
}

static const char *lanes_of(const op_args *a, char text[32])
{
    snprintf(text, 32, " -D PANEL=%u", op_panel_width(a));
    return text;
}

static tas_status gather(tas_device *device, const op_args *a, const mem *m, const char *name)
{
    char lanes[32];
    cl_kernel kernel;
    tas_status status = program_get_fours(device, "feed", name, lanes_of(a, lanes), &kernel);
    if (status) return status;
    launch_args args = args_of(a, m);
    launch_add(&args, A_F32(a->scalar[GATHER_SCALE]));
    launch_add(&args, A_F32(a->scalar[GATHER_SHIFT]));
    return launch_kernel(device, kernel, panels_range(launch_fours(device->cl, a->size[GATHER_ELEMENTS]), a), &args);
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
    char lanes[32];
    cl_kernel kernel;
    tas_status status = program_get_singles(device, "feed", name, lanes_of(a, lanes), &kernel);
    if (status) return status;
    launch_args args = args_of(a, m);
    launch_add(&args, A_MEM(&m[5]));
    for (int s = IMAGE_HEIGHT; s <= IMAGE_CUTOUT; s++) launch_add(&args, A_U32(a->size[s]));
    launch_add(&args, A_U32(a->epoch));
    launch_add(&args, A_U32((uint32_t)a->seed));
    launch_add(&args, A_U32((uint32_t)(a->seed >> 32)));
    return launch_kernel(device, kernel, panels_range(launch_singles(device->cl, a->size[GATHER_ELEMENTS]), a), &args);
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

static tas_status one_hot(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const uint32_t count = a->n * a->size[ONE_HOT_CLASSES];
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_singles(device, "feed", "one_hot", " -D PANEL=1", &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(count), A_U32(a->size[ONE_HOT_CLASSES]), A_U32(a->size[ONE_HOT_FIRST]));
    return launch_kernel(device, kernel, launch_singles(cl, count), &args);
}

const launcher feed_launchers[] = {
    {OP_GATHER_BYTES, gather_bytes, NULL},
    {OP_GATHER_FLOATS, gather_floats, NULL},
    {OP_GATHER_IMAGE_BYTES, gather_image_bytes, NULL},
    {OP_GATHER_IMAGE_FLOATS, gather_image_floats, NULL},
    {OP_ONE_HOT, one_hot, NULL},
    {0},
};
