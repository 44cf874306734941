/* Curves through what a sweep measured: steps against batch, and the time of a step. Pure, as noise.h is.
 *
 * Steps and examples to a target (McCandlish et al. 2018, arXiv 1812.06162): (S/S_min - 1)(E/E_min - 1) = 1, and so
 *
 *     S = S_min (1 + B_crit / B),   E = S B = E_min (1 + B / B_crit),   B_crit = E_min / S_min
 *
 * in which S is in steps, E and B in examples. Fitted by least squares to log S, which is the same fit as one to log
 * E, for their residuals are equal; a batch weighs as many times as it has seeds. For a given B_crit the best S_min
 * is a mean, so that one number is searched for, over all of its range.
 *
 * Intervals (95 %) are what the sum of squares allows: { parameters : RSS - least RSS <= t^2 s^2 }. Seen along
 * B_crit this set may have no end: all batches on one arm of the curve then, and the answer is "at least" or "at
 * most". s^2 is the mean square of all residuals, seeds within a batch and batches about the curve together; where
 * batches are scattered more about the curve than seeds explain (Fisher's F, p < 0.2), it is that of the batches
 * alone, with their fewer degrees of freedom.
 *
 * The curve is a model, and batches are off it in a way that neighbours share (rates on a grid, a limit to
 * stability). What is expected at a batch is therefore the curve and a smooth part beside it, a Gaussian process
 * over log B whose values at a factor of 2^d are correlated by exp(-(d / 1.5)^2 / 2), drawn towards the batches'
 * means as far as seeds are no excuse (Rasmussen and Williams 2006, 2.2). On a simulated quadratic this took the
 * share of recommendations within 5 % of the best from 0.83 (own means and the curve alone) to 0.98. */
#ifndef FIT_H
#define FIT_H

#include <stdbool.h>
#include <stddef.h>

enum { FIT_BATCHES = 32, FIT_LEAST = 3 }; /* at most; at least */

/* Where each batch has one seed alone: the standard deviation over seeds of log steps was 0.09 to 0.15 (an MLP on
 * Fashion-MNIST, twelve batches). */
#define FIT_SEED_SPREAD 0.12

typedef struct fit_point {
    double batch;      /* examples */
    double log_steps;  /* mean over seeds of the natural logarithm of the steps to the target */
    double log_spread; /* its standard deviation over seeds; 0 where there is one */
    int seeds;
} fit_point;

/* A batch's point from each seed's steps; false where there is none, or one is not a number above 0. */
bool fit_summarize(double batch, const double *steps, int seeds, fit_point *out);

typedef enum fit_state {
    FIT_UNKNOWN,  /* the interval has neither end */
    FIT_AT_LEAST, /* value and high say nothing */
    FIT_AT_MOST,  /* value and low say nothing */
    FIT_KNOWN
} fit_state;

typedef struct fit_range {
    fit_state state;
    double value, low, high; /* low 0, high INFINITY: no such end */
} fit_range;

/* The least that batches are taken to be off the curve in what is expected of them, in log. */
#define FIT_LACK_LEAST 0.07

typedef struct fit_curve {
    bool known; /* there were three batches at least; else all below is 0 or FIT_UNKNOWN */
    fit_range s_min, e_min, b_crit;
    double log_s_min, log_b_crit; /* of the curve that fits best, whether or not its parts are determined */
    double log_b_crit_error;      /* standard error, by the curvature at the best; INFINITY where it is flat */
    double spread;                /* over seeds, in log; FIT_SEED_SPREAD where no batch has two seeds */
    double freedom;               /* of spread; INFINITY where it is assumed */
    double lack;                  /* standard deviation of batches about the curve that seeds do not explain, in log */
    /* The smooth part: log B of the points, and with C their covariance, errors included, C^-1 times what they are
     * off the curve, and C's Cholesky factor. */
    int count;
    double x[FIT_BATCHES], pull[FIT_BATCHES], factor[FIT_BATCHES][FIT_BATCHES];
} fit_curve;

/* Fits the curve to `count` batches. False where there are fewer than three different ones, more than FIT_BATCHES,
 * or a figure is impossible. */
bool fit_steps(const fit_point *points, int count, fit_curve *out);

/* The natural logarithm of the steps at a batch: by the curve alone, and with the smooth part. */
double fit_log_steps(const fit_curve *curve, double batch);
double fit_expected(const fit_curve *curve, double batch);

/* The standard error of the difference of what is expected at two batches. */
double fit_difference_error(const fit_curve *curve, double batch, double other);

typedef struct fit_time_point {
    double batch;   /* examples */
    double seconds; /* of a step: the median of interleaved rounds */
    double weight;  /* how many rounds; relative to the other points */
} fit_time_point;

typedef struct fit_time {
    bool known;
    double fixed;  /* a, seconds */
    double each;   /* b, seconds an example */
    double misfit; /* root of the weighted mean square of the relative residuals */
} fit_time;

/* Fits t = a + b B with a, b >= 0 by weighted least squares of the relative residuals (a clock's noise is a share of
 * what it measures). False where there are fewer than two different batches, or a figure is not a number above 0. */
bool fit_step_time(const fit_time_point *points, int count, fit_time *out);

double fit_seconds(const fit_time *time, double batch);

#endif
