/* The median. */
#ifndef MEDIAN_H
#define MEDIAN_H

#include <stddef.h>

/* For qsort(): doubles in ascending order. */
int median_order(const void *a, const void *b);

/* Sorts the values; at least one. The mean of the two in the middle if their number is even. */
double median_of(double *values, size_t count);

#endif
