/* The program of a suite that runs on a driver: the device that TASSELLO_TEST_DEVICE names, or the reference without
 * one. */
#ifndef DRIVER_H
#define DRIVER_H

#include "support.h"

extern tas_device *tested, *reference; /* the same one without a name */
extern bool tested_small;              /* as little as TASSELLO_TEST_SIZE=small wants */

/* The suite's main(): opens both devices and the context, runs what `make` makes for the device (id NULL: the
 * reference), and answers with the exit status; 77, skipped, if there is no such device. */
int driver_run(Suite *(*make)(const char *id));

/* For a checked fixture: each test draws from the seed. */
void seed_anew(void);

#endif
