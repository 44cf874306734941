/* What drivers report about a device. */
#ifndef PROPERTIES_H
#define PROPERTIES_H

#include "device/opencl/opencl.h"
#include "device/select.h"

/* Fills the row of a device. A query that fails leaves a note; TAS_NO_DEVICE, with a note, if the device lacks
 * something that is needed. */
tas_status properties_read(cl_device_id id, const char *platform, tas_device_info *info);

/* The device's PCI address, "" if its driver does not report one. */
void properties_find_address(cl_device_id id, char out[PCI_TEXT]);

/* Copies printable ASCII without blanks around it: drivers pad with blanks, and the text goes to terminals and JSON. */
void properties_clean_text(const char *from, char *to, size_t bytes);

/* Appends to the row's note. */
void properties_add_note(tas_device_info *info, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
