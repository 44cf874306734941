/* Coverage of kernels, in a build with -Dkernel_coverage=true; in others these do nothing. Kernels store a byte for
 * each outcome of a point (tools/instrument.py) in the memory of this process. */
#ifndef COVERAGE_H
#define COVERAGE_H

#include "device/device.h"

enum { COVERAGE_OPTION_BYTES = 64 };

/* Writes the option with which a program is built, " -D COVER=..." or "": the place of its bytes, which depends on the
 * program and its other options alone, so that built kernels can be cached. */
tas_status coverage_add(tas_device *device, const char *program, const char *options, char *option, size_t bytes);

/* A kernel of that program will run. */
void coverage_expect(const char *program, const char *options, const char *kernel);

#endif
