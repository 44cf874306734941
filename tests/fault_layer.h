/* The two halves of the fault layer: fault_layer.c wraps the calls, fault_state.c judges and counts them. */
#ifndef FAULT_LAYER_H
#define FAULT_LAYER_H

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_1_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS
#include <CL/cl_layer.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The calls that rules can name and that are counted; the trace has those that are reported. */
#define CALLS(CALL)                                                                                                    \
    CALL(clGetPlatformIDs, false)                                                                                      \
    CALL(clGetDeviceIDs, false)                                                                                        \
    CALL(clGetDeviceInfo, false)                                                                                       \
    CALL(clGetPlatformInfo, false)                                                                                     \
    CALL(clGetProgramInfo, false)                                                                                      \
    CALL(clGetProgramBuildInfo, false)                                                                                 \
    CALL(clGetKernelInfo, false)                                                                                       \
    CALL(clGetKernelWorkGroupInfo, false)                                                                              \
    CALL(clGetEventProfilingInfo, false)                                                                               \
    CALL(clCreateContext, true)                                                                                        \
    CALL(clCreateCommandQueue, true)                                                                                   \
    CALL(clCreateCommandQueueWithProperties, true)                                                                     \
    CALL(clCreateBuffer, true)                                                                                         \
    CALL(clCreateSubBuffer, false)                                                                                     \
    CALL(clCreateProgramWithSource, true)                                                                              \
    CALL(clCreateProgramWithBinary, true)                                                                              \
    CALL(clBuildProgram, true)                                                                                         \
    CALL(clCreateKernel, false)                                                                                        \
    CALL(clSetKernelArg, false)                                                                                        \
    CALL(clEnqueueNDRangeKernel, true)                                                                                 \
    CALL(clEnqueueWriteBuffer, true)                                                                                   \
    CALL(clEnqueueReadBuffer, true)                                                                                    \
    CALL(clEnqueueFillBuffer, true)                                                                                    \
    CALL(clEnqueueCopyBuffer, true)                                                                                    \
    CALL(clEnqueueMarkerWithWaitList, true)                                                                            \
    CALL(clEnqueueBarrierWithWaitList, true)                                                                           \
    CALL(clFlush, true)                                                                                                \
    CALL(clFinish, true)                                                                                               \
    CALL(clWaitForEvents, true)

typedef enum call_id {
#define ID(name, told) CALL_##name,
    CALLS(ID)
#undef ID
        CALL_COUNT
} call_id;

typedef enum kind { KIND_MEM, KIND_KERNEL, KIND_PROGRAM, KIND_QUEUE, KIND_CONTEXT, KIND_EVENT, KIND_COUNT } kind;

/* A call that is about to be made. */
typedef struct request {
    call_id call;
    const void *of;    /* an object of the context in which it is made; NULL: of none */
    cl_kernel kernel;  /* of a launch, clSetKernelArg, clCreateKernel */
    cl_mem touches[2]; /* by a command that is no launch */
    uint64_t creates;  /* bytes of a buffer */
    bool waits;        /* for what was queued */
    bool command;      /* lazy=1 leaves it out */
} request;

/* Reads what the environment tells the layer to do. */
void fault_begin(void);

/* Ends the program: a test must not go on with a layer that does not do what it was told. */
_Noreturn void fault_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Counts the call. An error: the answer. Else *skip: it shall seem to be done; or the driver shall do it. */
cl_int fault_judge(const request *q, bool *skip);

/* After a wait that failed with spoil=1: the next buffer that shall be overwritten, from *at (0 at first) on; NULL: no
 * more. */
cl_mem fault_spoil(int *at, uint64_t *size);

/* After a launch: the buffer of which the 32-bit word *at shall be made wrong; NULL: none. */
cl_mem fault_corrupt(uint64_t *at);

/* What clGetDeviceInfo shall answer instead of *value; false: the truth. */
bool fault_device_info(cl_device_info what, uint64_t *value);

/* Objects, as they come and go. All take a handle that the driver gave; `of` is an object of the same context. */
void fault_created(kind k, void *handle, const void *of);
void fault_created_context(void *handle, const char *platform);
void fault_created_buffer(void *handle, uint64_t size, const void *of);
void fault_created_part(void *handle, const void *whole);
void fault_created_kernel(void *handle, const char *name, const void *of);
void fault_retained(const void *handle);
void fault_releasing(const void *handle); /* before the driver's call: after it, a new object may get that address */

/* A kernel's argument: the value is taken for a buffer if it is the handle of one, which must be of the kernel's
 * context. */
void fault_set_argument(const void *kernel, cl_uint index, void *value);

/* A command was taken by the driver: its kernel, or the bytes that it moves; its event. */
void fault_enqueued(const request *q, uint64_t size, const cl_event *event);

#endif
