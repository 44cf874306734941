/* Events of commands, for profiles: none is created unless the device is profiled. */
#ifndef EVENTS_H
#define EVENTS_H

#include "device/opencl/opencl.h"

/* The last argument of an enqueue: event, or NULL if none is needed. If it is not NULL and the command was accepted,
 * the event goes to events_keep(). */
static inline cl_event *events_ask(const opencl_device *cl, cl_event *event) { return cl->events ? event : NULL; }

/* Takes the event over. name is the command's row in the profile, bytes what it transfers. */
void events_keep(tas_device *device, cl_event event, const char *name, uint64_t bytes);

/* Notes a stream's event, which stays its caller's. */
void events_keep_stream(tas_device *device, cl_event event, uint64_t bytes);

/* The driver's set_profiling. */
tas_status events_set_profiling(tas_device *device, bool on);

/* Releases the events of a context that is closed; their times are lost. */
void events_drop(opencl_device *cl);

/* Creates an in-order queue, with times of its commands if `timed`. */
tas_status events_make_queue(tas_device *device, bool timed, cl_command_queue *out);

#endif
