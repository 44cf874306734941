/* Devices: listing and opening them. The C reference is a device too, with the id "reference". */
#ifndef TASSELLO_DEVICE_H
#define TASSELLO_DEVICE_H

#include <tassello/network.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_device tas_device;

/* How far a device keeps the arithmetic contract, as found by tests. */
typedef enum tas_tier {
    /* Not all of its operations have been tested. Those that run in a training have been. */
    TAS_TIER_UNTESTED = 0,
    /* Every case had the bits of the C reference. */
    TAS_TIER_EXACT,
    /* Close, but not equal: a device opened with TAS_ARITH_FAST whose products CLBlast computes. */
    TAS_TIER_TOLERANCE,
    /* Wrong. */
    TAS_TIER_REFUSED
} tas_tier;

/* "untested", "exact", "tolerance", "refused". A static string. */
TAS_API const char *tas_tier_name(tas_tier tier);

typedef enum tas_device_type {
    TAS_TYPE_REFERENCE = 0,
    TAS_TYPE_CPU,
    TAS_TYPE_GPU,
    TAS_TYPE_OTHER,
    /* Not a device: a platform (an installed driver) that has no device to offer, or fails to list them. */
    TAS_TYPE_NONE
} tas_device_type;

/* "reference", "cpu", "gpu", "other", "none". A static string. */
TAS_API const char *tas_device_type_name(tas_device_type type);

/* What a driver reports about a device. If a query fails, its number is 0 or its text "", and `note` gives the error.
 */
typedef struct tas_device_info {
    /* Short and stable: "pocl", "rusticl", "intel-cpu", "reference". */
    char id[64];
    /* Unique, and independent of other devices: "nvidia@0000:65:00.0". */
    char long_id[96];
    char name[128];
    char vendor[128];
    char platform[128];
    /* Version of the driver, and OpenCL version of the device. */
    char driver[128];
    char version[128];
    tas_device_type type;
    uint32_t compute_units;
    uint32_t clock_mhz;
    /* Native vector width, in 32-bit floats. */
    uint32_t vector_width;
    /* Memory in bytes: global, local, and the largest single allocation. */
    uint64_t global_bytes;
    uint64_t local_bytes;
    uint64_t max_alloc_bytes;
    /* The largest work-group, in work-items. */
    uint64_t max_group;
    /* Alignment of a sub-buffer's origin. */
    uint32_t align_bytes;
    /* 1 if the device reports a fast fma; float32 denormals; half and double precision. */
    int fma;
    int denormals;
    int fp16, fp64;
    /* 1 if host and device share their memory. */
    int shared_memory;
    tas_tier tier;
    /* Set by tas_device_benchmark(), else 0: 10^9 operations per second, an fma counting as two, and 10^9 bytes per
     * second, read plus written. */
    double fma_gflops;
    double copy_gbytes_s;
    /* Problems with this device, and for TAS_TYPE_NONE why the platform has none; else "". */
    char note[256];
} tas_device_info;

/* Lists every device of every platform, a row of TAS_TYPE_NONE for each platform without one, and the reference last.
 * *list has *count rows and is freed with tas_devices_free(). The lack of drivers is not an error: the reference is
 * always listed. TAS_NO_MEMORY; TAS_DEVICE_FAILED in a child of a process that has used OpenCL (see context.h). */
TAS_API tas_status tas_devices(tas_context *context, tas_device_info **list, size_t *count);

/* Frees a list of tas_devices(); NULL is accepted. */
TAS_API void tas_devices_free(tas_device_info *list);

typedef enum tas_arith {
    /* Keeps the arithmetic contract. */
    TAS_ARITH_EXACT = 0,
    /* Lets other providers (CLBlast) compute matrix products: results are right within a tolerance, but not the same
     * bits on every device. */
    TAS_ARITH_FAST,
    /* TAS_ARITH_EXACT without the self-test, for tas_verify() and tas_device_benchmark() on devices that fail it. */
    TAS_ARITH_UNTESTED
} tas_arith;

/* Opens the device with that id, short or long. If id is NULL: the first usable one, GPUs before CPUs, then by global
 * memory, then by id. Devices that cannot be used are skipped with a note; if none is left, the reference is opened,
 * with notes that give the reasons.
 *
 * Each operation is tested before it first runs on a device: when a run, an evaluation or a prediction begins that
 * needs it. That call then builds the operation's kernels, which can take some seconds (tas_set_build_progress()), and
 * fails with TAS_MISMATCH if the device computes it wrong. What passed is remembered for that device, driver and
 * version of the library.
 *
 * On success *out is closed with tas_device_close(), after everything made from it; else it is NULL. TAS_NO_DEVICE: no
 * such device, or it cannot be used; TAS_DEVICE_FAILED: its driver fails; TAS_NO_MEMORY; TAS_BAD_ARGUMENT. */
TAS_API tas_status tas_device_open(tas_context *context, const char *id, tas_arith arith, tas_device **out);

/* The same, and tests at once the operations of that network's forward pass, and those of its backward pass if training
 * is not 0: a device that computes one of them wrong cannot be used, and is skipped if id is NULL. TAS_MISMATCH: the
 * device with that id does. */
TAS_API tas_status tas_device_open_for(tas_context *context, const char *id, tas_arith arith,
                                       const tas_network *network, int training, tas_device **out);

/* Tests all operations that the library has, unless that was done: the tier is then TAS_TIER_EXACT, or with
 * TAS_ARITH_FAST TAS_TIER_TOLERANCE. It builds all kernels, which can take a minute. TAS_MISMATCH if one is wrong;
 * TAS_DEVICE_FAILED, TAS_NO_MEMORY. */
TAS_API tas_status tas_device_test(tas_device *device);

/* Closes *device and sets it to NULL; NULL and *NULL are accepted. */
TAS_API void tas_device_close(tas_device **device);

/* What is known about an open device. Valid until it is closed. */
TAS_API const tas_device_info *tas_device_get_info(const tas_device *device);

/* Measures the fma rate and the copy bandwidth, in about a second. *info becomes the device's information with both
 * figures; it is unchanged on failure. */
TAS_API tas_status tas_device_benchmark(tas_device *device, tas_device_info *info);

#ifdef __cplusplus
}
#endif

#endif
