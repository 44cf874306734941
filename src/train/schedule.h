/* The learning rate of each step. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "base/context.h"

#include <tassello/model.h>

/* A rate may be 0, or from 2^-60 to most: products with it are then safe under rule 8 of the contract. */
tas_status schedule_check_rate(tas_context *context, const char *name, float value, float most);

/* Checks all that the learning rate depends on, for a run of so many steps. */
tas_status schedule_check(tas_context *context, const tas_train_options *options, uint64_t steps);

/* The learning rate of a step from 0 on, from options that were checked: 0, or at least 2^-60. The same bits on every
 * host. At step `steps`, one behind the last, it is the cosine schedule's end. */
float schedule_lr(const tas_train_options *options, uint64_t step, uint64_t steps);

/* beta2^k with k = batch / base batch, if lr is scaled at all: rounded from a double whose error is a thousandth of
 * that, and below 1. The same bits on every host. */
float schedule_scaled_beta2(const tas_train_options *options, uint32_t batch);

/* 0 instead of a rate below 2^-60. */
float schedule_flush(float lr);

/* base^n by squaring, for base 0 or in [2^-60, 1]; its error is at most a factor of 1 + n 2^-53. 0 if it would be below
 * 2^-200. The same bits on every host. */
double schedule_power(double base, uint64_t n);

#endif
