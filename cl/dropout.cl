/* Dropout, as in src/ops/dropout.c: y = word < threshold ? 0 : x scale, with a word drawn for each unit of each example.
 *
 * E units an example; a Philox block is the words of four neighbouring units. x[panels][E][LANES]: LANES examples beside each
 * other. A work-item draws BLOCKS blocks of each lane, together, which compilers vectorise, and so takes SPAN units; dimension 1
 * is the panel. Forward x to y, backward dy to dx. */
// lint: -D GROUP=64 -D BLOCKS=1 -D LANES=1
// lint: -D GROUP=1 -D BLOCKS=16 -D LANES=1
// lint: -D GROUP=1 -D BLOCKS=1 -D LANES=32
#include "arith.h"
#include "philox.h"

#define DRAWS (BLOCKS * LANES)
#define SPAN (4 * BLOCKS)

/* order[at + r] is the example in row r. Lanes past the last row n-1 do as that row does. threshold 0: nothing is drawn. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void dropout(
    __global const float *restrict x, __global const uint *restrict order, __global float *restrict y, uint n, uint elements,
    uint at, uint seed_low, uint seed_high, uint purpose, uint epoch, uint threshold, float scale)
{
    const ulong seed = (ulong)seed_high << 32 | seed_low;
    const uint unit = get_global_id(0) * SPAN, panel = get_global_id(1);
    if (unit >= elements) return;
    const size_t first = ((size_t)panel * elements + unit) * LANES;
    const uint count = min((uint)SPAN, elements - unit) * LANES;
    if (threshold == 0u) {
        for (uint i = 0; i < count; i++) y[first + i] = arith_flush(x[first + i] * scale);
        return;
    }
    uint word[4 * DRAWS];
    for (uint draw = 0; draw < DRAWS; draw++) {
        const uint block = draw / LANES, lane = draw % LANES;
        const uint example = order[at + min(panel * LANES + lane, n - 1)];
        const philox_block drawn = philox(seed, purpose, epoch, example, unit / 4 + block);
        for (uint k = 0; k < 4; k++) word[(4 * block + k) * LANES + lane] = drawn.v[k];
    }
    for (uint i = 0; i < count; i++) y[first + i] = word[i] < threshold ? 0.0f : arith_flush(x[first + i] * scale);
}
