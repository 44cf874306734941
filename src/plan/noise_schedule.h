/* When and on how many examples training measures the gradient noise scale (stats/noise_scale.h): a function of
 * network, batch and data set alone, so that the plan can count its memory and no number depends on the device.
 *
 * A dense layer yields the norm of each example's gradient for the price of reading its operands; its groups are single
 * examples. The sums of other layers are run again for each group of examples, as if the group were a batch. If a batch
 * has too few groups, now and then a probe is measured instead: examples that come next in the order.
 *
 * The parts of a batch that are compared have to be independent. If batch normalization takes its statistics from
 * groups of N examples, parts are multiples of N, for dense layers too; if it takes them from the whole batch, there
 * are none, and nothing is measured.
 *
 * The preconditioned noise scale (stats/noise_scale.h) divides each component of a gradient by one of its own, so that
 * the norms of single examples do not yield it: all layers need groups. Networks of dense layers are therefore measured
 * for it in fewer steps. */
#ifndef NOISE_SCHEDULE_H
#define NOISE_SCHEDULE_H

#include "network/network.h"

enum {
    GROUPS_MOST = 16,
    NOISE_PROBE = 64,       /* examples, if the set has as many */
    NOISE_MOMENT_STEPS = 32 /* that Adam's second moment has seen before it is used */
};

typedef struct noise_schedule {
    uint32_t interval; /* one step in so many is measured; 0: none is */
    uint32_t probe;    /* examples of a probe; 0: the step's own batch is measured */
    bool dense;        /* some layer is dense, */
    bool grouped;      /* or needs groups, */
    uint32_t together; /* which are multiples of so many examples; at least 1 */
    /* One step in so many is measured for the preconditioned noise scale as well, a multiple of `interval`; 0: none. */
    uint32_t preconditioned;
} noise_schedule;

/* Why nothing can be measured, as the end of a sentence; NULL if something can. examples: those of the set, 0 if
 * unknown. */
const char *noise_schedule_obstacle(const tas_network *network, uint32_t batch, uint64_t examples);

/* Nothing is measured if there is an obstacle. */
noise_schedule noise_schedule_for(const tas_network *network, uint32_t batch, uint64_t examples);

/* Asks for the preconditioned noise scale, too, unless nothing is measured. batch: as above. */
void noise_schedule_precondition(noise_schedule *schedule, uint32_t batch);

/* Examples per group for a batch of so many; the last group may have fewer. There are at most GROUPS_MOST groups. */
uint32_t noise_schedule_group(const noise_schedule *schedule, uint32_t batch);

#endif
