/* The critical batch from branches: simulated quadratics whose critical batch is known and changes during training, and
 * planted losses. */
#include "support.h"

#include "lab/branch/critical.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double normal(void) { return sqrt(-2 * log(1 - random_unit())) * cos(2 * M_PI * random_unit()); }

/* A quadratic ------------------------------------------------------------------------------------------------------ */

/* The loss sum_i h_i x_i^2 / 2, of which one example's gradient is h_i x_i plus noise of standard deviation s_i. SGD
 * whose rate grows with the batch as e / (1 + SCALE / B): linearly at first. While the loss falls everywhere, progress
 * is inversely proportional to SCALE + B; near the floor of the noise a larger batch has a lower one. */
enum { DIMENSIONS = 6, FIRST = 8, BATCHES = 8, EXAMPLES = 2048, BLOCKS = EXAMPLES / FIRST };
static const double SCALE = 200, RATE_MOST = 1;
static const double curvature[DIMENSIONS] = {1, 0.5, 0.25, 0.12, 0.06, 0.03};

typedef struct quadratic {
    double noise; /* of one example */
    double x[DIMENSIONS];
} quadratic;

static double rate_at(double batch) { return RATE_MOST / (1 + SCALE / batch); }

static double loss_of(const double *x)
{
    double sum = 0;
    for (int i = 0; i < DIMENSIONS; i++) sum += 0.5 * curvature[i] * x[i] * x[i];
    return sum;
}

/* The expected loss after a branch, in closed form, for a batch that need not be whole:
 * E x^2 = (1 - e h)^2n x^2 + e^2 s^2 / B (1 - (1 - e h)^2n) / (1 - (1 - e h)^2). */
static double expected_loss(const quadratic *q, double batch)
{
    const double steps = EXAMPLES / batch, e = rate_at(batch);
    double sum = 0;
    for (int i = 0; i < DIMENSIONS; i++) {
        const double h = curvature[i], shrink = (1 - e * h) * (1 - e * h), all = pow(shrink, steps);
        const double s = q->noise * sqrt(h);
        sum += 0.5 * h * (all * q->x[i] * q->x[i] + e * e * s * s / batch * (1 - all) / (1 - shrink));
    }
    return sum;
}

/* Steps whose noise is that of blocks of FIRST examples, shared by all branches of a repeat. */
static double loss_after(const quadratic *q, double (*noise)[DIMENSIONS], int blocks, int group, double *x)
{
    const double e = rate_at((double)group * FIRST);
    memcpy(x, q->x, sizeof q->x);
    for (int at = 0; at + group <= blocks; at += group)
        for (int i = 0; i < DIMENSIONS; i++) {
            double sum = 0;
            for (int b = 0; b < group; b++) sum += noise[at + b][i];
            x[i] -= e * (curvature[i] * x[i] + q->noise * sqrt(curvature[i]) * sum / group);
        }
    return loss_of(x);
}

static void draw_noise(double (*noise)[DIMENSIONS], int blocks)
{
    for (int b = 0; b < blocks; b++)
        for (int i = 0; i < DIMENSIONS; i++) noise[b][i] = normal() / sqrt(FIRST);
}

/* Trains the quadratic at the smallest batch. */
static void train(quadratic *q, int blocks)
{
    static double noise[1 << 12][DIMENSIONS];
    double x[DIMENSIONS];
    if (!blocks) return;
    draw_noise(noise, blocks);
    loss_after(q, noise, blocks, 1, x);
    memcpy(q->x, x, sizeof x);
}

static critical_input branch(const quadratic *q, int repeats)
{
    static double noise[BLOCKS][DIMENSIONS];
    double x[DIMENSIONS];
    critical_input in = {.before = loss_of(q->x), .batches = BATCHES, .repeats = repeats};
    for (int r = 0; r < repeats; r++) {
        draw_noise(noise, BLOCKS);
        for (int b = 0; b < BATCHES; b++) {
            in.batch[b] = FIRST << b;
            in.loss[b][r] = loss_after(q, noise, BLOCKS, 1 << b, x);
        }
    }
    return in;
}

