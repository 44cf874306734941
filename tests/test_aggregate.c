/* What follows from a sweep's runs, by runs that were never run: figures that were planted come out again. */
#include "lab/sweep/sweep.h"

#include "stats/distributions.h"

#include "lab/sweep/aggregate.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static tas_sweep *sweep;

static void open_sweep(void)
{
    sweep = calloc(1, sizeof *sweep);
    tas_sweep_options_init(&sweep->options);
    sweep->examples = 100;
    sweep->target = 0.5;
}

static void close_sweep(void)
{
    for (int i = 0; i < sweep->runs; i++) free(sweep->run[i].point);
    free(sweep->run);
    free(sweep);
}

static void expect_near(double found, double wanted, double share)
{
    ck_assert_msg(fabs(found - wanted) <= share * (fabs(wanted) + 1e-12), "%.12g, expected %.12g", found, wanted);
}

static sweep_batch *add_batch(uint64_t batch, double step_seconds)
{
    sweep_batch *b = &sweep->batch[sweep->count++];
    b->batch = batch;
    b->lr = 0.1;
    b->step_seconds = step_seconds;
    b->rounds = 9;
    return b;
}

/* Of a batch's figures, at its rate. The pointer holds until the next one. */
static sweep_run *add_run(const sweep_batch *b, uint64_t seed, row_outcome outcome, double steps)
{
    sweep->run = realloc(sweep->run, sizeof *sweep->run * (size_t)(sweep->runs + 1));
    sweep_run *r = &sweep->run[sweep->runs++];
    *r = (sweep_run){
        .batch = b->batch, .seed = seed, .lr = b->lr, .outcome = outcome, .steps = steps, .final_metric = NAN};
    return r;
}

static sweep_point *add_look(sweep_run *r, uint64_t step, double train_loss, double loss)
{
    r->point = realloc(r->point, sizeof *r->point * (size_t)(r->points + 1));
    sweep_point *p = &r->point[r->points++];
    *p = (sweep_point){.step = step, .examples = step * r->batch, .train_loss = train_loss, .loss = loss};
    p->train_accuracy = p->accuracy = NAN;
    return p;
}

/* Steps to the target ---------------------------------------------------------------------------------------------- */

static const double S_MIN = 120, B_CRIT = 90, FIXED = 1e-3, EACH = 2e-5;

static double planted_steps(double batch) { return S_MIN * (1 + B_CRIT / batch); }

/* Six batches on the curve, seeds apart by a factor of exp(0.1) about it; and runs that must not count. */
static void plant_curve(void)
{
    static const uint64_t sizes[] = {4, 16, 64, 128, 256, 1024};
    for (int i = 0; i < 6; i++) {
        sweep_batch *b = add_batch(sizes[i], FIXED + EACH * (double)sizes[i]);
        for (int seed = -1; seed <= 1; seed++)
            add_run(b, (uint64_t)(5 - seed), ROW_REACHED, planted_steps((double)sizes[i]) * exp(0.1 * seed));
        add_run(b, 99, ROW_REACHED, 1)->search = true;
        add_run(b, 98, ROW_REACHED, 1)->lr = 0.2;
    }
    sweep->examples = 20000;
}

START_TEST(planted_curves_come_out)
{
    plant_curve();
    aggregate_runs(sweep);
    const fit_curve *c = &sweep->advice.curve;
    ck_assert(c->known && c->b_crit.state == FIT_KNOWN && c->s_min.state == FIT_KNOWN && c->e_min.state == FIT_KNOWN);
    expect_near(c->s_min.value, S_MIN, 1e-3);
    expect_near(c->b_crit.value, B_CRIT, 1e-3);
    expect_near(c->e_min.value, S_MIN * B_CRIT, 1e-3);
    ck_assert(c->b_crit.low < B_CRIT && c->b_crit.high > B_CRIT && c->b_crit.low > 50 && c->b_crit.high < 160);
    expect_near(sweep->advice.time.fixed, FIXED, 1e-6);
    expect_near(sweep->advice.time.each, EACH, 1e-6);
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        const double size = (double)b->batch, steps = planted_steps(size);
        ck_assert_int_eq(b->outcome, ROW_REACHED);
        ck_assert_int_eq(b->seeds, 3);
        ck_assert_int_eq(b->reached, 3);
        ck_assert_int_eq(b->steps.seeds, 3);
        expect_near(b->steps.value, steps, 1e-9); /* geometric: the seeds' factors cancel */
        expect_near(b->steps.spread, 0.1, 1e-9);
        expect_near(b->examples.value, steps * size, 1e-9);
        expect_near(b->epochs.value, steps * size / 20000, 1e-9);
        expect_near(b->epochs.spread, 0.1, 1e-9);
        expect_near(b->seconds.value, steps * (FIXED + EACH * size), 1e-9);
    }
    /* B* = sqrt(a B_crit / b) = 67: 64, in S_min (a + b B_crit + b B + a B_crit / B) seconds */
    ck_assert_uint_eq(sweep->advice.batch, 64);
    ck_assert_int_eq(sweep->advice.decided, DECIDED_SPEED);
    expect_near(sweep->advice.knee, sqrt(FIXED * B_CRIT / EACH), 2e-3);
    expect_near(sweep->advice.seconds, S_MIN * (FIXED + EACH * B_CRIT + EACH * 64 + FIXED * B_CRIT / 64), 0.01);
    ck_assert_ptr_nonnull(strstr(sweep->reason, "64"));
}
END_TEST

