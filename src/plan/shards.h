/* Shards, leaves, and the tree over them: how a batch is cut, and in which order the sums of the pieces are added
 * (contract, rule 4). Pure functions of the batch and the settings: who computes a piece does not matter.
 *
 *     batch     B examples
 *     shard     `size` consecutive examples of it; the last that has any may have fewer, those behind it have none
 *     leaf      at most LEAF_EXAMPLES consecutive examples of a shard: what one chain or sequence of granules sums
 *
 * Leaf k of shard s has place s * slots + k in a binary tree over count * slots places, a power of two. A node covers
 * an aligned run of places: (level l, index i) covers i << l .. ((i + 1) << l) - 1. Its sum is left + right; if nothing
 * lies below one of its children it is the other one, and not a sum with 0. What has examples comes first, so that only
 * a right child can be empty.
 *
 * With one shard and a batch of up to LEAF_EXAMPLES there is one leaf, and nothing is added. */
#ifndef SHARDS_H
#define SHARDS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SHARDS_MOST = 4096,
    LEAF_EXAMPLES = 4096,
    TREE_LEVELS = 24,              /* most: 2^24 places, as a batch has at most 2^24 examples */
    TREE_WAITING = 2 * TREE_LEVELS /* nodes that can wait at a time, of any range of shards */
};

/* Consecutive examples of a batch. */
typedef struct example_run {
    uint32_t first, count;
} example_run;

typedef struct shard_cut {
    uint32_t batch; /* examples */
    uint32_t count; /* shards: a power of two */
    uint32_t size;  /* examples of each shard but the last that has any */
    uint32_t used;  /* shards that have examples: the first so many */
    uint32_t leaf;  /* examples of each leaf but a shard's last */
    uint32_t slots; /* places of leaves per shard: a power of two */
} shard_cut;

/* The cut of a batch of at least one example. count 0 stands for 1. unit: shards and leaves have a multiple of so many
 * examples, the network's `group` (at least 1), so that a layer's groups of examples are not cut. */
shard_cut shards_cut(uint32_t batch, uint32_t count, uint32_t unit);

/* The same with one leaf per shard: for sums that are not chains within a shard. */
shard_cut shards_without_leaves(const shard_cut *s);

/* The examples of shard i, or of the leaf at a place of the tree: none if count is 0. */
example_run shards_at(const shard_cut *s, uint32_t i);
example_run shards_leaf(const shard_cut *s, uint32_t place);

/* The leaves of shards from .. to-1 are the places from * slots .. to * slots - 1 that have examples. The first of them
 * from `place` on; `end` if there is none before that. */
uint32_t shards_next(const shard_cut *s, uint32_t place, uint32_t end);

/* Whether the sums of a batch have more than one leaf. */
static inline bool shards_adds(const shard_cut *s) { return s->used > 1 || s->size > s->leaf; }

/* Tiles of at most `tile` examples in which the batch passes, as none has examples of two leaves; and the most of any
 * batch up to that one, with as many shards. */
uint64_t shards_tiles(const shard_cut *s, uint32_t tile);
uint64_t shards_tiles_most(const shard_cut *s, uint32_t tile, uint32_t unit);

/* Nodes that wait at most while the sums of any batch up to that one are added: beside the node that is being made.
 * all: of all shards; else of any range of them. */
uint32_t shards_waiting_most(const shard_cut *s, bool all);

/* Adding ---------------------------------------------------------------------------------------------------------- */

typedef struct tree_node {
    uint32_t level, index;
} tree_node;

/* The sums of a range of places, as leaves come one after the other: a stack of nodes, each of which is the largest
 * whole subtree of the range so far. After the last leaf they are the range's maximal aligned subtrees: one if the
 * range is an aligned subtree itself, as the whole batch is. */
typedef struct tree_sums {
    const shard_cut *of;
    uint32_t from, to; /* places */
    tree_node node[TREE_WAITING + 1];
    int count;
} tree_sums;

/* Of shards from .. to-1. */
tree_sums shards_begin(const shard_cut *of, uint32_t from, uint32_t to);

/* Adds the leaf at `place`, the next of the range that has examples. Returns how many of the nodes that waited are
 * added to it, from the last one on: sum = node + sum for each in turn. They are then replaced by the one node that has
 * them all, node[count - 1]. */
int shards_add(tree_sums *t, uint32_t place);

/* The sums of a range once all of its leaves were added. */
tree_sums shards_sums(const shard_cut *of, uint32_t from, uint32_t to);

#endif
