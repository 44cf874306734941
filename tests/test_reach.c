/* When a run has reached its target: planted curves. */
#include "stats/reach.h"

#include <tassello/reach.h>

#include <check.h>
#include <math.h>
#include <stdlib.h>

enum { POINTS = 200 };

/* Evaluations at examples that grow by 4 %. */
static void grow(reach_point *p)
{
    double examples = 64;
    for (int i = 0; i < POINTS; i++, examples *= 1.04) p[i].examples = examples;
}

static reach judge(const reach_point *p, double target) { return reach_find(p, POINTS, target, false); }

static void fall(reach_point *p, double first, double last)
{
    for (int i = 0; i < POINTS; i++) p[i].value = last + (first - last) / (1 + 0.1 * i);
}

START_TEST(a_smooth_curve_reaches_where_it_crosses)
{
    reach_point p[POINTS];
    grow(p);
    fall(p, 2.3, 0.3);
    const reach r = judge(p, 0.5);
    ck_assert_int_eq(r.state, REACH_DONE);
    ck_assert(p[r.at].value <= 0.5);
    ck_assert(p[r.at - 1].value > 0.5);
    ck_assert_int_eq(judge(p, 0.2).state, REACH_NOT);
}
END_TEST

START_TEST(the_quarter_has_to_be_complete)
{
    reach_point p[POINTS];
    grow(p);
    fall(p, 2.3, 0.3);
    const int at = judge(p, 0.5).at;
    int count = at + 1;
    while (p[count - 1].examples < 1.25 * p[at].examples * (1 - 1e-9)) {
        ck_assert_int_eq(reach_find(p, count, 0.5, false).state, REACH_TOUCHED);
        ck_assert_int_eq(reach_find(p, count, 0.5, true).state, REACH_DONE);
        count++;
    }
    ck_assert_int_ge(count, at + 6);
    ck_assert_int_eq(reach_find(p, count, 0.5, false).state, REACH_DONE);
}
END_TEST

START_TEST(a_touch_and_collapse_is_no_success)
{
    reach_point p[POINTS];
    grow(p);
    fall(p, 2.3, 0.3);
    const int at = judge(p, 0.5).at;
    for (int i = at + 2; i < POINTS; i++) p[i].value = 2.3; /* back to chance */
    ck_assert_int_eq(judge(p, 0.5).state, REACH_GAVE_BACK);
    for (int i = at + 2; i < POINTS; i++) p[i].value = NAN;
    ck_assert_int_eq(judge(p, 0.5).state, REACH_GAVE_BACK);
}
END_TEST

/* Even long after it was reached: whoever trains on loses all of it. */
START_TEST(a_late_collapse_counts)
{
    reach_point p[POINTS];
    grow(p);
    fall(p, 2.3, 0.3);
    for (int i = POINTS - 3; i < POINTS; i++) p[i].value = 2.2;
    ck_assert_int_eq(judge(p, 0.5).state, REACH_GAVE_BACK);
}
END_TEST

START_TEST(one_bad_evaluation_is_no_collapse)
{
    reach_point p[POINTS];
    grow(p);
    fall(p, 2.3, 0.3);
    const int at = judge(p, 0.5).at;
    p[at + 20].value = 2.2;
    ck_assert_int_eq(judge(p, 0.5).state, REACH_DONE);
    ck_assert_int_eq(judge(p, 0.5).at, at);
}
END_TEST

START_TEST(a_noisy_dip_is_no_success)
{
    reach_point p[POINTS];
    grow(p);
    for (int i = 0; i < POINTS; i++) p[i].value = i ? 0.6 : 2.3;
    p[50].value = 0.49;
    ck_assert_int_eq(judge(p, 0.5).state, REACH_NOT);
}
END_TEST

