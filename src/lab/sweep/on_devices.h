/* The batch on several devices, for options.ranks: see lab/advice/devices.h. */
#ifndef ON_DEVICES_H
#define ON_DEVICES_H

#include "lab/sweep/json.h"
#include "lab/sweep/lab.h"

/* What ranks add to a step, from the host's times and the link. */
tas_status on_devices_time(lab *l);

/* From the recommendation, to whose reason it adds a sentence. */
void on_devices_advise(tas_sweep *sweep);

/* A list with one object per number of devices. */
json_t *on_devices_describe(const tas_sweep *sweep);

#endif
