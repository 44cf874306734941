/* Quantiles against tables, and curves against curves that were planted. */
#include "support.h"

#include "base/format.h"
#include "stats/distributions.h"
#include "stats/fit.h"
#include "stats/running.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool near(double a, double b, double share) { return fabs(a - b) <= share * fabs(b); }

static double normal(void) { return sqrt(-2 * log(1 - random_unit())) * cos(2 * M_PI * random_unit()); }

/* A batch's point from the steps of each seed. */
static fit_point summarize(double batch, const double *steps, int seeds)
{
    running logs = {0};
    for (int i = 0; i < seeds; i++) running_add(&logs, log(steps[i]));
    return (fit_point){batch, logs.mean, seeds > 1 ? sqrt(running_variance(&logs)) : 0, seeds};
}

/* Student and Fisher ----------------------------------------------------------------------------------------------- */

/* Printed tables, to the places that they have. */
START_TEST(quantiles_of_the_tables)
{
    static const struct {
        double p, freedom, t;
    } rows[] = {{0.975, 1, 12.7062},    {0.975, 2, 4.30265},        {0.975, 3, 3.18245},  {0.975, 4, 2.77645},
                {0.975, 5, 2.57058},    {0.975, 10, 2.22814},       {0.975, 30, 2.04227}, {0.975, 100, 1.98397},
                {0.975, 1000, 1.96234}, {0.975, INFINITY, 1.95996}, {0.95, 1, 6.31375},   {0.95, 7, 1.89458},
                {0.995, 1, 63.6567},    {0.995, 12, 3.05454},       {0.9995, 4, 8.61030}, {0.9, 20, 1.32534},
                {0.75, 1, 1},           {0.75, 2, 0.816497},        {0.5, 9, 0},          {0.025, 5, -2.57058}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const double t = student_quantile(rows[i].p, rows[i].freedom);
        ck_assert_msg(fabs(t - rows[i].t) <= 6e-6 * (1 + fabs(t) * (fabs(t) > 10)), "t(%g, %g) = %.9g, not %g",
                      rows[i].p, rows[i].freedom, t, rows[i].t);
    }
    ck_assert(isnan(student_quantile(0, 5)) && isnan(student_quantile(1, 5)) && isnan(student_quantile(0.9, 0)));
    ck_assert(isnan(student_quantile(NAN, 5)) && isnan(student_quantile(0.9, NAN)));
    ck_assert(student_95(5) == student_quantile(0.975, 5));
}
END_TEST

/* Closed forms: t = tan(pi (p - 1/2)) with 1 degree, 2 x sqrt(2 / (1 - 4 x^2)) with 2, x = p - 1/2; for fractions of
 * a degree the density's integral, by Simpson's rule. */
START_TEST(quantiles_are_exact)
{
    for (double p = 0.001; p < 1; p += 0.0173) {
        const double x = p - 0.5;
        ck_assert(near(student_quantile(p, 1), tan(M_PI * x), 1e-9));
        ck_assert(near(student_quantile(p, 2), 2 * x * sqrt(2 / (1 - 4 * x * x)), 1e-9));
    }
    for (double freedom = 0.7; freedom < 5e5; freedom *= 2.3) {
        const int steps = 20000;
        const double t = student_quantile(0.9, freedom);
        double sum = 0;
        for (int i = 0; i <= steps; i++) {
            const double z = t * i / steps, weight = i == 0 || i == steps ? 1 : i % 2 ? 4 : 2;
            sum += weight * exp(-(freedom + 1) / 2 * log1p(z * z / freedom));
        }
        sum *= t / steps / 3 * exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / sqrt(freedom * M_PI);
        ck_assert_msg(fabs(sum - 0.4) < 1e-8, "%g degrees: %.12f", freedom, sum);
    }
}
END_TEST

START_TEST(fisher_of_the_tables)
{
    static const double rows[][4] = {{4.9646, 1, 10, 0.05}, {4.1028, 2, 10, 0.05}, {5.0503, 5, 5, 0.05},
                                     {10.967, 5, 5, 0.01},  {1, 7, 7, 0.5},        {161.45, 1, 1, 0.05}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const double p = fisher_tail(rows[i][0], rows[i][1], rows[i][2]);
        ck_assert_msg(near(p, rows[i][3], 1e-3), "F %g: %g", rows[i][0], p);
    }
    ck_assert(fisher_tail(0, 3, 3) == 1 && fisher_tail(INFINITY, 3, 3) == 0);
    const double t = student_95(7); /* F of 1 and n degrees is t squared */
    ck_assert(near(fisher_tail(t * t, 1, 7), 0.05, 1e-9));
    ck_assert(near(normal_below(1.959963985), 0.975, 1e-8) && near(normal_below(-1.959963985), 0.025, 1e-8));
}
END_TEST

