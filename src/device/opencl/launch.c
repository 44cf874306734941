/* Launches of kernels. */
#include "device/opencl/launch.h"

#include "device/opencl/errors.h"
#include "device/opencl/fork.h"
#include "device/opencl/pieces.h"
#include "device/opencl/rehearse.h"

static cl_int set_argument(cl_kernel kernel, cl_uint index, const launch_arg *a)
{
    switch (a->kind) {
    case ARG_MEM: {
        cl_mem m = a->value.m ? a->value.m->cl : NULL; /* a buffer that the kernel does not touch this time */
        return clSetKernelArg(kernel, index, sizeof m, &m);
    }
    case ARG_U32: return clSetKernelArg(kernel, index, sizeof a->value.u, &a->value.u);
    case ARG_F32: return clSetKernelArg(kernel, index, sizeof a->value.f, &a->value.f);
    case ARG_LOCAL: return clSetKernelArg(kernel, index, a->value.u, NULL);
    }
    return CL_INVALID_ARG_VALUE;
}

/* argument is its position, or negative if the launch itself failed. */
static tas_status launch_failed(tas_device *device, cl_kernel kernel, cl_int error, int argument, const launch_range *r)
{
    char name[64] = "a kernel", call[256];
    clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name - 1, name, NULL);
    if (argument >= 0)
        snprintf(call, sizeof call, "clSetKernelArg of %s, argument %d", name, argument);
    else
        snprintf(call, sizeof call, "clEnqueueNDRangeKernel of %s, %zu x %zu x %zu in groups of %zu x %zu x %zu", name,
                 r->global[0], r->global[1], r->global[2], r->local[0], r->local[1], r->local[2]);
    return error_fail(device, error, call);
}

/* A kernel's name in the device's table. */
static const char *kernel_name(const opencl_device *cl, cl_kernel kernel)
{
    for (int k = 0; k < cl->kernel_count; k++)
        if (cl->kernels[k].kernel == kernel) return cl->kernels[k].name;
    return "a kernel";
}

/* The memory that a launch may read or write. */
static uint64_t argument_bytes(const launch_args *args)
{
    uint64_t bytes = 0;
    for (int k = 0; k < args->count; k++)
        if (args->arg[k].kind == ARG_MEM && args->arg[k].value.m) bytes += args->arg[k].value.m->bytes;
    return bytes;
}

tas_status launch_kernel(tas_device *device, cl_kernel kernel, launch_range range, const launch_args *args)
{
    const opencl_device *cl = device->cl;
    if (fork_is_child()) return fork_check(device->context);
    for (int k = 0; k < 3; k++) {
        if (k && !range.local[k]) range.global[k] = range.local[k] = 1; /* a dimension that was not set */
        if (!range.global[k]) return TAS_OK; /* nothing to do, which drivers report as an error */
    }
    const bool cuts = pieces_may_cut(device, &range, argument_bytes(args));
    if (cl->rehearsal) {
        cl->rehearsal->cuts |= cuts;
        return TAS_OK;
    }
    const tas_status status = cuts ? program_test_pieces(device, kernel) : TAS_OK;
    if (status) return status;
    for (int k = 0; k < args->count; k++) {
        cl_int error = set_argument(kernel, (cl_uint)k, &args->arg[k]);
        if (error) return launch_failed(device, kernel, error, k, &range);
    }
    const char *name = cl->events ? kernel_name(cl, kernel) : NULL;
    cl_int error = pieces_enqueue(device, kernel, &range, argument_bytes(args), name);
    return error ? launch_failed(device, kernel, error, -1, &range) : TAS_OK;
}

tas_status launch_biases(tas_device *device, const op_args *args, const mem *m, const mem *scratch, op_launch biases)
{
    const mem operand[] = {m[1], m[4], m[5]};
    return biases(device, args, operand, scratch);
}

tas_status launch_parameters(tas_device *device, const op_args *args, const mem *m, const mem *scratch,
                             op_launch weights, op_launch biases)
{
    const tas_status status = weights(device, args, m, scratch);
    return status ? status : launch_biases(device, args, m, scratch, biases);
}
