/* How a figure changes with the batch: over all of the batches that were measured, not only from the smallest to the
 * largest. Pure. */
#ifndef TREND_H
#define TREND_H

#include "base/format.h"
#include "lab/report/findings.h"

/* The figure of one batch, with its standard error and the degrees of freedom of that (INFINITY: it is known). */
typedef struct trend_point {
    uint64_t batch;
    double value, error, freedom;
} trend_point;

typedef struct trend {
    bool logarithms; /* the values are: differences are shown as factors */
    int count;
    trend_point point[SWEEP_BATCHES]; /* in ascending order of the batch */
} trend;

/* Figures without an interval are left out. Of the logarithms, a mean is a geometric one, and its spread is one of the
 * logarithms already. */
void trend_add(trend *t, uint64_t batch, double value, double error, double freedom);
void trend_add_mean(trend *t, uint64_t batch, const sweep_mean *mean);

/* The pair of batches between which the figure changes most clearly in the direction of `sign`, and beyond the 95 %
 * interval for all pairs together (Bonferroni, Welch's t). False: there is none. */
typedef struct trend_change {
    trend_point from, to;
    double value, reach;
} trend_change;
bool trend_find(const trend *t, int sign, trend_change *out);

/* What the smallest and the largest batch alone say, corrected by the batches between them: a claim that holds from end
 * to end and not on the way holds in part. `wanted`: the sign of the claimed change. */
finding_verdict trend_judge(const trend *t, int wanted, finding_verdict ends);

/* The same, with a sentence about the batches between the ends, if there are any. */
finding_verdict trend_describe(const trend *t, int wanted, finding_verdict ends, text_buffer *w);

/* The same of a mean over seeds, of the batches for which `knows` is true. */
finding_verdict trend_describe_means(const tas_sweep *sweep, bool (*knows)(const sweep_batch *),
                                     const sweep_mean *(*of)(const sweep_batch *), bool logarithms, int wanted,
                                     finding_verdict ends, text_buffer *w);

#endif
