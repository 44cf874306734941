/* The gradient noise scale, B_noise = tr(S) / |G|^2 with S the covariance of one example's gradient and G the true
 * gradient (McCandlish et al. 2018, arXiv 1812.06162), from what a step of training knows. Of the raw gradient:
 * before weight decay, clipping and momentum. Pure: no device, no files, no globals; only numbers that are reported
 * come of it, no weight.
 *
 * A step's batch of B examples falls into K >= 2 disjoint groups; g_t is the sum of the gradients of the n_t
 * examples of group t, g the sum of all. Then, without bias and whatever the groups' sizes,
 *
 *     trace  = ( sum_t |g_t|^2 / n_t  -  |g|^2 / B ) / (K - 1)        estimates tr(S)
 *     square = ( |g|^2 / B  -  trace (1 - B/N) ) / B                  estimates |G|^2
 *
 * where the batch is drawn without replacement from N examples (S then has the divisor N - 1 and G is the mean over
 * those N); with replacement, or from an endless set, 1 - B/N is 1. square may be negative and is never clamped:
 * that would bias it. Both are sums over layers, and each layer may have its own groups.
 *
 * Means over the steps are kept of each, and divided last: the mean of ratios is biased (3 times too high at B = 64
 * and a true 78). The interval is Fieller's (Fieller 1954): with V(b) the variance of the mean of trace - b square
 * over the steps,
 *
 *     { b : (mean trace - b mean square)^2 <= t^2 V(b) }
 *
 * and V from the differences of successive steps (von Neumann et al. 1941), which a trend over the training hardly
 * enters, since errors are uncorrelated from step to step. The units are examples. */
#ifndef NOISE_SCALE_H
#define NOISE_SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one step says of one layer's gradient, or of the whole network's. */
typedef struct noise_scale_groups {
    double parts;   /* sum over the groups of |g_t|^2 / n_t */
    double whole;   /* |g|^2, g the sum over the batch, not its mean */
    uint64_t count; /* K */
} noise_scale_groups;

/* All that is known so far: a plain struct, so that it can be copied, stored and gone on with. {0} is the start. */
typedef struct noise_scale {
    uint64_t steps, skipped;          /* steps that count; steps with fewer than two groups, or not finite */
    uint64_t pairs;                   /* successive steps that were compared */
    double trace, square;             /* means over the steps */
    double last_trace, last_square;   /* of the last step that counts */
    bool follows;                     /* the next step may be compared with the last one */
    double traces, products, squares; /* sums over the pairs: squares of the two differences, and their product */
} noise_scale;

/* One step's estimates, summed over the layers. False, and nothing written, where a layer has fewer than two groups,
 * or where a figure is not finite or impossible. examples is N, 0 where the set is endless or drawn from with
 * replacement. */
bool noise_scale_estimate(const noise_scale_groups *layers, int count, uint64_t batch, uint64_t examples, double *trace,
                          double *square);

/* Takes in a step's estimates. */
void noise_scale_add(noise_scale *n, double trace, double square);

/* The same from its groups; false where it was skipped. */
bool noise_scale_add_groups(noise_scale *n, const noise_scale_groups *layers, int count, uint64_t batch,
                            uint64_t examples);

/* Joins another stretch of steps to n: a window's to the run's, another seed's. Its last step is not compared with
 * n's. */
void noise_scale_merge(noise_scale *n, const noise_scale *other);

typedef enum noise_scale_state {
    NOISE_UNKNOWN,  /* not known yet: the interval holds everything */
    NOISE_AT_LEAST, /* the interval has no upper end */
    NOISE_KNOWN
} noise_scale_state;

typedef struct noise_scale_range {
    noise_scale_state state;
    double value;     /* mean trace / mean square; NaN while the mean square is not above 0 */
    double low, high; /* the 95 % interval within the possible, b >= 0; 0 and INFINITY where it has no such end */
    uint64_t steps;   /* that it stands on */
} noise_scale_range;

noise_scale_range noise_scale_result(const noise_scale *n);

#endif
