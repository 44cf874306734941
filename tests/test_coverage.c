/* What the statistics promise, held against simulations whose truth is known. */
#include "support.h"

#include "lab/advice/recommend.h"
#include "stats/best.h"
#include "stats/fit.h"
#include "stats/running.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double normal(void) { return sqrt(-2 * log(1 - random_unit())) * cos(2 * M_PI * random_unit()); }

/* Of `rounds` trials: at most, and at least, this many where each succeeds with probability p, but for four standard
 * errors. */
static double at_most(double p, int rounds) { return rounds * p + 4 * sqrt(rounds * p * (1 - p)); }
static double at_least(double p, int rounds) { return rounds * p - 4 * sqrt(rounds * p * (1 - p)); }

/* Worse than the best ---------------------------------------------------------------------------------------------- */

/* The spread of row i of `rows`. */
static double equal_spread(int i, int rows) { return i < rows ? 1 : NAN; }
static double one_noisy(int i, int rows) { return i == rows - 1 ? 4 : 1; }
static double some_noisy(int i, int rows) { return i < rows / 2 ? 4 : 1; }
static double rising_spread(int i, int rows) { return i < rows ? pow(2, i) : NAN; }

static const struct {
    const char *name;
    double (*of)(int i, int rows);
} spreads[] = {
    {"equal", equal_spread}, {"one noisy", one_noisy}, {"half noisy", some_noisy}, {"rising", rising_spread}};
enum { SPREADS = sizeof spreads / sizeof *spreads, SWEEPS = 2000 };

/* Rows of a common mean, but for the first, which is worse by `more`; what is common to a seed is drawn too. */
static void draw_table(best_table *t, int rows, int seeds, double (*spread)(int, int), double more)
{
    t->rows = rows;
    t->seeds = seeds;
    for (int s = 0; s < seeds; s++) {
        const double common = 3 * normal();
        for (int i = 0; i < rows; i++) t->loss[i][s] = common + spread(i, rows) * normal() + (i ? 0 : more);
    }
}

static bool any_worse(const best_table *t)
{
    best_interval row[BEST_ROWS];
    bool any = false;
    ck_assert(best_compare(t, row));
    for (int i = 0; i < t->rows; i++) any |= row[i].worse;
    return any;
}

START_TEST(equal_batches_are_not_worse)
{
    static best_table t;
    double most = 0;
    random_seed(test_seed() + (uint64_t)_i);
    for (int rows = 2; rows <= 8; rows++) {
        for (int seeds = 2; seeds <= 5; seeds++) {
            int refused = 0;
            for (int k = 0; k < SWEEPS; k++) {
                draw_table(&t, rows, seeds, spreads[_i].of, 0);
                refused += any_worse(&t);
            }
            most = fmax(most, refused / (double)SWEEPS);
            ck_assert_msg(refused <= at_most(0.05, SWEEPS), "%s spreads, %d rows, %d seeds: %d of %d", spreads[_i].name,
                          rows, seeds, refused, SWEEPS);
        }
    }
    printf("coverage: %s spreads, 2 to 8 equal rows, 2 to 5 seeds: some row is worse in at most %.4f\n",
           spreads[_i].name, most);
    fflush(stdout);
}
END_TEST

/* The intervals hold all together, whatever the differences are. */
START_TEST(differences_from_the_best_are_covered)
{
    static best_table t;
    static const double offsets[6] = {0, 0, 0.3, 1, 2, 10};
    random_seed(test_seed() + 20);
    for (int seeds = 2; seeds <= 5; seeds++) {
        int missed = 0;
        for (int k = 0; k < SWEEPS; k++) {
            best_interval row[BEST_ROWS];
            bool out = false;
            draw_table(&t, 6, seeds, equal_spread, 0);
            for (int i = 0; i < 6; i++)
                for (int s = 0; s < seeds; s++) t.loss[i][s] += offsets[i];
            ck_assert(best_compare(&t, row));
            for (int i = 0; i < 6; i++) out |= offsets[i] < row[i].low || offsets[i] > row[i].high;
            missed += out;
        }
        ck_assert_msg(missed <= at_most(0.05, SWEEPS), "%d seeds: %d", seeds, missed);
    }
}
END_TEST

