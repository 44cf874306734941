/* The batch on several devices, against the closed formula on curves without noise. */
#include "base/context.h" /* before check.h, which has a macro of the name fail */
#include "lab/advice/devices.h"

#include "support.h"

#include <math.h>
#include <string.h>

enum { ROWS = 9 };
static const double S_MIN = 200, B_CRIT = 300, FIXED = 1e-3, EACH = 2e-5;

/* Batches 4, 8, ... 1024 of three seeds each. */
static recommend_input make_input(recommend_row rows[ROWS])
{
    for (int i = 0; i < ROWS; i++) {
        const double batch = 4 << i;
        rows[i] = (recommend_row){.batch = (uint64_t)batch,
                                  .lr = 0.1,
                                  .outcome = ROW_REACHED,
                                  .seconds = FIXED + EACH * batch,
                                  .log_steps = log(S_MIN * (1 + B_CRIT / batch)),
                                  .log_spread = 0.02,
                                  .seeds = 3,
                                  .loss = NAN,
                                  .worse_low = NAN,
                                  .worse_high = NAN};
    }
    return (recommend_input){.rows = rows, .count = ROWS, .goal = TAS_GOAL_TIME};
}

static double seconds_by_hand(double batch, double devices, double more)
{
    return S_MIN * (1 + B_CRIT / batch) * (FIXED + EACH * ceil(batch / devices) + more);
}

START_TEST(knee_moves)
{
    recommend_row rows[ROWS];
    const recommend_input input = make_input(rows);
    recommendation r;
    devices_row row[DEVICES_ROWS];
    const double more[6] = {0, 1e-4, 2e-4, 3e-4, 4e-4, 5e-4};
    bool wasted = false;
    ck_assert(recommend(&input, &r));
    ck_assert_int_eq(devices_recommend(&input, &r, more, 6, row), 6);
    for (int i = 0; i < 6; i++) {
        const double devices = 1 << i, knee = sqrt((FIXED + more[i]) * B_CRIT * devices / EACH);
        double best = 0, least = INFINITY;
        for (double batch = 4; batch <= 1024; batch *= 2)
            if (batch >= devices && seconds_by_hand(batch, devices, more[i]) < least)
                least = seconds_by_hand(best = batch, devices, more[i]);
        ck_assert_uint_eq(row[i].devices, 1u << i);
        ck_assert_double_eq_tol(row[i].knee, knee, 0.02 * knee);
        ck_assert_uint_eq(row[i].batch, (uint64_t)best);
        ck_assert_double_eq_tol(row[i].seconds, least, 0.02 * least);
        ck_assert_double_eq_tol(row[i].examples, 1 + best / B_CRIT, 0.02 * row[i].examples);
        ck_assert_double_eq_tol(row[i].speedup, row[0].seconds / row[i].seconds, 1e-12);
        ck_assert_int_eq(row[i].wasted, knee > B_CRIT);
        ck_assert(!i || row[i].batch >= row[i - 1].batch);
        ck_assert(!wasted || row[i].wasted);
        wasted |= row[i].wasted;
    }
    ck_assert(wasted && !row[0].wasted && row[5].batch > row[0].batch);
}
END_TEST

/* A larger batch is not recommended than those that reached the target, nor one below an example per device. */
START_TEST(limits)
{
    recommend_row rows[ROWS];
    recommend_input input = make_input(rows);
    recommendation r;
    devices_row row[DEVICES_ROWS];
    const double more[DEVICES_ROWS] = {0};
    rows[ROWS - 1].outcome = ROW_DIVERGED;
    input.limits.batch_most = 128;
    ck_assert(recommend(&input, &r));
    ck_assert_int_eq(devices_recommend(&input, &r, more, DEVICES_ROWS, row), 8); /* 1 to 128 devices */
    for (int i = 0; i < 8; i++) ck_assert(row[i].batch <= 128 && row[i].batch >= row[i].devices);
    ck_assert_uint_eq(row[7].batch, 128);
    ck_assert_int_eq(devices_recommend(&input, &r, more, 0, row), 0);
    for (int i = 2; i < ROWS; i++) rows[i].outcome = ROW_UNDERTRAINED;
    ck_assert(recommend(&input, &r));
    ck_assert_int_eq(devices_recommend(&input, &r, more, 3, row), 0); /* two batches are no curve */
}
END_TEST

/* An exchange that takes longer than the step: one device is the fastest, and the sentence says so. */
START_TEST(sentences)
{
    recommend_row rows[ROWS];
    const recommend_input input = make_input(rows);
    recommendation r;
    devices_row row[DEVICES_ROWS];
    char text[1024];
    ck_assert(recommend(&input, &r));
    const int slow = devices_recommend(&input, &r, (const double[]){0, 1, 2}, 3, row);
    devices_write(row, slow, text, sizeof text);
    ck_assert(strstr(text, "On 4 devices: batch 1024") && strstr(text, " 1 device would be faster"));
    ck_assert(strstr(text, "From 2 devices on, the batch with the least time is above the critical batch"));
    const int fast = devices_recommend(&input, &r, (const double[]){0, 0, 0}, 3, row);
    devices_write(row, fast, text, sizeof text);
    ck_assert(strstr(text, "On 4 devices: batch 256") && !strstr(text, "would be faster"));
    ck_assert(!strstr(text, "From "));
    devices_write(row, 1, text, sizeof text);
    ck_assert_str_eq(text, "");
    devices_write(row, fast, text, 8);
    ck_assert_str_eq(text, "On 4 de");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("on_devices");
    TCase *tc = tcase_create("on_devices");
    tcase_add_test(tc, knee_moves);
    tcase_add_test(tc, limits);
    tcase_add_test(tc, sentences);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