/* A seed that is missing at some batches, and a step that was not timed. */
START_TEST(unequal_seeds_are_weighed)
{
    plant_curve();
    sweep->batch[1].step_seconds = 0;
    for (int i = 0; i < sweep->runs; i++)
        if (sweep->run[i].batch == 64 && sweep->run[i].seed == 4) sweep->run[i].outcome = ROW_UNDERTRAINED;
    aggregate_runs(sweep);
    const sweep_batch *b = &sweep->batch[2];
    ck_assert_int_eq(b->seeds, 3);
    ck_assert_int_eq(b->reached, 2);
    ck_assert_int_eq(b->outcome, ROW_REACHED);
    expect_near(b->steps.value, planted_steps(64) * exp(-0.05), 1e-9); /* of exp(-0.1) and 1 */
    expect_near(b->steps.spread, 0.1 / sqrt(2), 1e-9);
    ck_assert_int_eq(sweep->row[2].seeds, 2);
    ck_assert_int_eq(sweep->batch[1].seconds.seeds, 0);
    ck_assert(isnan(sweep->batch[1].seconds.value));
    expect_near(sweep->batch[1].steps.value, planted_steps(16), 1e-9);
}
END_TEST

/* Outcomes --------------------------------------------------------------------------------------------------------- */

START_TEST(most_seeds_decide)
{
    static const struct {
        row_outcome of[4];
        int runs;
        row_outcome wanted;
    } cases[] = {
        {{ROW_REACHED, ROW_REACHED, ROW_DIVERGED}, 3, ROW_REACHED},
        {{ROW_REACHED, ROW_DIVERGED, ROW_DIVERGED}, 3, ROW_DIVERGED},
        {{ROW_REACHED, ROW_UNDERTRAINED, ROW_DIVERGED}, 3, ROW_UNDERTRAINED},
        {{ROW_REACHED, ROW_DIVERGED, ROW_REACHED, ROW_DIVERGED}, 4, ROW_UNDERTRAINED}, /* half is not most */
        {{ROW_UNDERTRAINED, ROW_UNDERTRAINED}, 2, ROW_UNDERTRAINED},
        {{ROW_REACHED}, 1, ROW_NOT_MEASURED}, /* one seed is no figure */
        {{ROW_REACHED}, 0, ROW_OVER_BUDGET},  /* as the sweep has found it */
    };
    enum { CASES = sizeof cases / sizeof *cases };
    for (int i = 0; i < CASES; i++) {
        sweep_batch *b = add_batch(8 << i, 1e-3);
        b->outcome = ROW_OVER_BUDGET;
        for (int k = 0; k < cases[i].runs; k++) add_run(b, (uint64_t)k, cases[i].of[k], 100);
    }
    aggregate_runs(sweep);
    for (int i = 0; i < CASES; i++) {
        int reached = 0, diverged = 0;
        for (int k = 0; k < cases[i].runs; k++) {
            reached += cases[i].of[k] == ROW_REACHED;
            diverged += cases[i].of[k] == ROW_DIVERGED;
        }
        ck_assert_msg(sweep->batch[i].outcome == cases[i].wanted, "case %d: %d", i, sweep->batch[i].outcome);
        ck_assert_int_eq(sweep->batch[i].seeds, cases[i].runs);
        ck_assert_int_eq(sweep->batch[i].reached, reached);
        ck_assert_int_eq(sweep->batch[i].diverged, diverged);
    }
}
END_TEST

/* Losses and gaps -------------------------------------------------------------------------------------------------- */

