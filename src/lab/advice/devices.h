/* Which batch to use on several devices, from what a sweep has measured on one. Pure.
 *
 * With S(B) = S_min (1 + B_crit / B) steps to the target and R devices, each of which computes B / R examples, a step
 * takes
 *
 *     t(B, R) = a + b ceil(B / R) + X(R)
 *
 * where a + b B is the step of one device (fit.h) and X(R) what ranks add to it: staging, the exchange and the update
 * of a slice (exchange/scaling.h). a + X does not depend on the batch, so that the time S(B) t(B, R) is the smallest at
 *
 *     knee(R) = sqrt((a + X(R)) B_crit R / b):
 *
 * devices move the knee to larger batches, by the root of their number and more. Where it is above B_crit, more than
 * half of the examples are spent to save time (E = E_min (1 + B / B_crit)): from there on a larger batch is wasted. */
#ifndef DEVICES_H
#define DEVICES_H

#include "lab/advice/recommend.h"

enum { DEVICES_ROWS = 13 };

typedef struct devices_row {
    uint32_t devices;
    /* The power of two with the least time, from the smallest to the largest that was measured and kept, and at least
     * one example per device. */
    uint64_t batch;
    double knee;                       /* without these limits; NaN: not known */
    double seconds, speedup, examples; /* to the target; against one device; as a multiple of the fewest (NaN) */
    bool wasted;                       /* the knee is above the critical batch */
} devices_row;

/* more: X of 1 (which is 0), 2, 4, ... devices. Gives how many rows there are: `count`, or 0 if no curve or no line is
 * known, or no batch was kept; without those where not even the largest batch has an example per device. */
int devices_recommend(const recommend_input *input, const recommendation *r, const double *more, int count,
                      devices_row *rows);

/* "With 2 devices batch 256, ..."; "" if there are no rows. */
void devices_write(const devices_row *rows, int count, char *text, size_t bytes);

#endif
