/* Where the values of a tile lie: activations, their gradients, sums per example, and the scratch memory of calls. What
 * is not needed at the same time shares memory. In a step of several passes a value has a place of its own in each of
 * them; what is kept for the whole batch from one pass to another has a place per tile. */
#ifndef VALUES_H
#define VALUES_H

#include "plan/arena.h"
#include "plan/passes.h"
#include "plan/plan.h"

/* A value in the passes from first to last, or the scratch memory of a call (op_call.number) in one pass; the other one
 * is NO_TENSOR or -1. */
typedef struct value_block {
    int tensor, call, first, last;
} value_block;

/* The result of a call in the pass that lies where an input was (op_row.may_replace): in that block. */
typedef struct value_share {
    int tensor, first, pass, block; /* first: the tensor whose block it is */
} value_share;

typedef struct value_map {
    passes passes;
    bool spilled; /* what is kept goes to the host; a value that is kept then passes through the tile's memory */
    arena arena;
    value_block *block; /* of the arena */
    value_share *share;
    int share_count;
    arena kept; /* its times are passes */
    int *kept_tensor;
    uint32_t packed; /* the tile for which both are packed; 0: none yet */
    uint64_t packed_bytes, packed_kept;
    uint64_t example_bytes, kept_example_bytes; /* of one example, at the time that needs most */
    int *source; /* per tensor: the one whose place it shares, itself but for copies that need none; NULL: no such */
} value_map;

/* Sizes in a plan for one tile. */
typedef struct value_sizes {
    uint32_t tile, step_tile, batch; /* examples: at once; in a step, whose batch may be smaller; of the batch */
    uint32_t tiles;                  /* of the batch, at most */
    uint32_t panel_width, step_panel_width;
    const uint64_t *scratch; /* bytes: one per call of the network */
    bool one_group;          /* an evaluation: statistics are those of all examples */
    uint64_t align;
} value_sizes;

/* fuses: what network_fuses() is there until the update. rows: panels have one example, so that in one pass values in
 * the other layout need no copy. False if there is no memory. Closed with values_close(), if it
 * fails, too. */
bool values_open(value_map *m, const tas_network *network, passes_kind kind, bool spilled, bool fuses, bool rows);
void values_close(value_map *m);

/* Bytes of a tensor for a tile, or for the batch if it has a row for each of its examples or groups. */
uint64_t values_bytes(const tensor *t, const value_sizes *s);

/* Lower bounds of both parts for these sizes; the bytes themselves once values_pack() has been called for the tile. */
void values_outline(value_map *m, const tas_network *network, const value_sizes *s, uint64_t *bytes, uint64_t *kept);
void values_pack(value_map *m, const value_sizes *s);

#endif
