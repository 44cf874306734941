/* Packing an arena, against the plain method: the same offsets, but not its time. */
#include "plan/arena.h"

#include "support.h"

#include <time.h>

enum { BLOCKS = 60, TIMES = 30 };

static bool overlap_in_time(const arena_block *a, const arena_block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Each block is moved up until it overlaps none of those before it in the order. */
static uint64_t pack_slowly(arena_block *block, int count)
{
    int order[BLOCKS];
    uint64_t top = 0;
    for (int i = 0; i < count; i++) {
        int k = i;
        for (; k > 0 && block[order[k - 1]].bytes < block[i].bytes; k--) order[k] = order[k - 1];
        order[k] = i;
    }
    for (int i = 0; i < count; i++) {
        arena_block *b = &block[order[i]];
        b->offset = 0;
        for (bool moved = true; moved;) {
            moved = false;
            for (int k = 0; k < i; k++) {
                const arena_block *other = &block[order[k]];
                const bool apart = b->offset >= other->offset + other->bytes || other->offset >= b->offset + b->bytes;
                if (apart || !overlap_in_time(b, other)) continue;
                b->offset = other->offset + other->bytes;
                moved = true;
            }
        }
        if (b->offset + b->bytes > top) top = b->offset + b->bytes;
    }
    return top;
}

static uint64_t fullest_slowly(const arena *a)
{
    uint64_t most = 0;
    for (int time = 0; time < a->times; time++) {
        uint64_t sum = 0;
        for (int i = 0; i < a->count; i++)
            if (a->block[i].first <= time && time <= a->block[i].last) sum += a->block[i].bytes;
        if (sum > most) most = sum;
    }
    return most;
}

/* Lives of any length, or as those of activations and their gradients; sizes of any number, or a few. */
static void draw(arena *a)
{
    const bool nested = random_below(2), few = random_below(2);
    ck_assert(arena_open(a, (int)random_below(BLOCKS + 1), 1 + (int)random_below(TIMES)));
    for (int i = 0; i < a->count; i++) {
        arena_block *b = &a->block[i];
        b->bytes = 64 * (1 + (uint64_t)random_below(few ? 3 : 1000));
        b->first = (int)random_below((uint32_t)a->times);
        b->last = b->first + (int)random_below((uint32_t)(a->times - b->first));
        if (nested && b->first <= a->times / 2) b->last = a->times - 1 - b->first;
        if (b->last < b->first) b->last = b->first;
    }
}

START_TEST(packs_as_the_plain_method_does)
{
    for (int round = 0; round < 3000; round++) {
        arena a;
        arena_block plain[BLOCKS];
        draw(&a);
        for (int again = 0; again < 2; again++) { /* nothing is left of an earlier packing */
            for (int i = 0; i < a.count; i++) {
                if (again) a.block[i].bytes = 64 * (1 + (uint64_t)random_below(50));
                plain[i] = a.block[i];
            }
            const uint64_t top = arena_pack(&a), most = fullest_slowly(&a);
            ck_assert_uint_eq(top, pack_slowly(plain, a.count));
            ck_assert_uint_eq(arena_fullest(&a), most);
            ck_assert_uint_ge(top, most);
            for (int i = 0; i < a.count; i++) ck_assert_uint_eq(a.block[i].offset, plain[i].offset);
        }
        arena_close(&a);
    }
}
END_TEST

/* Values of a deep network of equal layers: the plain method takes minutes. */
START_TEST(deep_networks_are_packed_at_once)
{
    enum { DEPTH = 50000 };
    arena a;
    const clock_t begin = clock();
    ck_assert(arena_open(&a, 2 * DEPTH, 2 * DEPTH));
    for (int i = 0; i < DEPTH; i++) {
        a.block[i] = (arena_block){.first = i, .last = 2 * DEPTH - 1 - i, .bytes = 64};
        a.block[DEPTH + i] =
            (arena_block){.first = 2 * DEPTH - 1 - i, .last = 2 * DEPTH - 1 - (i ? i - 1 : 0), .bytes = 64};
    }
    ck_assert_uint_eq(arena_pack(&a), arena_fullest(&a));
    ck_assert_double_le((double)(clock() - begin) / CLOCKS_PER_SEC, 10);
    arena_close(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arena");
    TCase *tc = tcase_create("arena");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, packs_as_the_plain_method_does);
    tcase_add_test(tc, deep_networks_are_packed_at_once);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