/* Two runs of two batches; a look at the training set that is missing is passed over. */
static void plant_gaps(void)
{
    sweep_batch *small = add_batch(10, 1e-3), *large = add_batch(40, 1e-3);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        const double up = seed == 1 ? 0 : 0.02; /* the second seed's validation loss is so much higher */
        sweep_run *r = add_run(small, seed, ROW_REACHED, 20);
        add_look(r, 0, 2.0, 2.1 + up);
        add_look(r, 10, 1.0, 1.2 + up);
        add_look(r, 15, NAN, 0.1);
        add_look(r, 20, 0.5, 0.9 + up);
        r = add_run(large, seed, ROW_REACHED, 12);
        add_look(r, 0, 2.0, 2.1 + up);
        add_look(r, 6, 1.2, 1.35 + up);
        add_look(r, 12, 0.6, 0.7 + 2 * up);
    }
}

START_TEST(gaps_are_taken_at_equal_moments)
{
    plant_gaps();
    add_look(add_run(&sweep->batch[0], 3, ROW_UNDERTRAINED, NAN), 2, 1.9, 3); /* enters neither levels nor gaps */
    aggregate_runs(sweep);
    const sweep_batch *small = &sweep->batch[0], *large = &sweep->batch[1];
    /* where all have been: 0.6 in training loss; 200 examples of 100; 12 steps */
    expect_near(sweep->equal_loss, 0.6, 1e-12);
    expect_near(sweep->equal_epochs, 2, 1e-12);
    ck_assert_uint_eq(sweep->equal_steps, 12);
    /* 0.6 lies 0.8 of the way from 1.0 to 0.5: validation 1.2 - 0.8 * 0.3; the mean over seeds adds 0.01 */
    expect_near(small->loss_equal_loss.value, 0.96 + 0.01, 1e-9);
    expect_near(small->gap_equal_loss.value, 0.36 + 0.01, 1e-9);
    expect_near(small->gap_equal_loss.spread, 0.02 / sqrt(2), 1e-9);
    ck_assert_int_eq(small->gap_equal_loss.seeds, 2);
    expect_near(large->gap_equal_loss.value, 0.1 + 0.02, 1e-9);
    /* 200 examples: the small one's last look; of the large one 5/6 of the way from 0 to 240 */
    expect_near(small->gap_equal_epochs.value, 0.4 + 0.01, 1e-9);
    expect_near(large->gap_equal_epochs.value, 0.1 + 5.0 / 6 * 0.05 + 0.01, 1e-9);
    expect_near(large->loss_equal_epochs.value, 2.1 - 5.0 / 6 * 0.75 + 0.01, 1e-9);
    /* 12 steps: 0.2 of the way from 10 to 20; the large one's last */
    expect_near(small->gap_equal_steps.value, 0.2 + 0.2 * 0.2 + 0.01, 1e-9);
    expect_near(small->loss_equal_steps.value, 1.2 - 0.2 * 0.3 + 0.01, 1e-9);
    expect_near(large->gap_equal_steps.value, 0.1 + 0.02, 1e-9);
}
END_TEST

START_TEST(the_best_and_the_last_are_told_apart)
{
    sweep_batch *b = add_batch(10, 1e-3);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        sweep_run *r = add_run(b, seed, ROW_REACHED, 20);
        add_look(r, 0, 2, 2.1)->accuracy = 0.1;
        add_look(r, 10, 1, 0.8 + 0.1 * (double)seed)->accuracy = 0.7;
        add_look(r, 20, 0.9, 0.5)->accuracy = 0.6;
        r->point[2].loss = 1.5; /* it rises again */
        add_look(r, 25, NAN, 0.01);
    }
    sweep_run *r = add_run(b, 3, ROW_DIVERGED, NAN); /* of no use */
    add_look(r, 1, 0.1, 0.1);
    aggregate_runs(sweep);
    expect_near(b->best_loss.value, 0.95, 1e-9);
    expect_near(b->best_loss.spread, 0.1 / sqrt(2), 1e-9);
    expect_near(b->last_loss.value, 1.5, 1e-9);
    expect_near(b->best_accuracy.value, 0.7, 1e-9);
    expect_near(b->last_accuracy.value, 0.6, 1e-9);
    expect_near(b->epochs_to_best.value, 1, 1e-9);
    ck_assert_int_eq(b->best_loss.seeds, 2);
}
END_TEST

/* Seeds that are hard are hard at both batches: paired, 0.1 is seen beside a spread of 0.5; runs are listed in any
 * order. */
