/* Names of devices, and the choice of one. No driver is called, so that all of it can be tested without one. */
#ifndef SELECT_H
#define SELECT_H

#include "base/context.h"

#include <tassello/device.h>

enum { PCI_TEXT = 24 };

/* The name that a device has if no other shares it, such as "pocl" or "intel-gpu", from its platform and type. */
void select_short_id(const char *platform, tas_device_type type, char *id, size_t bytes);

/* Sets the ids of count rows from platform, name and type. pci[k] is the PCI address of row k, "" if unknown. A long id
 * is id@address or id@hash-of-name, and unique. A short id that two devices would share becomes the long one. */
void select_name_all(tas_device_info *list, const char pci[][PCI_TEXT], size_t count);

/* The rows to try, best first, into order[0..*order_count-1]; order has room for count.
 *
 * With an id: the one row with that id, that long id, or that part before the '@' of its long id; else the platform
 * without a device to which such an id would belong. TAS_NO_DEVICE with the names of the devices, if there is no such
 * row or more than one. Without an id: GPUs, then other accelerators, then CPUs, and CPUs without vectors (simulators,
 * llvmpipe) last; then by memory; then by id. The reference if there is no other device. */
tas_status select_device(tas_context *context, const char *id, const tas_device_info *list, size_t count, size_t *order,
                         size_t *order_count);

#endif
