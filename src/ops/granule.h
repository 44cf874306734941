/* The rule of sums over examples (design.md, 2.4): one chain over the batch, or chains over granules of examples, whose
 * sums are added in order. A tile holds parts of granules; what is not finished at its end goes on with the next tile.
 */
#ifndef GRANULE_H
#define GRANULE_H

#include "ops/op.h"

typedef struct granule_part {
    uint32_t stop; /* the part is examples r .. stop-1 of the tile */
    bool begins;   /* with the first example of its granule */
    bool ends;     /* with the last one */
    bool first;    /* of the batch's granules */
    bool chain;    /* there are no granules: the total is what goes on */
} granule_part;

/* The part that begins at example r of the tile; `granule` 0: one chain. */
static inline granule_part granule_from(const op_args *a, uint32_t granule, uint32_t r)
{
    const uint32_t size = granule ? granule : a->batch;
    const uint32_t begin = (a->first + r) / size * size; /* of the granule, in the batch */
    const uint32_t end = a->batch - begin < size ? a->batch : begin + size;
    const uint32_t stop = end - a->first < a->n ? end - a->first : a->n;
    return (granule_part){stop, a->first + r == begin, a->first + stop == end, begin == 0, granule == 0};
}

/* Whether a granule may have so many examples. */
static inline bool granule_fits(uint32_t granule) { return !(granule & (granule - 1)); }

/* Whether the tile ends within a granule, whose sum then waits in `partial`. */
static inline bool granule_is_open(const op_args *a, uint32_t granule)
{
    const uint32_t end = a->first + a->n;
    return granule && end % granule && end < a->batch;
}

/* How often the tile reads and writes each total, or each sum of an unfinished granule. */
static inline uint64_t granule_moves(const op_args *a, uint32_t granule, bool partial)
{
    const uint32_t end = a->first + a->n;
    if (!granule) return partial ? 0 : 1 + (a->first > 0);
    if (partial) return (uint64_t)(a->first % granule > 0) + granule_is_open(a, granule);
    return end / granule > a->first / granule || end == a->batch ? 1 + (a->first >= granule) : 0;
}

/* What the part's sum starts from. */
static inline float granule_start(granule_part part, const float *total, const float *partial)
{
    return part.begins ? 0 : part.chain ? *total : *partial;
}

/* Keeps the sum, raw. */
static inline void granule_keep(granule_part part, float sum, float *total, float *partial)
{
    if (part.chain)
        *total = sum;
    else if (!part.ends)
        *partial = sum;
    else
        *total = part.first ? sum : *total + sum;
}

#endif
