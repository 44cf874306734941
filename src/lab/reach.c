/* The public form of stats/reach.h. */
#include "stats/reach.h"

#include <tassello/reach.h>

#include <math.h>

tas_reach_state tas_reach_find(const tas_reach_point *points, int count, double target, int over, int *at)
{
    static const tas_reach_state states[] = {[REACH_NOT] = TAS_REACH_NOT,
                                             [REACH_TOUCHED] = TAS_REACH_TOUCHED,
                                             [REACH_DONE] = TAS_REACH_DONE,
                                             [REACH_GAVE_BACK] = TAS_REACH_GAVE_BACK};
    const reach found = reach_find(points, count, target, over != 0);
    if (at) *at = found.at;
    return states[found.state];
}

uint64_t tas_reach_steps(uint64_t examples, uint32_t batch, double loss, double target)
{
    const double interval = loss > REACH_NEAR * target ? REACH_FAR_INTERVAL : REACH_INTERVAL;
    const double steps = ceil((double)examples * interval / batch - 1e-9);
    return steps < 1 ? 1 : (uint64_t)steps;
}
