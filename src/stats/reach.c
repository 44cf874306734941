#include "stats/reach.h"

#include <math.h>

/* The mean from evaluation i on over the next quarter; *complete: the run goes as far. */
static double mean_after(const reach_point *points, int count, int i, bool *complete)
{
    const double end = REACH_STAY * points[i].examples * (1 - 1e-9);
    double sum = 0;
    int k = i;
    *complete = false;
    for (; k < count && !*complete; k++) {
        sum += points[k].value;
        *complete = points[k].examples >= end;
    }
    return sum / (k - i);
}

/* Whether the run stays from evaluation i on: 1, 0, or -1 if the quarter is not complete. */
static int stays(const reach_point *points, int count, int i, double target, bool over)
{
    bool complete;
    const double mean = mean_after(points, count, i, &complete);
    return !complete && !over ? -1 : mean <= target;
}

static bool gave_back(const reach_point *points, int count, int touched, double target, bool over)
{
    const double middle = 0.5 * (target + points[0].value);
    int above = 0;
    for (int i = touched + 1; i < count; i++) {
        above = points[i].value <= middle ? 0 : above + 1; /* NaN counts as above */
        if (above == 2) return true;
    }
    return above && over;
}

reach reach_find(const reach_point *points, int count, double target, bool over)
{
    bool touched = false;
    for (int i = 0; i < count; i++) {
        if (!(points[i].value <= target) || points[i].examples <= 0)
            continue; /* untrained weights have reached nothing */
        if (!touched && gave_back(points, count, i, target, over)) return (reach){REACH_GAVE_BACK, -1};
        touched = true;
        const int answer = stays(points, count, i, target, over);
        if (answer == 1) return (reach){REACH_DONE, i};
        if (answer < 0) return (reach){REACH_TOUCHED, -1};
    }
    return (reach){REACH_NOT, -1};
}

double reach_deepest(const reach_point *points, int count, double examples)
{
    double deepest = NAN;
    for (int i = 0; i < count && points[i].examples <= examples; i++) {
        bool complete;
        const double level = fmax(points[i].value, mean_after(points, count, i, &complete));
        if (complete && isfinite(level) && points[i].examples > 0) deepest = fmin(deepest, level);
    }
    return deepest;
}
