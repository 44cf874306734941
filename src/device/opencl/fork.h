/* Drivers' threads do not survive fork(): a child that goes on with what its parent opened waits for ever. So what
 * would reach a driver there fails, or does nothing where it would only release. */
#ifndef FORK_H
#define FORK_H

#include "device/device.h"

/* To be called before a driver is used for the first time. */
void fork_watch(void);

/* Whether this process is the child of one that had used a driver. */
bool fork_is_child(void);

/* Fails in such a child. */
tas_status fork_check(tas_context *context);

#endif
