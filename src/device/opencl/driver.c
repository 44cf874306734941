/* Memory, transfers and waits, by one in-order queue and one for streams. */
#include "device/opencl/driver.h"

#include "device/opencl/errors.h"
#include "device/opencl/events.h"
#include "device/opencl/fork.h"
#include "device/opencl/launchers/clblast.h"
#include "device/opencl/program.h"
#include "device/profile.h"

#include <stdlib.h>

static tas_status alloc(tas_device *device, uint64_t bytes, mem *out)
{
    if (fork_is_child()) return fork_check(device->context);
    opencl_device *cl = device->cl;
    cl_int error;
    *out = (mem){0};
    if (device->info.max_alloc_bytes && bytes > device->info.max_alloc_bytes)
        return fail(device->context, TAS_NO_MEMORY,
                    "%s: an allocation of %llu bytes exceeds the device's limit of %llu", device->info.id,
                    (unsigned long long)bytes, (unsigned long long)device->info.max_alloc_bytes);
    cl_mem buffer = clCreateBuffer(cl->context, CL_MEM_READ_WRITE, bytes ? bytes : 1, NULL, &error);
    if (error) return error_fail(device, error, "clCreateBuffer");
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
    if (error) return error_fail(device, error, "clCreateSubBuffer");
    *out = (mem){.cl = buffer, .bytes = bytes};
    return TAS_OK;
}

static void release_slice(tas_device *device, mem *m)
{
    (void)device;
    if (m->cl && !fork_is_child()) clReleaseMemObject(m->cl);
    *m = (mem){0};
}

/* A call that may wait, for all that is queued if it does: the end. */
static void end_call(tas_device *device, double before, bool waited)
{
    if (waited) device->queued = 0;
    wait_end(device->context, before);
}

/* After a wait that succeeded. A wait of the profile may have returned an error that this one did not. */
static tas_status end_wait(tas_device *device)
{
    opencl_device *cl = device->cl;
    const cl_int error = cl->late_error;
    if (is_profiled(device)) device->profile->waits++;
    cl->late_error = CL_SUCCESS;
    return error ? error_fail(device, error, "clWaitForEvents") : TAS_OK;
}

static tas_status zero(tas_device *device, const mem *m)
{
    if (fork_is_child()) return fork_check(device->context);
    opencl_device *cl = device->cl;
    const cl_uchar nought = 0;
    if (!m->bytes) return TAS_OK;
    cl_event event, *asked = events_ask(cl, &event);
    cl_int error = clEnqueueFillBuffer(cl->queue, m->cl, &nought, sizeof nought, 0, m->bytes, 0, NULL, asked);
    if (error) return error_fail(device, error, "clEnqueueFillBuffer");
    if (asked) events_keep(device, event, "fill", m->bytes);
    return TAS_OK;
}

static tas_status write(tas_device *device, const mem *m, uint64_t offset, const void *from, uint64_t bytes, bool wait)
{
    if (fork_is_child()) return fork_check(device->context);
    opencl_device *cl = device->cl;
    if (!bytes) return TAS_OK;
    cl_event event, *asked = events_ask(cl, &event);
    const double before = device_wait_begin(device);
    cl_int error = clEnqueueWriteBuffer(cl->queue, m->cl, wait, offset, bytes, from, 0, NULL, asked);
    end_call(device, before, wait);
    if (error) return error_fail(device, error, "clEnqueueWriteBuffer");
    if (asked) events_keep(device, event, "write", bytes);
    return wait ? end_wait(device) : TAS_OK;
}

static tas_status read(tas_device *device, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    if (fork_is_child()) return fork_check(device->context);
    opencl_device *cl = device->cl;
    if (!bytes) return TAS_OK;
    cl_event event, *asked = events_ask(cl, &event);
    const double before = device_wait_begin(device);
    cl_int error = clEnqueueReadBuffer(cl->queue, m->cl, CL_TRUE, offset, bytes, to, 0, NULL, asked);
    end_call(device, before, true);
    if (error) return error_fail(device, error, "clEnqueueReadBuffer");
    if (asked) events_keep(device, event, "read", bytes);
    return end_wait(device);
}

/* The queue for transfers beside the launches, created for the first one. */
static tas_status get_transfers(tas_device *device)
{
    opencl_device *cl = device->cl;
    return cl->transfers ? TAS_OK : events_make_queue(device, cl->events != NULL, &cl->transfers);
}

static tas_status join(tas_device *device, void **ticket)
{
    cl_event event = *ticket;
    if (!event) return TAS_OK;
    *ticket = NULL;
    if (fork_is_child()) return fork_check(device->context);
    const double before = device_wait_begin(device);
    cl_int error = clWaitForEvents(1, &event);
    end_call(device, before, false);
    clReleaseEvent(event);
    if (is_profiled(device)) device->profile->waits++;
    return error ? error_fail(device, error, "clWaitForEvents") : TAS_OK;
}

/* A transfer beside the launches: a read if there is `to`, else a write. It waits for `after`, and for the one before
 * it, so that it fails if that did. */
