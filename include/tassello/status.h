/* Status codes and how text about an error is had. */
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

/* What a fallible call returns. tas_error() of the context has the text. */
typedef enum tas_status {
    TAS_OK = 0,
    TAS_BAD_ARGUMENT,  /* a value that the call does not take: batch 0, lr NaN, an unknown tensor's name */
    TAS_BAD_FILE,      /* a file that cannot be opened, read or written */
    TAS_BAD_DATA,      /* a data set or checkpoint whose content is wrong */
    TAS_BAD_NETWORK,   /* a network's text that is wrong, or that does not fit the data */
    TAS_NO_DEVICE,     /* no such device, or more than one of that name */
    TAS_DEVICE_FAILED, /* a driver answered with an error */
    TAS_NO_MEMORY,     /* of the host or of the device */
    TAS_NOT_FINITE,    /* the loss or a gradient is infinite or not a number; weights are those before that step */
    TAS_STOPPED,       /* cancelled, or the callback asked for the end */
    TAS_MISMATCH,      /* a verification found a difference */
    TAS_NOT_REACHED    /* work was done, and did not come to what was asked: no batch of a sweep reached the target */
} tas_status;

/* The code's name, such as "TAS_BAD_FILE"; never NULL. */
TAS_API const char *tas_status_name(tas_status status);

#ifdef __cplusplus
}
#endif

#endif
