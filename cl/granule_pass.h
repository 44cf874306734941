/* Passes of granules, for GPU kernels: the granules of a pass are summed at the same time, each from its own
 * examples. */
#ifndef GRANULE_PASS_H
#define GRANULE_PASS_H

/* The examples x .. y-1 of granule r of a pass. The pass begins with example `from` of the tile, `within` examples into
 * a granule; the tile has N examples. */
static inline __attribute__((always_inline)) uint2 find_granule(uint r, uint N, uint from, uint within, uint granule)
{
    uint begin = from - within + r * granule;
    return (uint2)(r == 0 ? from : begin, min(N, begin + granule));
}

#endif
