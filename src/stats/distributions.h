/* Student's t and Fisher's F, by the incomplete beta function: what intervals need of them. Degrees of freedom may
 * be any positive number, INFINITY included. */
#ifndef DISTRIBUTIONS_H
#define DISTRIBUTIONS_H

#include <stdbool.h>

/* The t that a variable of `freedom` degrees stays under with probability p; NaN where p is not in (0, 1) or freedom
 * not above 0. Within 1e-9 of the truth, relatively, up to 1e6 degrees. */
double student_quantile(double p, double freedom);

/* That of 95 % intervals: P(-t < T < t) = 0.95. */
double student_95(double freedom);

/* P(F > f), `above` and `below` being the degrees of freedom of the fraction's two parts. */
double fisher_tail(double f, double above, double below);

/* P(Z < z) of a normal variable with mean 0 and variance 1. */
double normal_below(double z);

/* The mean of a[i] - b[i] over seeds and its 95 % interval, by t: the same seeds at two batches. Without a spread
 * (fewer than two seeds) it reaches from -INFINITY to INFINITY. False where there is no seed, or a number is not
 * finite. */
typedef struct student_interval {
    double mean, low, high;
} student_interval;
bool student_paired(const double *a, const double *b, int seeds, student_interval *out);

#endif
