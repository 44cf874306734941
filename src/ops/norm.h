/* Normalization over sets of values: of the batch, of groups of its examples, or of one example's channels (norm.c). */
#ifndef OPS_NORM_H
#define OPS_NORM_H

#include "ops/op.h"

/* Places in args.size[], */
enum {
    NORM_CHANNELS,
    NORM_POSITIONS, /* per channel */
    NORM_SETS,      /* sets of consecutive channels that are normalized together; divides the channels */
    NORM_GROUP,     /* examples that are normalized together; 0: the whole batch. 1 unless a set is one channel */
    NORM_PER_TILE,  /* groups of 1 only: tensors with a row per example have those of the tile, not of the batch */
};
/* and in args.scalar[]. */
enum { NORM_EPSILON, NORM_MOMENTUM };

/* Rows of the batch's examples up to the end of what is summed, or of the tile's; the first of the tile's. */
static inline uint32_t norm_rows_total(const op_args *a)
{
    return a->size[NORM_PER_TILE] ? a->n : a->origin + a->batch;
}
static inline uint32_t norm_rows_first(const op_args *a) { return a->size[NORM_PER_TILE] ? 0 : a->origin + a->first; }

/* Examples of a group but the last. The shards of a whole batch are folded as groups. */
static inline uint32_t norm_group(const op_args *a)
{
    return a->size[NORM_GROUP] ? a->size[NORM_GROUP] : a->shard ? a->shard : norm_rows_total(a);
}

static inline uint32_t norm_groups(const op_args *a)
{
    const uint32_t group = norm_group(a);
    return norm_rows_total(a) / group + (norm_rows_total(a) % group != 0);
}

#endif
