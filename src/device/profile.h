/* The account of a device that is profiled. It is there from tas_profile_start() to tas_profile_stop(), and on while
 * commands are measured; all else need only ask is_profiled(). */
#ifndef PROFILE_H
#define PROFILE_H

#include "device/device.h"

#include <tassello/profile.h>

enum { PROFILE_ROWS = 160 }; /* more names than there are: OPENCL_KERNELS (opencl.h), or operations, and transfers */

typedef struct profile {
    bool on;
    double since;         /* when it was last switched on, on the host's clock */
    uint64_t first, last; /* start and end since then, on the device's clock; last 0: nothing was timed yet */
    uint64_t wall, busy;  /* nanoseconds, of all stretches */
    uint64_t flushes, waits;
    int count;
    tas_profile_row row[PROFILE_ROWS]; /* names are static texts; seconds are kept in time */
    uint64_t time[PROFILE_ROWS];       /* nanoseconds */
} profile;

static inline bool is_profiled(const tas_device *device) { return device->profile && device->profile->on; }

/* Counts a launch that was accepted; gives its row. */
int profile_count(profile *p, const char *name, uint64_t bytes);

/* When it started and ended, in nanoseconds of the device's clock, which need not make sense; 0: not known. What ran
 * beside the launches (streams) is in its row alone, and neither busy time nor the end of a gap. */
void profile_time(profile *p, int row, uint64_t start, uint64_t end, bool beside);

/* Around work that the host does for the device (the reference): begin gives what end needs. */
uint64_t profile_begin(const tas_device *device);
void profile_end(tas_device *device, uint64_t begun, const char *name, uint64_t bytes);

/* Leaves out what comes between them. Nothing where the device is not profiled. */
tas_status profile_pause(tas_device *device);
tas_status profile_resume(tas_device *device);

/* Drops the account, whatever its state. */
void profile_close(tas_device *device);

#endif
