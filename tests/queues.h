/* A device whose commands wait in two queues, as OpenCL's do: the reference, made so that it carries them out as late,
 * or as early, as the contract of device_driver allows. What a run forgets to wait for then shows each time. */
#ifndef QUEUES_H
#define QUEUES_H

#include "device/device.h"

typedef enum queues_order {
    QUEUES_WORK_FIRST,      /* launches at once, transfers beside them only when something waits for them */
    QUEUES_TRANSFERS_FIRST, /* transfers as soon as they may, launches only when something waits for them */
    QUEUES_ANY,             /* drawn at random, command by command */
    QUEUES_ORDERS
} queues_order;

/* Turns an open reference device into such a one, until it is turned back. One at a time. */
void queues_open(tas_device *device, queues_order order);
void queues_close(tas_device *device);

#endif
