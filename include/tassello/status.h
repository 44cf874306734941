/* Status codes. */
#ifndef TASSELLO_STATUS_H
#define TASSELLO_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TAS_API __attribute__((visibility("default")))
#else
#define TAS_API
#endif

/* What a call that can fail returns. tas_error() of the context has the text. */
typedef enum tas_status {
    TAS_OK = 0,

    /* A value outside the range of an argument or option (batch 0, lr NaN), or an unknown name. */
    TAS_BAD_ARGUMENT,

    /* A file cannot be opened, read or written. */
    TAS_BAD_FILE,

    /* The content of a data set or checkpoint is wrong. */
    TAS_BAD_DATA,

    /* A network's text is wrong or does not fit the data. */
    TAS_BAD_NETWORK,

    /* No device has this name, or more than one. */
    TAS_NO_DEVICE,

    /* A driver reported an error. */
    TAS_DEVICE_FAILED,

    /* The host or the device is out of memory. */
    TAS_NO_MEMORY,

    /* The loss or a gradient is infinite or NaN. The weights are those before that step. */
    TAS_NOT_FINITE,

    /* The run was canceled, or its callback ended it. */
    TAS_STOPPED,

    /* A verification found a difference. */
    TAS_MISMATCH,

    /* The work was done without reaching its goal: no batch of a sweep reached the target. */
    TAS_NOT_REACHED,

    /* Another rank has failed, has died or does not answer: see ranks.h. */
    TAS_RANK_FAILED
} tas_status;

/* The code's name, such as "TAS_BAD_FILE"; never NULL. */
TAS_API const char *tas_status_name(tas_status status);

#ifdef __cplusplus
}
#endif

#endif
