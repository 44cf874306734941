/* A layer of OpenCL's loader (OPENCL_LAYERS=/path/to/it.so) that counts calls, and does wrong what it is told.
 * Tests alone.
 *
 * TASSELLO_FAULT=RULE|RULE..., each of key=value, separated by ';':
 *     call=NAME      the call that fails; clEnqueue* is each whose name begins so, * each
 *     kernel=NAME    only where the call has a kernel of that name
 *     platform=NAME  only on devices of the platform of that name
 *     nth=N          the N-th such call fails, 1 (the default) being the first,
 *     after=K        counted once K kernels were accepted
 *     times=N        and so many in a row (default 1; 0: all that follow)
 *     code=E         with that error (default -5)
 *     lazy=1         A command is accepted and not run, other calls work; the next clFinish, clWaitForEvents or
 *                    blocking
 *                    transfer fails, `times` of them in a row (0: all). It happens to the nth call (times=0: and to
 *                    all after it)
 *     drop=1         it is accepted and not run, and nobody hears of it
 *     abort=1        it ends the program, as a driver's assertion does
 *     pause=MS       it does not fail, and takes so many milliseconds longer
 *     corrupt=A      a launch goes well, but the lowest bit of a word of its A-th argument, a buffer, is turned over:
 *     at=W           of the word W, 0 (the default) being the first
 *     every=N        of corrupt: and so for every N-th launch from the nth one on
 *     spoil=1        a wait that fails leaves garbage in every buffer
 *     lost=1         from then on every call with an object of that context fails so; those of a context that is
 *                    created later do not
 * TASSELLO_FAULT_BUDGET       bytes: a clCreateBuffer beyond them fails
 * TASSELLO_FAULT_LAZY_BUDGET  bytes: it succeeds, and so does each command until one is the first to touch a buffer
 *                             beyond them
 * TASSELLO_FAULT_CODE         the error of both budgets (default -4)
 * TASSELLO_FAULT_MAX_ALLOC, TASSELLO_FAULT_GLOBAL   what clGetDeviceInfo says of memory, in bytes
 * TASSELLO_FAULT_VECTOR_WIDTH, TASSELLO_FAULT_MAX_GROUP, TASSELLO_FAULT_LOCAL, TASSELLO_FAULT_UNIFIED,
 * TASSELLO_FAULT_ALIGN, TASSELLO_FAULT_TYPE, TASSELLO_FAULT_UNITS   likewise, of other facts (fault_state.c). What is
 *                             beyond the limits of buffers, groups, local memory and alignment is refused
 * TASSELLO_FAULT_DRIVER       the driver's version, no longer than the true one
 * TASSELLO_FAULT_WITHOUT_FP   bits that CL_DEVICE_SINGLE_FP_CONFIG shall not have: 1 denormals, 32 fma
 * TASSELLO_FAULT_LOG          the file that gets what was counted, one JSON object, when the last context goes and
 *                             at the exit
 * TASSELLO_FAULT_TRACE=1      adds to it the calls in their order, as "sgd", "clFinish!-5" or, lazy, "sgd~";
 *                             2: also those that enqueue, create or wait for nothing
 *
 * A call that would create or enqueue something and that is not known here ends the program (nothing goes
 * uncounted), and so does
 * a release too many. */
#include "fault_layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cl_icd_dispatch next, ours; /* the driver's calls, and the loader's view of them */

#define REFERENCES(object, type)                                                                                       \
    static cl_int CL_API_CALL retain_##object(type handle)                                                             \
    {                                                                                                                  \
        fault_retained(handle);                                                                                        \
        return next.clRetain##object(handle);                                                                          \
    }                                                                                                                  \
    static cl_int CL_API_CALL release_##object(type handle)                                                            \
    {                                                                                                                  \
        fault_releasing(handle);                                                                                       \
        return next.clRelease##object(handle);                                                                         \
    }
