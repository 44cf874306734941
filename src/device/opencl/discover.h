/* The platform and device behind a row of tas_devices(). */
#ifndef DISCOVER_H
#define DISCOVER_H

#include "device/opencl/opencl.h"

/* Looks the row up again by its long id. A row that cannot be opened (a platform without a device, a device without a
 * compiler) fails with its note. */
tas_status discover_find(tas_context *context, const char *long_id, cl_platform_id *platform, cl_device_id *id);

#endif