static tas_status transfer(tas_device *device, const mem *m, uint64_t offset, void *to, const void *from,
                           uint64_t bytes, void *after, void **ticket)
{
    if (fork_is_child()) return fork_check(device->context);
    opencl_device *cl = device->cl;
    cl_event before[2], done = NULL;
    cl_uint count = 0;
    tas_status status = get_transfers(device);
    if (status || !bytes) return status;
    if (after) before[count++] = after;
    if (*ticket) before[count++] = *ticket;
    const cl_event *waits = count ? before : NULL;
    const double start = device_wait_begin(device);
    cl_int error = to ? clEnqueueReadBuffer(cl->transfers, m->cl, CL_FALSE, offset, bytes, to, count, waits, &done)
                      : clEnqueueWriteBuffer(cl->transfers, m->cl, CL_FALSE, offset, bytes, from, count, waits, &done);
    end_call(device, start, false);
    if (error) return error_fail(device, error, to ? "clEnqueueReadBuffer" : "clEnqueueWriteBuffer");
    if (*ticket) clReleaseEvent(*ticket);
    *ticket = done;
    events_keep_stream(device, done, bytes);
    error = clFlush(cl->transfers);
    return error ? error_fail(device, error, "clFlush") : TAS_OK;
}

static tas_status write_later(tas_device *device, const mem *m, const void *from, uint64_t bytes, void *after,
                              void **ticket)
{
    return transfer(device, m, 0, NULL, from, bytes, after, ticket);
}

static tas_status read_later(tas_device *device, const mem *m, uint64_t offset, void *to, uint64_t bytes, void *after,
                             void **ticket)
{
    return transfer(device, m, offset, to, NULL, bytes, after, ticket);
}

static tas_status await(tas_device *device, void *ticket)
{
    if (fork_is_child()) return fork_check(device->context);
    opencl_device *cl = device->cl;
    cl_event event = ticket;
    if (!event) return TAS_OK;
    cl_int error = clEnqueueBarrierWithWaitList(cl->queue, 1, &event, NULL);
    return error ? error_fail(device, error, "clEnqueueBarrierWithWaitList") : TAS_OK;
}

static tas_status mark(tas_device *device, void **ticket)
{
    if (fork_is_child()) return fork_check(device->context);
    opencl_device *cl = device->cl;
    cl_event event = NULL;
    cl_int error = clEnqueueMarkerWithWaitList(cl->queue, 0, NULL, &event);
    if (error) return error_fail(device, error, "clEnqueueMarkerWithWaitList");
    if (*ticket) clReleaseEvent(*ticket);
    *ticket = event;
    return TAS_OK;
}

static tas_status flush(tas_device *device)
{
    if (fork_is_child()) return fork_check(device->context);
    opencl_device *cl = device->cl;
    const double before = device_wait_begin(device);
    cl_int error = clFlush(cl->queue);
    end_call(device, before, false);
    if (is_profiled(device)) device->profile->flushes++;
    return error ? error_fail(device, error, "clFlush") : TAS_OK;
}

static tas_status finish(tas_device *device)
{
    if (fork_is_child()) return fork_check(device->context);
    opencl_device *cl = device->cl;
    const double before = device_wait_begin(device);
    cl_int error = clFinish(cl->queue);
    end_call(device, before, true);
    return error ? error_fail(device, error, "clFinish") : end_wait(device);
}

tas_status driver_open_context(tas_device *device, const char *call)
{
    opencl_device *cl = device->cl;
    cl_int error;
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)cl->platform, 0};
    cl->context = clCreateContext(properties, 1, &cl->id, NULL, NULL, &error);
    return error ? error_fail(device, error, call) : events_make_queue(device, cl->events != NULL, &cl->queue);
}

/* With all that belongs to it, except buffers and CLBlast's programs. */
static void close_context(opencl_device *cl)
{
    events_drop(cl);
    program_release_all(cl);
    if (cl->transfers) clReleaseCommandQueue(cl->transfers);
    if (cl->queue) clReleaseCommandQueue(cl->queue);
    if (cl->context) clReleaseContext(cl->context);
    cl->transfers = cl->queue = NULL;
    cl->context = NULL;
}

/* The old context is closed first: the device may need its memory. Kernels are built again when they are needed. */
static tas_status reopen_context(tas_device *device)
{
    if (fork_is_child()) return fork_check(device->context);
    close_context(device->cl);
    return driver_open_context(device, "clCreateContext, to replace one that failed");
}

static tas_status reopen(tas_device *device) { return clblast_reopen(device, reopen_context); }

static void close_device(tas_device *device)
{
    opencl_device *cl = device->cl;
    if (!cl) return;
    if (fork_is_child()) { /* only host memory: the driver must not be called */
        free(cl->events);
        free(cl->clblast);
        free(cl);
        return;
    }
    if (cl->queue) clFinish(cl->queue);
    program_keep_all(device);
    clblast_close(device);
    close_context(cl);
    free(cl);
}

const device_driver driver_table = {
    .alloc = alloc,
    .release = release,
    .slice = slice,
    .release_slice = release_slice,
    .zero = zero,
    .write = write,
    .read = read,
    .write_later = write_later,
    .read_later = read_later,
    .await = await,
    .mark = mark,
    .join = join,
    .flush = flush,
    .finish = finish,
    .set_profiling = events_set_profiling,
    .reopen = reopen,
    .close = close_device,
};