REFERENCES(Context, cl_context)
REFERENCES(CommandQueue, cl_command_queue)
REFERENCES(MemObject, cl_mem)
REFERENCES(Program, cl_program)
REFERENCES(Kernel, cl_kernel)
REFERENCES(Event, cl_event)
#undef REFERENCES

/* Of a call that answers with an object: NULL, with the error where that is wanted. */
static void *refuse(cl_int code, cl_int *error)
{
    if (error) *error = code;
    return NULL;
}

static void *created(kind k, void *handle, const void *of)
{
    if (handle) fault_created(k, handle, of);
    return handle;
}

static cl_int CL_API_CALL get_platforms(cl_uint room, cl_platform_id *platforms, cl_uint *count)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clGetPlatformIDs}, &skip);
    return answer ? answer : next.clGetPlatformIDs(room, platforms, count);
}

static cl_int CL_API_CALL get_devices(cl_platform_id platform, cl_device_type type, cl_uint room, cl_device_id *devices,
                                      cl_uint *count)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clGetDeviceIDs}, &skip);
    return answer ? answer : next.clGetDeviceIDs(platform, type, room, devices, count);
}

static cl_int CL_API_CALL get_device_info(cl_device_id device, cl_device_info what, size_t size, void *value,
                                          size_t *written)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clGetDeviceInfo}, &skip);
    if (answer) return answer;
    const cl_int error = next.clGetDeviceInfo(device, what, size, value, written);
    const char *version = what == CL_DRIVER_VERSION ? getenv("TASSELLO_FAULT_DRIVER") : NULL;
    uint64_t says = 0;
    size_t bytes = 0;
    if (!error && value && version) snprintf(value, size, "%s", version);
    if (error || !value || next.clGetDeviceInfo(device, what, 0, NULL, &bytes) || bytes > sizeof says) return error;
    memcpy(&says, value, bytes); /* the least significant bytes of a little-endian number */
    if (fault_device_info(what, &says)) memcpy(value, &says, bytes);
    return CL_SUCCESS;
}

/* What is asked of other objects, which is counted and may fail. */
#define ANSWERS(function, name, object, info)                                                                          \
    static cl_int CL_API_CALL function(object of, info what, size_t size, void *value, size_t *written)                \
    {                                                                                                                  \
        bool skip;                                                                                                     \
        const cl_int answer = fault_judge(&(request){.call = CALL_##name}, &skip);                                     \
        return answer ? answer : next.name(of, what, size, value, written);                                            \
    }
ANSWERS(get_platform_info, clGetPlatformInfo, cl_platform_id, cl_platform_info)
ANSWERS(get_program_info, clGetProgramInfo, cl_program, cl_program_info)
ANSWERS(get_kernel_info, clGetKernelInfo, cl_kernel, cl_kernel_info)
ANSWERS(get_event_info, clGetEventProfilingInfo, cl_event, cl_profiling_info)
#undef ANSWERS

static cl_int CL_API_CALL get_build_info(cl_program program, cl_device_id device, cl_program_build_info what,
                                         size_t size, void *value, size_t *written)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clGetProgramBuildInfo}, &skip);
    return answer ? answer : next.clGetProgramBuildInfo(program, device, what, size, value, written);
}

/* A kernel's own limit is not above the device's. */
static cl_int CL_API_CALL get_work_group_info(cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info what,
                                              size_t size, void *value, size_t *written)
{
    bool skip;
    uint64_t most = 0;
    const cl_int answer = fault_judge(&(request){.call = CALL_clGetKernelWorkGroupInfo}, &skip);
    if (answer) return answer;
    const cl_int error = next.clGetKernelWorkGroupInfo(kernel, device, what, size, value, written);
    if (error || what != CL_KERNEL_WORK_GROUP_SIZE || !value) return error;
    if (fault_device_info(CL_DEVICE_MAX_WORK_GROUP_SIZE, &most) && *(size_t *)value > most) *(size_t *)value = most;
    return CL_SUCCESS;
}

