/* Memory, transfers and waits of an open device. */
#ifndef DRIVER_H
#define DRIVER_H

#include "device/opencl/opencl.h"

extern const device_driver driver_table;

/* Opens the device's context and its queue. `call` names what is done in an error. Closed by the driver's close. */
tas_status driver_open_context(tas_device *device, const char *call);

#endif
