/* The canonical training. */
#ifndef TRAINING_H
#define TRAINING_H

#include "device/device.h"

/* Runs it and gives the digest of its weights. */
tas_status training_digest(tas_device *device, char hex[65]);

#endif
