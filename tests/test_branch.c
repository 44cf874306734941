/* The critical batch from branches: simulated quadratics whose critical batch is known and changes during training, and
 * planted losses. */
#include "train/run.h" /* before check.h, which has a macro of the name fail */

#include "session.h"

#include "lab/branch/branches.h"
#include "lab/sweep/sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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
    critical_input in = {.batches = BATCHES, .repeats = repeats};
    for (int r = 0; r < repeats; r++) {
        in.before[r] = loss_of(q->x);
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

/* With momentum 0.9: branches of 30 steps at the largest batch, as branches_steps() has it, that go on with the
 * velocity of the smallest batch, each as good as the mean of four evaluations in its second half. */
enum { SIX = 6, LOOKS = 4, SLOW_EXAMPLES = 30 * (FIRST << (SIX - 1)), SLOW_BLOCKS = SLOW_EXAMPLES / FIRST };
static const double MOMENTUM = 0.9;

typedef struct moving {
    double x[DIMENSIONS], v[DIMENSIONS];
} moving;

static int look_block(int look)
{
    const int most = 1 << (SIX - 1), gap = 30 / 2 / LOOKS * most;
    return SLOW_BLOCKS - (LOOKS - 1 - look) * gap;
}

static double slow_rate(double batch) { return (1 - MOMENTUM) * rate_at(batch); }

static double moving_loss(moving m, double (*noise)[DIMENSIONS], int group)
{
    const double e = slow_rate((double)group * FIRST);
    double losses = 0;
    for (int at = 0, look = 0; look < LOOKS; at += group) {
        for (; look < LOOKS && at == look_block(look); look++) losses += loss_of(m.x) / LOOKS;
        if (look == LOOKS) break;
        for (int i = 0; i < DIMENSIONS; i++) {
            double sum = 0;
            for (int b = 0; b < group; b++) sum += noise[at + b][i];
            m.v[i] = MOMENTUM * m.v[i] + curvature[i] * m.x[i] + NOISE * sqrt(curvature[i]) * sum / group;
            m.x[i] -= e * m.v[i];
        }
    }
    return losses;
}

/* By the recursion of the second moments of x and v. */
static double expected_moving(const moving *m, int group)
{
    const double batch = (double)group * FIRST, e = slow_rate(batch);
    double losses = 0;
    for (int i = 0; i < DIMENSIONS; i++) {
        const double h = curvature[i], n = NOISE * NOISE * h / batch;
        double xx = m->x[i] * m->x[i], xv = m->x[i] * m->v[i], vv = m->v[i] * m->v[i];
        for (int at = 0, look = 0; look < LOOKS; at += group) {
            for (; look < LOOKS && at == look_block(look); look++) losses += 0.5 * h * xx / LOOKS;
            const double xg = MOMENTUM * xv + h * xx,
                         gg = MOMENTUM * MOMENTUM * vv + 2 * MOMENTUM * h * xv + h * h * xx + n;
            xx += -2 * e * xg + e * e * gg;
            xv = xg - e * gg;
            vv = gg;
        }
    }
    return losses;
}

/* Between batches that divide the branch, along log B; INFINITY: above the largest. */
static double true_moving(const moving *m)
{
    const double before = loss_of(m->x), least = before - expected_moving(m, 1);
    double batch = FIRST, progress = least;
    for (int group = 2; group <= 1 << (SIX - 1); group++) {
        if (SLOW_BLOCKS % group || look_block(0) % group || look_block(1) % group) continue;
        const double here = before - expected_moving(m, group), wanted = (1 - CRITICAL_TOLERANCE) * least;
        if (here < wanted) return batch * pow(group * FIRST / batch, (progress - wanted) / (progress - here));
        batch = group * FIRST;
        progress = here;
    }
    return INFINITY;
}

START_TEST(intervals_cover_with_momentum)
{
    enum { POINTS = 3, REPEATS = 4 };
    static double noise[SLOW_BLOCKS][DIMENSIONS];
    static const int points[POINTS] = {64, 512, 1024};
    int covered[POINTS] = {0}, known[POINTS] = {0};
    random_seed(20261);
    for (int run = 0; run < RUNS; run++) {
        moving m = {.x = {1, 1.5, 2, 3, 4, 5}};
        for (int p = 0, at = 0; p < POINTS; p++) {
            critical_batch found;
            critical_input in = {.batches = SIX, .repeats = REPEATS};
            for (; at < points[p]; at++)
                for (int i = 0; i < DIMENSIONS; i++) {
                    m.v[i] = MOMENTUM * m.v[i] + curvature[i] * m.x[i] + NOISE * sqrt(curvature[i] / FIRST) * normal();
                    m.x[i] -= slow_rate(FIRST) * m.v[i];
                }
            for (int r = 0; r < REPEATS; r++) {
                in.before[r] = loss_of(m.x);
                draw_noise(noise, SLOW_BLOCKS);
                for (int b = 0; b < SIX; b++) {
                    in.batch[b] = FIRST << b;
                    in.loss[b][r] = moving_loss(m, noise, 1 << b);
                }
            }
            critical_find(&in, &found);
            covered[p] += covers(&found.critical, fmin(true_moving(&m), FIRST << (SIX - 1)));
            known[p] += found.critical.state != FIT_UNKNOWN;
        }
    }
    for (int p = 0; p < POINTS; p++) {
        printf("# momentum, %d steps: covered %.3f, a bound known %.3f\n", points[p], covered[p] / (double)RUNS,
               known[p] / (double)RUNS);
        ck_assert_msg(covered[p] >= 0.9 * RUNS, "after %d steps: %d of %d", points[p], covered[p], RUNS);
    }
}
END_TEST

/* Planted losses --------------------------------------------------------------------------------------------------- */

/* Progress of 1 at the smallest batch that falls as the curve of efficiency does, batches 8 to 1024, each repeat higher
 * or lower as a whole, and each loss with noise of its own. */
static critical_input planted(double b_crit, int repeats, double shared, double own)
{
    critical_input in = {.batches = BATCHES, .repeats = repeats};
    for (int r = 0; r < repeats; r++) {
        in.before[r] = 3;
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
        for (int r = 0; r < in.repeats; r++) in.loss[b][r] = in.before[r];
    expect_obstacle(&in, CRITICAL_NOT_FALLING); /* to the bit */
    for (int b = 0; b < in.batches; b++)
        for (int r = 0; r < in.repeats; r++) in.loss[b][r] = in.before[r] + (r % 2 ? 0.1 : -0.1);
    expect_obstacle(&in, CRITICAL_NOT_FALLING);
    in = planted(300, 4, 0.1, 0.01);
    for (int r = 0; r < in.repeats; r++) in.before[r] = 1;
    expect_obstacle(&in, CRITICAL_RISING);
    for (int r = 0; r < in.repeats; r++) in.loss[3][r] = 0.9 + 0.01 * r; /* one that falls meanwhile */
    critical_batch found;
    critical_find(&in, &found);
    ck_assert(found.obstacle == CRITICAL_RISING && found.critical.state == FIT_AT_LEAST && found.critical.low == 64);
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
    in.before[2] = NAN;
    expect_obstacle(&in, CRITICAL_UNUSABLE);
    in.batches = CRITICAL_BATCHES + 1;
    expect_obstacle(&in, CRITICAL_UNUSABLE);
}
END_TEST

/* Branches of a run ------------------------------------------------------------------------------------------------ */

enum { SET = 700 };
static const session_set set = {
    .net = "input 8\ndense 16\nrelu\ndropout 0.1\ndense 4\n", .examples = SET, .judge = 200, .noise = 1};

static tas_train_options options_of(tas_optimizer which)
{
    tas_train_options options;
    tas_train_options_init(&options);
    tas_train_options_choose(&options, which);
    options.lr = which == TAS_SGD ? 0.02f : 0.003f;
    options.batch = 16;
    options.batch_most = 128;
    options.epochs = 3;
    options.schedule = TAS_SCHEDULE_COSINE;
    options.warmup = 9;
    options.noise = 1;
    return options;
}

static branches_request request_of(const session *s)
{
    return (branches_request){.batch = {8, 16, 32, 64, 128},
                              .batches = 5,
                              .repeats = 3,
                              .examples = branches_examples(300, 128, SET),
                              .rule = TAS_SCALING_LINEAR,
                              .judge = s->judge,
                              .seed = 77};
}

typedef struct digest_text {
    char text[65];
} digest_text;

static int count_steps(void *user, const tas_step *step)
{
    *(uint64_t *)user += step->step;
    return 0;
}

/* The digest of a run; with branches at several moments of it, two of them in an epoch's last steps. *in: the first. */
static digest_text train_with(tas_train_options options, bool branching, critical_input *in)
{
    digest_text out;
    uint64_t steps = 0;
    options.on_step = count_steps;
    options.user = &steps;
    session *s = session_open(&set, options);
    static const uint64_t stretches[] = {0, 5, 36, 2, 1, 50, 38};
    const branches_request request = request_of(s);
    for (size_t i = 0; i < sizeof stretches / sizeof *stretches; i++) {
        branches_cost cost;
        critical_input made;
        if (stretches[i]) expect_ok(tas_run_advance(s->run, stretches[i], &s->result));
        if (!branching) continue;
        expect_ok(branches_make(s->run, &request, &made, &cost));
        ck_assert(cost.examples >= 15 * request.examples && cost.seconds > 0);
        if (i == 1) *in = made;
    }
    expect_ok(tas_run_advance(s->run, UINT64_MAX, &s->result));
    ck_assert_uint_eq(s->result.steps, 132);
    ck_assert_uint_eq(steps, 132 * 133 / 2); /* the callback has seen each once, and none of a branch */
    ck_assert_uint_eq(s->result.examples, 3 * SET);
    expect_ok(tas_model_digest(s->model, out.text));
    session_close(s);
    return out;
}

START_TEST(a_run_does_not_notice)
{
    static const tas_optimizer optimizers[] = {TAS_SGD, TAS_ADAMW};
    const tas_train_options options = options_of(optimizers[_i]);
    critical_input in, again;
    const digest_text plain = train_with(options, false, NULL), branched = train_with(options, true, &in);
    ck_assert_str_eq(plain.text, branched.text);
    train_with(options, true, &again);
    ck_assert_mem_eq(&in, &again, sizeof in); /* NaN included */
    ck_assert(in.repeats == 3 && in.batches == 5 && isfinite(in.loss[4][2]) && in.loss[0][0] != in.loss[0][1]);
    ck_assert(in.loss[0][0] != in.loss[1][0]);
}
END_TEST

/* A branch at the run's own batch, in its own order, is what the run then does. */
START_TEST(a_branch_is_what_the_run_would_do)
{
    tas_train_options options = options_of(TAS_SGD);
    critical_input in;
    tas_score score;
    options.schedule = TAS_SCHEDULE_CONSTANT;
    options.warmup = 0;
    session *s = session_open(&set, options);
    branches_request request = request_of(s);
    request.repeats = 1;
    expect_ok(tas_run_advance(s->run, 7, NULL));
    expect_ok(branches_make(s->run, &request, &in, NULL));
    expect_ok(run_change_order(s->run, request.seed));
    expect_ok(tas_run_advance(s->run, request.examples / 16, NULL));
    expect_ok(tas_evaluate(s->model, s->judge, &score));
    ck_assert(score.loss == in.loss[1][0]);
    session_close(s);
}
END_TEST

START_TEST(branches_that_diverge_and_stop)
{
    tas_train_options options = options_of(TAS_SGD);
    critical_input in;
    critical_batch found;
    options.schedule = TAS_SCHEDULE_CONSTANT;
    options.warmup = 0;
    options.lr = 0.02f;
    session *s = session_open(&set, options);
    branches_request request = request_of(s);
    expect_ok(tas_run_advance(s->run, 7, NULL));
    s->run->options.lr = 1e4f; /* of the next step */
    expect_ok(branches_make(s->run, &request, &in, NULL));
    critical_find(&in, &found);
    ck_assert(found.critical.state == FIT_UNKNOWN && found.obstacle != CRITICAL_NOTHING && found.stable_most == 0);
    s->run->options.lr = 0.02f;
    request.seconds = 1e-9; /* over before the first branch */
    expect_ok(branches_make(s->run, &request, &in, NULL));
    ck_assert(in.repeats <= 1 && isnan(in.loss[4][0]));
    critical_find(&in, &found);
    ck_assert_int_eq(found.obstacle, CRITICAL_ONE_REPEAT);
    expect_ok(tas_run_advance(s->run, UINT64_MAX, &s->result));
    session_close(s);
}
END_TEST

START_TEST(where_branches_begin)
{
    ck_assert_uint_eq(branches_examples(300, 128, SET), 256);
    ck_assert_uint_eq(branches_examples(3000, 128, SET), 640);
    ck_assert_uint_eq(branches_examples(3, 128, SET), 128);
    session *s = session_open(&set, options_of(TAS_SGD)); /* epochs of 44 steps, of 700 examples */
    branches_request request = {.repeats = 3, .examples = 640};
    ck_assert_uint_eq(branches_wait(s->run, &request), 0);
    expect_ok(tas_run_advance(s->run, 3, NULL)); /* 652 are left */
    ck_assert_uint_eq(branches_wait(s->run, &request), 0);
    expect_ok(tas_run_advance(s->run, 1, NULL));
    ck_assert_uint_eq(branches_wait(s->run, &request), 40);
    request.examples = 256;
    ck_assert_uint_eq(branches_wait(s->run, &request), 0);
    request.apart = 12; /* the third branch begins 384 examples later: 640 in all */
    ck_assert_uint_eq(branches_wait(s->run, &request), 40);
    session_close(s);
    ck_assert_int_eq(branches_rule(TAS_SGD), TAS_SCALING_LINEAR);
    ck_assert_int_eq(branches_rule(TAS_ADAMW), TAS_SCALING_SQRT);
}
END_TEST

/* Two seeds -------------------------------------------------------------------------------------------------------- */

/* B_crit of a small network under AdamW on Fashion-MNIST, from one seed: its weights, its order, and the states and
 * orders of its branches. */
static double b_crit_of_seed(const tas_network *network, const tas_data *rest, const tas_data *judge, uint64_t seed)
{
    tas_train_options options;
    tas_model *model;
    tas_run *run;
    critical_input in;
    critical_batch found;
    tas_train_options_init(&options);
    tas_train_options_choose(&options, TAS_ADAMW);
    options.lr = 0.001f;
    options.batch = 64;
    options.batch_most = 1024;
    options.seed = seed;
    const branches_request request = {.batch = {64, 128, 256, 512, 1024},
                                      .batches = 5,
                                      .repeats = 8,
                                      .apart = branches_memory(&options),
                                      .examples = 16384,
                                      .looks = 4,
                                      .rate_power = branches_rate_power(TAS_ADAMW),
                                      .judge = judge,
                                      .seed = 1000 * seed};
    expect_ok(tas_model_open(tested, network, seed, &model));
    expect_ok(tas_run_open(model, rest, &options, &run));
    expect_ok(tas_run_advance(run, 45, NULL));
    expect_ok(branches_make(run, &request, &in, NULL));
    tas_run_close(&run);
    tas_model_close(&model);
    critical_find(&in, &found);
    printf("# seed %d: loss %.3f, progress %.3f, critical batch %.0f (%.0f to %.0f), B_crit %.0f (%.0f to %.0f)\n",
           (int)seed, critical_before(&in), found.progress, found.critical.value, found.critical.low,
           found.critical.high, found.b_crit.value, found.b_crit.low, found.b_crit.high);
    ck_assert_msg(found.b_crit.state == FIT_KNOWN, "seed %d: %s", (int)seed, critical_why(found.obstacle));
    return found.b_crit.value;
}

START_TEST(two_seeds_agree)
{
    enum { PAIRS = 5 };
    static const char text[] = "input 1x28x28 mean 0.2860 std 0.3530\ndense 48\nrelu\ndense 10\n";
    tas_network *network;
    tas_data *whole, *rest, *held_out, *judge;
    int agree = 0;
    expect_ok(tas_network_parse(context, text, "net", &network));
    expect_ok(tas_data_open_folder(context, "/usr/share/datasets/fashion-mnist", TAS_TRAIN, &whole));
    expect_ok(tas_data_split(whole, 5000, 1, &rest, &held_out));
    expect_ok(tas_data_head(held_out, 1024, &judge));
    for (int pair = 0; pair < PAIRS; pair++) {
        const double one = b_crit_of_seed(network, rest, judge, 21 + 2 * (uint64_t)pair);
        const double other = b_crit_of_seed(network, rest, judge, 22 + 2 * (uint64_t)pair);
        printf("# pair %d: %.0f and %.0f, a factor of %.2f\n", pair, one, other, fmax(one / other, other / one));
        agree += fmax(one / other, other / one) <= 1.5;
    }
    tas_data_close(&judge);
    tas_data_close(&held_out);
    tas_data_close(&rest);
    tas_data_close(&whole);
    tas_network_close(&network);
    ck_assert_int_eq(agree, PAIRS);
}
END_TEST

/* A sweep with branches -------------------------------------------------------------------------------------------- */

static tas_sweep *sweep_to(double target)
{
    static const uint32_t batches[] = {16, 32};
    static const float rates[] = {0.04f, 0.08f};
    tas_sweep_options options;
    tas_sweep *out = NULL;
    session *s = session_open(&set, options_of(TAS_SGD));
    tas_sweep_options_init(&options);
    options.train.momentum = 0; /* so that branches of 8 steps will do */
    options.batches = batches;
    options.rates = rates;
    options.batch_count = 2;
    options.target = target;
    options.seeds = 2;
    options.brief = 1;
    options.branch = 1;
    expect_ok(tas_sweep_run(tested, s->network, s->data, NULL, &options, &out));
    session_close(s);
    return out;
}

START_TEST(a_sweep_makes_branches)
{
    tas_sweep *s = sweep_to(0.5);
    char *text = tas_sweep_json_text(s);
    ck_assert_msg(s->branches >= 2 && s->branches <= SWEEP_BRANCHES, "%d moments: %s", s->branches, s->left_out);
    for (int i = 0; i < s->branches; i++) {
        const sweep_branch *b = &s->branch[i];
        ck_assert(b->step && b->examples && b->batches >= 2 && b->repeats >= 2 && b->batch[0] == 16 && b->why);
        ck_assert(i == 0 || b->step > s->branch[i - 1].step);
        ck_assert(!*b->why == (b->critical.state != FIT_UNKNOWN) || b->critical.state == FIT_AT_LEAST);
    }
    ck_assert(s->branch[0].critical.state != FIT_UNKNOWN && s->branch[0].progress > 0);
    ck_assert(strstr(text, "\"branches\"") && strstr(text, "\"critical_batch_low\""));
    free(text);
    tas_sweep_close(&s);
    s = sweep_to(1.3); /* predicting the frequencies of classes has 1.35 */
    ck_assert_msg(s->branches == 0 && strstr(s->left_out, "reached before"), "%d: %s", s->branches, s->left_out);
    tas_sweep_close(&s);
}
END_TEST

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create(id ? id : "branch");
    TCase *runs = tcase_create("runs");
    tcase_set_timeout(runs, 120);
    tcase_add_loop_test(runs, a_run_does_not_notice, 0, 2);
    tcase_add_test(runs, a_branch_is_what_the_run_would_do);
    tcase_add_test(runs, branches_that_diverge_and_stop);
    suite_add_tcase(suite, runs);
    TCase *seeds = tcase_create("seeds");
    tcase_set_timeout(seeds, 200);
    if (id) tcase_add_test(seeds, two_seeds_agree);
    suite_add_tcase(suite, seeds);
    if (id) return suite;
    TCase *tc = tcase_create("estimate");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, where_branches_begin);
    tcase_add_test(tc, a_sweep_makes_branches);
    tcase_add_test(tc, intervals_cover);
    tcase_add_test(tc, intervals_cover_with_momentum);
    tcase_add_test(tc, both_critical_batches_of_a_curve);
    tcase_add_test(tc, a_plateau_and_a_rise);
    tcase_add_test(tc, a_branch_that_diverges);
    tcase_add_test(tc, bounds_on_one_side);
    tcase_add_test(tc, what_is_missing);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void) { return driver_run(make_suite); }