/* By halving: the batch that keeps its share of the smallest one's progress. */
static double true_critical(const quadratic *q)
{
    const double before = loss_of(q->x), wanted = (1 - CRITICAL_TOLERANCE) * (before - expected_loss(q, FIRST));
    double low = FIRST, high = 1e5;
    for (int i = 0; i < 60; i++) {
        const double middle = sqrt(low * high);
        if (before - expected_loss(q, middle) >= wanted)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool covers(const fit_range *r, double truth) { return r->low <= truth && truth <= r->high; }

/* Moments of the training, in blocks of examples; the critical batch changes between them. */
enum { MOMENTS = 4, RUNS = 500 };
static const double NOISE = 4;
static const int moments[MOMENTS] = {0, 128, 512, 1024};

static void cover_with(int repeats, double least)
{
    double truth[MOMENTS] = {0};
    int covered[MOMENTS] = {0}, known[MOMENTS] = {0};
    random_seed(20260 + (uint64_t)repeats);
    for (int run = 0; run < RUNS; run++) {
        quadratic q = {.noise = NOISE, .x = {1, 1.5, 2, 3, 4, 5}};
        for (int m = 0; m < MOMENTS; m++) {
            critical_batch found;
            train(&q, moments[m] - (m ? moments[m - 1] : 0));
            const critical_input in = branch(&q, repeats);
            critical_find(&in, &found);
            truth[m] += true_critical(&q) / RUNS;
            covered[m] += covers(&found.critical, true_critical(&q));
            known[m] += found.critical.state != FIT_UNKNOWN;
        }
    }
    for (int m = 0; m < MOMENTS; m++) {
        printf("# %d repeats, moment %d: critical batch %.1f, covered %.3f, a bound known %.3f\n", repeats, m, truth[m],
               covered[m] / (double)RUNS, known[m] / (double)RUNS);
        ck_assert_msg(covered[m] >= least * RUNS, "%d repeats, moment %d: %d of %d", repeats, m, covered[m], RUNS);
    }
}

START_TEST(intervals_cover) { cover_with(4, 0.9); }
END_TEST

/* Planted losses --------------------------------------------------------------------------------------------------- */

/* Progress of 1 at the smallest batch that falls as the curve of efficiency does, batches 8 to 1024, each repeat higher
 * or lower as a whole, and each loss with noise of its own. */
static critical_input planted(double b_crit, int repeats, double shared, double own)
{
    critical_input in = {.before = 3, .batches = BATCHES, .repeats = repeats};
    for (int r = 0; r < repeats; r++) {
        const double height = 1 + shared * normal();
        for (int b = 0; b < BATCHES; b++) {
            in.batch[b] = FIRST << b;
            in.loss[b][r] = 3 - height * (FIRST + b_crit) / (in.batch[b] + b_crit) + own * normal();
        }
    }
    return in;
}

/* As the formulas have it: (B_0 + T B_crit) / (1 - T). */
static double critical_of(double b_crit) { return (FIRST + 0.2 * b_crit) / 0.8; }

START_TEST(both_critical_batches_of_a_curve)
{
    int covered[2] = {0};
    critical_batch found;
    random_seed(5);
    for (int run = 0; run < RUNS; run++) {
        const critical_input in = planted(300, 4, 0.3, 0.02);
        critical_find(&in, &found);
        covered[0] += covers(&found.critical, critical_of(300));
        covered[1] += covers(&found.b_crit, 300);
    }
    printf("# critical batch covered %.3f, B_crit %.3f\n", covered[0] / (double)RUNS, covered[1] / (double)RUNS);
    ck_assert_int_ge(covered[0], RUNS * 0.9);
    ck_assert_int_ge(covered[1], RUNS * 0.92);
    ck_assert_int_le(covered[1], RUNS * 0.98);
    const critical_input in = planted(300, 4, 0.3, 1e-9);
    critical_find(&in, &found);
    ck_assert(fabs(found.critical.value / critical_of(300) - 1) < 0.01 && fabs(found.b_crit.value / 300 - 1) < 0.03);
    ck_assert(found.critical.state == FIT_KNOWN && found.obstacle == CRITICAL_NOTHING && found.stable_most == 1024);
    ck_assert(found.difference[0] == 0 && found.difference[3] > found.difference[2] && found.error[3] > 0);
}
END_TEST

static void expect_obstacle(const critical_input *in, critical_obstacle wanted)
{
    critical_batch found;
    critical_find(in, &found);
    ck_assert_msg(found.obstacle == wanted, "%s, not %s", critical_why(found.obstacle), critical_why(wanted));
    ck_assert(!wanted == (found.critical.state != FIT_UNKNOWN));
}

START_TEST(a_plateau_and_a_rise)
{
    random_seed(6);
    critical_input in = planted(300, 4, 0.3, 0.01);
    for (int b = 0; b < in.batches; b++)
        for (int r = 0; r < in.repeats; r++) in.loss[b][r] = in.before;
    expect_obstacle(&in, CRITICAL_NOT_FALLING); /* to the bit */
    for (int b = 0; b < in.batches; b++)
        for (int r = 0; r < in.repeats; r++) in.loss[b][r] = in.before + (r % 2 ? 0.1 : -0.1);
    expect_obstacle(&in, CRITICAL_NOT_FALLING);
    in = planted(300, 4, 0.1, 0.01);
    in.before = 1;
    expect_obstacle(&in, CRITICAL_RISING);
}
END_TEST

/* A batch that diverges bounds the answer from above, whatever larger ones do. */
START_TEST(a_branch_that_diverges)
{
    critical_batch found;
    random_seed(7);
    critical_input in = planted(1e9, 4, 0.3, 1e-6);
    in.loss[5][2] = INFINITY;
    critical_find(&in, &found);
    ck_assert(found.critical.state == FIT_KNOWN && found.critical.low == 128 && found.critical.high == 256);
    ck_assert(found.critical.value == 128 && found.stable_most == 128 && isnan(found.difference[5]));
    in.loss[1][0] = INFINITY;
    critical_find(&in, &found);
    ck_assert(found.critical.state == FIT_AT_MOST && found.critical.high == 16 && found.stable_most == 8);
    in.loss[0][3] = INFINITY;
    expect_obstacle(&in, CRITICAL_SMALLEST);
}
END_TEST

START_TEST(bounds_on_one_side)
{
    critical_batch found;
    random_seed(8);
    critical_input in = planted(1e9, 4, 0.3, 0.001);
    critical_find(&in, &found);
    ck_assert(found.critical.state == FIT_AT_LEAST && found.critical.low == 1024 && isinf(found.critical.high));
    ck_assert_int_eq(found.b_crit.state, FIT_AT_LEAST);
    in = planted(0.1, 4, 0.3, 0.02);
    critical_find(&in, &found);
    ck_assert(found.critical.state == FIT_AT_MOST && found.critical.low == 0 && found.critical.high < 12);
    in = planted(300, 2, 0, 0); /* two repeats that disagree about all but the smallest batch */
    for (int b = 1; b < in.batches; b++) {
        in.loss[b][0] += 0.9;
        in.loss[b][1] -= 0.9;
    }
    in.loss[0][0] += 0.01;
    expect_obstacle(&in, CRITICAL_NOISE);
}
END_TEST

START_TEST(what_is_missing)
{
    critical_batch found;
    random_seed(9);
    critical_input in = planted(300, 4, 0.3, 0.001);
    in.loss[0][1] = NAN;                                                 /* that repeat has no pair */
    in.loss[4][0] = NAN;                                                 /* a batch with two of three left */
    in.loss[7][0] = in.loss[7][1] = in.loss[7][2] = in.loss[7][3] = NAN; /* a batch not made at all */
    critical_find(&in, &found);
    ck_assert(found.critical.state == FIT_KNOWN && fabs(found.critical.value / critical_of(300) - 1) < 0.05);
    ck_assert(found.repeats == 3 && found.batches == 7 && found.used[4] == 2 && found.used[7] == 0);
    in.batches = 1;
    expect_obstacle(&in, CRITICAL_ONE_BATCH);
    in = planted(300, 1, 0, 0);
    expect_obstacle(&in, CRITICAL_ONE_REPEAT);
    in = planted(300, 4, 0, 0.1);
    in.batch[2] = in.batch[1];
    expect_obstacle(&in, CRITICAL_UNUSABLE);
    in = planted(300, 4, 0, 0.1);
    in.before = NAN;
    expect_obstacle(&in, CRITICAL_UNUSABLE);
    in.batches = CRITICAL_BATCHES + 1;
    expect_obstacle(&in, CRITICAL_UNUSABLE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("branch");
    TCase *tc = tcase_create("branch");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, intervals_cover);
    tcase_add_test(tc, both_critical_batches_of_a_curve);
    tcase_add_test(tc, a_plateau_and_a_rise);
    tcase_add_test(tc, a_branch_that_diverges);
    tcase_add_test(tc, bounds_on_one_side);
    tcase_add_test(tc, what_is_missing);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
