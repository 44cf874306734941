/* The critical batch at one moment of a training, from branches: short continuations of one and the same state, which
 * train on the same next examples with batches B_0 < B_1 < ..., each with its rate scaled by the optimizer's rule
 * (Merrill et al. 2025, arXiv 2505.23971). No theory of the noise enters, so that it holds for any optimizer. Pure.
 *
 * With L the loss before the branches and L(B) after one of batch B, the progress is p(B) = L - L(B). Branches of a
 * repeat begin with one state; repeats may begin with the same or with neighboring ones, whose chance is then in the
 * interval, too: weights fluctuate, and all that a single state has gained by chance is lost in any branch of it. The
 * critical batch is the largest that keeps the share 1 - T of the progress that the smallest batch makes with the same
 * examples:
 *
 *     p(B) = (1 - T) p(B_0),   T = CRITICAL_TOLERANCE = 0.2
 *
 * The tolerance is a share, so that it needs no scale of losses and means the same early and late: at the critical
 * batch a run needs 1 / (1 - T) = 1.25 times the examples for the progress of the smallest.
 *
 * Every repeat r has its own order of the examples, the same for all of its branches. z_r(B) = (1 - T) p_r(B_0) -
 * p_r(B) is below 0 at batches below the critical one, and a Student interval of its mean over repeats is a test of
 * each B: the 95 % interval of the critical batch is { B : |mean z(B)| <= t s(z(B)) / sqrt(R) }, with z interpolated
 * along log B between the batches by a cubic. The progress of the smallest batch is itself estimated, and enters z_r
 * with its own error, paired: this is Fieller's interval (Fieller 1954).
 *
 * To be compared with the critical batch of fit.h, at which a run needs twice the fewest examples: if progress per
 * example falls as 1 / (1 + B / B_crit) (McCandlish et al. 2018, arXiv 1812.06162, 2.2), then
 *
 *     p(B) / p(B_0) = (1 + B_0 / B_crit) / (1 + B / B_crit),   critical batch = (B_0 + T B_crit) / (1 - T)
 *
 * so that B_crit is about 4 times the critical batch less 5 B_0. It is fitted to all branches, from which B* = sqrt(a
 * B_crit / b) follows for steps of a + b B seconds. Its interval is the set of B_crit at which the paired residuals do
 * not pull either way: least squares demand sum_B (p_r(B) - A_r g(B)) dg/dB_crit = 0 with g the curve and A_r its best
 * height; the mean of that sum over repeats is tested by Student's t, as above. */
#ifndef CRITICAL_H
#define CRITICAL_H

#include "stats/fit.h"

enum { CRITICAL_BATCHES = 16, CRITICAL_REPEATS = 16 }; /* at most */
#define CRITICAL_TOLERANCE 0.2

/* loss[b][r]: after the branch of batch b in repeat r, all on one fixed set; NaN: not made; INFINITY: it diverged. */
typedef struct critical_input {
    double before[CRITICAL_REPEATS]; /* the loss of the state that the branches of a repeat begin with */
    int batches, repeats;
    double confidence; /* of the intervals; 0: 0.95. A choice that has to be made goes by less than a claim */
    double batch[CRITICAL_BATCHES]; /* ascending */
    double loss[CRITICAL_BATCHES][CRITICAL_REPEATS];
} critical_input;

/* Why nothing is known; or, if the smallest batch gets nowhere, no more than a lower bound: batches that do better. */
typedef enum critical_obstacle {
    CRITICAL_NOTHING,
    CRITICAL_ONE_BATCH,   /* fewer than two batches have the repeats that it takes */
    CRITICAL_ONE_REPEAT,  /* the smallest batch has fewer than two repeats */
    CRITICAL_SMALLEST,    /* the smallest batch diverged */
    CRITICAL_NOT_FALLING, /* whether the smallest batch makes progress cannot be told from chance */
    CRITICAL_RISING,      /* the loss rises with the smallest batch */
    CRITICAL_NOISE,       /* the interval has no bounds */
    CRITICAL_UNUSABLE,    /* an impossible input: batches not ascending, a loss before that is not finite */
    CRITICAL_OBSTACLES
} critical_obstacle;

typedef struct critical_batch {
    critical_obstacle obstacle;
    fit_range critical;   /* of the definition above, in examples */
    fit_range b_crit;     /* of the curve of efficiency */
    double progress;      /* of the smallest batch, mean over repeats; NaN: not known */
    double stable_most;   /* the largest batch up to which no branch diverged or ended above the loss before; 0: none */
    int repeats, batches; /* of those that were compared; the latter without those that were left out */
    int used[CRITICAL_BATCHES];                                   /* repeats that count, per batch */
    double difference[CRITICAL_BATCHES], error[CRITICAL_BATCHES]; /* L(B) - L(B_0), paired; NaN: not known */
} critical_batch;

void critical_find(const critical_input *input, critical_batch *out);

/* The mean loss of the states that branches begin with; NaN if there are no repeats. */
double critical_before(const critical_input *input);

/* "the loss does not fall by more than chance", for the end of a sentence; "" for CRITICAL_NOTHING. */
const char *critical_why(critical_obstacle obstacle);

#endif