static cl_context CL_API_CALL create_context(const cl_context_properties *properties, cl_uint count,
                                             const cl_device_id *devices,
                                             void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
                                             void *user, cl_int *error)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clCreateContext}, &skip);
    if (answer) return refuse(answer, error);
    cl_context context = next.clCreateContext(properties, count, devices, notify, user, error);
    cl_platform_id platform = NULL;
    char name[64] = "";
    if (!context) return NULL;
    if (!next.clGetDeviceInfo(devices[0], CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL))
        next.clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name, name, NULL);
    fault_created_context(context, name);
    return context;
}

static cl_command_queue CL_API_CALL create_queue(cl_context context, cl_device_id device,
                                                 cl_command_queue_properties properties, cl_int *error)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clCreateCommandQueue, .of = context}, &skip);
    if (answer) return refuse(answer, error);
    return created(KIND_QUEUE, next.clCreateCommandQueue(context, device, properties, error), context);
}

static cl_command_queue CL_API_CALL create_queue_with(cl_context context, cl_device_id device,
                                                      const cl_queue_properties *properties, cl_int *error)
{
    bool skip;
    const cl_int answer =
        fault_judge(&(request){.call = CALL_clCreateCommandQueueWithProperties, .of = context}, &skip);
    if (answer) return refuse(answer, error);
    return created(KIND_QUEUE, next.clCreateCommandQueueWithProperties(context, device, properties, error), context);
}

/* Whether a device that is told to have a limit would refuse so much. */
static bool is_beyond(cl_device_info limit, uint64_t wanted)
{
    uint64_t most = 0;
    return fault_device_info(limit, &most) && wanted > most;
}

static bool is_misaligned(size_t origin)
{
    uint64_t bits = 0;
    return fault_device_info(CL_DEVICE_MEM_BASE_ADDR_ALIGN, &bits) && bits >= 8 && origin % (bits / 8);
}

static cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *error)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clCreateBuffer, .of = context, .creates = size}, &skip);
    if (answer) return refuse(answer, error);
    if (is_beyond(CL_DEVICE_MAX_MEM_ALLOC_SIZE, size)) return refuse(CL_INVALID_BUFFER_SIZE, error);
    cl_mem buffer = next.clCreateBuffer(context, flags, size, host, error);
    if (buffer) fault_created_buffer(buffer, size, context);
    return buffer;
}

static cl_mem CL_API_CALL create_sub_buffer(cl_mem whole, cl_mem_flags flags, cl_buffer_create_type type,
                                            const void *region, cl_int *error)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clCreateSubBuffer, .of = whole}, &skip);
    if (answer) return refuse(answer, error);
    if (is_misaligned(((const cl_buffer_region *)region)->origin))
        return refuse(CL_MISALIGNED_SUB_BUFFER_OFFSET, error);
    cl_mem part = next.clCreateSubBuffer(whole, flags, type, region, error);
    if (part) fault_created_part(part, whole);
    return part;
}

static cl_program CL_API_CALL create_program(cl_context context, cl_uint count, const char **texts,
                                             const size_t *lengths, cl_int *error)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clCreateProgramWithSource, .of = context}, &skip);
    if (answer) return refuse(answer, error);
    return created(KIND_PROGRAM, next.clCreateProgramWithSource(context, count, texts, lengths, error), context);
}

static cl_program CL_API_CALL create_program_from(cl_context context, cl_uint count, const cl_device_id *devices,
                                                  const size_t *lengths, const unsigned char **binaries, cl_int *status,
                                                  cl_int *error)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clCreateProgramWithBinary, .of = context}, &skip);
    if (answer) return refuse(answer, error);
    return created(KIND_PROGRAM,
                   next.clCreateProgramWithBinary(context, count, devices, lengths, binaries, status, error), context);
}

static cl_int CL_API_CALL build_program(cl_program program, cl_uint count, const cl_device_id *devices,
                                        const char *options, void(CL_CALLBACK *notify)(cl_program, void *), void *user)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clBuildProgram, .of = program}, &skip);
    return answer ? answer : next.clBuildProgram(program, count, devices, options, notify, user);
}

