/* How a batch is cut, and the tree over the pieces, against a definition by recursion. */
#include "plan/shards.h"

#include "support.h"

#include <stdlib.h>

/* The sum of the node at (level, index), over the places from .. to-1 alone; false: there is none. */
static bool add_by_recursion(const shard_cut *s, const float *leaf, tree_node node, float *sum)
{
    float left, right;
    if (!node.level) {
        *sum = leaf[node.index];
        return shards_leaf(s, node.index).count > 0;
    }
    const bool has_left = add_by_recursion(s, leaf, (tree_node){node.level - 1, 2 * node.index}, &left);
    const bool has_right = add_by_recursion(s, leaf, (tree_node){node.level - 1, 2 * node.index + 1}, &right);
    *sum = has_left && has_right ? left + right : has_left ? left : right;
    return has_left || has_right;
}

static uint32_t places(const shard_cut *s) { return s->count * s->slots; }

static tree_node root(const shard_cut *s)
{
    tree_node node = {0, 0};
    while (1u << node.level < places(s)) node.level++;
    return node;
}

static shard_cut draw_cut(uint32_t *unit)
{
    const uint32_t units[] = {1, 1, 1, 2, 3, 16, 48, 5000};
    const uint32_t most = random_below(2) ? 40 : random_below(4) ? 60000 : 1 << 20;
    *unit = units[random_below(8)];
    return shards_cut(1 + random_below(most), 1u << random_below(random_below(8) ? 5 : 13), *unit);
}

static float *draw_leaves(const shard_cut *s)
{
    float *leaf = malloc(places(s) * sizeof *leaf);
    ck_assert_ptr_nonnull(leaf);
    for (uint32_t i = 0; i < places(s); i++) leaf[i] = random_float(-1, 1);
    return leaf;
}

/* The sums of the nodes of a range, in the order of a step: the last one in `sum`, the others wait. */
static int add_range(const shard_cut *s, const float *leaf, uint32_t from, uint32_t to, tree_sums *t, float *waiting)
{
    int most = 0;
    *t = shards_begin(s, from, to);
    for (uint32_t p = shards_next(s, t->from, t->to); p < t->to; p = shards_next(s, p + 1, t->to)) {
        int at = t->count;
        float sum = leaf[p];
        ck_assert_uint_gt(shards_leaf(s, p).count, 0);
        for (int added = shards_add(t, p); added; added--) sum = waiting[--at] + sum;
        ck_assert_int_eq(t->count, at + 1);
        waiting[at] = sum;
        if (shards_next(s, p + 1, t->to) < t->to && t->count > most) most = t->count;
    }
    return most;
}

/* Leaves cover the batch in order, and are no larger than they may be. */
START_TEST(cuts)
{
    random_seed(test_seed() + (uint64_t)_i);
    uint32_t unit, next = 0, used = 0;
    const shard_cut s = draw_cut(&unit);
    for (uint32_t p = shards_next(&s, 0, places(&s)); p < places(&s); p = shards_next(&s, p + 1, places(&s))) {
        const example_run leaf = shards_leaf(&s, p), shard = shards_at(&s, p / s.slots);
        ck_assert_uint_eq(leaf.first, next);
        ck_assert_uint_le(leaf.count, unit > LEAF_EXAMPLES ? unit : LEAF_EXAMPLES);
        ck_assert(leaf.first % unit == 0);
        ck_assert(leaf.first >= shard.first && leaf.first + leaf.count <= shard.first + shard.count);
        used += leaf.first == shard.first;
        next += leaf.count;
    }
    ck_assert_uint_eq(next, s.batch);
    ck_assert_uint_eq(used, s.used);
    if (unit == 1) ck_assert_uint_eq(s.size, (s.batch + s.count - 1) / s.count);
}
END_TEST

