/* How training measures the gradient noise scale (stats/noise_scale.h): a function of the network, the batch and the
 * set alone, so that the plan can count its memory, and no figure depends on the device.
 *
 * A dense layer tells each example's own norm at the price of reading its operands; its groups are single examples. The
 * sums of other layers are run again for each group of examples, as if it were a batch. Where a batch holds too few
 * groups, another one is drawn from what comes next in the order, now and then, and measured in its place: a probe. */
#ifndef NOISE_SCHEDULE_H
#define NOISE_SCHEDULE_H

#include "network/network.h"

enum {
    GROUPS_MOST = 16,
    NOISE_PROBE = 64 /* examples, where the set has as many */
};

typedef struct noise_schedule {
    uint32_t interval; /* every so many steps one is measured; 0: none is */
    uint32_t probe;    /* examples of a probe; 0: the step's own batch is measured */
    bool dense;        /* some layer is dense, */
    bool grouped;      /* or needs groups */
} noise_schedule;

/* examples is those of the set, 0 where they are not known. */
noise_schedule noise_schedule_for(const tas_network *network, uint32_t batch, uint64_t examples);

/* Examples of a group, of a batch of so many; the last group may have fewer. There are at most GROUPS_MOST. */
uint32_t noise_schedule_group(uint32_t batch);

/* Whether the call sums over examples what only groups tell. */
bool noise_schedule_is_grouped(const tas_network *network, const op_call *call);

#endif