/* Without its place among programs that are built as one: "u0_". */
static const char *own_name(const char *name)
{
    const char *at = name + 1;
    while (*at >= '0' && *at <= '9') at++;
    return *name == 'u' && at > name + 1 && *at == '_' ? at + 1 : name;
}

/* The kernel is made first, so that a rule can ask for its name. */
static cl_kernel CL_API_CALL create_kernel(cl_program program, const char *name, cl_int *error)
{
    bool skip;
    cl_kernel kernel = next.clCreateKernel(program, name, error);
    if (!kernel) return NULL;
    fault_created_kernel(kernel, own_name(name), program);
    const cl_int answer = fault_judge(&(request){.call = CALL_clCreateKernel, .of = program, .kernel = kernel}, &skip);
    if (!answer) return kernel;
    release_Kernel(kernel);
    return refuse(answer, error);
}

static cl_int CL_API_CALL set_kernel_arg(cl_kernel kernel, cl_uint index, size_t size, const void *value)
{
    bool skip;
    void *handle = NULL;
    cl_int answer = fault_judge(&(request){.call = CALL_clSetKernelArg, .of = kernel, .kernel = kernel}, &skip);
    if (!answer) answer = next.clSetKernelArg(kernel, index, size, value);
    if (answer) return answer;
    if (value && size == sizeof handle) memcpy(&handle, value, sizeof handle);
    fault_set_argument(kernel, index, handle);
    return CL_SUCCESS;
}

static cl_int enqueued(cl_int error, const request *q, size_t size, const cl_event *event)
{
    if (error) return error;
    fault_enqueued(q, size, event);
    return CL_SUCCESS;
}

/* A command that is not run still has an event. */
static cl_int skipped(cl_command_queue queue, const request *q, cl_uint count, const cl_event *list, cl_event *event)
{
    return enqueued(event ? next.clEnqueueMarkerWithWaitList(queue, count, list, event) : CL_SUCCESS, q, 0, event);
}

/* What a driver that lost its memory leaves: NaN as floats, and indices far out of range. */
static void spoil(cl_command_queue queue)
{
    const cl_uchar garbage = 0xff;
    uint64_t size;
    cl_mem buffer;
    for (int at = 0; (buffer = fault_spoil(&at, &size));)
        next.clEnqueueFillBuffer(queue, buffer, &garbage, sizeof garbage, 0, size, 0, NULL, NULL);
    next.clFinish(queue);
}

/* A wait that fails does so when nothing runs any more. */
static cl_int refuse_command(cl_command_queue queue, const request *q, cl_int answer)
{
    if (!q->waits) return answer;
    next.clFinish(queue);
    spoil(queue);
    return answer;
}

/* Queues are in order: it waits for the launch. */
static void corrupt(cl_command_queue queue)
{
    uint64_t at;
    cl_uint word = 0;
    cl_mem buffer = fault_corrupt(&at);
    if (!buffer) return;
    const size_t size = sizeof word, offset = at * size;
    cl_int error = next.clEnqueueReadBuffer(queue, buffer, CL_TRUE, offset, size, &word, 0, NULL, NULL);
    word ^= 1;
    if (!error) error = next.clEnqueueWriteBuffer(queue, buffer, CL_TRUE, offset, size, &word, 0, NULL, NULL);
    if (error) fault_die("corrupt: word %d cannot be made wrong: %d", (int)at, error);
}

