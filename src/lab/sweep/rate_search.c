#include "lab/sweep/rate_search.h"

#include <math.h>

void rate_search_begin(rate_search *r, double lr, double worse, double lost)
{
    *r = (rate_search){.lr = lr, .worse = worse, .lost = lost, .best = -1};
}

static double rate_at(const rate_search *r, int half) { return r->lr * exp2(0.5 * half); }

double rate_search_rate(const rate_search *r, int entry) { return rate_at(r, r->entry[entry].half); }
double rate_search_best(const rate_search *r) { return r->best < 0 ? NAN : rate_at(r, r->entry[r->best].half); }

static const struct rate_search_entry *find(const rate_search *r, int half)
{
    for (int i = 0; i < r->count; i++)
        if (r->entry[i].half == half) return &r->entry[i];
    return 0;
}

/* The next rate on that side: one step beyond the outermost tried. */
static int beyond(const rate_search *r, int side)
{
    int out = r->entry[r->best].half;
    for (int i = 0; i < r->count; i++)
        if ((r->entry[i].half - out) * side > 0) out = r->entry[i].half;
    return out + 2 * side;
}

/* Whether enough was tried on that side of the best: one rate at which the run was given up, or two that are worse, or
 * there are no more. */
static bool closed(const rate_search *r, int side)
{
    const struct rate_search_entry *best = &r->entry[r->best];
    int worse = 0;
    if (beyond(r, side) > RATE_SEARCH_REACH || beyond(r, side) < -RATE_SEARCH_REACH) return true;
    for (int i = 0; i < r->count; i++) {
        const struct rate_search_entry *e = &r->entry[i];
        if ((e->half - best->half) * side < 1) continue;
        if (e->value >= r->lost * best->value) return true;
        worse += e->value > r->worse * best->value;
    }
    return worse >= 2;
}

enum { DOWNWARD_MOST = 5 }; /* rates, by factors of 2: near the best loss a high rate stays above it, however long */

/* While no run has a value: by factors of 4 away from rates that diverged, or that are too slow. */
static bool seek(const rate_search *r, int *half)
{
    if (r->downward) {
        *half = -2 * r->count;
        return r->count < DOWNWARD_MOST;
    }
    int least_diverged = RATE_SEARCH_REACH + 1, most_slow = -RATE_SEARCH_REACH - 1;
    for (int i = 0; i < r->count; i++) {
        const struct rate_search_entry *e = &r->entry[i];
        if (e->diverged && e->half < least_diverged) least_diverged = e->half;
        if (!e->diverged && e->half > most_slow) most_slow = e->half;
    }
    if (!r->count)
        *half = 0;
    else if (most_slow < -RATE_SEARCH_REACH)
        *half = least_diverged - 4;
    else if (least_diverged > RATE_SEARCH_REACH)
        *half = most_slow + 4;
    else /* in the gap between the two */
        *half = (most_slow + least_diverged) / 2;
    return !find(r, *half);
}

bool rate_search_next(rate_search *r, double *lr, double *give_up)
{
    int half = 0;
    bool more = false;
    *give_up = r->best < 0 ? INFINITY : r->lost * r->entry[r->best].value;
    if (r->count == RATE_SEARCH_RUNS) {
        r->edge = true;
        return false;
    }
    if (r->best < 0) {
        more = seek(r, &half);
    } else {
        for (int side = 1; side >= -1 && !more; side -= 2)
            if (!closed(r, side)) half = beyond(r, side), more = true;
        for (int side = 1; side >= -1 && !more; side -= 2)
            if (!find(r, r->entry[r->best].half + side)) half = r->entry[r->best].half + side, more = true;
    }
    r->edge = r->best >= 0 &&
              (r->entry[r->best].half >= RATE_SEARCH_REACH - 1 || r->entry[r->best].half <= 1 - RATE_SEARCH_REACH);
    if (!more || half > RATE_SEARCH_REACH || half < -RATE_SEARCH_REACH) return false;
    r->entry[r->count] = (struct rate_search_entry){.half = half};
    *lr = rate_at(r, half);
    return true;
}

void rate_search_record(rate_search *r, double value, bool diverged)
{
    struct rate_search_entry *e = &r->entry[r->count];
    e->value = isnan(value) ? INFINITY : value;
    e->diverged = diverged;
    if (isfinite(e->value) && (r->best < 0 || e->value < r->entry[r->best].value)) r->best = r->count;
    r->count++;
}