/* Steps against batch ---------------------------------------------------------------------------------------------- */

/* Points at batches first, first * ratio, ...: `seeds` seeds each, with that spread over seeds, and `lack` of the
 * batches. */
static void plant(fit_point *points, int count, double first, double ratio, int seeds, double spread, double lack)
{
    double steps[16];
    for (int i = 0; i < count; i++) {
        const double batch = first * pow(ratio, i), off = lack * normal();
        for (int s = 0; s < seeds; s++) steps[s] = 137 * (1 + 65 / batch) * exp(off + spread * normal());
        points[i] = summarize(batch, steps, seeds);
    }
}

START_TEST(a_curve_without_noise)
{
    for (int count = 3; count <= 12; count++) {
        fit_point points[12];
        fit_curve curve;
        plant(points, count, 1, pow(4096, 1.0 / (count - 1)), 1 + count % 3, 0, 0);
        ck_assert(fit_steps(points, count, &curve));
        ck_assert_int_eq(curve.b_crit.state, FIT_KNOWN);
        ck_assert_msg(near(curve.b_crit.value, 65, 1e-6), "%d batches: %.9g", count, curve.b_crit.value);
        ck_assert(near(curve.s_min.value, 137, 1e-6) && near(curve.e_min.value, 65 * 137, 1e-6));
        ck_assert(curve.b_crit.low >= 65 * (1 - 1e-6) && curve.b_crit.high <= 65 * (1 + 1e-6));
        ck_assert(near(exp(fit_log_steps(&curve, 65)), 274, 1e-6));
    }
}
END_TEST

static bool covers(const fit_range *r, double truth) { return r->low <= truth && truth <= r->high; }

static const struct {
    int count, seeds;
    double spread, lack;
    int least,
        most; /* covered, of 1000: the truth is 0.945 to 0.99, more where a misfit is allowed for and there is none */
} situations[] = {
    {3, 1, 0.12, 0, 920, 980},  {3, 3, 0.12, 0, 920, 998},  {5, 1, 0.12, 0, 920, 980},    {8, 3, 0.12, 0, 920, 995},
    {12, 1, 0.12, 0, 920, 980}, {12, 2, 0.12, 0, 920, 990}, {8, 3, 0.12, 0.07, 920, 985}, {12, 3, 0.12, 0.15, 920, 980},
};
enum { SITUATIONS = sizeof situations / sizeof *situations, FITS = 2000 };

/* Planted curves with noise of 0.12: what was planted is found, and in the intervals as often as they say. */
START_TEST(intervals_cover)
{
    const int count = situations[_i].count, seeds = situations[_i].seeds;
    int covered[3] = {0}, known = 0;
    double off = 0, width = 0;
    random_seed(test_seed() + (uint64_t)_i);
    for (int round = 0; round < FITS; round++) {
        fit_point points[12];
        fit_curve curve;
        plant(points, count, 2, pow(2048, 1.0 / (count - 1)), seeds, situations[_i].spread, situations[_i].lack);
        ck_assert(fit_steps(points, count, &curve));
        covered[0] += covers(&curve.b_crit, 65);
        covered[1] += covers(&curve.s_min, 137);
        covered[2] += covers(&curve.e_min, 65 * 137);
        if (curve.b_crit.state != FIT_KNOWN) continue;
        known++;
        off += pow(log(curve.b_crit.value / 65), 2);
        width += log(curve.b_crit.high / curve.b_crit.low) / 2;
    }
    printf("fit: %2d batches, %d seeds, spread %.2f, lack %.2f: B_crit %.4f S_min %.4f E_min %.4f, known %.4f, off by "
           "%.3f, half-width %.3f\n",
           count, seeds, situations[_i].spread, situations[_i].lack, covered[0] / (double)FITS,
           covered[1] / (double)FITS, covered[2] / (double)FITS, known / (double)FITS, sqrt(off / known),
           width / known);
    fflush(stdout);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ge(covered[i] * 1000, situations[_i].least * FITS);
        ck_assert_int_le(covered[i] * 1000, situations[_i].most * FITS);
    }
    if (count < 8) return;
    ck_assert_int_ge(known, 0.99 * FITS);
    ck_assert_double_le(sqrt(off / known), situations[_i].lack ? 0.35 : 0.25);
}
END_TEST