/* The error of a device whose groups or local memory a kernel exceeds. */
static cl_int check_limits(cl_kernel kernel, cl_uint dimensions, const size_t *local)
{
    cl_context context;
    cl_device_id device;
    cl_ulong bytes = 0;
    uint64_t group = 1;
    for (cl_uint i = 0; local && i < dimensions; i++) group *= local[i];
    if (is_beyond(CL_DEVICE_MAX_WORK_GROUP_SIZE, group)) return CL_INVALID_WORK_GROUP_SIZE;
    if (!is_beyond(CL_DEVICE_LOCAL_MEM_SIZE, UINT64_MAX)) return CL_SUCCESS; /* it has no limit here */
    if (next.clGetKernelInfo(kernel, CL_KERNEL_CONTEXT, sizeof context, &context, NULL) ||
        next.clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof device, &device, NULL) ||
        next.clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof bytes, &bytes, NULL))
        return CL_SUCCESS;
    return is_beyond(CL_DEVICE_LOCAL_MEM_SIZE, bytes) ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}

static cl_int CL_API_CALL enqueue_kernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                                         const size_t *offset, const size_t *global, const size_t *local, cl_uint count,
                                         const cl_event *list, cl_event *event)
{
    bool skip;
    const request q = {.call = CALL_clEnqueueNDRangeKernel, .of = queue, .kernel = kernel, .command = true};
    const cl_int answer = fault_judge(&q, &skip);
    if (answer) return refuse_command(queue, &q, answer);
    if (skip) return skipped(queue, &q, count, list, event);
    const cl_int beyond = check_limits(kernel, dimensions, local);
    if (beyond) return beyond;
    const cl_int error =
        enqueued(next.clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, count, list, event), &q,
                 0, event);
    corrupt(queue);
    return error;
}

static cl_int CL_API_CALL enqueue_write(cl_command_queue queue, cl_mem to, cl_bool wait, size_t offset, size_t size,
                                        const void *from, cl_uint count, const cl_event *list, cl_event *event)
{
    bool skip;
    const request q = {
        .call = CALL_clEnqueueWriteBuffer, .of = queue, .touches = {to}, .waits = wait != CL_FALSE, .command = true};
    const cl_int answer = fault_judge(&q, &skip);
    if (answer) return refuse_command(queue, &q, answer);
    if (skip) return skipped(queue, &q, count, list, event);
    return enqueued(next.clEnqueueWriteBuffer(queue, to, wait, offset, size, from, count, list, event), &q, size,
                    event);
}

static cl_int CL_API_CALL enqueue_read(cl_command_queue queue, cl_mem from, cl_bool wait, size_t offset, size_t size,
                                       void *to, cl_uint count, const cl_event *list, cl_event *event)
{
    bool skip;
    const request q = {
        .call = CALL_clEnqueueReadBuffer, .of = queue, .touches = {from}, .waits = wait != CL_FALSE, .command = true};
    const cl_int answer = fault_judge(&q, &skip);
    if (answer) return refuse_command(queue, &q, answer);
    if (skip) return skipped(queue, &q, count, list, event);
    return enqueued(next.clEnqueueReadBuffer(queue, from, wait, offset, size, to, count, list, event), &q, size, event);
}

static cl_int CL_API_CALL enqueue_fill(cl_command_queue queue, cl_mem to, const void *pattern, size_t pattern_size,
                                       size_t offset, size_t size, cl_uint count, const cl_event *list, cl_event *event)
{
    bool skip;
    const request q = {.call = CALL_clEnqueueFillBuffer, .of = queue, .touches = {to}, .command = true};
    const cl_int answer = fault_judge(&q, &skip);
    if (answer) return refuse_command(queue, &q, answer);
    if (skip) return skipped(queue, &q, count, list, event);
    return enqueued(next.clEnqueueFillBuffer(queue, to, pattern, pattern_size, offset, size, count, list, event), &q,
                    size, event);
}

static cl_int CL_API_CALL enqueue_copy(cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset,
                                       size_t to_offset, size_t size, cl_uint count, const cl_event *list,
                                       cl_event *event)
{
    bool skip;
    const request q = {.call = CALL_clEnqueueCopyBuffer, .of = queue, .touches = {from, to}, .command = true};
    const cl_int answer = fault_judge(&q, &skip);
    if (answer) return refuse_command(queue, &q, answer);
    if (skip) return skipped(queue, &q, count, list, event);
    return enqueued(next.clEnqueueCopyBuffer(queue, from, to, from_offset, to_offset, size, count, list, event), &q,
                    size, event);
}

