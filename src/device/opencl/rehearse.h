/* The kernels that a call of an operation would launch, found by its launcher, without building or running any. */
#ifndef REHEARSE_H
#define REHEARSE_H

#include "device/device.h"

enum { REHEARSED_MOST = 16, REHEARSED_OPTIONS = 160 };

typedef struct rehearsed_kernel {
    const char *program, *name; /* static strings, as in the device's table */
    char options[REHEARSED_OPTIONS];
} rehearsed_kernel;

/* Each kernel once. */
typedef struct rehearsal {
    rehearsed_kernel kernel[REHEARSED_MOST];
    int count;
    int chosen; /* 1 + the variant (device/variant.h) that the call chooses first; 0: it has no choice */
    bool cuts;  /* a launch is so long that it may be cut into pieces; its memory does not count here */
} rehearsal;

/* Adds those of a call. Sets device->limited as the call would. */
tas_status rehearse(tas_device *device, const op_args *call, rehearsal *to);

/* Adds a kernel. */
void rehearse_kernel(rehearsal *to, const char *program, const char *name, const char *options);

/* Notes the variant that a launcher has chosen. */
void rehearse_choice(rehearsal *to, int variant);

/* Its place in a list; `count` if it is not there. */
int rehearse_find(const rehearsed_kernel *list, int count, const rehearsed_kernel *kernel);

/* Whether the open device has that kernel, and building it if it has not. */
bool rehearse_is_built(const tas_device *device, const rehearsed_kernel *kernel);
tas_status rehearse_build(tas_device *device, const rehearsed_kernel *kernel);

/* Builds the programs of a list at once. A failure is none: each is built when it is needed. */
void rehearse_build_all(tas_device *device, const rehearsed_kernel *list, int count);

#endif
