/* Errors of OpenCL calls. */
#ifndef ERRORS_H
#define ERRORS_H

#include "device/opencl/opencl.h"

/* The error's name, such as "CL_OUT_OF_RESOURCES". */
const char *error_name(cl_int error);

/* Fails with the device's id, the call's name and the error's name. Errors of memory are TAS_NO_MEMORY, others
 * TAS_DEVICE_FAILED. */
tas_status error_fail(tas_device *device, cl_int error, const char *call);

#endif
