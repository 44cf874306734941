/* Gradients of each kind of layer and each loss against finite differences, all on the device. */
#ifndef GRADIENTS_H
#define GRADIENTS_H

#include "device/device.h"
#include "verify/report.h"

/* One row per kind. */
tas_status gradients_verify(tas_device *device, uint64_t seed, const report *to);

/* The kinds, by number; NULL past the last. */
const char *gradients_name(size_t number);

#endif
