/* Variants: the forms in which a device can compute an operation. All give the same bits; which is the fastest depends
 * on the device and on the sizes. A device's tables have them, device->variants[op] counts them. */
#ifndef VARIANT_H
#define VARIANT_H

#include "device/device.h"

enum { VARIANT_NAME = 40 };

/* The name of a variant, which records keep, since the order of a table may change. Empty if the device has no such
 * variant. */
void device_name_variant(const tas_device *device, op_id op, int variant, char name[VARIANT_NAME]);

/* The variant of that name; -1 if the device has none. */
int device_find_variant(const tas_device *device, op_id op, const char *name);

/* The variant that a call is to take: device->variant, which verify and measurements set, else what the device's tuning
 * knows of such calls; -1 if neither says: the launcher then chooses by the sizes. */
int device_choose_variant(const tas_device *device, const op_args *call);

#endif