START_TEST(losses_are_compared_seed_by_seed)
{
    static const double hard[] = {0, 0.5, 1.0}, off[] = {0.09, 0.1, 0.11};
    for (int i = 0; i < 3; i++) add_batch(10 << (2 * i), 1e-3);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 2; i++) {
            const int seed = i == 1 ? 2 - k : k;
            sweep_run *r = add_run(&sweep->batch[i], 1 + (uint64_t)seed, ROW_REACHED, 20);
            add_look(r, 0, 2, 3);
            add_look(r, 20, 1, 1 + hard[seed] + (i == 1 ? off[seed] : 0));
        }
    aggregate_runs(sweep);
    const sweep_batch *best = &sweep->batch[0], *worse = &sweep->batch[1];
    const double reach = student_95(2) * 0.01 / sqrt(3);
    expect_near(worse->worse_low, 0.1 - reach, 1e-9);
    expect_near(worse->worse_high, 0.1 + reach, 1e-9);
    expect_near(best->worse_low, -0.1 - reach, 1e-9);
    expect_near(best->worse_high, -0.1 + reach, 1e-9);
    expect_near(sweep->row[1].loss, 1.6, 1e-9);
    expect_near(worse->loss_compared.value, 1.6, 1e-9);
    ck_assert_int_eq(worse->loss_compared.seeds, 3);
    for (uint64_t seed = 1; seed <= 3; seed++) { /* the third batch has two seeds in common with the others */
        sweep_run *r = add_run(&sweep->batch[2], seed == 3 ? 77 : seed, ROW_REACHED, 20);
        add_look(r, 0, 2, 3);
        add_look(r, 20, 1, 1 + hard[seed - 1]);
    }
    aggregate_runs(sweep);
    expect_near(sweep->row[2].loss, 1.5, 1e-9);
    ck_assert(isfinite(sweep->batch[2].worse_low) && isfinite(sweep->batch[2].worse_high));
    sweep->run[7].seed = 78; /* and now one: no interval */
    aggregate_runs(sweep);
    ck_assert(sweep->batch[2].worse_low == -INFINITY && sweep->batch[2].worse_high == INFINITY);
}
END_TEST

/* A batch of one seed, cut off, has the lowest loss: others are held against the best of those that count. */
START_TEST(losses_are_compared_with_a_row_that_counts)
{
    for (int i = 0; i < 3; i++) {
        sweep_batch *b = add_batch(10 << (2 * i), 1e-3);
        for (uint64_t seed = 1; seed <= (i ? 3 : 1); seed++) {
            sweep_run *r = add_run(b, seed, ROW_REACHED, 20);
            add_look(r, 0, 2, 3);
            add_look(r, 20, 1, 1 + 0.1 * i + 0.01 * (double)seed * i);
        }
    }
    aggregate_runs(sweep);
    ck_assert_int_eq(sweep->batch[0].outcome, ROW_NOT_MEASURED);
    ck_assert(sweep->batch[0].worse_low == -INFINITY && sweep->batch[0].worse_high == INFINITY);
    ck_assert(sweep->batch[1].worse_high < 0);
    ck_assert(sweep->batch[2].worse_low > 0 && sweep->batch[2].worse_high < 0.2);
}
END_TEST

/* Of five seeds one goes on to step 50, and one diverges at step 30. */
START_TEST(missed_seeds_are_counted)
{
    static const row_outcome outcomes[] = {ROW_REACHED, ROW_UNDERTRAINED, ROW_REACHED, ROW_DIVERGED, ROW_REACHED};
    static const uint64_t last[] = {20, 50, 20, 30, 20};
    sweep_batch *b = add_batch(10, 1e-3);
    for (int i = 0; i < 5; i++) {
        sweep_run *r = add_run(b, 1 + (uint64_t)i, outcomes[i], 20);
        add_look(r, 0, 2, 3);
        add_look(r, last[i], 1, 1);
    }
    aggregate_runs(sweep);
    ck_assert(sweep->row[0].seeds == 3 && sweep->row[0].missed == 2);
    expect_near(sweep->row[0].missed_steps, 40, 1e-9);
}
END_TEST

/* Both go down the same curve, and the larger batch less far: in time to a target that is no fault; where the loss
 * itself is the goal it is. */
