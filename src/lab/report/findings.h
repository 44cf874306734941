/* Common claims about the batch size, and what a sweep measured about them, in sentences. Pure. A claim that the
 * figures do not test is "not known", and an interval that contains 0 is "no difference seen". */
#ifndef FINDINGS_H
#define FINDINGS_H

#include "lab/sweep/sweep.h"

#include <math.h>

enum { FINDING_TEXT = 1600 };

typedef enum finding_verdict {
    FINDING_NOT_KNOWN,
    FINDING_AGREES,
    FINDING_NO_DIFFERENCE,
    FINDING_DISAGREES,
    FINDING_PARTLY, /* at some of the points */
    FINDING_VERDICTS
} finding_verdict;

typedef struct finding {
    const char *claim;
    finding_verdict verdict;
    char seen[FINDING_TEXT]; /* what was measured; if nothing was: why not */
} finding;

typedef void (*find_fn)(const tas_sweep *sweep, finding *out);

void findings_speed(const tas_sweep *sweep, finding *out);
void findings_memory(const tas_sweep *sweep, finding *out);
void frozen_findings_variance(const tas_sweep *sweep, finding *out);
void frozen_findings_gradient(const tas_sweep *sweep, finding *out);
void frozen_findings_cost(const tas_sweep *sweep, finding *out);
void frozen_findings_noise(const tas_sweep *sweep, finding *out);
void frozen_findings_weights(const tas_sweep *sweep, finding *out);
void findings_convergence(const tas_sweep *sweep, finding *out);
void findings_loss(const tas_sweep *sweep, finding *out);
void findings_overfitting(const tas_sweep *sweep, finding *out);
void findings_good_start(const tas_sweep *sweep, finding *out);

/* "agrees with the claim", "no difference seen", ... */
const char *findings_verdict(finding_verdict verdict);

/* b minus a, two means over seeds, and half of the 95 % interval (Welch's t: seeds are not paired here). False if one
 * is not known or has fewer than two seeds. */
typedef struct difference {
    double value, reach;
} difference;
bool findings_compare(const sweep_mean *a, const sweep_mean *b, difference *out);

/* The smallest and the largest batch for which `knows` is true; false if there are fewer than two. Batches may be in
 * any order. */
bool findings_ends(const tas_sweep *sweep, bool (*knows)(const sweep_batch *), int *small, int *large);

#endif
