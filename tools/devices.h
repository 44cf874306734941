/* Devices as JSON, for more than one command. */
#ifndef DEVICES_H
#define DEVICES_H

#include "cli.h"

/* What is known about a device: a row of 'devices --json'. */
json_t *devices_describe(const tas_device_info *device);

#endif
