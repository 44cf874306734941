/* The learning rate of each step. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "base/base.h"

#include <tassello/model.h>

/* 0, or a number from 2^-60 to most: products with it are then safe under rule 8 of the contract. */
tas_status check_rate(tas_context *context, const char *name, float value, float most);

/* Checks all that the rate depends on, for a run of so many steps. */
tas_status schedule_check(tas_context *context, const tas_train_options *is, uint64_t steps);

/* The rate of a step, 0 being the first, from options that were checked: 0, or 2^-60 at least. The same bits on every
 * host. At step `steps`, behind the last, it is where the cosine schedule ends. */
float schedule_lr(const tas_train_options *is, uint64_t step, uint64_t steps);

/* base^n by squares, for base 0 or in [2^-60, 1], off by a factor of 1 + n 2^-53 at most. 0 where it would be under
 * 2^-200. The same bits on every host. */
double power_of(double base, uint64_t n);

#endif
