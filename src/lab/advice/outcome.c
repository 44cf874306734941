#include "lab/advice/outcome.h"

#include "stats/median.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {[ROW_NOT_MEASURED] = "not measured",
                                    [ROW_REACHED] = "reached",
                                    [ROW_DIVERGED] = "diverged",
                                    [ROW_UNDERTRAINED] = "undertrained",
                                    [ROW_OVER_BUDGET] = "over budget"};

const char *outcome_name(row_outcome outcome) { return names[outcome]; }

/* The median of the last quarter, at most 32 losses: a single high loss is not divergence. */
static double late_loss(const double *losses, size_t count)
{
    double last[32];
    size_t n = (count + 3) / 4;
    if (n > 32) n = 32;
    memcpy(last, losses + count - n, n * sizeof *last);
    return median_of(last, n);
}

row_outcome outcome_of_run(const double *losses, size_t count, double target, bool fits)
{
    double least = INFINITY;
    if (!fits) return ROW_OVER_BUDGET;
    if (!count) return ROW_NOT_MEASURED;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(losses[i])) return ROW_DIVERGED;
        if (losses[i] <= target) return ROW_REACHED;
        if (losses[i] < least) least = losses[i];
    }
    return count > 1 && late_loss(losses, count) > 0.5 * (least + losses[0]) ? ROW_DIVERGED : ROW_UNDERTRAINED;
}
