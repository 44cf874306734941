/* How fast a device does something: runs of it, which are timed. */
#ifndef BENCHMARK_H
#define BENCHMARK_H

#include "device/device.h"

/* Something to run for a number of turns, with two pieces of memory. */
typedef struct benchmark benchmark;
struct benchmark {
    tas_device *device;
    tas_status (*go)(const benchmark *r, uint32_t turns);
    double work; /* of one turn: operations, or bytes */
    mem a, b;
};

extern const double benchmark_most; /* seconds that one rate may take */

/* The seconds of one run, its end included. */
tas_status benchmark_time(const benchmark *r, uint32_t turns, double *seconds);

/* Work per second, in units of 10^9. Warms up, makes the run long enough and takes the best of five; stops early on a
 * slow device. */
tas_status benchmark_rate(const benchmark *r, double *rate);

/* Both rates of an OpenCL device. */
tas_status benchmark_opencl(tas_device *device, double *gflops, double *gbytes_s);

#endif