static cl_int CL_API_CALL enqueue_marker(cl_command_queue queue, cl_uint count, const cl_event *list, cl_event *event)
{
    bool skip;
    const request q = {.call = CALL_clEnqueueMarkerWithWaitList, .of = queue, .command = true};
    const cl_int answer = fault_judge(&q, &skip);
    if (answer) return answer;
    if (skip) return skipped(queue, &q, count, list, event);
    return enqueued(next.clEnqueueMarkerWithWaitList(queue, count, list, event), &q, 0, event);
}

static cl_int CL_API_CALL enqueue_barrier(cl_command_queue queue, cl_uint count, const cl_event *list, cl_event *event)
{
    bool skip;
    const request q = {.call = CALL_clEnqueueBarrierWithWaitList, .of = queue, .command = true};
    const cl_int answer = fault_judge(&q, &skip);
    if (answer) return answer;
    if (skip) return skipped(queue, &q, count, list, event);
    return enqueued(next.clEnqueueBarrierWithWaitList(queue, count, list, event), &q, 0, event);
}

static cl_int CL_API_CALL flush(cl_command_queue queue)
{
    bool skip;
    const cl_int answer = fault_judge(&(request){.call = CALL_clFlush, .of = queue, .command = true}, &skip);
    return answer || skip ? answer : next.clFlush(queue);
}

static cl_int CL_API_CALL finish(cl_command_queue queue)
{
    bool skip;
    const request q = {.call = CALL_clFinish, .of = queue, .waits = true, .command = true};
    const cl_int answer = fault_judge(&q, &skip);
    if (answer) return refuse_command(queue, &q, answer);
    return skip ? CL_SUCCESS : next.clFinish(queue);
}

static cl_int CL_API_CALL wait_for_events(cl_uint count, const cl_event *list)
{
    bool skip;
    const cl_int answer = fault_judge(
        &(request){.call = CALL_clWaitForEvents, .of = count ? list[0] : NULL, .waits = true, .command = true}, &skip);
    const cl_int error = skip ? CL_SUCCESS : next.clWaitForEvents(count, list);
    return answer ? answer : error;
}

/* What is not known here ------------------------------------------------------------------------------------------ */

#define UNKNOWN(TRAP)                                                                                                  \
    TRAP(clCreateContextFromType)                                                                                      \
    TRAP(clCreateBufferWithProperties)                                                                                 \
    TRAP(clCreateImage)                                                                                                \
    TRAP(clCreateImage2D)                                                                                              \
    TRAP(clCreateImage3D)                                                                                              \
    TRAP(clCreateImageWithProperties)                                                                                  \
    TRAP(clCreatePipe)                                                                                                 \
    TRAP(clSVMAlloc)                                                                                                   \
    TRAP(clCreateProgramWithIL)                                                                                        \
    TRAP(clCreateProgramWithBuiltInKernels)                                                                            \
    TRAP(clCompileProgram)                                                                                             \
    TRAP(clLinkProgram)                                                                                                \
    TRAP(clCreateKernelsInProgram)                                                                                     \
    TRAP(clCloneKernel)                                                                                                \
    TRAP(clCreateUserEvent)                                                                                            \
    TRAP(clEnqueueReadBufferRect)                                                                                      \
    TRAP(clEnqueueWriteBufferRect)                                                                                     \
    TRAP(clEnqueueCopyBufferRect)                                                                                      \
    TRAP(clEnqueueMapBuffer)                                                                                           \
    TRAP(clEnqueueUnmapMemObject)                                                                                      \
    TRAP(clEnqueueMigrateMemObjects)                                                                                   \
    TRAP(clEnqueueTask)                                                                                                \
    TRAP(clEnqueueNativeKernel)                                                                                        \
    TRAP(clEnqueueMarker)                                                                                              \
    TRAP(clEnqueueBarrier)                                                                                             \
    TRAP(clEnqueueWaitForEvents)

