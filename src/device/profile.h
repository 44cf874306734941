/* The profile of a device. It exists from tas_profile_start() to tas_profile_stop(), and is on while commands are
 * timed. */
#ifndef PROFILE_H
#define PROFILE_H

#include "device/device.h"

#include <tassello/profile.h>

enum { PROFILE_ROWS = 160 }; /* more than the names of kernels, or operations, and transfers */

typedef struct profile {
    bool on;
    double since;         /* when it was last switched on, by the host's clock */
    uint64_t first, last; /* start and end since then, by the device's clock; last is 0 until something was timed */
    uint64_t wall, busy;  /* nanoseconds, over all stretches in which it was on */
    uint64_t flushes, waits;
    uint64_t moved;                                   /* bytes, by operations; */
    uint64_t before, steps, steps_moved, steps_least; /* before the step that runs, and in all that are done */
    int count;
    tas_profile_row row[PROFILE_ROWS]; /* names are static strings; seconds are kept in time */
    uint64_t time[PROFILE_ROWS];       /* nanoseconds */
} profile;

static inline bool is_profiled(const tas_device *device) { return device->profile && device->profile->on; }

/* Counts a launch that was accepted, and returns its row. */
int profile_count(profile *p, const char *name, uint64_t bytes);

/* Adds the time of a launch: its start and end in nanoseconds of the device's clock. 0 means unknown, and implausible
 * times are ignored. What ran beside the launches (streams) counts only in its row: it is neither busy time nor the end
 * of a gap. */
void profile_time(profile *p, int row, uint64_t start, uint64_t end, bool beside);

/* Around a step of training: its operations' bytes, beside what it moves at least. The end only if the device is
 * profiled. */
void profile_begin_step(tas_device *device);
void profile_end_step(tas_device *device, uint64_t least);

/* Around work that the host does for the device (the reference): begin's result is an argument of end. */
uint64_t profile_begin(const tas_device *device);
void profile_end(tas_device *device, uint64_t begun, const char *name, uint64_t bytes);

/* Exclude what comes between them. They do nothing if the device is not profiled. */
tas_status profile_pause(tas_device *device);
tas_status profile_resume(tas_device *device);

/* Drops the profile, whatever its state. */
void profile_close(tas_device *device);

#endif
