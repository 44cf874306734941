/* Opening an OpenCL device: context, one in-order queue, memory, and the table of launchers overridden with kernels. */
#include "device/opencl/fork.h"
#include "device/opencl/opencl.h"
#include "device/profile.h"

#include <stdlib.h>
#include <string.h>

static tas_status alloc(tas_device *device, uint64_t bytes, mem *out)
{
    if (fork_is_child()) return fork_check(device->context);
    struct cl_device *cl = device->cl;
    cl_int error;
    *out = (mem){0};
    if (device->info.max_alloc_bytes && bytes > device->info.max_alloc_bytes)
        return fail(device->context, TAS_NO_MEMORY, "%s: %llu bytes in one piece, of which it gives at most %llu",
                    device->info.id, (unsigned long long)bytes, (unsigned long long)device->info.max_alloc_bytes);
    cl_mem buffer = clCreateBuffer(cl->context, CL_MEM_READ_WRITE, bytes ? bytes : 1, NULL, &error);
    if (error) return cl_fail(device, error, "clCreateBuffer");
    *out = (mem){.cl = buffer, .bytes = bytes};
    return TAS_OK;
}

static void release(tas_device *device, mem *m)
{
    (void)device;
    if (!fork_is_child()) clReleaseMemObject(m->cl);
}

