/* How far building and testing kernels is: told to the caller's function, or noted now and then. */
#ifndef BUILD_PROGRESS_H
#define BUILD_PROGRESS_H

#include "device/device.h"

typedef struct build_progress {
    tas_device *device;
    int done, count;       /* kernels; count 0: not known */
    double started, noted; /* noted: when the next note is due */
    bool shows;            /* something is tested or really built: nothing is reported before */
} build_progress;

void build_progress_begin(build_progress *p, tas_device *device, int count, bool shows);

/* `number`: of the kernel or operation that comes next, from 1 on. */
void build_progress_report(build_progress *p, const char *name, int number);
void build_progress_end(const build_progress *p);

#endif
