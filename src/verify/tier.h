/* The tier of a device and driver, remembered for these kernels and this contract. */
#ifndef TIER_H
#define TIER_H

#include "base/context.h"

#include <tassello/device.h>

tas_tier tier_recall(const tas_device_info *info);
void tier_remember(tas_context *context, const tas_device_info *info, tas_tier tier);

#endif
