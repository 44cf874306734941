/* The order of an epoch, and which examples are held out or drawn. */
#ifndef SHUFFLE_H
#define SHUFFLE_H

#include <stdint.h>

/* The order of an epoch: a permutation of 0..count-1 drawn from (seed, epoch) by Philox; epoch counts from 0. */
void shuffle_order(uint64_t seed, uint32_t epoch, uint32_t *order, uint32_t count);

/* The same draws applied to entries that are in some order already. */
void shuffle_again(uint64_t seed, uint32_t epoch, uint32_t *order, uint32_t count);

/* Draws `take` of 0..count-1 from the seed by Philox, each set of them as likely as any other. Both lists are
 * ascending; either may be NULL. */
void shuffle_split(uint64_t seed, uint32_t count, uint32_t take, uint32_t *taken, uint32_t *left);

/* Draws `take` of 0..count-1 in a random order, without repetition, by Philox: draw number `which` of that size from
 * the seed. They are the first of `order`, whose other entries are those not drawn. */
void shuffle_draw(uint64_t seed, uint32_t which, uint32_t *order, uint32_t count, uint32_t take);

#endif
