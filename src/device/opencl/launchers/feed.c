/* Launches of cl/feed.cl. */
#include "device/opencl/opencl.h"

#include "ops/feed.h"

static tas_status gather(tas_device *device, const op_args *a, const mem *m, const char *name)
{
    const struct cl_device *cl = device->cl;
    char lanes[32];
    cl_kernel kernel;
    snprintf(lanes, sizeof lanes, " -D LANES=%u", op_panel_width(a));
    tas_status status = cl_get_elements(device, "feed", name, lanes, &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),
                           A_MEM(&m[1]),
                           A_MEM(&m[2]),
                           A_U32(a->size[GATHER_ELEMENTS]),
                           A_U32(a->size[GATHER_AT]),
                           A_U32(a->size[GATHER_DIRECT]),
                           A_U32(a->n),
                           A_F32(a->scalar[GATHER_SCALE]),
                           A_F32(a->scalar[GATHER_SHIFT])};
    cl_range range = cl_elements(cl, a->size[GATHER_ELEMENTS]);
    range.global[1] = op_padded(a) / op_panel_width(a);
    return cl_launch(device, kernel, range, 9, args);
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

static tas_status gather_labels(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const struct cl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = cl_get_elements(device, "feed", "gather_labels", "", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),
                           A_MEM(&m[1]),
                           A_MEM(&m[2]),
                           A_U32(a->n),
                           A_U32(a->size[GATHER_AT]),
                           A_U32(a->size[GATHER_DIRECT])};
    return cl_launch(device, kernel, cl_elements(cl, a->n), 6, args);
}

static tas_status one_hot(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const struct cl_device *cl = device->cl;
    const uint32_t count = a->n * a->size[ONE_HOT_CLASSES];
    cl_kernel kernel;
    (void)scratch;
    tas_status status = cl_get_elements(device, "feed", "one_hot", "", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]), A_MEM(&m[1]), A_U32(count), A_U32(a->size[ONE_HOT_CLASSES])};
    return cl_launch(device, kernel, cl_elements(cl, count), 4, args);
}

void cl_override_feed(tas_device *device)
{
    device->launch[OP_GATHER_BYTES] = gather_bytes;
    device->launch[OP_GATHER_FLOATS] = gather_floats;
    device->launch[OP_GATHER_LABELS] = gather_labels;
    device->launch[OP_ONE_HOT] = one_hot;
}
