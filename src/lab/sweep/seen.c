#include "lab/sweep/seen.h"

#include <math.h>
#include <stdlib.h>

reach_point *seen_of_run(const tas_sweep *s, const sweep_run *run, int *count)
{
    reach_point *seen = malloc((size_t)(run->points ? run->points : 1) * sizeof *seen);
    *count = 0;
    for (int i = 0; seen && i < run->points; i++) {
        const sweep_point *p = &run->point[i];
        if (!isfinite(p->target_value)) continue;
        seen[(*count)++] =
            (reach_point){(double)p->examples, s->options.by_accuracy ? -p->target_value : p->target_value};
    }
    return seen;
}

reach seen_reach(const tas_sweep *s, const sweep_run *run, double target)
{
    int count;
    reach_point *seen = seen_of_run(s, run, &count);
    if (!seen) return (reach){REACH_NOT, -1};
    reach found = reach_find(seen, count, s->options.by_accuracy ? -target : target, true);
    const double examples = found.state == REACH_DONE ? seen[found.at].examples : NAN;
    for (int i = 0; found.state == REACH_DONE && i < run->points; i++)
        if ((double)run->point[i].examples == examples) found.at = i; /* the last of several at one step */
    free(seen);
    return found;
}
