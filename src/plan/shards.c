/* Shards, leaves, and the tree over them: see shards.h. */
#include "plan/shards.h"

static uint32_t round_up(uint32_t count, uint32_t unit) { return (count - 1) / unit * unit + unit; }

static uint32_t power_from(uint32_t count)
{
    uint32_t power = 1;
    while (power < count) power *= 2;
    return power;
}

static uint32_t log_of(uint32_t power)
{
    uint32_t log = 0;
    while (power >> log > 1) log++;
    return log;
}

shard_cut shards_cut(uint32_t batch, uint32_t count, uint32_t unit)
{
    shard_cut s = {.batch = batch, .count = count ? count : 1};
    s.size = round_up((batch - 1) / s.count + 1, unit);
    s.used = (batch - 1) / s.size + 1;
    s.leaf = unit < LEAF_EXAMPLES ? LEAF_EXAMPLES / unit * unit : unit;
    s.slots = power_from((s.size - 1) / s.leaf + 1);
    return s;
}

shard_cut shards_without_leaves(const shard_cut *s)
{
    shard_cut whole = *s;
    whole.leaf = s->size;
    whole.slots = 1;
    return whole;
}

/* Of the examples first .. first + most - 1, those before `end`. */
static example_run run_before(uint64_t first, uint32_t most, uint32_t end)
{
    if (first >= end) return (example_run){end, 0};
    const uint32_t left = end - (uint32_t)first;
    return (example_run){(uint32_t)first, left < most ? left : most};
}

example_run shards_at(const shard_cut *s, uint32_t i) { return run_before((uint64_t)i * s->size, s->size, s->batch); }

example_run shards_leaf(const shard_cut *s, uint32_t place)
{
    const example_run shard = shards_at(s, place / s->slots);
    return run_before(shard.first + (uint64_t)(place % s->slots) * s->leaf, s->leaf, shard.first + shard.count);
}

uint32_t shards_next(const shard_cut *s, uint32_t place, uint32_t end)
{
    while (place < end && !shards_leaf(s, place).count) {
        if (place / s->slots >= s->used) return end;
        place = (place / s->slots + 1) * s->slots; /* a shard's leaves come first of its places */
    }
    return place < end ? place : end;
}

static uint64_t tiles_of(const shard_cut *s, uint32_t examples, uint32_t tile)
{
    const uint64_t whole = examples / s->leaf, rest = examples % s->leaf;
    return whole * ((s->leaf - 1) / tile + 1) + (rest + tile - 1) / tile;
}

uint64_t shards_tiles(const shard_cut *s, uint32_t tile)
{
    return (s->used - 1) * tiles_of(s, s->size, tile) + tiles_of(s, shards_at(s, s->used - 1).count, tile);
}

/* A smaller batch may have more shards: 9 examples make shards of 2, 8 examples eight of 1. */
uint64_t shards_tiles_most(const shard_cut *s, uint32_t tile, uint32_t unit)
{
    if (s->count == 1) return tiles_of(s, s->batch, tile);
    const uint32_t units = (s->batch - 1) / unit + 1, most = s->count < units ? s->count : units;
    return most * tiles_of(s, s->size, tile);
}

uint32_t shards_waiting_most(const shard_cut *s, bool all)
{
    const uint32_t used = s->count < s->batch ? s->count : power_from(s->batch);
    const uint32_t levels = log_of(used) + log_of(s->slots);
    return all ? levels : 2 * levels;
}

tree_sums shards_begin(const shard_cut *of, uint32_t from, uint32_t to)
{
    return (tree_sums){.of = of, .from = from * of->slots, .to = to * of->slots};
}

/* Whether the node's sibling on the right has examples, or has none and the node stands for its parent. */
static bool has_right(const tree_sums *t, tree_node node)
{
    return shards_leaf(t->of, (node.index + 1) << node.level).count > 0;
}

int shards_add(tree_sums *t, uint32_t place)
{
    const uint32_t top = log_of(t->of->count * t->of->slots);
    tree_node sum = {0, place};
    int added = 0;
    for (; sum.level < top; sum = (tree_node){sum.level + 1, sum.index / 2}) {
        if (sum.index % 2 == 0 && has_right(t, sum)) break; /* which comes later, or is another's */
        if (sum.index % 2 == 0) continue;
        const tree_node left = t->count ? t->node[t->count - 1] : (tree_node){TREE_LEVELS + 1, 0};
        if (left.level != sum.level || left.index != sum.index - 1) break; /* it is another's */
        t->count--;
        added++;
    }
    t->node[t->count++] = sum;
    return added;
}

tree_sums shards_sums(const shard_cut *of, uint32_t from, uint32_t to)
{
    tree_sums t = shards_begin(of, from, to);
    for (uint32_t place = shards_next(of, t.from, t.to); place < t.to; place = shards_next(of, place + 1, t.to))
        shards_add(&t, place);
    return t;
}