START_TEST(tree_as_defined)
{
    random_seed(test_seed() + (uint64_t)_i);
    uint32_t unit;
    const shard_cut s = draw_cut(&unit);
    float *leaf = draw_leaves(&s), waiting[TREE_WAITING + 1], sum;
    tree_sums t;
    const int most = add_range(&s, leaf, 0, s.count, &t, waiting);
    ck_assert_int_eq(t.count, 1);
    ck_assert(add_by_recursion(&s, leaf, root(&s), &sum));
    ck_assert(waiting[0] == sum);
    ck_assert_int_le(most, (int)shards_waiting_most(&s, true));
    free(leaf);
}
END_TEST

/* Ranges end in whole subtrees, whose sums make that of the batch. */
START_TEST(ranges)
{
    random_seed(test_seed() + (uint64_t)_i);
    uint32_t unit;
    const shard_cut s = draw_cut(&unit), whole = shards_without_leaves(&s);
    float *leaf = draw_leaves(&s), waiting[TREE_WAITING + 1], sum;
    float *shard = calloc(s.count, sizeof *shard);
    ck_assert_ptr_nonnull(shard);
    for (uint32_t from = 0, to; from < s.used; from = to) {
        tree_sums t;
        to = from + 1 + random_below(s.count - from);
        const int most = add_range(&s, leaf, from, to, &t, waiting);
        ck_assert_int_le(most, (int)shards_waiting_most(&s, false));
        for (int i = 0; i < t.count; i++) {
            ck_assert(add_by_recursion(&s, leaf, t.node[i], &sum));
            ck_assert(waiting[i] == sum);
            ck_assert(t.node[i].index << t.node[i].level >= t.from);
        }
    }
    for (uint32_t i = 0; i < s.used; i++) {
        tree_sums t;
        add_range(&s, leaf, i, i + 1, &t, waiting);
        ck_assert_int_eq(t.count, 1);
        shard[i] = waiting[0];
    }
    tree_sums t;
    add_range(&whole, shard, 0, s.count, &t, waiting);
    ck_assert(add_by_recursion(&s, leaf, root(&s), &sum));
    ck_assert(waiting[0] == sum);
    free(leaf);
    free(shard);
}
END_TEST

/* Bounds hold for each smaller batch, too. */
START_TEST(bounds)
{
    random_seed(test_seed() + (uint64_t)_i);
    uint32_t unit;
    const shard_cut s = draw_cut(&unit);
    const uint32_t tile = unit * (1 + random_below(100));
    for (int i = 0; i < 200; i++) {
        const shard_cut less = shards_cut(1 + random_below(s.batch), s.count, unit);
        uint64_t tiles = 0;
        for (uint32_t p = 0; (p = shards_next(&less, p, places(&less))) < places(&less); p++)
            tiles += (shards_leaf(&less, p).count - 1) / tile + 1;
        ck_assert_uint_eq(tiles, shards_tiles(&less, tile));
        ck_assert_uint_le(tiles, shards_tiles_most(&s, tile, unit));
        ck_assert_uint_le(shards_waiting_most(&less, true), shards_waiting_most(&s, true));
    }
}
END_TEST

START_TEST(one_leaf)
{
    for (uint32_t batch = 1; batch <= 4096; batch++) {
        const shard_cut s = shards_cut(batch, batch % 2, 1);
        ck_assert(!shards_adds(&s) && shards_leaf(&s, 0).count == batch);
        ck_assert_uint_eq(shards_waiting_most(&s, true), 0);
    }
    const shard_cut more = shards_cut(4097, 1, 1);
    ck_assert(shards_adds(&more) && shards_leaf(&more, 1).count == 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shards");
    TCase *cases = tcase_create("shards");
    tcase_add_loop_test(cases, cuts, 0, 300);
    tcase_add_loop_test(cases, tree_as_defined, 0, 300);
    tcase_add_loop_test(cases, ranges, 0, 300);
    tcase_add_loop_test(cases, bounds, 0, 50);
    tcase_add_test(cases, one_leaf);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    return support_run(suite);
}
