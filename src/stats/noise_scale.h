/* The gradient noise scale, B_noise = tr(S) / |G|^2, with S the covariance of one example's gradient and G the true
 * gradient (McCandlish et al. 2018, arXiv 1812.06162), from figures of training steps. Gradients are raw: before weight
 * decay, clipping and momentum. Pure; only reported figures depend on it, never a weight.
 *
 * The B examples of a step are divided into K >= 2 disjoint groups; g_t is the sum of the gradients of the n_t examples
 * of group t, and g the sum of all. Then, without bias and for groups of any sizes,
 *
 *     trace  = ( sum_t |g_t|^2 / n_t  -  |g|^2 / B ) / (K - 1)        estimates tr(S)
 *     square = ( |g|^2 / B  -  trace (1 - B/N) ) / B                  estimates |G|^2
 *
 * if the batch is drawn without replacement from N examples (S then has the divisor N - 1, and G is the mean over those
 * N); with replacement, or from an endless set, 1 - B/N is 1. square may be negative and is never clamped, which would
 * bias it. Both are sums over layers, and each layer may have its own groups.
 *
 * Both are averaged over steps, and divided last: the mean of ratios is biased (3 times too high at B = 64 and a true
 * value of 78). The interval is Fieller's (Fieller 1954): with V(b) the variance of the mean of trace - b square over
 * the steps,
 *
 *     { b : (mean trace - b mean square)^2 <= t^2 V(b) }
 *
 * where V comes from the differences of successive steps (von Neumann et al. 1941), on which a trend during training
 * has little effect, since errors are uncorrelated from step to step. The unit is examples.
 *
 * The preconditioned noise scale, under Adam, is
 *
 *     tr(P S) / G' P G,    P = diag(1 / (sqrt(v^) + epsilon))
 *
 * with v^ the second moment that the steps before have left, its bias corrected. It is estimated by the same formulas
 * from sums of P_k g_k^2: P depends on earlier batches alone, so that given the weights they stay without bias. A
 * component whose v is still 0 has no P yet and is left out; and steps count only after v has seen 32 gradients, whose
 * root is then known within an eighth (1 / sqrt(2 * 32)).
 *
 * Derivation. A step w -= r P g with the mean gradient g of B examples changes the loss, to second order, by
 *
 *     -r G' P G + r^2 / 2 (G' P H P G + tr(P H P S) / B)
 *
 * on average, which is best at r = r_max / (1 + b / B) with b = tr(P H P S) / G' P H P G. McCandlish et al. replace the
 * Hessian H by a multiple of the identity, in the coordinates in which the optimizer is plain SGD: then b becomes
 * tr(S) / |G|^2. For a fixed P these coordinates are u = P^-1/2 w, in which the gradient is P^1/2 g and the step
 * u -= r P^1/2 g; the same simplification there, H = c P^-1, makes b = tr(P S) / G' P G. With H = c in w's own
 * coordinates, where P is of no use, b is tr(P^2 S) / |P G|^2 instead, the noise scale of gradients whose components
 * are divided by sqrt(v^); that is what AdaptDL computes (Qiao et al. 2021, arXiv 2008.12260, "pre-conditioned gradient
 * noise scale"). In it each component counts as much as any other, however little it moves the loss, and those with the
 * smallest v most; with P they count by their size. The two cannot be compared.
 *
 * Limits. It is no batch size: (1) a step of Adam averages 1 / (1 - beta1) gradients, of which nothing is known here;
 * (2) H = c P^-1 is a hope; (3) v^ itself holds tr(S) / B, so that P, and with it the figure, depends on the batch at
 * which it was measured, and r as well; (4) a component that is seen less often than every 1 / (1 - beta2) steps has a
 * v^ far below its next gradient. So it compares parts of runs under Adam with one batch, one beta2 and one epsilon.
 * How large a batch may be under Adam, branches measure (lab/branch/). */
#ifndef NOISE_SCALE_H
#define NOISE_SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Figures of one step, for one layer or the whole network. */
typedef struct noise_scale_groups {
    double parts;   /* sum over the groups of |g_t|^2 / n_t */
    double whole;   /* |g|^2, g the sum over the batch, not its mean */
    uint64_t count; /* K */
} noise_scale_groups;

/* What the steps so far add up to: a plain struct that can be copied and stored. {0} is the start. */
typedef struct noise_scale {
    uint64_t steps, skipped;          /* steps that count; steps with fewer than two groups, or not finite */
    uint64_t pairs;                   /* successive steps that were compared */
    double trace, square;             /* means over the steps */
    double last_trace, last_square;   /* of the last step that counts */
    bool follows;                     /* the next step may be compared with the last one */
    double traces, products, squares; /* sums over the pairs: squares of the two differences, and their product */
} noise_scale;

/* One step's estimates, summed over the layers. False, with nothing written, if a layer has fewer than two groups, or
 * if a figure is not finite or impossible. examples is N, or 0 if the set is endless or drawn from with replacement. */
bool noise_scale_estimate(const noise_scale_groups *layers, int count, uint64_t batch, uint64_t examples, double *trace,
                          double *square);

/* Adds the estimates of a step. */
void noise_scale_add(noise_scale *n, double trace, double square);

/* The same from its groups; false if it was skipped. */
bool noise_scale_add_groups(noise_scale *n, const noise_scale_groups *layers, int count, uint64_t batch,
                            uint64_t examples);

/* Adds another stretch of steps: a window's to the run's, or another seed's. Its steps are not paired with those of n.
 */
void noise_scale_merge(noise_scale *n, const noise_scale *other);

typedef enum noise_scale_state {
    NOISE_UNKNOWN,  /* not known yet: the interval is unbounded */
    NOISE_AT_LEAST, /* the interval has no upper bound */
    NOISE_KNOWN
} noise_scale_state;

typedef struct noise_scale_range {
    noise_scale_state state;
    double value;     /* mean trace / mean square; NaN if the mean square is not positive */
    double low, high; /* the 95 % interval within b >= 0; 0 and INFINITY: no such bound */
    uint64_t steps;   /* it is based on */
} noise_scale_range;

noise_scale_range noise_scale_result(const noise_scale *n);

#endif
