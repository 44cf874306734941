/* Curves through the measurements of a sweep: steps against batch, and the duration of a step. Pure.
 *
 * Steps and examples to a target (McCandlish et al. 2018, arXiv 1812.06162): (S/S_min - 1)(E/E_min - 1) = 1, and so
 *
 *     S = S_min (1 + B_crit / B),   E = S B = E_min (1 + B / B_crit),   B_crit = E_min / S_min
 *
 * where S is in steps, E and B in examples. Fitted by least squares to log S, which equals a fit to log E, since their
 * residuals are equal. A batch has the weight of its number of seeds. For a given B_crit the best S_min is a mean, so
 * that one number is searched for, over its whole range.
 *
 * Intervals (95 %) are what the sum of squares allows: { parameters : RSS - least RSS <= t^2 s^2 }. Along B_crit this
 * set may be unbounded: then all batches are on one arm of the curve, and the answer is "at least" or "at most". s^2 is
 * the mean square of all residuals, of seeds within a batch and of batches about the curve together, unless batches
 * scatter about the curve more than seeds alone would make them do in half of all fits (Fisher's F, p < 0.5; with three
 * batches, 0.7): then it is that of the batches alone, with their fewer degrees of freedom. A scatter of batches is
 * hard to see in 2 to 6 degrees of freedom, so that a usual level of significance overlooks it: with p < 0.2, intervals
 * of B_crit from 4 batches that scatter by 0.1 to 0.2 in log held the truth in 0.91, and those from 3 batches in 0.84
 * to 0.91; now 0.95 to 0.96 and 0.95 to 0.97. Without scatter this widens them (median half-width in log, 3 seeds of
 * spread 0.12: 0.23 to 0.29 with 4 batches, 0.163 to 0.176 with 8).
 *
 * The curve is a model, and batches are off it in a way that neighbors share (rates on a grid, a limit to stability).
 * The expected value at a batch is therefore the curve plus a smooth part, a Gaussian process over log B: values at a
 * factor of 2^d are correlated by exp(-(d / 1.5)^2 / 2), and drawn to the batches' means as far as the spread over
 * seeds does not explain them (Rasmussen and Williams 2006, 2.2). On a simulated quadratic this raised the share of
 * recommendations within 5 % of the best from 0.83 (own means and the curve alone) to 0.98. */
#ifndef FIT_H
#define FIT_H

#include <stdbool.h>
#include <stddef.h>

enum { FIT_BATCHES = 32, FIT_LEAST = 3 }; /* at most; at least */

/* If each batch has only one seed: the standard deviation over seeds of log steps was 0.09 to 0.15 (an MLP on
 * Fashion-MNIST, twelve batches). */
#define FIT_SEED_SPREAD 0.12

typedef struct fit_point {
    double batch;      /* examples */
    double log_steps;  /* mean over seeds of the natural logarithm of the steps to the target */
    double log_spread; /* its standard deviation over seeds; 0 with one seed */
    int seeds;
} fit_point;

typedef enum fit_state {
    FIT_UNKNOWN,  /* the interval has no bound */
    FIT_AT_LEAST, /* value and high are meaningless */
    FIT_AT_MOST,  /* value and low are meaningless */
    FIT_KNOWN
} fit_state;

typedef struct fit_range {
    fit_state state;
    double value, low, high; /* low 0, high INFINITY: no such bound */
} fit_range;

/* The least deviation of batches from the curve that is assumed, in log. */
#define FIT_LACK_LEAST 0.07

typedef struct fit_curve {
    bool known; /* at least three batches; otherwise all below is 0 or FIT_UNKNOWN */
    fit_range s_min, e_min, b_crit;
    double log_s_min, log_b_crit; /* of the curve that fits best, whether or not its parts are determined */
    double log_b_crit_error;      /* standard error, by the curvature at the best; INFINITY if it is flat */
    double spread;                /* over seeds, in log; FIT_SEED_SPREAD if no batch has two seeds */
    double freedom;               /* of spread; INFINITY if it is assumed */
    double lack;                  /* standard deviation of batches about the curve that seeds do not explain, in log */
    /* The smooth part: log B of the points; C^-1 times their residuals, with C their covariance, errors included; and
     * the Cholesky factor of C. */
    int count;
    double x[FIT_BATCHES], pull[FIT_BATCHES], factor[FIT_BATCHES][FIT_BATCHES];
} fit_curve;

/* Fits the curve to `count` batches. False for fewer than three different ones, more than FIT_BATCHES, or an impossible
 * figure. */
bool fit_steps(const fit_point *points, int count, fit_curve *out);

/* The natural logarithm of the steps at a batch: of the curve alone, and with the smooth part. */
double fit_log_steps(const fit_curve *curve, double batch);
double fit_expected(const fit_curve *curve, double batch);

/* The standard error of the difference between the expected values at two batches. */
double fit_difference_error(const fit_curve *curve, double batch, double other);

typedef struct fit_time_point {
    double batch;   /* examples */
    double seconds; /* of a step: the median of interleaved rounds */
    double weight;  /* how many rounds; relative to the other points */
} fit_time_point;

typedef struct fit_time {
    bool known;
    double fixed;  /* a, seconds */
    double each;   /* b, seconds per example */
    double misfit; /* root of the weighted mean square of the relative residuals */
} fit_time;

/* Fits t = a + b B with a, b >= 0 by weighted least squares of the relative residuals (a clock's noise is a fraction of
 * what it measures). False for fewer than two different batches, or a figure that is not positive. */
bool fit_step_time(const fit_time_point *points, int count, fit_time *out);

/* The same with a and b above 0, of as many of the first points as give such a line. Steps that take the same time
 * within a tenth, whatever their batch, have a slope that is lost in their scatter: b is then what this scatter, at
 * least 1 %, would hide. How many points; 0: fewer than two do. */
int fit_rising_time(const fit_time_point *points, int count, fit_time *out);

double fit_seconds(const fit_time *time, double batch);

#endif
