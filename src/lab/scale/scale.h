/* What ranks exchange in a step of a network, and what their hosts need for it. */
#ifndef SCALE_H
#define SCALE_H

#include "exchange/scaling.h"
#include "train/run.h"

#include <tassello/scale.h>

/* Messages of a step of a network, as ranked_step() and its commands send them. */
scaling_volume scale_volume(const tas_network *network, tas_optimizer which, bool clips);

/* Seconds that a rank's host needs, as the median of some repetitions: staging, the trained parameters from the
 * device's layout to the canonical one, a sum, and back; and the update of all of them. */
tas_status scale_time_host(tas_device *device, const tas_network *network, tas_optimizer which, double *staging,
                           double *update);

/* The time of a step on so many ranks. False: no memory. */
bool scale_row(const scaling_volume *volume, const scaling_work *work, const tas_link *link, uint32_t ranks,
               uint32_t shards, tas_scale_row *out);

#endif
