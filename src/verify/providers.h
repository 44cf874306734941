/* Providers whose results are compared with a bound, not bit for bit. */
#ifndef PROVIDERS_H
#define PROVIDERS_H

#include "device/device.h"
#include "verify/report.h"

/* CLBlast's products: one row each. Opens the device a second time, with TAS_ARITH_FAST. */
tas_status providers_verify(tas_device *device, uint64_t seed, uint32_t cases, const report *to);

#endif
