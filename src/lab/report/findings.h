/* What is commonly claimed about the batch size, and what a sweep saw of it: sentences made of figures. Pure. The
 * claims are those that people repeat; a claim that was not tested by the figures is "not known", and an interval that
 * holds 0 is "no difference seen". */
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
    FINDING_PARTLY, /* at some of the places that were looked at */
    FINDING_VERDICTS
} finding_verdict;

typedef struct finding {
    const char *claim;
    finding_verdict verdict;
    char seen[FINDING_TEXT]; /* what was seen, with figures; where nothing was: why not */
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

/* b less a, two means over seeds, with the half of its 95 % interval (Welch's t, for seeds are not paired here). False
 * where one is not known, or has fewer than two seeds. */
typedef struct difference {
    double value, reach;
} difference;
bool findings_compare(const sweep_mean *a, const sweep_mean *b, difference *out);

/* The smallest and the largest batch of which `knows` holds; false where there are fewer than two. Batches need not be
 * in order. */
bool findings_ends(const tas_sweep *sweep, bool (*knows)(const sweep_batch *), int *small, int *large);

#endif
