/* Errors of calls, and launches of kernels. */
#include "device/opencl/fork.h"
#include "device/opencl/opencl.h"

#include <string.h>

/* Classed, since drivers answer the same trouble with different codes. CL_OUT_OF_RESOURCES is how many refuse memory,
 * which they take only when a command is accepted; at a wait it may as well be a kernel that went wrong. */
static bool is_memory_error(cl_int error, const char *call)
{
    switch (error) {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_OUT_OF_HOST_MEMORY:
    case CL_INVALID_BUFFER_SIZE: return true;
    case CL_OUT_OF_RESOURCES: return !strncmp(call, "clEnqueue", 9) || !strncmp(call, "clCreate", 8);
    default: return false;
    }
}

tas_status cl_fail(tas_device *device, cl_int error, const char *call)
{
    return fail(device->context, is_memory_error(error, call) ? TAS_NO_MEMORY : TAS_DEVICE_FAILED, "%s: %s: %s (%d)",
                device->info.id, call, cl_error_name(error), (int)error);
}

static cl_int set_argument(cl_kernel kernel, cl_uint index, const cl_arg *a)
{
    switch (a->kind) {
    case ARG_MEM: {
        cl_mem m = a->m ? a->m->cl : NULL; /* a buffer that the kernel does not touch this time */
        return clSetKernelArg(kernel, index, sizeof m, &m);
    }
    case ARG_U32: return clSetKernelArg(kernel, index, sizeof a->u, &a->u);
    case ARG_F32: return clSetKernelArg(kernel, index, sizeof a->f, &a->f);
    case ARG_LOCAL: return clSetKernelArg(kernel, index, a->local, NULL);
    }
    return CL_INVALID_ARG_VALUE;
}

/* argument is its place, or negative where the launch itself failed. */
static tas_status launch_failed(tas_device *device, cl_kernel kernel, cl_int error, int argument, const cl_range *r)
{
    char name[64] = "a kernel", call[256];
    clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name - 1, name, NULL);
    if (argument >= 0)
        snprintf(call, sizeof call, "clSetKernelArg of %s, argument %d", name, argument);
    else
        snprintf(call, sizeof call, "clEnqueueNDRangeKernel of %s, %zu x %zu x %zu in groups of %zu x %zu x %zu", name,
                 r->global[0], r->global[1], r->global[2], r->local[0], r->local[1], r->local[2]);
    return cl_fail(device, error, call);
}

/* As the device's table has it. */
static const char *kernel_name(const struct cl_device *cl, cl_kernel kernel)
{
    for (int k = 0; k < cl->kernel_count; k++)
        if (cl->kernels[k].kernel == kernel) return cl->kernels[k].name;
    return "a kernel";
}

tas_status cl_launch(tas_device *device, cl_kernel kernel, cl_range range, int count, const cl_arg *args)
{
    const struct cl_device *cl = device->cl;
    cl_uint dimensions = 1;
    if (fork_is_child()) return fork_check(device->context);
    for (cl_uint k = 0; k < 3; k++) {
        if (k && !range.local[k]) range.global[k] = range.local[k] = 1; /* a dimension that was not given */
        if (!range.global[k]) return TAS_OK; /* nothing to do, which drivers take for an error */
        if (range.global[k] > 1 || range.local[k] > 1) dimensions = k + 1;
    }
    for (int k = 0; k < count; k++) {
        cl_int error = set_argument(kernel, (cl_uint)k, &args[k]);
        if (error) return launch_failed(device, kernel, error, k, &range);
    }
    cl_event event, *asked = cl_ask_event(cl, &event);
    cl_int error =
        clEnqueueNDRangeKernel(cl->queue, kernel, dimensions, NULL, range.global, range.local, 0, NULL, asked);
    if (error) return launch_failed(device, kernel, error, -1, &range);
    if (asked) cl_keep_event(device, event, kernel_name(cl, kernel), 0);
    return TAS_OK;
}