/* Batches on one arm alone: one end of the interval is open, and the truth on the right side of the other. */
START_TEST(one_arm_is_not_enough)
{
    fit_point points[6];
    fit_curve curve;
    int small = 0, large = 0, sound = 0;
    random_seed(test_seed());
    for (int round = 0; round < 200; round++) {
        plant(points, 6, 0.05, 1.5, 2, 0.12, 0); /* to 0.4, of 65 */
        ck_assert(fit_steps(points, 6, &curve));
        small +=
            curve.b_crit.state == FIT_AT_LEAST && curve.s_min.state == FIT_AT_MOST && curve.e_min.state == FIT_KNOWN;
        sound += curve.b_crit.low <= 65 && covers(&curve.e_min, 65 * 137);
        plant(points, 6, 10000, 2, 2, 0.12, 0);
        ck_assert(fit_steps(points, 6, &curve));
        large +=
            curve.b_crit.state == FIT_AT_MOST && curve.e_min.state == FIT_AT_MOST && curve.s_min.state == FIT_KNOWN;
        sound += curve.b_crit.high >= 65 && covers(&curve.s_min, 137);
    }
    ck_assert_msg(small > 180 && large > 180 && sound > 360, "%d %d %d", small, large, sound);
    plant(points, 3, 64, 1.2, 1, 0.12, 0); /* three near each other say nothing at all */
    int nothing = 0;
    for (int round = 0; round < 50; round++) {
        plant(points, 3, 64, 1.2, 1, 0.12, 0);
        ck_assert(fit_steps(points, 3, &curve));
        nothing += curve.b_crit.state == FIT_UNKNOWN;
    }
    ck_assert_int_gt(nothing, 20);
}
END_TEST

/* Steps to a training loss of 0.50 of an MLP on Fashion-MNIST, geometric means of two seeds. Twelve batches gave 65. */
START_TEST(a_measured_curve)
{
    static const double data[][2] = {{4, 2245}, {16, 632}, {64, 297}, {256, 189}, {1024, 147}, {4096, 132}};
    fit_point points[6];
    fit_curve curve;
    for (int i = 0; i < 6; i++) points[i] = summarize(data[i][0], &data[i][1], 1);
    ck_assert(fit_steps(points, 6, &curve));
    printf("fit: B_crit %.1f (%.1f to %.1f), S_min %.1f, E_min %.0f\n", curve.b_crit.value, curve.b_crit.low,
           curve.b_crit.high, curve.s_min.value, curve.e_min.value);
    fflush(stdout);
    ck_assert_int_eq(curve.b_crit.state, FIT_KNOWN);
    ck_assert(curve.b_crit.value > 45 && curve.b_crit.value < 95);
    ck_assert(covers(&curve.b_crit, 65) && near(curve.s_min.value, 137, 0.1) && near(curve.e_min.value, 8800, 0.1));
}
END_TEST

START_TEST(what_seeds_and_batches_say)
{
    static const double steps[3] = {100, 200, 400};
    fit_point p, points[12];
    fit_curve curve;
    double spread = 0, lack = 0, none = 0;
    p = summarize(8, steps, 3);
    ck_assert(near(p.log_steps, log(200), 1e-12) && near(p.log_spread, M_LN2, 1e-12) && p.seeds == 3 && p.batch == 8);
    for (int round = 0; round < 300; round++) {
        plant(points, 12, 2, 2, 3, 0.12, 0.2);
        ck_assert(fit_steps(points, 12, &curve));
        ck_assert_double_eq(curve.freedom, 24);
        spread += pow(curve.spread, 2) / 300;
        lack += pow(curve.lack, 2) / 300;
        plant(points, 12, 2, 2, 3, 0.12, 0);
        ck_assert(fit_steps(points, 12, &curve));
        none += pow(curve.lack, 2) / 300;
    }
    ck_assert_msg(near(sqrt(spread), 0.12, 0.05) && near(sqrt(lack), 0.2, 0.15) && sqrt(none) < 0.05, "%g %g %g",
                  sqrt(spread), sqrt(lack), sqrt(none));
    plant(points, 5, 2, 8, 1, 0.12, 0);
    ck_assert(fit_steps(points, 5, &curve) && curve.spread == FIT_SEED_SPREAD && isinf(curve.freedom));
}
END_TEST

