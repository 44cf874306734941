/* Where a device's time goes: kernel by kernel, in transfers, and in the gaps between them. */
#ifndef TASSELLO_PROFILE_H
#define TASSELLO_PROFILE_H

#include <tassello/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One kernel, or one kind of transfer. Some launches have no time: CLBlast's products, whose kernels are its own, and
 * those for which a driver reports nothing, or nonsense. Their time is counted as gaps. */
typedef struct tas_profile_row {
    const char *name;  /* "dense_forward", or "write", "read", "fill", "stream"; on the reference an operation's.
                          Never freed */
    uint64_t launches; /* that the device accepted */
    uint64_t timed;    /* of them, those whose time is known */
    double seconds;    /* theirs, each from its start to its end on the device */
    uint64_t bytes;    /* that transfers moved; 0 for kernels */
} tas_profile_row;

/* What was seen. The seconds are the device's own; the start of each tas_train() is left out, as it is of its result.
 */
typedef struct tas_profile {
    double wall_seconds; /* from the first start to the last end */
    double busy_seconds; /* of them, those in which something ran */
    double gap_seconds;  /* the others. Streams run beside all this, and count in their row alone */
    uint64_t flushes;    /* how often work was handed to the device; 0 on the reference */
    uint64_t waits;      /* how often the host waited for all of it; likewise */
    size_t count;
    const tas_profile_row *rows; /* the longest first */
} tas_profile;

/* Has an open device time whatever it does from now on, until tas_profile_stop() or its closing. This changes no
 * result. It costs a little of the time that is measured. */
TAS_API tas_status tas_profile_start(tas_device *device);

/* Waits for the device and ends it, in any case. *out is what was seen, freed with tas_profile_free(), and NULL on
 * failure; out may be NULL. */
TAS_API tas_status tas_profile_stop(tas_device *device, tas_profile **out);
TAS_API void tas_profile_free(tas_profile *profile);

#ifdef __cplusplus
}
#endif

#endif
