/* The search for a rate: by factors of 2, refined to sqrt(2); runs that fall behind are stopped. Pure: it is given the
 * result of each run and names the next rate. */
#ifndef RATE_SEARCH_H
#define RATE_SEARCH_H

#include <stdbool.h>

enum {
    RATE_SEARCH_RUNS = 24,
    RATE_SEARCH_REACH = 24
}; /* runs; half steps (of sqrt(2)) from the first rate, either way */

typedef struct rate_search {
    double lr;    /* the first */
    double worse; /* results above so many times the best count as worse: 1.2 */
    double lost;  /* at so many times the best a run is given up: 1.5 */
    struct rate_search_entry {
        int half;     /* the rate is lr 2^(half / 2) */
        double value; /* to be minimized: examples to the target; INFINITY: given up, not reached, diverged */
        bool diverged;
    } entry[RATE_SEARCH_RUNS];
    int count;
    bool downward; /* a rate that misses the target is too high, not too slow: it reached an easier one */
    int best;      /* -1: no run has a value */
    bool edge;     /* the best is at the limit of the search, or the search ran out of runs */
} rate_search;

void rate_search_begin(rate_search *r, double lr, double worse, double lost);

/* The next rate to try, and the value at which its run may be given up (INFINITY while nothing is known). False: the
 * search is complete. */
bool rate_search_next(rate_search *r, double *lr, double *give_up);
void rate_search_record(rate_search *r, double value, bool diverged); /* of the last rate named */

double rate_search_rate(const rate_search *r, int entry);
double rate_search_best(const rate_search *r); /* NaN if no run had a value */

#endif
