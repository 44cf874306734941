/* Devices: what is there, and opening one. The C reference is a device too, with the id "reference". */
#ifndef TASSELLO_DEVICE_H
#define TASSELLO_DEVICE_H

#include <tassello/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_device tas_device;

/* How far a device keeps the arithmetic contract. Earned by test, never by name. */
typedef enum tas_tier {
    TAS_TIER_UNTESTED = 0,
    TAS_TIER_EXACT,     /* every case had the bits of the C reference */
    TAS_TIER_TOLERANCE, /* close, but not equal: an open device whose products CLBlast takes (TAS_ARITH_FAST) */
    TAS_TIER_REFUSED    /* wrong */
} tas_tier;

/* TAS_TYPE_NONE is no device: a platform (a driver) that is installed and offers none, or fails to list them. */
typedef enum tas_device_type {
    TAS_TYPE_REFERENCE = 0,
    TAS_TYPE_CPU,
    TAS_TYPE_GPU,
    TAS_TYPE_OTHER,
    TAS_TYPE_NONE
} tas_device_type;

/* What a driver says of a device. A figure that it would not tell is 0, a text is "", and note says why. */
typedef struct tas_device_info {
    char id[64];      /* stable and short: "pocl", "rusticl", "intel-cpu"; "reference" */
    char long_id[96]; /* unique whatever else is plugged in: "nvidia@0000:65:00.0" */
    char name[128];
    char vendor[128];
    char platform[128];
    char driver[128];  /* driver version */
    char version[128]; /* OpenCL version of the device */
    tas_device_type type;
    uint32_t compute_units;
    uint32_t clock_mhz;
    uint32_t vector_width; /* native, float32 */
    uint64_t global_bytes;
    uint64_t local_bytes;
    uint64_t max_alloc_bytes; /* largest single allocation */
    uint64_t max_group;       /* largest work-group */
    uint32_t align_bytes;     /* alignment of a sub-buffer's origin */
    int fma;                  /* fast fma stated */
    int denormals;            /* float32 denormals kept, as stated */
    int fp16, fp64;
    int shared_memory; /* host and device share their memory */
    tas_tier tier;
    double fma_gflops;    /* measured by tas_device_benchmark(), else 0 */
    double copy_gbytes_s; /* likewise: bytes read plus bytes written, 10^9 a second */
    char note[256];
} tas_device_info;

/* Lists every device of every platform, and the reference last. *list has *count rows and is freed with
 * tas_devices_free(). No driver at all is no error: the reference is always there. */
TAS_API tas_status tas_devices(tas_context *context, tas_device_info **list, size_t *count);
TAS_API void tas_devices_free(tas_device_info *list);

/* TAS_ARITH_EXACT keeps the contract. TAS_ARITH_FAST lets other providers (CLBlast) take the matrix products: results
 * are then right within a tolerance, and no longer the same bits from device to device. TAS_ARITH_UNTESTED is the exact
 * arithmetic without the self-test, for tas_verify() and tas_device_benchmark(), which must see what a bad device does.
 */
typedef enum tas_arith { TAS_ARITH_EXACT = 0, TAS_ARITH_FAST, TAS_ARITH_UNTESTED } tas_arith;

/* Opens the device with that id (short or long). id NULL: a GPU before a CPU, then the most global memory, then the id;
 * a device that fails its self-test is passed over with a note; with no driver the reference is opened, with a note.
 * The first opening of a device runs a self-test, whose result is remembered for that driver; TAS_MISMATCH where it
 * fails. *out is closed with tas_device_close(), after everything made from it. */
TAS_API tas_status tas_device_open(tas_context *context, const char *id, tas_arith arith, tas_device **out);
TAS_API void tas_device_close(tas_device **device);

/* What is known of an open device. Valid until it is closed. */
TAS_API const tas_device_info *tas_device_get_info(const tas_device *device);

/* Measures fma rate and copy bandwidth, into *info. About a second. */
TAS_API tas_status tas_device_benchmark(tas_device *device, tas_device_info *info);

#ifdef __cplusplus
}
#endif

#endif