static const struct {
    cl_int code;
    const char *name;
} error_names[] = {
#define ERROR(e)                                                                                                       \
    {                                                                                                                  \
        e, #e                                                                                                          \
    }
    ERROR(CL_SUCCESS),
    ERROR(CL_DEVICE_NOT_FOUND),
    ERROR(CL_DEVICE_NOT_AVAILABLE),
    ERROR(CL_COMPILER_NOT_AVAILABLE),
    ERROR(CL_MEM_OBJECT_ALLOCATION_FAILURE),
    ERROR(CL_OUT_OF_RESOURCES),
    ERROR(CL_OUT_OF_HOST_MEMORY),
    ERROR(CL_PROFILING_INFO_NOT_AVAILABLE),
    ERROR(CL_MEM_COPY_OVERLAP),
    ERROR(CL_IMAGE_FORMAT_MISMATCH),
    ERROR(CL_IMAGE_FORMAT_NOT_SUPPORTED),
    ERROR(CL_BUILD_PROGRAM_FAILURE),
    ERROR(CL_MAP_FAILURE),
    ERROR(CL_MISALIGNED_SUB_BUFFER_OFFSET),
    ERROR(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
    ERROR(CL_COMPILE_PROGRAM_FAILURE),
    ERROR(CL_LINKER_NOT_AVAILABLE),
    ERROR(CL_LINK_PROGRAM_FAILURE),
    ERROR(CL_DEVICE_PARTITION_FAILED),
    ERROR(CL_KERNEL_ARG_INFO_NOT_AVAILABLE),
    ERROR(CL_INVALID_VALUE),
    ERROR(CL_INVALID_DEVICE_TYPE),
    ERROR(CL_INVALID_PLATFORM),
    ERROR(CL_INVALID_DEVICE),
    ERROR(CL_INVALID_CONTEXT),
    ERROR(CL_INVALID_QUEUE_PROPERTIES),
    ERROR(CL_INVALID_COMMAND_QUEUE),
    ERROR(CL_INVALID_HOST_PTR),
    ERROR(CL_INVALID_MEM_OBJECT),
    ERROR(CL_INVALID_IMAGE_FORMAT_DESCRIPTOR),
    ERROR(CL_INVALID_IMAGE_SIZE),
    ERROR(CL_INVALID_SAMPLER),
    ERROR(CL_INVALID_BINARY),
    ERROR(CL_INVALID_BUILD_OPTIONS),
    ERROR(CL_INVALID_PROGRAM),
    ERROR(CL_INVALID_PROGRAM_EXECUTABLE),
    ERROR(CL_INVALID_KERNEL_NAME),
    ERROR(CL_INVALID_KERNEL_DEFINITION),
    ERROR(CL_INVALID_KERNEL),
    ERROR(CL_INVALID_ARG_INDEX),
    ERROR(CL_INVALID_ARG_VALUE),
    ERROR(CL_INVALID_ARG_SIZE),
    ERROR(CL_INVALID_KERNEL_ARGS),
    ERROR(CL_INVALID_WORK_DIMENSION),
    ERROR(CL_INVALID_WORK_GROUP_SIZE),
    ERROR(CL_INVALID_WORK_ITEM_SIZE),
    ERROR(CL_INVALID_GLOBAL_OFFSET),
    ERROR(CL_INVALID_EVENT_WAIT_LIST),
    ERROR(CL_INVALID_EVENT),
    ERROR(CL_INVALID_OPERATION),
    ERROR(CL_INVALID_GL_OBJECT),
    ERROR(CL_INVALID_BUFFER_SIZE),
    ERROR(CL_INVALID_MIP_LEVEL),
    ERROR(CL_INVALID_GLOBAL_WORK_SIZE),
    ERROR(CL_INVALID_PROPERTY),
    ERROR(CL_INVALID_IMAGE_DESCRIPTOR),
    ERROR(CL_INVALID_COMPILER_OPTIONS),
    ERROR(CL_INVALID_LINKER_OPTIONS),
    ERROR(CL_INVALID_DEVICE_PARTITION_COUNT),
#undef ERROR
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
    {-9999, "an error of NVIDIA's without a name (a kernel's bad access)"},
};

const char *cl_error_name(cl_int error)
{
    for (size_t k = 0; k < sizeof error_names / sizeof *error_names; k++) {
        if (error_names[k].code == error) return error_names[k].name;
    }
    return "an unknown error";
}
