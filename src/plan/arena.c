/* Packing an arena.
 *
 * To find the lowest offset, the blocks that are placed are walked in the order of their offsets, which would take time
 * in proportion to the square of their number. A tree over the times avoids that for nearly all blocks of deep
 * networks. Its nodes keep, of the time in their span that has most of it,
 *
 *     used    the bytes of the blocks placed there
 *     top     the end of the highest one
 *
 * Over the times of a new block, let U be the largest `used` and T the largest `top`. U <= T, as blocks at one time do
 * not overlap. If U = T, then at some time the blocks below T leave no gap, and at no time is there one above T: the
 * lowest offset is T. */
#include "plan/arena.h"

#include <stdlib.h>
#include <string.h>

typedef struct span {
    uint64_t used, top;
    uint64_t used_throughout, top_throughout; /* of the blocks that are placed at all of its times */
} span;

typedef struct rank {
    uint64_t bytes;
    int block;
} rank;

typedef struct arena_scratch {
    uint64_t *needed; /* one per time */
    span *tree;       /* node n has the children 2n and 2n + 1; 1 is the root */
    rank *by_bytes;
    int *by_offset; /* the blocks that are placed */
    int placed;
} arena_scratch;

bool arena_open(arena *a, int count, int times)
{
    arena_scratch *s = calloc(1, sizeof *s);
    size_t nodes = 2;
    while (nodes < 2 * (size_t)times) nodes *= 2;
    *a = (arena){.count = count, .times = times, .scratch = s};
    if (!s) return false;
    a->block = calloc((size_t)count + 1, sizeof *a->block);
    s->needed = calloc((size_t)times + 1, sizeof *s->needed);
    s->tree = calloc(nodes, sizeof *s->tree);
    s->by_bytes = calloc((size_t)count + 1, sizeof *s->by_bytes);
    s->by_offset = calloc((size_t)count + 1, sizeof *s->by_offset);
    return a->block && s->needed && s->tree && s->by_bytes && s->by_offset;
}

void arena_close(arena *a)
{
    arena_scratch *s = a->scratch;
    if (s) {
        free(s->needed);
        free(s->tree);
        free(s->by_bytes);
        free(s->by_offset);
    }
    free(s);
    free(a->block);
    *a = (arena){0};
}

uint64_t arena_fullest(const arena *a)
{
    uint64_t *change = a->scratch->needed, now = 0, most = 0; /* modulo 2^64: what ends is taken off */
    memset(change, 0, ((size_t)a->times + 1) * sizeof *change);
    for (const arena_block *b = a->block; b < a->block + a->count; b++) {
        change[b->first] += b->bytes;
        change[b->last + 1] -= b->bytes;
    }
    for (int time = 0; time < a->times; time++) {
        now += change[time];
        if (now > most) most = now;
    }
    return most;
}

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* The fullest and the highest of the block's times among those of a node, which are from .. to. */
static span tree_look(const span *tree, size_t node, int from, int to, const arena_block *b)
{
    const span *s = &tree[node];
    if (b->last < from || to < b->first) return (span){0};
    if (b->first <= from && to <= b->last) return *s;
    const int middle = from + (to - from) / 2;
    const span low = tree_look(tree, 2 * node, from, middle, b),
               high = tree_look(tree, 2 * node + 1, middle + 1, to, b);
    return (span){.used = larger(low.used, high.used) + s->used_throughout,
                  .top = larger(larger(low.top, high.top), s->top_throughout)};
}

static void tree_add(span *tree, size_t node, int from, int to, const arena_block *b)
{
    span *s = &tree[node];
    const uint64_t end = b->offset + b->bytes;
    if (b->last < from || to < b->first) return;
    if (b->first <= from && to <= b->last) {
        s->used += b->bytes;
        s->used_throughout += b->bytes;
        s->top = larger(s->top, end);
        s->top_throughout = larger(s->top_throughout, end);
        return;
    }
    const int middle = from + (to - from) / 2;
    tree_add(tree, 2 * node, from, middle, b);
    tree_add(tree, 2 * node + 1, middle + 1, to, b);
    const span *low = &tree[2 * node], *high = low + 1;
    s->used = larger(low->used, high->used) + s->used_throughout;
    s->top = larger(larger(low->top, high->top), s->top_throughout);
}

/* The first gap that is wide enough, below the blocks that are needed at the same time or above them all. */
static uint64_t find_gap(const arena *a, const arena_block *b)
{
    const arena_scratch *s = a->scratch;
    uint64_t offset = 0;
    for (int i = 0; i < s->placed; i++) {
        const arena_block *other = &a->block[s->by_offset[i]];
        if (other->offset >= offset + b->bytes) break;
        if (other->first > b->last || b->first > other->last) continue;
        offset = larger(offset, other->offset + other->bytes);
    }
    return offset;
}

static void place_block(arena *a, int number)
{
    arena_scratch *s = a->scratch;
    arena_block *b = &a->block[number];
    const span at = tree_look(s->tree, 1, 0, a->times - 1, b);
    b->offset = at.used == at.top ? at.top : find_gap(a, b);
    tree_add(s->tree, 1, 0, a->times - 1, b);
    int low = 0;
    for (int high = s->placed; low < high;) {
        const int middle = low + (high - low) / 2;
        if (a->block[s->by_offset[middle]].offset <= b->offset)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(&s->by_offset[low + 1], &s->by_offset[low], (size_t)(s->placed++ - low) * sizeof *s->by_offset);
    s->by_offset[low] = number;
}

static int compare_ranks(const void *a, const void *b)
{
    const rank *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->block < y->block ? -1 : 1;
}

uint64_t arena_pack(arena *a)
{
    arena_scratch *s = a->scratch;
    size_t nodes = 2;
    while (nodes < 2 * (size_t)a->times) nodes *= 2;
    memset(s->tree, 0, nodes * sizeof *s->tree);
    s->placed = 0;
    int count = 0;
    for (int i = 0; i < a->count; i++)
        if (a->block[i].bytes) s->by_bytes[count++] = (rank){a->block[i].bytes, i};
    qsort(s->by_bytes, (size_t)count, sizeof *s->by_bytes, compare_ranks);
    for (int i = 0; i < count; i++) place_block(a, s->by_bytes[i].block);
    return s->tree[1].top;
}
