/* The order of an epoch: Fisher and Yates from the end, where entry i draws from Philox block (seed, epoch, i). And
 * which examples are held out, or drawn to be measured. */
#include "data/shuffle.h"

#include "philox.h"

#include <stdbool.h>

/* 0 .. bound-1. A result has floor or ceil(2^64 / bound) of the 2^64 values of r, so that its probability is off
 * 1/bound by a factor of at most 1 + bound / 2^64, and a bound here is below 2^32: a bias under 2^-32, relative. No
 * rejection, so that every draw costs the same and needs no second block. */
static uint32_t draw_below(const uint64_t r, uint64_t bound)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint32_t)((wide)r * bound >> 64);
}

void shuffle_again(uint64_t seed, uint32_t epoch, uint32_t *order, uint32_t count)
{
    for (uint32_t i = count; i-- > 1;) {
        const philox_block b = philox(seed, PHILOX_SHUFFLE, epoch, i, 0);
        const uint32_t j = draw_below((uint64_t)b.v[1] << 32 | b.v[0], (uint64_t)i + 1);
        const uint32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

void shuffle_order(uint64_t seed, uint32_t epoch, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) order[i] = i;
    shuffle_again(seed, epoch, order, count);
}

/* Knuth's algorithm S (TAOCP 2, 3.4.2): example i is taken with probability (still to take) / (still to come). The
 * sizes are in the counter, so that a part of a part is drawn anew from the same seed. */
void shuffle_split(uint64_t seed, uint32_t count, uint32_t take, uint32_t *taken, uint32_t *left)
{
    uint32_t wanted = take;
    for (uint32_t i = 0; i < count; i++) {
        const philox_block b = philox(seed, PHILOX_SPLIT, take, i, count);
        const bool is_taken = draw_below((uint64_t)b.v[1] << 32 | b.v[0], (uint64_t)count - i) < wanted;
        if (is_taken && taken) taken[take - wanted] = i;
        if (!is_taken && left) left[i - (take - wanted)] = i;
        wanted -= is_taken;
    }
}

/* Fisher and Yates from the start, for the first `take` entries. */
void shuffle_draw(uint64_t seed, uint32_t which, uint32_t *order, uint32_t count, uint32_t take)
{
    for (uint32_t i = 0; i < count; i++) order[i] = i;
    for (uint32_t i = 0; i < take; i++) {
        const philox_block b = philox(seed, PHILOX_DRAW, which, i, take);
        const uint32_t j = i + draw_below((uint64_t)b.v[1] << 32 | b.v[0], (uint64_t)count - i);
        const uint32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}