START_TEST(less_trained_is_no_worse)
{
    static const double train[] = {2, 1, 0.5, 0.25}, loss[] = {2.1, 1.2, 0.8, 0.7};
    for (int i = 0; i < 2; i++) {
        sweep_batch *b = add_batch(10 << (2 * i), 1e-3);
        for (uint64_t seed = 1; seed <= 3; seed++) {
            sweep_run *r = add_run(b, seed, ROW_REACHED, i ? 20 : 40);
            for (uint64_t k = 0; k < (i ? 3 : 4); k++) add_look(r, 20 * k, train[k], loss[k] + 0.001 * (double)seed);
        }
    }
    sweep->examples = 10000;
    aggregate_runs(sweep);
    expect_near(sweep->equal_loss, 0.5, 1e-9);
    ck_assert(sweep->batch[1].best_loss.value > sweep->batch[0].best_loss.value + 0.09);
    ck_assert_int_eq(sweep->advice.verdicts[1], VERDICT_KEPT);
    ck_assert_uint_eq(sweep->advice.batch, 40);
    sweep->options.goal = TAS_GOAL_ACCURACY;
    aggregate_runs(sweep);
    ck_assert_int_eq(sweep->advice.verdicts[1], VERDICT_LOSS);
    ck_assert_uint_eq(sweep->advice.batch, 10);
}
END_TEST

/* Noise ------------------------------------------------------------------------------------------------------------ */

static void take_some(noise_scale *n, int steps, double trace, double square)
{
    for (int i = 0; i < steps; i++)
        noise_scale_add(n, trace * (1 + 0.01 * random_float(-1, 1)), square * (1 + 0.01 * random_float(-1, 1)));
}

START_TEST(noise_is_joined_over_seeds)
{
    noise_scale all = {0}, window[2] = {{0}, {0}};
    sweep_batch *b = add_batch(10, 1e-3);
    random_seed(3);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        sweep_run *r = add_run(b, seed, ROW_REACHED, 240);
        for (int k = 0; k <= 24; k++) {
            sweep_point *p = add_look(r, 10 * (uint64_t)k, 1, 1);
            if (k) take_some(&p->noise, 10, 50.0 * (double)seed, k <= 2 ? 1 : 2); /* 24 stretches, two a window */
            noise_scale_merge(&r->noise, &p->noise);
            if (k == 1 || k == 2) noise_scale_merge(&window[0], &p->noise);
            if (k > 22) noise_scale_merge(&window[1], &p->noise);
        }
        noise_scale_merge(&all, &r->noise);
    }
    add_run(b, 9, ROW_REACHED, 5)->search = true;
    take_some(&sweep->run[2].noise, 1000, 9e9, 1); /* of the search: not looked at */
    aggregate_runs(sweep);
    const noise_scale_range wanted = noise_scale_result(&all), first = noise_scale_result(&window[0]),
                            last = noise_scale_result(&window[1]);
    ck_assert_int_eq(b->noise.state, NOISE_KNOWN);
    ck_assert_uint_eq(b->noise.steps, 2 * 240);
    expect_near(b->noise.value, wanted.value, 1e-12);
    expect_near(b->noise.high, wanted.high, 1e-12);
    ck_assert_int_eq(b->noise_windows, 12);
    expect_near(b->noise_end[0], 200, 1e-12);
    expect_near(b->noise_end[11], 2400, 1e-12);
    ck_assert_uint_eq(b->noise_window[0].steps, 40);
    expect_near(b->noise_window[0].value, first.value, 1e-12);
    expect_near(b->noise_window[0].value, 75, 0.01); /* the mean of 50 and 100, over 1; and over 2: */
    expect_near(b->noise_window[11].value, last.value, 1e-12);
    expect_near(b->noise_window[11].value, 37.5, 0.01);
}
END_TEST

/* Nothing reached -------------------------------------------------------------------------------------------------- */

