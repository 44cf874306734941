/* The target of a run, for callers who evaluate it themselves. */
#include "stats/reach.h"

#include <tassello/lab.h>

#include <math.h>
#include <stdlib.h>

int tas_target_reached(const double *examples, const double *values, size_t count, double target, int by_accuracy,
                       int over, size_t *at)
{
    reach_point *points = malloc((count ? count : 1) * sizeof *points);
    if (!points) return 0;
    for (size_t i = 0; i < count; i++) points[i] = (reach_point){examples[i], by_accuracy ? -values[i] : values[i]};
    const reach r = reach_find(points, (int)count, by_accuracy ? -target : target, over);
    free(points);
    if (r.state == REACH_DONE && at) *at = (size_t)r.at;
    return r.state == REACH_DONE ? 1 : r.state == REACH_GAVE_BACK ? -1 : 0;
}

uint64_t tas_target_next(uint64_t examples, uint32_t batch)
{
    const double steps = ceil((double)examples * REACH_INTERVAL / (double)batch - 1e-9);
    return steps >= 1 ? (uint64_t)steps : 1;
}
