/* Launches of cl/depthwise_gpu.cl: depthwise convolutions on GPUs. */
#include "device/opencl/launchers/depthwise.h"

static void add_geometry(launch_args *args, const op_args *a)
{
    for (int i = 0; i < WINDOW_GRANULE; i++) launch_add(args, A_U32(a->size[i]));
}

/* Without a bias, any other buffer stands in its place. */
tas_status depthwise_gpu_forward(tas_device *device, const op_args *a, const mem *m)
{
    const bool biased = a->op == OP_CONV_FORWARD;
    const uint32_t count = (uint32_t)(a->n * window_out_elements(a));
    launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[biased ? 2 : 1]), A_MEM(&m[biased ? 3 : 2]), A_U32(count));
    cl_kernel kernel;
    tas_status status = program_get_grouped(device, "depthwise_gpu", "depthwise_forward", &kernel);
    if (status) return status;
    add_geometry(&args, a);
    launch_add(&args, A_U32(biased));
    launch_add(&args, A_LEAST(a));
    return launch_kernel(device, kernel, launch_line(((opencl_device *)device->cl)->group, count), &args);
}

tas_status depthwise_gpu_backward_input(tas_device *device, const op_args *a, const mem *m)
{
    const uint32_t count = (uint32_t)(a->n * window_in_elements(a));
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MASK(a, m), A_ADDEND(a, m), A_U32(count));
    cl_kernel kernel;
    tas_status status = program_get_grouped(device, "depthwise_gpu", "depthwise_backward_input", &kernel);
    if (status) return status;
    add_geometry(&args, a);
    launch_add(&args, A_U32(a->masked));
    launch_add(&args, A_U32(a->adds));
    return launch_kernel(device, kernel, launch_line(((opencl_device *)device->cl)->group, count), &args);
}

tas_status depthwise_gpu_weights_pass(tas_device *device, const op_args *a, const mem *m, const granule_pass *p)
{
    launch_args args = ARGS(A_MEM(&m[1]), A_MEM(&m[0]), A_MEM(p->partial), A_MEM(p->to), A_U32(a->n));
    cl_kernel kernel;
    tas_status status = program_get_grouped(device, "depthwise_gpu", "depthwise_backward_weights", &kernel);
    if (status) return status;
    add_geometry(&args, a);
    sum_examples_add_pass(&args, p);
    launch_range range = launch_line(((opencl_device *)device->cl)->group, (size_t)window_weights(a));
    range.global[1] = p->granules;
    range.local[1] = 1;
    return launch_kernel(device, kernel, range, &args);
}
