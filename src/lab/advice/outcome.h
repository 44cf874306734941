/* How a training run, or most runs of a batch, ended. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

typedef enum row_outcome {
    ROW_NOT_MEASURED,
    ROW_REACHED,
    ROW_DIVERGED,
    ROW_UNDERTRAINED, /* did not reach the target in the examples it was given */
    ROW_OVER_BUDGET   /* was not run: needs more memory than there is */
} row_outcome;

/* From a run's losses in the order of the evaluations, losses[0] at the initial weights. REACHED at the first loss that
 * is at most the target. DIVERGED if a loss before that is not finite, or if the run ends (the median of its last
 * quarter) having lost more than half of what it had gained. Otherwise UNDERTRAINED. `fits`: the memory plan allows it.
 */
row_outcome outcome_of_run(const double *losses, size_t count, double target, bool fits);

/* "reached", "diverged", "undertrained", "not measured", "over budget" */
const char *outcome_name(row_outcome outcome);

#endif
