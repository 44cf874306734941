/* Names of devices, and which one is meant. Pure: no driver is asked, so that all of it can be tested without one. */
#ifndef SELECT_H
#define SELECT_H

#include "base/context.h"

#include <tassello/device.h>

enum { PCI_TEXT = 24 };

/* The name that a device would have alone: from the text of its platform and its type, such as "pocl" or "intel-gpu".
 */
void select_short_id(const char *platform, tas_device_type type, char *id, size_t bytes);

/* Gives count rows their ids, from platform, name and type; pci[k] is the address of row k, "" if it is unknown.
 * A long id is always id@address or id@hash-of-name and unique. A short id that two would share becomes the long one.
 */
void select_name_all(tas_device_info *list, const char pci[][PCI_TEXT], size_t count);

/* The rows to try, best first, into order[0..*order_count-1]; order has room for count.
 * With an id: the one row that is meant, by its id, its long id, or what stands before the latter's '@'; else
 * TAS_NO_DEVICE, whose text names those that there are. Without: a GPU, then another accelerator, then a CPU; CPUs
 * without vectors (simulators, llvmpipe) last; then the most memory; then the id. The reference where there is no
 * other. */
tas_status select_device(tas_context *context, const char *id, const tas_device_info *list, size_t count, size_t *order,
                         size_t *order_count);

#endif