START_TEST(a_plateau_above_the_target_is_no_success)
{
    reach_point p[POINTS];
    grow(p);
    for (int i = 0; i < POINTS; i++) p[i].value = i < 20 ? 2.3 - 0.08 * i : 0.71;
    ck_assert_int_eq(judge(p, 0.7).state, REACH_NOT);
    ck_assert_int_eq(reach_find(p, POINTS, 0.7, true).state, REACH_NOT);
}
END_TEST

/* Noise about a falling curve: reached about where the curve crosses, not at the first lucky evaluation. */
START_TEST(noise_does_not_count_as_progress)
{
    double early = 0, late = 0;
    srand(1);
    for (int trial = 0; trial < 200; trial++) {
        reach_point p[POINTS];
        grow(p);
        fall(p, 2.3, 0.3);
        const int crosses = judge(p, 0.5).at;
        for (int i = 1; i < POINTS; i++) p[i].value += 0.05 * (rand() / (double)RAND_MAX - 0.5) * 2;
        int touches = 0;
        while (p[touches].value > 0.5) touches++;
        const reach r = judge(p, 0.5);
        ck_assert_int_eq(r.state, REACH_DONE);
        early += touches - crosses;
        late += r.at - crosses;
    }
    ck_assert(early / 200 < -5);
    ck_assert(fabs(late / 200) < 6);
    ck_assert(late > early);
}
END_TEST

/* What a run reaches by so many examples is a target that it reaches, and about there. */
START_TEST(the_deepest_target_is_reached)
{
    reach_point p[POINTS];
    grow(p);
    fall(p, 2.3, 0.3);
    for (int i = 1; i < POINTS; i++) p[i].value += 0.02 * sin(12.9 * i);
    ck_assert(isnan(reach_deepest(p, POINTS, 10)));
    for (int i = 20; i < 150; i += 10) {
        const double target = reach_deepest(p, POINTS, p[i].examples);
        const reach r = judge(p, target);
        ck_assert_int_eq(r.state, REACH_DONE);
        ck_assert_int_le(r.at, i);
        ck_assert_int_ge(r.at, i - 30);
        ck_assert(judge(p, target - 1e-9).at > r.at || judge(p, target - 1e-9).state == REACH_NOT);
    }
}
END_TEST

START_TEST(callers_get_the_same_rule)
{
    reach_point p[POINTS];
    tas_reach_point q[POINTS];
    int at = 0;
    grow(p);
    fall(p, 0.9, 0.05);
    for (int i = 0; i < POINTS; i++) q[i] = (tas_reach_point){p[i].examples, p[i].value};
    ck_assert_int_eq(tas_reach_find(q, POINTS, 0.2, 0, &at), TAS_REACH_DONE);
    ck_assert_int_eq(at, judge(p, 0.2).at);
    ck_assert_int_eq(tas_reach_find(q, POINTS, 0.01, 0, &at), TAS_REACH_NOT);
    ck_assert_int_eq(tas_reach_find(NULL, 0, 0.01, 1, NULL), TAS_REACH_NOT);
    for (int i = 150; i < POINTS; i++) q[i].value = 0.9;
    ck_assert_int_eq(tas_reach_find(q, POINTS, 0.2, 0, NULL), TAS_REACH_GAVE_BACK);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reach");
    TCase *t = tcase_create("reach");
    tcase_add_test(t, a_smooth_curve_reaches_where_it_crosses);
    tcase_add_test(t, the_quarter_has_to_be_complete);
    tcase_add_test(t, a_touch_and_collapse_is_no_success);
    tcase_add_test(t, a_late_collapse_counts);
    tcase_add_test(t, one_bad_evaluation_is_no_collapse);
    tcase_add_test(t, a_noisy_dip_is_no_success);
    tcase_add_test(t, a_plateau_above_the_target_is_no_success);
    tcase_add_test(t, noise_does_not_count_as_progress);
    tcase_add_test(t, the_deepest_target_is_reached);
    tcase_add_test(t, callers_get_the_same_rule);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
