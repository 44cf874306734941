/* The order of an epoch's examples. */
#include "data/dataset.h" /* before check.h, which has a macro of the name fail */
#include "data/shuffle.h"

#include <check.h>
#include <string.h>

#include "philox.h"

static uint32_t order[60000], second[60000];

/* The definition once more: Philox4x32-10 with its own constants, and the high half of r * bound by 32-bit pieces. */
static void order_again(uint64_t seed, uint32_t epoch, uint32_t *out, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) out[i] = i;
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t c[4] = {PHILOX_SHUFFLE, epoch, i, 0}, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
        for (int round = 0; round < 10; round++, key[0] += 0x9e3779b9u, key[1] += 0xbb67ae85u) {
            const uint64_t a = 0xd2511f53ull * c[0], b = 0xcd9e8d57ull * c[2];
            const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ key[0], (uint32_t)b,
                                      (uint32_t)(a >> 32) ^ c[3] ^ key[1], (uint32_t)a};
            memcpy(c, next, sizeof c);
        }
        const uint64_t bound = (uint64_t)i + 1, low = c[0] * bound, high = c[1] * bound;
        const uint32_t j = (uint32_t)((high + (low >> 32)) >> 32), kept = out[j];
        out[j] = out[i];
        out[i] = kept;
    }
}

START_TEST(shuffle_is_a_permutation)
{
    static const uint32_t sizes[] = {1, 2, 3, 1000, 60000};
    static unsigned char seen[60000];
    const uint32_t n = sizes[_i];
    for (uint32_t epoch = 0; epoch < 4; epoch++) {
        memset(seen, 0, sizeof seen);
        shuffle_order(7, epoch, order, n);
        for (uint32_t i = 0; i < n; i++) {
            ck_assert_uint_lt(order[i], n);
            ck_assert_int_eq(seen[order[i]]++, 0);
        }
        order_again(7, epoch, second, n);
        ck_assert_mem_eq(order, second, n * sizeof *order);
    }
}
END_TEST

/* Two orders of 1000 that have nothing in common agree in about one place. */
static uint32_t agreements(void)
{
    uint32_t same = 0;
    for (uint32_t i = 0; i < 1000; i++) same += order[i] == second[i];
    return same;
}

START_TEST(shuffle_differs_by_epoch_and_seed)
{
    shuffle_order(1, 0, order, 1000);
    shuffle_order(1, 1, second, 1000);
    ck_assert_uint_lt(agreements(), 10);
    shuffle_order(2, 0, second, 1000);
    ck_assert_uint_lt(agreements(), 10);
    shuffle_order(1 + (1ull << 32), 0, second, 1000);
    ck_assert_uint_lt(agreements(), 10);
    shuffle_order(1, 0, second, 1000);
    ck_assert_uint_eq(agreements(), 1000);
    shuffle_order(1, 0, second, 0); /* touches nothing */
    ck_assert_uint_eq(agreements(), 1000);
}
END_TEST

/* A change of these is a change of the contract: its version goes up. */
START_TEST(shuffle_is_pinned)
{
    static const uint32_t first[8] = {28283, 36309, 50927, 17163, 36118, 24444, 17778, 45600};
    shuffle_order(1, 0, order, 60000);
    for (int i = 0; i < 8; i++) ck_assert_msg(order[i] == first[i], "place %d: %u, expected %u", i, order[i], first[i]);
}
END_TEST

/* Each of the 24 orders of 4, in 24000 epochs: 1000 times, with a standard deviation of 31. */
START_TEST(shuffle_is_even)
{
    uint32_t seen[256] = {0}, found = 0;
    for (uint32_t epoch = 0; epoch < 24000; epoch++) {
        shuffle_order(3, epoch, order, 4);
        seen[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]]++;
    }
    for (int k = 0; k < 256; k++) {
        if (!seen[k]) continue;
        found++;
        ck_assert_uint_gt(seen[k], 850);
        ck_assert_uint_lt(seen[k], 1150);
    }
    ck_assert_uint_eq(found, 24);
}
END_TEST

/* Both lists rise, and together they are the whole. */
START_TEST(split_is_a_split)
{
    static const uint32_t takes[] = {0, 1, 2, 30000, 59999, 60000};
    const uint32_t take = takes[_i];
    shuffle_split(7, 60000, take, order, second);
    for (uint32_t i = 0, t = 0, l = 0; i < 60000; i++)
        if (t < take && order[t] == i)
            t++;
        else
            ck_assert_uint_eq(second[l++], i);
}
END_TEST

/* Worked out in Python. */
START_TEST(split_is_pinned)
{
    static const uint32_t first[8] = {92, 331, 406, 416, 445, 490, 635, 678};
    shuffle_split(1, 60000, 1000, order, NULL);
    for (int i = 0; i < 8; i++) ck_assert_msg(order[i] == first[i], "place %d: %u, expected %u", i, order[i], first[i]);
}
END_TEST

/* Each of the 20 threes of 6, in 20000 seeds: 1000 times, with a standard deviation of 31. */
START_TEST(split_is_even)
{
    uint32_t seen[64] = {0}, found = 0;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        shuffle_split(seed, 6, 3, order, second);
        seen[1u << order[0] | 1u << order[1] | 1u << order[2]]++;
    }
    for (int k = 0; k < 64; k++) {
        if (!seen[k]) continue;
        found++;
        ck_assert_uint_gt(seen[k], 850);
        ck_assert_uint_lt(seen[k], 1150);
    }
    ck_assert_uint_eq(found, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shuffle");
    TCase *tc = tcase_create("order");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, shuffle_is_a_permutation, 0, 5);
    tcase_add_test(tc, shuffle_differs_by_epoch_and_seed);
    tcase_add_test(tc, shuffle_is_pinned);
    tcase_add_test(tc, shuffle_is_even);
    tcase_add_loop_test(tc, split_is_a_split, 0, 6);
    tcase_add_test(tc, split_is_pinned);
    tcase_add_test(tc, split_is_even);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
