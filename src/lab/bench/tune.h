/* Tunings: what the measurement of single calls and the walk over networks share. */
#ifndef TUNE_H
#define TUNE_H

#include "device/tuning.h"
#include "lab/bench/bench.h"

enum { TUNE_VARIANTS = 64 };

typedef struct tune {
    tas_device *device;
    const tas_tune_options *options;
    double begun, deadline;
    double slowest;                               /* seconds to build, test and time a candidate: of late, at most */
    unsigned char wrong[OP_COUNT][TUNE_VARIANTS]; /* 1: differs from the reference */
    tuning done;                                  /* rows of this tuning */
    bool ended;                                   /* by the callback */
    size_t network;                               /* that is measured, */
    uint32_t batch;
    tas_tune_result *result;
} tune;

/* Measures the variants of a call unless it has but one, or its class was measured before; adds the row to done and to
 * the device's tuning. TAS_STOPPED if the time is over, and the call's class is left as it was. */
tas_status candidates_measure(tune *t, bench_piece call);

#endif
