/* Profiles of a device: time per kernel, in transfers, and in the gaps between them. */
#ifndef TASSELLO_PROFILE_H
#define TASSELLO_PROFILE_H

#include <tassello/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One kernel, or one kind of transfer. Some launches have no time: CLBlast's products, whose kernels are its own, and
 * those for which the driver reports none, or an implausible one. Their time counts as gaps. */
typedef struct tas_profile_row {
    /* "dense_forward", or "write", "read", "fill", "stream"; on the reference the name of an operation. A static
     * string. */
    const char *name;
    /* Launches that the device accepted, and those of them whose time is known. */
    uint64_t launches;
    uint64_t timed;
    /* Time of the timed launches, each from its start to its end on the device. */
    double seconds;
    /* Bytes that transfers moved; 0 for kernels. */
    uint64_t bytes;
} tas_profile_row;

/* A finished profile. Times are by the device's own clock. The start-up of each training run is excluded. */
typedef struct tas_profile {
    /* From the first start to the last end; the part of it in which something ran; and the rest. Streams run beside
     * other work and count only in their row. */
    double wall_seconds;
    double busy_seconds;
    double gap_seconds;
    /* How often work was handed to the device, and how often the host waited for all of it; 0 on the reference. */
    uint64_t flushes;
    uint64_t waits;
    /* Steps of training, and the bytes that each of them moved on average: what its operations read of their operands,
     * and what they wrote. Beside it what a step needs at least: parameters and the optimizer's slots,
     * each read once and written once, and the batch's inputs and targets. */
    uint64_t steps;
    double step_bytes;
    double least_bytes;
    /* Rows, by decreasing time. */
    size_t count;
    const tas_profile_row *rows;
} tas_profile;

/* Starts to profile an open device, until tas_profile_stop() or until it is closed. Results do not change; the work
 * becomes a little slower. TAS_BAD_ARGUMENT if the device is being profiled; TAS_NO_MEMORY; TAS_DEVICE_FAILED. */
TAS_API tas_status tas_profile_start(tas_device *device);

/* Waits for the device and ends its profile, on failure too. On success *out is freed with tas_profile_free(); else it
 * is NULL. out may be NULL. TAS_BAD_ARGUMENT if the device is not being profiled; TAS_NO_MEMORY; TAS_DEVICE_FAILED. */
TAS_API tas_status tas_profile_stop(tas_device *device, tas_profile **out);

/* Frees a profile; NULL is accepted. */
TAS_API void tas_profile_free(tas_profile *profile);

#ifdef __cplusplus
}
#endif

#endif
