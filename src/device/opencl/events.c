/* Events of commands. Drivers leak them or run out of them: none is created unless the device is profiled, and then
 * at most a few thousand exist. */
#include "device/opencl/events.h"

#include "device/opencl/errors.h"
#include "device/opencl/fork.h"
#include "device/profile.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_HELD = 4096 };

/* In the order of their commands. */
struct timed_events {
    int count;
    cl_event event[EVENTS_HELD];
    struct held {
        int row;     /* of the profile */
        bool beside; /* the launches: a stream's */
    } held[EVENTS_HELD];
};

tas_status events_make_queue(tas_device *device, bool timed, cl_command_queue *out)
{
    const opencl_device *cl = device->cl;
    cl_int error;
    *out = clCreateCommandQueue(cl->context, cl->id, timed ? CL_QUEUE_PROFILING_ENABLE : 0, &error);
    return error ? error_fail(device, error, "clCreateCommandQueue") : TAS_OK;
}

/* 0 if the driver does not report it. */
static uint64_t read_time(cl_event event, cl_profiling_info which)
{
    cl_ulong time = 0;
    return clGetEventProfilingInfo(event, which, sizeof time, &time, NULL) ? 0 : time;
}

/* Reads and releases the oldest events, whose commands have ended or failed. */
static void take_events(tas_device *device, int count)
{
    struct timed_events *e = ((opencl_device *)device->cl)->events;
    for (int k = 0; k < count; k++) {
        const uint64_t start = read_time(e->event[k], CL_PROFILING_COMMAND_START);
        const uint64_t end = read_time(e->event[k], CL_PROFILING_COMMAND_END);
        profile_time(device->profile, e->held[k].row, start, end, e->held[k].beside);
        clReleaseEvent(e->event[k]);
    }
    e->count -= count;
    memmove(e->event, e->event + count, (size_t)e->count * sizeof *e->event);
    memmove(e->held, e->held + count, (size_t)e->count * sizeof *e->held);
}

/* Waits for the older half only, so that the device has work meanwhile. An error that the wait returns is kept for
 * the caller's next wait: to fail here would mean that the latest command was refused. */
static void make_room(tas_device *device)
{
    opencl_device *cl = device->cl;
    cl_int error = clFlush(cl->queue);
    if (!error) error = clWaitForEvents(EVENTS_HELD / 2, cl->events->event);
    if (!cl->late_error) cl->late_error = error;
    take_events(device, EVENTS_HELD / 2);
}

static void keep(tas_device *device, cl_event event, struct held held)
{
    struct timed_events *e = ((opencl_device *)device->cl)->events;
    if (e->count == EVENTS_HELD) make_room(device);
    e->event[e->count] = event;
    e->held[e->count++] = held;
}

void events_keep(tas_device *device, cl_event event, const char *name, uint64_t bytes)
{
    keep(device, event, (struct held){.row = profile_count(device->profile, name, bytes)});
}

void events_keep_stream(tas_device *device, cl_event event, uint64_t bytes)
{
    if (!is_profiled(device) || clRetainEvent(event)) return;
    keep(device, event, (struct held){.row = profile_count(device->profile, "stream", bytes), .beside = true});
}

void events_drop(opencl_device *cl)
{
    for (int k = 0; cl->events && k < cl->events->count; k++) clReleaseEvent(cl->events->event[k]);
    if (cl->events) cl->events->count = 0;
    cl->late_error = CL_SUCCESS;
}

static tas_status finish_all(tas_device *device)
{
    opencl_device *cl = device->cl;
    tas_status status = device->driver->finish(device);
    cl_int error = cl->transfers ? clFinish(cl->transfers) : CL_SUCCESS;
    return status || !error ? status : error_fail(device, error, "clFinish");
}

/* The queue for streams is created again by the next one. */
static void set_queue(opencl_device *cl, cl_command_queue queue)
{
    clReleaseCommandQueue(cl->queue);
    cl->queue = queue;
    if (cl->transfers) clReleaseCommandQueue(cl->transfers);
    cl->transfers = NULL;
}

static tas_status begin(tas_device *device)
{
    opencl_device *cl = device->cl;
    cl_command_queue queue = NULL;
    struct timed_events *events = malloc(sizeof *events);
    if (!events) return fail(device->context, TAS_NO_MEMORY, "%s: no memory for events", device->info.id);
    events->count = 0;
    tas_status status = finish_all(device);
    if (!status) status = events_make_queue(device, true, &queue);
    if (status) {
        free(events);
        return status;
    }
    set_queue(cl, queue);
    cl->events = events;
    return TAS_OK;
}

/* If the driver creates no other queue, the timed one stays: it does the same. */
static tas_status end(tas_device *device)
{
    opencl_device *cl = device->cl;
    cl_int error;
    tas_status status = finish_all(device);
    take_events(device, cl->events->count);
    free(cl->events);
    cl->events = NULL;
    cl_command_queue queue = clCreateCommandQueue(cl->context, cl->id, 0, &error);
    if (!error) set_queue(cl, queue);
    return status;
}

tas_status events_set_profiling(tas_device *device, bool on)
{
    if (fork_is_child()) return fork_check(device->context);
    return on ? begin(device) : end(device);
}
