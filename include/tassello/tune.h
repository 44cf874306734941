/* Tuning: which variants of kernels (blocks of other sizes, or another way to the same sums) are the fastest on a
 * device, for classes of shapes. Results do not depend on it: all variants give the same bits, and none runs that was
 * not tested against the C reference. */
#ifndef TASSELLO_TUNE_H
#define TASSELLO_TUNE_H

#include <tassello/device.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TAS_TUNE_TEXT = 96, TAS_TUNE_NAME = 40 };

/* What was measured of a class of shapes. */
typedef struct tas_tune_row {
    /* "dense_forward" */
    char operation[TAS_TUNE_NAME];
    /* The class: sizes, each rounded down to a power of two, such as "n=64 o=256 i=512". n: examples; o, i: outputs and
     * inputs of a dense layer; o, c, t, p: outputs and channels of a group, taps and positions of a convolution. */
    char shape[TAS_TUNE_TEXT];
    /* The variant that such calls have without a tuning, and the fastest: the same if the gain is below
     * TAS_TUNE_NOISE. */
    char usual[TAS_TUNE_NAME], choice[TAS_TUNE_NAME];
    /* Of one call, with each of them; 0 if it is not known. */
    double usual_seconds, seconds;
} tas_tune_row;

/* Gains below this share of the time are taken for noise. A variant has to gain as much in the median, round by round,
 * and in the shortest round, in two series of alternating rounds. */
#define TAS_TUNE_NOISE 0.03

typedef struct tas_tune_progress {
    /* The network's place in the list, the batch, and what is measured. Texts are valid during the callback. */
    size_t network;
    uint32_t batch;
    const char *operation, *variant;
    /* Since the start, and until the time is over. */
    double seconds, left;
} tas_tune_progress;

typedef struct tas_tune_options {
    /* Of this struct; set by tas_tune_options_init(). */
    size_t size;
    /* The time for all of it (default 60). What has not been measured by then keeps its usual variants. A kernel that
     * is being built or tested at the end is finished first. */
    double seconds;
    /* Batch sizes, in the order in which they are measured. NULL (the default): 64, 8, 512 and 1. */
    const uint32_t *batches;
    size_t batch_count;
    /* Called before each measurement, which ends all if it returns non-zero; and with each row when it is complete.
     * Either may be NULL. */
    int (*on_progress)(void *user, const tas_tune_progress *progress);
    void (*on_row)(void *user, const tas_tune_row *row);
    void *user;
} tas_tune_options;
TAS_API void tas_tune_options_init(tas_tune_options *options);

typedef struct tas_tune_result {
    /* Classes of shapes that were measured; those for which another variant than the usual one was chosen; variants
     * that differ from the reference, which are never chosen. */
    size_t classes, changed, refused;
    /* Batches of networks that were measured, and those for which no time was left, or no memory. */
    size_t batches, left_out;
    double seconds;
} tas_tune_result;

/* Measures the variants for the calls of a training step of some networks, in turn, and adds rows to the device's
 * tuning, which its kernels follow from then on. Each variant is first tested against the reference. *result is set on
 * failure, too.
 *
 * TAS_STOPPED if on_progress ended it: the rows so far are in the tuning. TAS_BAD_ARGUMENT, also if the device has
 * nothing to choose from (the reference) or was opened with TAS_ARITH_UNTESTED; TAS_BAD_NETWORK if a network waits for
 * a data set; TAS_NO_MEMORY; TAS_DEVICE_FAILED; TAS_MISMATCH if the usual kernels of the device differ from the
 * reference. */
TAS_API tas_status tas_tune(tas_device *device, const tas_network *const *networks, size_t count,
                            const tas_tune_options *options, tas_tune_result *result);

/* The device's tuning. A device that is opened has the one that was kept for it. tas_tuning_get() gives 0 past the last
 * row. */
TAS_API size_t tas_tuning_count(const tas_device *device);
TAS_API int tas_tuning_get(const tas_device *device, size_t i, tas_tune_row *out);

/* Adds a row that was measured elsewhere on such a device, or replaces the one of its class. TAS_BAD_ARGUMENT if the
 * device has no such operation, class or variant; TAS_NO_MEMORY. */
TAS_API tas_status tas_tuning_set(tas_device *device, const tas_tune_row *row);

/* Keeps the tuning in the cache, for this device, driver, library and contract, in place of an earlier one.
 * TAS_BAD_FILE if there is no cache folder that can be used, or it cannot be written; TAS_NO_MEMORY. */
TAS_API tas_status tas_tuning_keep(tas_device *device);

/* TAS_OK if the cache can be used, before long work; else TAS_BAD_FILE. */
TAS_API tas_status tas_tuning_can_keep(tas_device *device);

/* A digest of the library's kernels, 64 hexadecimal digits and a 0: what times depend on beside device and driver. */
TAS_API void tas_tuning_kernels(char hex[65]);

#ifdef __cplusplus
}
#endif

#endif