#define TRAP(name)                                                                                                     \
    static void trap_##name(void)                                                                                      \
    {                                                                                                                  \
        fault_die("%s is not known here", #name);                                                                      \
    }
UNKNOWN(TRAP)
#undef TRAP

/* The loader's side ----------------------------------------------------------------------------------------------- */

static void fill_table(void)
{
    ours = next;
#define SET(name) ours.name = (cl_api_##name)trap_##name;
    UNKNOWN(SET)
#undef SET
    ours.clRetainContext = retain_Context;
    ours.clReleaseContext = release_Context;
    ours.clRetainCommandQueue = retain_CommandQueue;
    ours.clReleaseCommandQueue = release_CommandQueue;
    ours.clRetainMemObject = retain_MemObject;
    ours.clReleaseMemObject = release_MemObject;
    ours.clRetainProgram = retain_Program;
    ours.clReleaseProgram = release_Program;
    ours.clRetainKernel = retain_Kernel;
    ours.clReleaseKernel = release_Kernel;
    ours.clRetainEvent = retain_Event;
    ours.clReleaseEvent = release_Event;
    ours.clGetPlatformIDs = get_platforms;
    ours.clGetDeviceIDs = get_devices;
    ours.clGetDeviceInfo = get_device_info;
    ours.clGetPlatformInfo = get_platform_info;
    ours.clGetProgramInfo = get_program_info;
    ours.clGetProgramBuildInfo = get_build_info;
    ours.clGetKernelInfo = get_kernel_info;
    ours.clGetKernelWorkGroupInfo = get_work_group_info;
    ours.clGetEventProfilingInfo = get_event_info;
    ours.clCreateContext = create_context;
    ours.clCreateCommandQueue = create_queue;
    ours.clCreateCommandQueueWithProperties = create_queue_with;
    ours.clCreateBuffer = create_buffer;
    ours.clCreateSubBuffer = create_sub_buffer;
    ours.clCreateProgramWithSource = create_program;
    ours.clCreateProgramWithBinary = create_program_from;
    ours.clBuildProgram = build_program;
    ours.clCreateKernel = create_kernel;
    ours.clSetKernelArg = set_kernel_arg;
    ours.clEnqueueNDRangeKernel = enqueue_kernel;
    ours.clEnqueueWriteBuffer = enqueue_write;
    ours.clEnqueueReadBuffer = enqueue_read;
    ours.clEnqueueFillBuffer = enqueue_fill;
    ours.clEnqueueCopyBuffer = enqueue_copy;
    ours.clEnqueueMarkerWithWaitList = enqueue_marker;
    ours.clEnqueueBarrierWithWaitList = enqueue_barrier;
    ours.clFlush = flush;
    ours.clFinish = finish;
    ours.clWaitForEvents = wait_for_events;
}

__attribute__((visibility("default"))) cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *value,
                                                                         size_t *written)
{
    static const char name[] = "tassello-faults";
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    const bool named = what == CL_LAYER_NAME;
    const size_t needed = named ? sizeof name : sizeof version;
    if (!named && what != CL_LAYER_API_VERSION) return CL_INVALID_VALUE;
    if (value && size < needed) return CL_INVALID_VALUE;
    if (value) memcpy(value, named ? (const void *)name : (const void *)&version, needed);
    if (written) *written = needed;
    return CL_SUCCESS;
}

__attribute__((visibility("default"))) cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch *target,
                                                                      cl_uint *written,
                                                                      const cl_icd_dispatch **dispatch)
{
    const cl_uint all = sizeof next / sizeof next.clGetPlatformIDs;
    if (!target || !written || !dispatch || entries < all) return CL_INVALID_VALUE;
    next = *target;
    fill_table();
    fault_begin();
    *written = all;
    *dispatch = &ours;
    return CL_SUCCESS;
}