START_TEST(the_nearest_is_named_where_none_reached)
{
    sweep->examples = 10000;
    for (int i = 0; i < 2; i++) {
        sweep_batch *b = add_batch(i ? 64 : 16, 1e-3);
        for (uint64_t seed = 1; seed <= 2; seed++) {
            sweep_run *r = add_run(b, seed, ROW_UNDERTRAINED, NAN);
            add_look(r, 10, 0.9, i ? 0.8 : 1.1)->accuracy = i ? 0.5 : 0.6;
            add_look(r, 20, i ? 0.7 : 0.6, 0.9)->accuracy = 0.4;
            r->point[1].train_accuracy = i ? 0.81 : 0.7;
        }
    }
    sweep_run *search = add_run(&sweep->batch[0], 5, ROW_UNDERTRAINED, NAN);
    search->search = true;
    search->final_metric = 0.85;
    aggregate_runs(sweep);
    expect_near(sweep->nearest, 0.8, 1e-12);
    ck_assert_uint_eq(sweep->nearest_batch, 64);
    ck_assert_int_eq(sweep->advice.decided, DECIDED_DEFAULT);
    ck_assert_uint_eq(sweep->advice.batch, RECOMMEND_DEFAULT);
    ck_assert(isnan(sweep->equal_loss) && isnan(sweep->equal_epochs) && sweep->equal_steps == 0);
    ck_assert(!sweep->advice.curve.known && isnan(sweep->batch[0].steps.value));
    sweep->options.on_train = 1;
    search->final_metric = 0.55; /* a search's end is known, though none of its looks */
    aggregate_runs(sweep);
    expect_near(sweep->nearest, 0.55, 1e-12);
    ck_assert_uint_eq(sweep->nearest_batch, 16);
    sweep->options.by_accuracy = 1;
    search->final_metric = NAN;
    aggregate_runs(sweep);
    expect_near(sweep->nearest, 0.81, 1e-12);
    ck_assert_uint_eq(sweep->nearest_batch, 64);
    sweep->options.on_train = 0;
    aggregate_runs(sweep);
    expect_near(sweep->nearest, 0.6, 1e-12);
    ck_assert_uint_eq(sweep->nearest_batch, 16);
}
END_TEST

/* Runs that no sweep makes: all of one seed, and points out of any order. */
START_TEST(odd_runs_stay_within_bounds)
{
    sweep->options.seeds = 2;
    for (int i = 0; i < 2; i++) {
        sweep_batch *b = add_batch(10 << (2 * i), 1e-3);
        for (int k = 0; k < 2 * SWEEP_SEEDS; k++) {
            sweep_run *r = add_run(b, 5, ROW_REACHED, 20);
            add_look(r, 0, 2, 3);
            add_look(r, 1, 1.5, 2)->examples = UINT64_MAX;
            noise_scale_add(&r->point[1].noise, 50, 1);
            add_look(r, 20, 1, 1 + i);
        }
    }
    aggregate_runs(sweep);
    for (int i = 0; i < 2; i++) {
        const sweep_batch *b = &sweep->batch[i];
        ck_assert_int_eq(b->seeds, 1); /* a seed counts once */
        ck_assert_uint_eq(b->noise_window[11].steps, 1);
        ck_assert_int_eq(b->outcome, ROW_NOT_MEASURED);
    }
}
END_TEST

START_TEST(a_sweep_without_runs_concludes)
{
    sweep->examples = 10000;
    aggregate_runs(sweep); /* not even a batch */
    ck_assert_uint_eq(sweep->advice.batch, RECOMMEND_DEFAULT);
    for (int i = 0; i < 4; i++) add_batch(8 << i, 0)->outcome = ROW_NOT_MEASURED;
    aggregate_runs(sweep);
    ck_assert_uint_eq(sweep->advice.batch, RECOMMEND_DEFAULT);
    for (int i = 0; i < 4; i++) {
        const sweep_batch *b = &sweep->batch[i];
        ck_assert(isnan(b->steps.value) && isnan(b->best_loss.value) && isnan(b->gap_equal_loss.value));
        ck_assert_int_eq(b->noise.state, NOISE_UNKNOWN);
        ck_assert_int_eq(b->outcome, ROW_NOT_MEASURED);
    }
    ck_assert(strlen(sweep->reason) > 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aggregate");
    TCase *all = tcase_create("aggregate");
    tcase_add_checked_fixture(all, open_sweep, close_sweep);
    tcase_add_test(all, planted_curves_come_out);
    tcase_add_test(all, unequal_seeds_are_weighed);
    tcase_add_test(all, most_seeds_decide);
    tcase_add_test(all, gaps_are_taken_at_equal_moments);
    tcase_add_test(all, the_best_and_the_last_are_told_apart);
    tcase_add_test(all, losses_are_compared_seed_by_seed);
    tcase_add_test(all, losses_are_compared_with_a_row_that_counts);
    tcase_add_test(all, missed_seeds_are_counted);
    tcase_add_test(all, less_trained_is_no_worse);
    tcase_add_test(all, noise_is_joined_over_seeds);
    tcase_add_test(all, the_nearest_is_named_where_none_reached);
    tcase_add_test(all, odd_runs_stay_within_bounds);
    tcase_add_test(all, a_sweep_without_runs_concludes);
    suite_add_tcase(suite, all);
    return support_run(suite);
}
