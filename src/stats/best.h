/* Which rows of a table are worse than the best: losses of several batches, each with the same few seeds. Pure.
 *
 * Of each row the difference from the best of the *others*, theta_i - min over j of theta_j, has an interval, and all
 * intervals hold together with 95 % (multiple comparisons with the best, Hsu 1984, Ann. Stat. 12, 1136; Hsu 1996,
 * "Multiple Comparisons", 4). It comes from simultaneous intervals (L, U) of all pairs:
 *
 *     max over j of L_ij  <=  max over j of (theta_i - theta_j) = theta_i - min over j of theta_j  <=  max over j of
 * U_ij
 *
 * so that neither the choice of the best, which the same figures make, nor the number of rows does harm. (Hsu's own
 * bounds, with Dunnett's quantile, are narrower, but stop at 0: of several equal rows they may exclude some.)
 *
 * Rows are paired by seed, since a seed's order and initial weights are shared. The half-width of a pair is the larger
 * of two:
 * - with the variance of a difference pooled over all pairs, which is twice the mean square of the residuals of rows
 *   and seeds, and Bonferroni's t for the number of pairs: right if the rows' spreads are equal;
 * - with the pair's own variance and t for 2 / rows of 5 %: for rows whose spread is larger than the others'. A noisy
 *   row differs from all others by its own error, so that this is as good as one comparison per row.
 * In simulated sweeps of 2 to 8 equal rows with 2 to 5 seeds and equal or unequal spreads (up to 1 to 128) some row is
 * worse in 0.3 to 5 %; a row that is worse by 5 spreads is found in 0.84 to 0.88 with 3 seeds, in 0.22 to 0.31 with 2
 * (tests/test_coverage.c). */
#ifndef BEST_H
#define BEST_H

#include <stdbool.h>

enum { BEST_ROWS = 32, BEST_SEEDS = 32 };

typedef struct best_table {
    int rows, seeds;
    double loss[BEST_ROWS][BEST_SEEDS]; /* not finite: missing */
} best_table;

/* A row less the best of the others. With no seed in common with any other the value is NaN, and the ends are -INFINITY
 * and INFINITY, as they are with one seed. A single row has 0, 0, 0. */
typedef struct best_interval {
    double value, low, high;
    bool worse; /* low > 0 */
} best_interval;

/* False, with nothing written, for a table that is too large. */
bool best_compare(const best_table *table, best_interval *out);

#endif