static tas_status slice(tas_device *device, const mem *whole, uint64_t offset, uint64_t bytes, mem *out)
{
    if (fork_is_child()) return fork_check(device->context);
    cl_int error;
    cl_buffer_region region = {.origin = offset, .size = bytes ? bytes : 1};
    *out = (mem){0};
    cl_mem buffer = clCreateSubBuffer(whole->cl, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
    if (error) return cl_fail(device, error, "clCreateSubBuffer");
    *out = (mem){.cl = buffer, .bytes = bytes};
    return TAS_OK;
}

static void release_slice(tas_device *device, mem *m)
{
    (void)device;
    if (m->cl && !fork_is_child()) clReleaseMemObject(m->cl);
    *m = (mem){0};
}

/* After a wait that went well; one of the profile's own may have told what this one did not. */
static tas_status end_wait(tas_device *device)
{
    struct cl_device *cl = device->cl;
    const cl_int error = cl->late_error;
    if (is_profiled(device)) device->profile->waits++;
    cl->late_error = CL_SUCCESS;
    return error ? cl_fail(device, error, "clWaitForEvents") : TAS_OK;
}

static tas_status zero(tas_device *device, const mem *m)
{
    if (fork_is_child()) return fork_check(device->context);
    struct cl_device *cl = device->cl;
    const cl_uchar nought = 0;
    if (!m->bytes) return TAS_OK;
    cl_event event, *asked = cl_ask_event(cl, &event);
    cl_int error = clEnqueueFillBuffer(cl->queue, m->cl, &nought, sizeof nought, 0, m->bytes, 0, NULL, asked);
    if (error) return cl_fail(device, error, "clEnqueueFillBuffer");
    if (asked) cl_keep_event(device, event, "fill", m->bytes);
    return TAS_OK;
}

static tas_status write(tas_device *device, const mem *m, uint64_t offset, const void *from, uint64_t bytes, bool wait)
{
    if (fork_is_child()) return fork_check(device->context);
    struct cl_device *cl = device->cl;
    if (!bytes) return TAS_OK;
    cl_event event, *asked = cl_ask_event(cl, &event);
    cl_int error = clEnqueueWriteBuffer(cl->queue, m->cl, wait, offset, bytes, from, 0, NULL, asked);
    if (error) return cl_fail(device, error, "clEnqueueWriteBuffer");
    if (asked) cl_keep_event(device, event, "write", bytes);
    return wait ? end_wait(device) : TAS_OK;
}

static tas_status read(tas_device *device, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    if (fork_is_child()) return fork_check(device->context);
    struct cl_device *cl = device->cl;
    if (!bytes) return TAS_OK;
    cl_event event, *asked = cl_ask_event(cl, &event);
    cl_int error = clEnqueueReadBuffer(cl->queue, m->cl, CL_TRUE, offset, bytes, to, 0, NULL, asked);
    if (error) return cl_fail(device, error, "clEnqueueReadBuffer");
    if (asked) cl_keep_event(device, event, "read", bytes);
    return end_wait(device);
}

/* The queue for streams, made when the first one asks. */
static tas_status get_transfers(tas_device *device)
{
    struct cl_device *cl = device->cl;
    return cl->transfers ? TAS_OK : cl_make_queue(device, cl->events != NULL, &cl->transfers);
}

static tas_status join(tas_device *device, void **ticket)
{
    cl_event event = *ticket;
    if (!event) return TAS_OK;
    *ticket = NULL;
    if (fork_is_child()) return fork_check(device->context);
    cl_int error = clWaitForEvents(1, &event);
    clReleaseEvent(event);
    if (is_profiled(device)) device->profile->waits++;
    return error ? cl_fail(device, error, "clWaitForEvents") : TAS_OK;
}

static tas_status write_later(tas_device *device, const mem *m, const void *from, uint64_t bytes, void *after,
                              void **ticket)
{
    if (fork_is_child()) return fork_check(device->context);
    struct cl_device *cl = device->cl;
    cl_event before[2], done = NULL;
    cl_uint count = 0;
    tas_status status = get_transfers(device);
    if (status || !bytes) return status;
    if (after) before[count++] = after;
    if (*ticket) before[count++] = *ticket; /* so that the new one fails where the earlier one did */
    cl_int error =
        clEnqueueWriteBuffer(cl->transfers, m->cl, CL_FALSE, 0, bytes, from, count, count ? before : NULL, &done);
    if (error) return cl_fail(device, error, "clEnqueueWriteBuffer");
    if (*ticket) clReleaseEvent(*ticket);
    *ticket = done;
    cl_keep_stream(device, done, bytes);
    error = clFlush(cl->transfers);
    return error ? cl_fail(device, error, "clFlush") : TAS_OK;
}

static tas_status await(tas_device *device, void *ticket)
{
    if (fork_is_child()) return fork_check(device->context);
    struct cl_device *cl = device->cl;
    cl_event event = ticket;
    if (!event) return TAS_OK;
    cl_int error = clEnqueueBarrierWithWaitList(cl->queue, 1, &event, NULL);
    return error ? cl_fail(device, error, "clEnqueueBarrierWithWaitList") : TAS_OK;
}

static tas_status mark(tas_device *device, void **ticket)
{
    if (fork_is_child()) return fork_check(device->context);
    struct cl_device *cl = device->cl;
    cl_event event = NULL;
    cl_int error = clEnqueueMarkerWithWaitList(cl->queue, 0, NULL, &event);
    if (error) return cl_fail(device, error, "clEnqueueMarkerWithWaitList");
    if (*ticket) clReleaseEvent(*ticket);
    *ticket = event;
    return TAS_OK;
}

static tas_status flush(tas_device *device)
{
    if (fork_is_child()) return fork_check(device->context);
    struct cl_device *cl = device->cl;
    cl_int error = clFlush(cl->queue);
    if (is_profiled(device)) device->profile->flushes++;
    return error ? cl_fail(device, error, "clFlush") : TAS_OK;
}

static tas_status finish(tas_device *device)
{
    if (fork_is_child()) return fork_check(device->context);
    struct cl_device *cl = device->cl;
    cl_int error = clFinish(cl->queue);
    return error ? cl_fail(device, error, "clFinish") : end_wait(device);
}

static tas_status open_context(tas_device *device, const char *call)
{
    struct cl_device *cl = device->cl;
    cl_int error;
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)cl->platform, 0};
    cl->context = clCreateContext(properties, 1, &cl->id, NULL, NULL, &error);
    return error ? cl_fail(device, error, call) : cl_make_queue(device, cl->events != NULL, &cl->queue);
}

/* With all that belongs to it, but for buffers and CLBlast's programs. */
static void close_context(struct cl_device *cl)
{
    cl_drop_events(cl);
    cl_release_programs(cl);
    if (cl->transfers) clReleaseCommandQueue(cl->transfers);
    if (cl->queue) clReleaseCommandQueue(cl->queue);
    if (cl->context) clReleaseContext(cl->context);
    cl->transfers = cl->queue = NULL;
    cl->context = NULL;
}

/* The old one goes first: what it still holds of the device's memory may be wanted. Kernels come back as they are asked
 * for. */
static tas_status renew_context(tas_device *device)
{
    if (fork_is_child()) return fork_check(device->context);
    close_context(device->cl);
    return open_context(device, "clCreateContext, in place of one that failed");
}

static tas_status renew(tas_device *device) { return cl_reopen_providers(device, renew_context); }