/* Worse by 5 spreads: found in 0.84 or more with three seeds, in 0.2 or more with two. */
START_TEST(a_worse_batch_is_found)
{
    static const double shares[] = {[2] = 0.20, [3] = 0.82, [4] = 0.97, [5] = 0.99};
    static best_table t;
    random_seed(test_seed() + 30);
    for (int rows = 2; rows <= 8; rows += 3) {
        for (int seeds = 2; seeds <= 5; seeds++) {
            best_interval row[BEST_ROWS];
            int found = 0;
            for (int k = 0; k < SWEEPS; k++) {
                draw_table(&t, rows, seeds, equal_spread, 5);
                ck_assert(best_compare(&t, row));
                found += row[0].worse;
            }
            printf("coverage: %d rows, %d seeds: worse by 5 spreads is found in %.3f\n", rows, seeds,
                   found / (double)SWEEPS);
            fflush(stdout);
            ck_assert_double_ge(found, at_least(shares[seeds], SWEEPS));
        }
    }
}
END_TEST

/* Two rows are a paired t test; and what is missing. */
START_TEST(tables_of_few)
{
    best_interval row[BEST_ROWS];
    best_table t = {.rows = 2, .seeds = 3, .loss = {{0.40, 0.42, 0.44}, {0.35, 0.38, 0.385}}};
    ck_assert(best_compare(&t, row)); /* 0.05, 0.04, 0.055: mean 0.04833, spread 0.007638, t 4.303 */
    ck_assert(fabs(row[0].value - 0.0483333) < 1e-6 && fabs(row[0].low - 0.0293602) < 1e-5);
    ck_assert(fabs(row[0].high - 0.0673065) < 1e-5 && row[0].worse);
    ck_assert(row[1].value == -row[0].value && row[1].low == -row[0].high && !row[1].worse);
    t.loss[0][0] = NAN;
    t.loss[0][1] = INFINITY; /* one pair is left: no spread */
    ck_assert(best_compare(&t, row));
    ck_assert(fabs(row[0].value - 0.055) < 1e-12 && isinf(row[0].low) && isinf(row[0].high) && !row[0].worse);
    t.loss[0][2] = NAN;
    ck_assert(best_compare(&t, row));
    ck_assert(isnan(row[0].value) && isinf(row[0].low) && isinf(row[0].high) && !row[1].worse);
    t.rows = 1;
    ck_assert(best_compare(&t, row) && row[0].value == 0 && row[0].low == 0 && row[0].high == 0 && !row[0].worse);
    t.rows = 0;
    ck_assert(best_compare(&t, row));
    t.rows = BEST_ROWS + 1;
    ck_assert(!best_compare(&t, row));
    t = (best_table){.rows = 3, .seeds = 3, .loss = {{1, 1, 1}, {1, 1, 1}, {2, 2, 2}}}; /* without any spread */
    ck_assert(best_compare(&t, row));
    ck_assert(!row[0].worse && !row[1].worse && row[2].worse && row[2].low == 1);
}
END_TEST

/* The critical batch ----------------------------------------------------------------------------------------------- */

/* Batches 4 to 1024 on the curve of B_crit 65, which scatter about it by `scatter`, with seeds that do by 0.12. */
static void plant_points(fit_point *points, int count, int seeds, double scatter)
{
    for (int i = 0; i < count; i++) {
        const double batch = 4 * pow(256, i / (count - 1.0)),
                     log_steps = log(137 * (1 + 65 / batch)) + scatter * normal();
        running logs = {0};
        for (int s = 0; s < seeds; s++) running_add(&logs, log_steps + 0.12 * normal());
        points[i] = (fit_point){batch, logs.mean, sqrt(running_variance(&logs)), seeds};
    }
}

