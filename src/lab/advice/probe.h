/* A batch recommended from a short probe, before any sweep: from the duration of steps, and what stands in for B_crit:
 * the gradient noise scale for plain SGD, branches for other optimizers. Pure. */
#ifndef PROBE_H
#define PROBE_H

#include "lab/advice/recommend.h"
#include "lab/branch/critical.h"
#include "stats/noise_scale.h"

typedef struct probe_facts {
    noise_scale_range noise;
    fit_time time;
    bool plain_sgd; /* no momentum, no Adam */
    bool branched;  /* `branch` counts, not `noise` */
    critical_batch branch;
    double rate_power; /* branched: the rate of B is lr (B / 64)^rate_power */
    bool falls;        /* the loss fell during the probe */
    bool too_short;    /* the run is too short, and nothing was probed */
    bool no_time;      /* to train for long enough, or to time steps at several batches */
    bool few;          /* the set has too few examples for branches */
    bool no_memory;    /* for the probe */
    bool coupled;      /* the noise scale cannot be estimated, for batch normalization couples the examples */
    uint64_t timed_least, timed_most; /* others are too far from the batches that were timed; 0: no limit */
    double lr; /* for a batch of 64; that of B is lr (1 + B_noise / 64) / (1 + B_noise / B) (McCandlish et al. 2018) */
    recommend_limits limits; /* all but memory */
} probe_facts;

/* What stands in for B_crit. */
fit_range probe_scale(const probe_facts *probe);

/* The power of two nearest to B* within the limits; or 64, with `unknown` set. False as recommend(). */
bool probe_recommend(const probe_facts *probe, recommendation *out);

#endif
