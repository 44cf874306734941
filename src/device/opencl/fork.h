/* Drivers' threads do not survive fork(): a child that continues to use what its parent opened hangs. There,
 * functions that would call a driver fail, and those that would only release something do nothing. */
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