/* Batches off the curve in a way that neighbors share: what is expected is nearer to the truth than the curve or
 * the batch's own mean is, and its errors are as large as it says. */
START_TEST(what_is_expected)
{
    double curves = 0, own = 0, expected = 0, scores = 0;
    fit_point points[12];
    fit_curve curve;
    random_seed(test_seed() + 50);
    for (int round = 0; round < 400; round++) {
        double truth[12];
        const double phase = 2 * M_PI * random_unit();
        for (int i = 0; i < 12; i++) {
            const double batch = pow(2, i);
            double steps[3];
            truth[i] = log(137 * (1 + 65 / batch)) + 0.12 * sin(phase + i);
            for (int seed = 0; seed < 3; seed++) steps[seed] = exp(truth[i] + 0.12 * normal());
            points[i] = summarize(batch, steps, 3);
        }
        ck_assert(fit_steps(points, 12, &curve));
        for (int i = 0; i < 12; i++) {
            const double at = points[i].batch, next = points[(i + 1) % 12].batch;
            curves += pow(fit_log_steps(&curve, at) - truth[i], 2) / 4800;
            own += pow(points[i].log_steps - truth[i], 2) / 4800;
            expected += pow(fit_expected(&curve, at) - truth[i], 2) / 4800;
            const double off = fit_expected(&curve, at) - fit_expected(&curve, next) - truth[i] + truth[(i + 1) % 12];
            scores += pow(off / fit_difference_error(&curve, at, next), 2) / 4800;
        }
    }
    printf("fit: off the truth by %.4f, the curve alone by %.4f, own means by %.4f; in standard errors %.2f\n",
           sqrt(expected), sqrt(curves), sqrt(own), sqrt(scores));
    fflush(stdout);
    ck_assert(expected < 0.75 * own && expected < 0.6 * curves && scores > 0.7 && scores < 2.2);
    ck_assert(fit_difference_error(&curve, 16, 16) == 0 && fit_difference_error(&curve, 16, 64) > 0);
    /* Far from all batches it is the curve; and on a curve without noise everywhere. */
    ck_assert(near(fit_expected(&curve, 1e9), fit_log_steps(&curve, 1e9), 1e-9));
    plant(points, 12, 2, 2, 2, 0, 0);
    ck_assert(fit_steps(points, 12, &curve));
    for (double batch = 1; batch < 1e4; batch *= 1.7)
        ck_assert(near(fit_expected(&curve, batch), log(137 * (1 + 65 / batch)), 1e-6));
}
END_TEST

/* A point of three seeds counts as three points. */
START_TEST(seeds_are_weights)
{
    fit_point one[4], many[6];
    fit_curve a, b;
    random_seed(test_seed() + 60);
    plant(one, 4, 2, 8, 1, 0.2, 0);
    for (int i = 0; i < 6; i++) many[i] = one[i < 3 ? 0 : i - 2];
    one[0].seeds = 3;
    ck_assert(fit_steps(one, 4, &a) && fit_steps(many, 6, &b));
    ck_assert(near(a.b_crit.value, b.b_crit.value, 1e-6) && near(a.s_min.value, b.s_min.value, 1e-6));
    one[0].seeds = 1;
    ck_assert(fit_steps(one, 4, &b));
    ck_assert(!near(a.b_crit.value, b.b_crit.value, 1e-6));
}
END_TEST

START_TEST(points_that_are_refused)
{
    fit_point points[FIT_BATCHES + 1];
    fit_curve curve;
    for (int i = 0; i < 7; i++) {
        plant(points, 4, 4, 4, 2, 0.1, 0);
        if (i == 0) points[1].batch = NAN;
        if (i == 1) points[1].batch = -4;
        if (i == 2) points[2].log_steps = INFINITY;
        if (i == 3) points[2].log_spread = NAN;
        if (i == 4) points[3].seeds = 0;
        if (i == 5) points[3].batch = points[2].batch = points[1].batch; /* two different ones */
        ck_assert_int_eq(fit_steps(points, 4, &curve), i == 6);
        ck_assert_int_eq(curve.known, i == 6);
    }
    ck_assert(!fit_steps(points, 2, &curve) && !fit_steps(points, 0, &curve) && curve.b_crit.state == FIT_UNKNOWN);
    ck_assert(!fit_steps(points, FIT_BATCHES + 1, &curve));
}
END_TEST

