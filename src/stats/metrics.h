/* Metrics of an evaluation, gathered example by example: see tassello/metrics.h. */
#ifndef STATS_METRICS_H
#define STATS_METRICS_H

#include "stats/running.h"

#include <tassello/metrics.h>

#include <stdbool.h>

enum { METRICS_TOP = 5, METRICS_CONFUSION_MOST = 2048 };

typedef struct metrics {
    tas_metrics *result; /* counts, while examples come */
    uint32_t outputs;    /* per example: result->count, or 1 with two classes */
    uint64_t right, top;
    running *targets; /* of values, one per output: the targets, */
    double *squares;  /* and the sum of d^2 */
    double errors;    /* and of |d|, over all */
} metrics;

/* False if there is no memory. Closed with metrics_close(), if it fails, too. */
bool metrics_open(metrics *m, tas_metrics_kind kind, uint32_t outputs, uint32_t count);
void metrics_close(metrics *m);

/* Forgets all examples. */
void metrics_reset(metrics *m);

/* One more example; the target is its label, or floats. */
void metrics_add(metrics *m, const float *outputs, const void *target);

/* The result, which is then the caller's. */
tas_metrics *metrics_take(metrics *m);

#endif
