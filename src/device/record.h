/* Files in the cache that hold what was found out about a device: one per device, driver, version of the library with
 * its kernels, and contract. */
#ifndef RECORD_H
#define RECORD_H

#include "device/device.h"

/* The path of a record of that kind ("tested"). False if there is no folder for it. */
bool record_path(const tas_device_info *info, const char *kind, char *path, size_t bytes);

/* A digest of the kernels' sources. */
void record_digest_kernels(char hex[65]);

#endif
