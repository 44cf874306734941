/* An arena: blocks of memory that are needed for a while each, packed so that those needed at the same time lie apart.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stdint.h>

typedef struct arena_block {
    int first, last; /* the times from and to which it is needed */
    uint64_t bytes, offset;
} arena_block;

typedef struct arena {
    int count, times;
    arena_block *block;
    struct arena_scratch *scratch;
} arena;

/* Room for so many blocks, whose times are 0 .. times - 1; false if there is no memory. */
bool arena_open(arena *a, int count, int times);
void arena_close(arena *a);

/* The most bytes that are needed at one time: no packing has fewer. Takes time in proportion to blocks and times. */
uint64_t arena_fullest(const arena *a);

/* Packs the blocks that have bytes and returns the bytes of the whole. The largest first (of equal ones the one with
 * the lower number), each at the lowest offset where it overlaps none that is needed at the same time (Pisarchyk and
 * Lee 2020, "greedy by size"). */
uint64_t arena_pack(arena *a);

#endif
