/* The self-test of a device: a kernel runs in an operation only after cases of this operation that launch it had the
 * bits of the reference. What passed is remembered (tier.h), and not tested again. */
#ifndef SELF_TEST_H
#define SELF_TEST_H

#include "device/device.h"

/* Has the kernels of an open device tested when they are first used, or when they are prepared. */
tas_status self_test_attach(tas_device *device);

/* Tests all operations now. TAS_MISMATCH if one is wrong. */
tas_status self_test_all(tas_device *device);

#endif