/* The time of a step ----------------------------------------------------------------------------------------------- */

START_TEST(a_line_is_found)
{
    static const double lines[][2] = {{4e-4, 2e-5}, {0, 3e-6}, {1e-3, 0}, {1e-7, 1e-2}};
    for (int l = 0; l < 4; l++) {
        fit_time_point points[13];
        fit_time t;
        for (int i = 0; i < 13; i++) {
            const double batch = pow(2, i);
            points[i] = (fit_time_point){batch, lines[l][0] + lines[l][1] * batch, 1 + i % 5};
        }
        ck_assert(fit_step_time(points, 13, &t) && t.known);
        ck_assert_msg(fabs(t.fixed - lines[l][0]) <= 1e-8 * lines[l][0] + 1e-12 &&
                          fabs(t.each - lines[l][1]) <= 1e-8 * lines[l][1] + 1e-12,
                      "line %d: %g %g", l, t.fixed, t.each);
        ck_assert_double_lt(t.misfit, 1e-8);
        for (int i = 0; i < 13; i++) points[i].seconds *= 1 + 0.03 * normal();
        ck_assert(fit_step_time(points, 13, &t));
        ck_assert(t.misfit > 0.01 && t.misfit < 0.06 &&
                  near(fit_seconds(&t, 64), lines[l][0] + 64 * lines[l][1], 0.06));
    }
}
END_TEST

/* Never below 0, and then the best that is not: against a search over all lines with one end at 0. */
START_TEST(a_line_is_not_negative)
{
    fit_time_point bent[4] = {{1, 1, 1}, {2, 3, 1}, {4, 9, 2}, {8, 20, 1}},
                   falling[3] = {{1, 3, 1}, {8, 2.5, 1}, {64, 2, 3}};
    fit_time t;
    ck_assert(fit_step_time(bent, 4, &t));
    ck_assert(t.fixed == 0 && t.each > 1);
    for (double each = 0.5; each < 3; each += 0.001) {
        double sum = 0;
        for (int i = 0; i < 4; i++) sum += bent[i].weight * pow(each * bent[i].batch / bent[i].seconds - 1, 2) / 5;
        ck_assert_double_ge(sqrt(sum), t.misfit - 1e-12);
    }
    ck_assert(fit_step_time(falling, 3, &t));
    ck_assert(t.each == 0 && t.fixed > 2 && t.fixed < 2.5); /* the weighty point and small times pull */
}
END_TEST

/* Without a largest batch that was timed badly; none where only chance could make one. */
START_TEST(a_line_that_rises)
{
    static const fit_time_point odd[3] = {{4, 1.4, 1}, {16, 2.6, 1}, {64, 1.3, 1}},
                                flat[3] = {{4, 1, 1}, {64, 1.02, 1}, {1024, 0.99, 1}},
                                falling[3] = {{4, 3, 1}, {64, 2, 1}, {1024, 1, 1}},
                                through_zero[2] = {{64, 1, 1}, {128, 2.1, 1}};
    fit_time t;
    ck_assert_int_eq(fit_rising_time(odd, 3, &t), 2);
    ck_assert(near(t.fixed, 1, 1e-9) && near(t.each, 0.1, 1e-9));
    ck_assert_int_eq(fit_rising_time(flat, 3, &t), 3);
    ck_assert(near(t.fixed, 1, 0.02) && t.each * 1024 > 0.009 && t.each * 1024 < 0.03);
    ck_assert(!fit_rising_time(falling, 3, &t) && !t.known);
    ck_assert(!fit_rising_time(through_zero, 2, &t) && !t.known);
    ck_assert(!fit_rising_time(flat, 1, &t) && !t.known && !fit_rising_time(flat, 0, &t));
}
END_TEST