static int compare_numbers(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Before the scatter was allowed for: 0.91 with 4 batches. */
START_TEST(the_critical_batch_is_covered)
{
    enum { FITS = 1500 };
    static const int counts[] = {4, 6, 8};
    static double half[FITS];
    random_seed(test_seed() + 40 + (uint64_t)_i);
    const double scatter = 0.1 * _i;
    for (int c = 0; c < 3; c++) {
        for (int seeds = 2; seeds <= 3; seeds++) {
            int covered = 0;
            for (int k = 0; k < FITS; k++) {
                fit_point points[8];
                fit_curve curve;
                plant_points(points, counts[c], seeds, scatter);
                ck_assert(fit_steps(points, counts[c], &curve));
                covered += curve.b_crit.low <= 65 && 65 <= curve.b_crit.high;
                half[k] = curve.b_crit.state == FIT_KNOWN ? log(curve.b_crit.high / curve.b_crit.low) / 2 : INFINITY;
            }
            qsort(half, FITS, sizeof *half, compare_numbers);
            printf("coverage: B_crit, scatter %.1f, %d batches, %d seeds: %.3f, median half-width %.3f\n", scatter,
                   counts[c], seeds, covered / (double)FITS, half[FITS / 2]);
            fflush(stdout);
            ck_assert_double_ge(covered, at_least(0.945, FITS)); /* 0.923: above what it was with 4 */
            if (!_i) ck_assert_double_le(half[FITS / 2], counts[c] == 4 ? 0.45 : 0.3);
        }
    }
}
END_TEST

/* How sure the answer is ------------------------------------------------------------------------------------------- */

/* A smooth curve through all batches, of standard deviation `lack`: neighbors are off the curve alike. */
static double smooth_lack(double batch, double lack, const double *wave)
{
    double off = 0;
    for (int i = 0; i < 20; i++) off += sqrt(2.0 / 20) * lack * cos(wave[2 * i] * log(batch) + wave[2 * i + 1]);
    return off;
}

/* One simulated sweep: its recommendation, and whether no batch is truly more than 5 % better. */
static bool sweep_is_right(int count, int seeds, double lack, double apart, recommendation *r)
{
    const double b_crit = 16 * pow(32, random_unit()), knee = 8 * pow(16, random_unit()), fixed = knee * knee / b_crit;
    const double ratio = count <= 4 && random_unit() < 0.5 ? 4 : 2, first = pow(2, floor(3 * random_unit()));
    double wave[40], truth[8], best = INFINITY;
    recommend_row rows[8];
    for (int i = 0; i < 20; i++) {
        wave[2 * i] = normal() / (1.5 * M_LN2);
        wave[2 * i + 1] = 2 * M_PI * random_unit();
    }
    for (int i = 0; i < count; i++) {
        const double batch = first * pow(ratio, i), seconds = count == 2 ? 1 : 1e-3 * (fixed + batch);
        const double log_steps =
            count == 2 ? 5 + apart * normal() : log(137 * (1 + b_crit / batch)) + smooth_lack(batch, lack, wave);
        running logs = {0};
        for (int s = 0; s < seeds; s++) running_add(&logs, log_steps + 0.12 * normal());
        truth[i] = log_steps + log(seconds);
        best = fmin(best, truth[i]);
        rows[i] = (recommend_row){.batch = (uint64_t)batch,
                                  .lr = 0.1,
                                  .outcome = ROW_REACHED,
                                  .seconds = seconds * (1 + 0.02 * normal()),
                                  .log_steps = logs.mean,
                                  .log_spread = sqrt(running_variance(&logs)),
                                  .seeds = seeds,
                                  .loss = NAN};
    }
    ck_assert(recommend(&(recommend_input){.rows = rows, .count = count}, r));
    return truth[r->row] <= best + log(1.05);
}

enum { ABOVE_99, ABOVE_90, ABOVE_60, SENTENCES };

/* Of the sweeps for which a probability is said, at least that share is right. Before: "above 0.99" was right in 0.94
 * to 0.98 of two batches that are 5 to 20 % apart, and in 0.97 to 0.98 of eight that are off the curve. */
START_TEST(probabilities_are_lower_bounds)
{
    enum { ROUNDS = 500 };
    static const double least[SENTENCES] = {0.99, 0.9, 0.6};
    static recommendation r;
    const int counts[] = {3, 4, 6, 8}, count = counts[_i];
    int said[SENTENCES] = {0}, right[SENTENCES] = {0};
    random_seed(test_seed() + 60 + (uint64_t)_i);
    for (int k = 0; k < ROUNDS; k++) {
        for (int seeds = 2; seeds <= 4; seeds++) {
            for (int l = 0; l < 3; l++) {
                static const double lacks[] = {0, 0.07, 0.15};
                const bool good = sweep_is_right(count, seeds, lacks[l], 0, &r);
                const int sentence = r.probability > 0.99 ? ABOVE_99 : r.probability >= 0.9 ? ABOVE_90 : ABOVE_60;
                if (!(r.probability >= 0.6)) continue;
                said[sentence]++;
                right[sentence] += good;
                ck_assert(sentence == ABOVE_60 ? r.confidence == CONFIDENCE_MEDIUM || r.probability >= 0.9
                                               : r.confidence == CONFIDENCE_HIGH);
            }
        }
    }
    for (int s = 0; s < SENTENCES; s++) {
        printf("coverage: %d batches: probability of %.2f or more said in %d of %d sweeps, right in %.4f\n", count,
               least[s], said[s], 9 * ROUNDS, right[s] / (double)said[s]);
        fflush(stdout);
        ck_assert_int_gt(said[s], 50);
        ck_assert_double_ge(right[s], at_least(least[s], said[s]));
    }
}
END_TEST

/* One batch is 5.1 % better than all others, which are equal: the worst case for a sentence about one of these. Seeds
 * spread more than is taken for granted, and there are two per batch. */
static void plant_rival(int count, double spread, recommend_row *rows, int rival)
{
    for (int i = 0; i < count; i++) {
        const double batch = 8 * pow(2, i), log_steps = log(137 * (1 + 65 / batch));
        const double seconds = exp((i == rival ? -log(1.051) : 0) - log_steps);
        running logs = {0};
        for (int s = 0; s < 2; s++) running_add(&logs, log_steps + spread * normal());
        rows[i] = (recommend_row){.batch = (uint64_t)batch,
                                  .lr = 0.1,
                                  .outcome = ROW_REACHED,
                                  .seconds = seconds * (1 + 0.02 * normal()),
                                  .log_steps = logs.mean,
                                  .log_spread = sqrt(running_variance(&logs)),
                                  .seeds = 2,
                                  .loss = NAN};
    }
}

/* The share of all sweeps that say "0.9 or more" of a wrong batch: with the normal tail, 0.053, 0.035, 0.018 and 0.011;
 * with Student's 0.016, 0.008, 0.005 and 0.001. Each limit is between the two. */
START_TEST(wrong_batches_are_not_sure)
{
    enum { ROUNDS = 4000 };
    static const double most[] = {0.03, 0.018, 0.01, 0.005};
    static recommendation r;
    const int count = 3 + _i;
    int wrong = 0;
    random_seed(test_seed() + 90 + (uint64_t)_i);
    for (int round = 0; round < ROUNDS; round++) {
        recommend_row rows[8];
        const int rival = (int)random_below((uint32_t)count);
        plant_rival(count, 0.25, rows, rival);
        ck_assert(recommend(&(recommend_input){.rows = rows, .count = count}, &r));
        wrong += r.row != rival && r.probability >= 0.9;
    }
    printf("coverage: %d batches: a probability of 0.9 or more said of a wrong one in %.4f\n", count,
           wrong / (double)ROUNDS);
    fflush(stdout);
    ck_assert_double_le(wrong, most[_i] * ROUNDS);
}
END_TEST

/* Too little for the sentence, however far apart the two are by chance. */
START_TEST(two_batches_are_not_sure)
{
    static recommendation r;
    random_seed(test_seed() + 80);
    for (int k = 0; k < 3000; k++) {
        sweep_is_right(2, 2 + k % 2, 0, 0.1 * (k % 3), &r);
        ck_assert_int_eq(r.confidence, CONFIDENCE_LOW);
        ck_assert(isnan(r.probability) || r.probability < 0.6);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("coverage");
    TCase *tc = tcase_create("best");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, equal_batches_are_not_worse, 0, SPREADS);
    tcase_add_test(tc, differences_from_the_best_are_covered);
    tcase_add_test(tc, a_worse_batch_is_found);
    tcase_add_test(tc, tables_of_few);
    suite_add_tcase(suite, tc);
    tc = tcase_create("critical batch");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, the_critical_batch_is_covered, 0, 3);
    suite_add_tcase(suite, tc);
    tc = tcase_create("probability");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, probabilities_are_lower_bounds, 0, 4);
    tcase_add_loop_test(tc, wrong_batches_are_not_sure, 0, 4);
    tcase_add_test(tc, two_batches_are_not_sure);
    suite_add_tcase(suite, tc);
    random_seed(test_seed());
    return support_run(suite);
}
