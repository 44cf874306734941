/* The canonical trainings. */
#ifndef TRAINING_H
#define TRAINING_H

#include "device/device.h"

#include <tassello/verify.h>

enum { TRAININGS = TAS_CANONICAL_TRAININGS };

const char *training_name(int which);

/* Runs one of them and gives the digest of its weights. */
tas_status training_digest(tas_device *device, int which, char hex[65]);

#endif