START_TEST(times_that_are_refused)
{
    const fit_time_point good[2] = {{1, 1, 1}, {2, 1.5, 1}};
    fit_time t;
    for (int i = 0; i < 9; i++) {
        fit_time_point p[2] = {good[0], good[1]};
        const double bad[] = {0, NAN, -1};
        if (i < 3) p[1].batch = bad[i];
        if (i >= 3 && i < 6) p[1].seconds = bad[i - 3];
        if (i >= 6) p[1].weight = bad[i - 6];
        ck_assert(!fit_step_time(p, 2, &t) && !t.known);
    }
    const fit_time_point same[2] = {{4, 1, 1}, {4, 1.5, 1}};
    ck_assert(!fit_step_time(same, 2, &t) && !fit_step_time(good, 1, &t) && !fit_step_time(good, 0, &t));
    ck_assert(fit_step_time(good, 2, &t) && near(t.fixed, 0.5, 1e-9) && near(t.each, 0.5, 1e-9));
}
END_TEST

/* Words ------------------------------------------------------------------------------------------------------------ */

START_TEST(numbers_in_words)
{
    static const struct {
        double value;
        const char *number, *seconds;
    } rows[] = {{0, "0", "0 us"},
                {0.000417, "0.000417", "417 us"},
                {0.0531, "0.0531", "53.1 ms"},
                {0.00941, "0.00941", "9.41 ms"},
                {0.0014, "0.00140", "1.40 ms"},
                {-0.00123, "-0.00123", "-1230 us"},
                {0.0099949, "0.00999", "9.99 ms"},
                {0.009996, "0.0100", "10.0 ms"},
                {0.09996, "0.100", "100 ms"},
                {0.9996, "1.00", "1000 ms"},
                {0.02, "0.0200", "20.0 ms"},
                {0.001, "0.00100", "1.00 ms"},
                {1, "1.00", "1.00 s"},
                {9.996, "10.0", "10.0 s"},
                {48.26, "48.3", "48.3 s"},
                {119.4, "119", "119 s"},
                {312, "312", "5.20 min"},
                {9000, "9000", "2.50 h"},
                {12345, "12300", "3.43 h"},
                {8.8e6, "8800000", "2444 h"},
                {INFINITY, "inf", "inf h"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_str_eq(format_number(rows[i].value).text, rows[i].number);
        ck_assert_str_eq(format_seconds(rows[i].value).text, rows[i].seconds);
    }
    ck_assert_str_eq(format_bytes(1).text, "1 byte");
    ck_assert_str_eq(format_bytes(880).text, "880 bytes");
    ck_assert_str_eq(format_bytes(1024).text, "1.00 KiB");
    ck_assert_str_eq(format_bytes(50650000).text, "48.3 MiB");
    ck_assert_str_eq(format_bytes(UINT64_MAX).text, "16.0 EiB");
    static const struct {
        float value;
        const char *text;
    } floats[] = {{0, "0"},         {100, "100"},      {1e6f, "1000000"},          {16777216, "16777216"},
                  {0.1f, "0.1"},    {1e-4f, "0.0001"}, {1e-5f, "1e-05"},           {-20, "-20"},
                  {1e15f, "1e+15"}, {NAN, "nan"},      {0x1.8p33f, "12884901888"}, {INFINITY, "inf"}};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        ck_assert_str_eq(format_float(floats[i].value).text, floats[i].text);
    char text[8];
    text_buffer out = {.text = text, .bytes = sizeof text};
    format_add(&out, "%d, ", 12);
    format_add(&out, "%s", "3456789");
    format_add(&out, "more");
    ck_assert_str_eq(text, "12, 345");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fit");
    TCase *tc = tcase_create("quantiles");
    tcase_add_test(tc, quantiles_of_the_tables);
    tcase_add_test(tc, quantiles_are_exact);
    tcase_add_test(tc, fisher_of_the_tables);
    suite_add_tcase(suite, tc);
    tc = tcase_create("steps");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_curve_without_noise);
    tcase_add_loop_test(tc, intervals_cover, 0, SITUATIONS);
    tcase_add_test(tc, one_arm_is_not_enough);
    tcase_add_test(tc, a_measured_curve);
    tcase_add_test(tc, what_seeds_and_batches_say);
    tcase_add_test(tc, what_is_expected);
    tcase_add_test(tc, seeds_are_weights);
    tcase_add_test(tc, points_that_are_refused);
    suite_add_tcase(suite, tc);
    tc = tcase_create("times");
    tcase_add_test(tc, a_line_is_found);
    tcase_add_test(tc, a_line_is_not_negative);
    tcase_add_test(tc, a_line_that_rises);
    tcase_add_test(tc, times_that_are_refused);
    tcase_add_test(tc, numbers_in_words);
    suite_add_tcase(suite, tc);
    random_seed(test_seed());
    return support_run(suite);
}
