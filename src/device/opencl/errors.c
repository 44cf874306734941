/* Errors of OpenCL calls. */
#include "device/opencl/errors.h"

#include <string.h>

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

const char *error_name(cl_int error)
{
    for (size_t k = 0; k < sizeof error_names / sizeof *error_names; k++) {
        if (error_names[k].code == error) return error_names[k].name;
    }
    return "an unknown error";
}

/* Grouped, since drivers report the same problem with different codes. Many report a lack of memory, which they
 * only allocate when a command is accepted, as CL_OUT_OF_RESOURCES; returned by a wait, that may as well be a
 * kernel that failed. */
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

tas_status error_fail(tas_device *device, cl_int error, const char *call)
{
    return fail(device->context, is_memory_error(error, call) ? TAS_NO_MEMORY : TAS_DEVICE_FAILED, "%s: %s: %s (%d)",
                device->info.id, call, error_name(error), (int)error);
}
