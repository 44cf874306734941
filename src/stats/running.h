/* Mean and variance of values that come one by one, without cancellation (Welford, Technometrics 4, 1962). */
#ifndef RUNNING_H
#define RUNNING_H

#include <math.h>
#include <stdint.h>

typedef struct running {
    uint64_t count;
    double mean;
    double squares; /* sum of (value - mean)^2 */
} running;

static inline void running_add(running *r, double value)
{
    const double before = value - r->mean;
    r->mean += before / (double)++r->count;
    r->squares += before * (value - r->mean);
}

/* Of one value, with the divisor count - 1; NaN if there are fewer than two. */
static inline double running_variance(const running *r)
{
    return r->count > 1 ? r->squares / (double)(r->count - 1) : NAN;
}

/* The standard error of the mean. */
static inline double running_error(const running *r) { return sqrt(running_variance(r) / (double)r->count); }

#endif
