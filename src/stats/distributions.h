/* Student's t, Fisher's F and the normal distribution, as far as intervals need them. Degrees of freedom may be any
 * positive number, including INFINITY. */
#ifndef DISTRIBUTIONS_H
#define DISTRIBUTIONS_H

#include <stdbool.h>

/* The t below which a variable with `freedom` degrees stays with probability p; NaN if p is not in (0, 1) or freedom is
 * not positive. Relative error below 1e-9 up to 1e6 degrees. */
double student_quantile(double p, double freedom);

/* P(T < t). */
double student_below(double t, double freedom);

/* For 95 % intervals: P(-t < T < t) = 0.95. */
double student_95(double freedom);

/* P(F > f) with `above` and `below` degrees of freedom of numerator and denominator. */
double fisher_tail(double f, double above, double below);

/* P(Z < z) of a standard normal variable. */
double normal_below(double z);

/* The mean of a[i] - b[i] over seeds and its 95 % interval, by Student's t. With fewer than two seeds the interval
 * reaches from -INFINITY to INFINITY. False if there is no seed, or a number is not finite. */
typedef struct student_interval {
    double mean, low, high;
} student_interval;
bool student_paired(const double *a, const double *b, int seeds, student_interval *out);

#endif