static void close_device(tas_device *device)
{
    struct cl_device *cl = device->cl;
    if (!cl) return;
    if (fork_is_child()) { /* what the driver has is left to it */
        free(cl->events);
        free(cl->providers);
        free(cl);
        return;
    }
    if (cl->queue) clFinish(cl->queue);
    cl_close_providers(device);
    close_context(cl);
    free(cl);
}

static const device_driver driver = {
    .alloc = alloc,
    .release = release,
    .slice = slice,
    .release_slice = release_slice,
    .zero = zero,
    .write = write,
    .read = read,
    .write_later = write_later,
    .await = await,
    .mark = mark,
    .join = join,
    .flush = flush,
    .finish = finish,
    .set_profiling = cl_set_profiling,
    .reopen = renew,
    .close = close_device,
};

tas_status cl_get_simple(tas_device *device, const char *program, const char *name, cl_kernel *out)
{
    char options[32];
    snprintf(options, sizeof options, "-D GROUP=%u -D RUN=1", ((struct cl_device *)device->cl)->group);
    return cl_get_kernel(device, program, name, options, out);
}

tas_status cl_get_elements(tas_device *device, const char *program, const char *name, const char *more, cl_kernel *out)
{
    const struct cl_device *cl = device->cl;
    char options[80];
    snprintf(options, sizeof options, "-D GROUP=%u -D RUN=%u%s", cl->cpu ? 1 : cl->group, cl->cpu ? CPU_RUN : 1, more);
    return cl_get_kernel(device, program, name, options, out);
}

/* Whether a kernel runs in groups of the size that the device's simple kernels have. */
static tas_status group_fits(tas_device *device, cl_kernel kernel, bool *fits)
{
    const struct cl_device *cl = device->cl;
    size_t most = 0;
    cl_int error = clGetKernelWorkGroupInfo(kernel, cl->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
    if (error) return cl_fail(device, error, "clGetKernelWorkGroupInfo");
    *fits = *fits && most >= cl->group;
    return TAS_OK;
}

/* A driver may report a limit on groups that a kernel does not have, or the other way round: so the kernels with
 * barriers are asked. */
static tas_status choose_group(tas_device *device)
{
    struct cl_device *cl = device->cl;
    for (cl->group = 64; cl->group > 16; cl->group /= 2) {
        cl_kernel kernel;
        char rows[32];
        bool fits = true;
        if (device->info.max_group && cl->group > device->info.max_group) continue;
        snprintf(rows, sizeof rows, "-D ROWS=%u", cl->group / ROW_LANES);
        tas_status status = cl_get_simple(device, "sum", "sum_blocks", &kernel);
        if (!status) status = group_fits(device, kernel, &fits);
        if (!status) status = cl_get_kernel(device, "loss", "softmax_loss", rows, &kernel);
        if (!status) status = group_fits(device, kernel, &fits);
        if (status || fits) return status;
    }
    return TAS_OK;
}

tas_status device_open_opencl(tas_context *context, const tas_device_info *info, tas_arith arith, tas_device **out)
{
    *out = NULL;
    tas_device *device = calloc(1, sizeof *device);
    struct cl_device *cl = calloc(1, sizeof *cl);
    if (!device || !cl) {
        free(device);
        free(cl);
        return fail(context, TAS_NO_MEMORY, "%s: no memory to open it", info->id);
    }
    *device =
        (tas_device){.context = context, .info = *info, .arith = arith, .driver = &driver, .variant = -1, .cl = cl};

    tas_status status = cl_find(context, info->long_id, &cl->platform, &cl->id);
    if (status) goto fail;
    status = open_context(device, "clCreateContext");
    if (status) goto fail;
    /* A processor whose driver has no vectors of its own runs work-items side by side, as a GPU does (llvmpipe). */
    cl->cpu = info->type == TAS_TYPE_CPU && info->vector_width >= 4;
    status = choose_group(device);
    if (status) goto fail;

    cl_override_feed(device);
    status = cl_override_dense(device);
    if (status) goto fail;
    cl_override_conv(device);
    cl_override_activation(device);
    cl_override_pool(device);
    cl_override_dropout(device);
    cl_override_reorder(device);
    cl_override_loss(device);
    cl_override_sum(device);
    cl_override_sum_squares(device);
    cl_override_sgd(device);
    cl_override_adam(device);
    if (arith == TAS_ARITH_FAST) {
        status = cl_override_clblast(device);
        if (status) goto fail;
    }
    *out = device;
    return TAS_OK;
fail:
    device_close(&device);
    return status;
}
