/* What is claimed and what was seen, by planted figures; the command; the JSON. Pure: nothing is run or drawn. */
#include "base/context.h" /* before check.h, which has a macro of the name fail */
#include "lab/report/findings.h"
#include "lab/report/report.h"

#include "sweeps.h"

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

static const uint64_t two[] = {256, 16}; /* the larger first: what is smaller is found by size */
enum { LARGE, SMALL };

static void expect_near(double found, double wanted, double share)
{
    ck_assert_msg(fabs(found - wanted) <= share * fabs(wanted), "%.12g, expected %.12g", found, wanted);
}

/* Verdicts --------------------------------------------------------------------------------------------------------- */

/* Figures at two batches: `change` 1 is what the claim says, -1 the contrary, 0 less than can be told apart. */
typedef void (*plant_fn)(tas_sweep *s, int change);

static void plant_means(tas_sweep *s, int change, sweep_mean *(*of)(sweep_batch *), int grows)
{
    *of(&s->batch[SMALL]) = (sweep_mean){1, 0.1, 3};
    *of(&s->batch[LARGE]) = (sweep_mean){1 + 0.5 * change * grows + 0.01, 0.1, 3};
}

#define OF(name)                                                                                                       \
    static sweep_mean *name##_of(sweep_batch *b)                                                                       \
    {                                                                                                                  \
        return &b->name;                                                                                               \
    }
OF(best_loss)
OF(gap_equal_loss)
OF(fluctuation)
OF(seed_spread)
#undef OF

static void plant_speed(tas_sweep *s, int change)
{
    s->batch[SMALL].examples_per_s = 1000;
    s->batch[LARGE].examples_per_s = 1020 * pow(2, change);
}

static void plant_memory(tas_sweep *s, int change)
{
    s->batch[SMALL].memory_used = 4 << 20;
    s->batch[LARGE].memory_forecast = (uint64_t)((4 << 20) * pow(2, change)); /* either will do */
}

static void plant_point(frozen_point *p, const char *name, double small, double large, double error)
{
    p->name = name;
    for (int i = 0; i < 2; i++) {
        frozen_figures *f = &p->batch[i];
        f->draws = 30;
        f->variance = f->cosine = f->loss_spread = i == SMALL ? small : large;
        f->variance_error = f->cosine_error = error;
        f->variance_expected = f->cosine_expected = f->loss_expected = f->variance;
    }
}

static void plant_less(tas_sweep *s, int change)
{
    for (int p = 0; p < FROZEN_POINTS; p++)
        plant_point(&s->frozen[p], "start", 1, change > 0 ? 0.3 : change < 0 ? 3 : 1.01, 0.05);
}

static void plant_more(tas_sweep *s, int change) { plant_less(s, -change); }

static void plant_noise(tas_sweep *s, int change)
{
    sweep_batch *b = &s->batch[SMALL];
    b->noise_windows = 3;
    for (int w = 0; w < 3; w++) b->noise_end[w] = 100 * (w + 1);
    b->noise_window[0] = (noise_scale_range){NOISE_KNOWN, 50, 40, 60, 9};
    const double value = 50 * pow(2, change);
    b->noise_window[2] = (noise_scale_range){NOISE_KNOWN, value, 0.8 * value, 1.15 * value, 9};
    if (change > 0) b->noise_window[2] = (noise_scale_range){NOISE_AT_LEAST, NAN, 61, INFINITY, 9};
}

static void plant_weights(tas_sweep *s, int change)
{
    plant_means(s, change, fluctuation_of, -1);
    plant_means(s, change, seed_spread_of, -1);
}

static void plant_convergence(tas_sweep *s, int change)
{
    for (int i = 0; i < 2; i++) {
        sweep_batch *b = &s->batch[i];
        b->outcome = ROW_REACHED;
        b->examples = (sweep_mean){i == LARGE ? 5050 * pow(2, change) : 5000, 0.1, 3};
        b->steps = (sweep_mean){b->examples.value / (double)b->batch, 0.1, 3};
    }
}

static void plant_loss(tas_sweep *s, int change) { plant_means(s, change, best_loss_of, 1); }
static void plant_gap(tas_sweep *s, int change) { plant_means(s, change, gap_equal_loss_of, 1); }

static const struct planted {
    find_fn find;
    plant_fn plant;
    const char *seen; /* where it agrees */
} planted[] = {
    {findings_speed, plant_speed, "2040 at B = 256: 2.04 times as many (\u00b1 5 %)."},
    {findings_memory, plant_memory, "4.00 MiB at B = 16, 8.00 MiB at B = 256: 17500 bytes more for each"},
    {frozen_findings_variance, plant_less, "at the start 1.00 at B = 16 and 0.300 at B = 256;"},
    {frozen_findings_gradient, plant_more, "at the start 1.00 at B = 16 and 3.00 at B = 256;"},
    {frozen_findings_cost, plant_less, "at the start 1.00 at B = 16 and 0.300 at B = 256;"},
    {frozen_findings_noise, plant_noise, "50.0 (40.0 to 60.0) up to example 100 and at least 61.0 up to example 300"},
    {frozen_findings_weights, plant_weights,
     "fluctuate by 1.00 at B = 16 and 0.510 at B = 256 (a difference of -0.490 \u00b1 0.227)"},
    {findings_convergence, plant_convergence,
     "B = 16 took 312 steps and 5000 examples, B = 256 took 39.5 steps and 10100 examples: 2.02 times"},
    {findings_loss, plant_loss, "1.00 at B = 16 and 1.51 at B = 256: a difference of 0.510 (\u00b1 0.227)"},
    {findings_overfitting, plant_gap, "1.00 at B = 16 and 1.51 at B = 256: a difference of 0.510 (\u00b1 0.227)"},
};
enum { PLANTED = sizeof planted / sizeof *planted };

static finding find_in(const struct planted *p, int change)
{
    finding f;
    tas_sweep *s = sweep_blank(context, two, 2);
    p->plant(s, change);
    p->find(s, &f);
    sweep_freed(s);
    ck_assert(f.claim && strlen(f.claim) > 20 && *f.seen && strlen(f.seen) < FINDING_TEXT - 1);
    return f;
}

static void expect_verdict(const finding *f, finding_verdict wanted, const char *words)
{
    ck_assert_msg(f->verdict == wanted, "\"%s\": %s, expected: %s; %s", f->claim, findings_verdict(f->verdict),
                  findings_verdict(wanted), f->seen);
    ck_assert_msg(strstr(f->seen, words), "\"%s\" is not in: %s", words, f->seen);
}

START_TEST(verdicts_follow_the_figures)
{
    const struct planted *p = &planted[_i];
    finding f = find_in(p, 1);
    expect_verdict(&f, FINDING_AGREES, p->seen);
    f = find_in(p, -1);
    expect_verdict(&f, FINDING_DISAGREES, "");
    if (p->plant == plant_memory) {
        f = find_in(p, 0);
        expect_verdict(&f, FINDING_NO_DIFFERENCE, "no difference (\u00b1 0 bytes)");
    } else {
        f = find_in(p, 0);
        expect_verdict(&f, FINDING_NO_DIFFERENCE, "no difference seen");
    }
    tas_sweep *s = sweep_blank(context, two, 2);
    p->find(s, &f);
    expect_verdict(&f, FINDING_NOT_KNOWN, "");
    ck_assert(*f.seen);
    s->count = 1; /* one batch shows no change */
    p->plant(s, 1);
    p->find(s, &f);
    if (p->plant != plant_noise) expect_verdict(&f, FINDING_NOT_KNOWN, "");
    sweep_freed(s);
}
END_TEST

/* Two means of three seeds, 0.1 apart: t of 4 degrees is 2.776, and so 0.227 is what can be told apart. */
START_TEST(means_differ_by_more_than_t)
{
    const sweep_mean a = {1, 0.1, 3}, b = {1.2, 0.1, 3}, exact = {1, 0, 2}, other = {1.001, 0, 2}, one = {3, NAN, 1},
                     unequal = {2, 0.3, 2};
    difference d;
    ck_assert(findings_compare(&a, &b, &d));
    expect_near(d.value, 0.2, 1e-9);
    expect_near(d.reach, 2.7764451 * 0.1 * sqrt(2.0 / 3), 1e-6);
    ck_assert(findings_compare(&exact, &other, &d) && d.reach == 0);
    expect_near(d.value, 0.001, 1e-9);
    ck_assert(!findings_compare(&a, &one, &d) && !findings_compare(&one, &a, &d));
    /* Welch: v = 0.01 / 3 + 0.09 / 2, of v^2 / ((0.01 / 3)^2 / 2 + 0.045^2) = 1.15 degrees, whose t is 9.32 */
    ck_assert(findings_compare(&a, &unequal, &d));
    expect_near(d.reach, 9.32 * sqrt(0.01 / 3 + 0.045), 0.01);
}
END_TEST

START_TEST(one_seed_has_no_interval)
{
    static const find_fn finds[] = {findings_loss, findings_overfitting, findings_convergence, frozen_findings_weights};
    static const plant_fn plants[] = {plant_loss, plant_gap, plant_convergence, plant_weights};
    static const char *const words[] = {"one seed", "one seed", "one seed", "without an interval"};
    for (int i = 0; i < 4; i++) {
        tas_sweep *s = sweep_blank(context, two, 2);
        finding f;
        plants[i](s, 1);
        sweep_batch *b = &s->batch[LARGE];
        sweep_mean *const means[] = {&b->best_loss, &b->gap_equal_loss, &b->examples, &b->fluctuation, &b->seed_spread};
        for (size_t k = 0; k < sizeof means / sizeof *means; k++) means[k]->seeds = 1, means[k]->spread = NAN;
        finds[i](s, &f);
        expect_verdict(&f, FINDING_NOT_KNOWN, words[i]);
        sweep_freed(s);
    }
}
END_TEST

START_TEST(points_that_differ_agree_in_part)
{
    tas_sweep *s = sweep_blank(context, two, 2);
    finding f;
    plant_point(&s->frozen[0], "start", 1, 0.3, 0.05);
    plant_point(&s->frozen[1], "middle", 1, 1.02, 0.05);
    frozen_findings_variance(s, &f);
    expect_verdict(&f, FINDING_PARTLY,
                   "at the middle 1.00 at B = 16 and 1.02 at B = 256, no difference seen (0.0200 \u00b1 0.139)");
    plant_point(&s->frozen[0], "start", 1, 3, 0.05);
    frozen_findings_variance(s, &f);
    expect_verdict(&f, FINDING_DISAGREES, "");
    s->frozen[0].batch[SMALL].variance_expected = 0.8; /* four standard errors off */
    frozen_findings_variance(s, &f);
    expect_verdict(&f, FINDING_DISAGREES, "1.00 to 1.25 times the theoretical ones; 1 of 4 ");
    plant_weights(s, 1);
    plant_means(s, -1, seed_spread_of, -1);
    frozen_findings_weights(s, &f);
    expect_verdict(&f, FINDING_PARTLY, "1.00 at B = 16 and 1.51 at B = 256");
    sweep_freed(s);
}
END_TEST

START_TEST(a_large_batch_that_diverges_agrees)
{
    static const uint64_t batches[] = {16, 64, 256};
    tas_sweep *s = sweep_blank(context, batches, 3);
    finding f;
    s->batch[0].outcome = s->batch[1].outcome = ROW_REACHED;
    s->batch[2].outcome = ROW_DIVERGED;
    for (int i = 0; i < 2; i++) {
        s->batch[i].examples = (sweep_mean){5000, 0.1, 3};
        s->batch[i].steps = (sweep_mean){5000.0 / (double)batches[i], 0.1, 3};
    }
    findings_convergence(s, &f);
    expect_verdict(&f, FINDING_AGREES, " Diverged: B = 256.");
    s->batch[2].outcome = ROW_REACHED; /* not if it is the small one */
    s->batch[2].examples = s->batch[1].examples;
    s->batch[2].steps = s->batch[1].steps;
    s->batch[0].outcome = ROW_DIVERGED;
    findings_convergence(s, &f);
    expect_verdict(&f, FINDING_NO_DIFFERENCE, " Diverged: B = 16.");
    s->batch[1].outcome = s->batch[2].outcome = ROW_UNDERTRAINED;
    findings_convergence(s, &f);
    expect_verdict(&f, FINDING_NOT_KNOWN, "B = 64, 256.");
    sweep_freed(s);
}
END_TEST

static void set_time(tas_sweep *s, int i, double seconds, double spread, int seeds)
{
    s->batch[i].seconds = (sweep_mean){seconds, spread, seeds};
    s->batch[i].outcome = ROW_REACHED;
}

START_TEST(a_good_start_is_within_5_percent)
{
    static const uint64_t batches[] = {16, 64, 1024};
    tas_sweep *s = sweep_blank(context, batches, 3);
    finding f;
    findings_good_start(s, &f);
    expect_verdict(&f, FINDING_NOT_KNOWN, "not known for any batch");
    set_time(s, 2, 2, 0.001, 3);
    findings_good_start(s, &f);
    expect_verdict(&f, FINDING_NOT_KNOWN, "from 32 to 128 has a time");
    set_time(s, 1, 2.08, 0.001, 3);
    findings_good_start(s, &f);
    expect_verdict(&f, FINDING_AGREES, "was B = 64, in 2.08 s: 1.04 times as long (1.04 to 1.04).");
    set_time(s, 1, 2.12, 0.001, 3);
    findings_good_start(s, &f);
    expect_verdict(&f, FINDING_DISAGREES, "The fastest to the target, as measured, was B = 1024, in 2.00 s.");
    set_time(s, 1, 2.12, 0.1, 3);
    findings_good_start(s, &f);
    expect_verdict(&f, FINDING_NO_DIFFERENCE, "1.06 times as long (0.82");
    set_time(s, 1, 2.12, NAN, 1);
    findings_good_start(s, &f);
    expect_verdict(&f, FINDING_NOT_KNOWN, "1.06 times as long, from one seed, without an interval.");
    set_time(s, 1, 1, 0.1, 3);
    findings_good_start(s, &f);
    expect_verdict(&f, FINDING_AGREES, "B = 64, in 1.00 s. It is in that range.");
    s->batch[1].outcome = ROW_DIVERGED; /* most of its runs: the others do not count */
    findings_good_start(s, &f);
    expect_verdict(&f, FINDING_NOT_KNOWN, "was B = 1024, in 2.00 s.");
    sweep_freed(s);
}
END_TEST

/* Verdicts go by the batches between the smallest and the largest, too. */
static const uint64_t four[] = {256, 16, 64, 32};
enum { FOUR = 4 };

static finding find_four(const double values[FOUR], double spread, find_fn find, sweep_mean *(*of)(sweep_batch *))
{
    tas_sweep *s = sweep_blank(context, four, FOUR);
    finding f;
    for (int i = 0; i < FOUR; i++) {
        sweep_batch *b = &s->batch[i];
        b->outcome = ROW_REACHED;
        *of(b) = (sweep_mean){values[i], spread, 3};
        b->steps = (sweep_mean){10, 0, 3};
        b->memory_used = (uint64_t)(values[i] * 1048576);
        b->examples_per_s = values[i];
    }
    find(s, &f);
    sweep_freed(s);
    return f;
}

static sweep_mean *examples_of(sweep_batch *b) { return &b->examples; }

START_TEST(ends_alone_prove_nothing)
{
    /* of B = 256, 16, 64, 32 */
    static const double falls[FOUR] = {1, 4, 2, 3}, turns[FOUR] = {3, 4, 1, 2}, rises[FOUR] = {4, 1, 3, 2},
                        hill[FOUR] = {1, 1.01, 4, 1.1}, valley[FOUR] = {4, 4.01, 1, 3.9}, noisy[FOUR] = {1, 4, 2, 1.99};
    finding f = find_four(falls, 0.02, frozen_findings_weights, fluctuation_of);
    expect_verdict(&f, FINDING_AGREES, "No change in the other direction was seen at the batches between them.");
    f = find_four(noisy, 0.02, frozen_findings_weights, fluctuation_of);
    expect_verdict(&f, FINDING_AGREES, "No change in the other direction was seen");
    f = find_four(turns, 0.02, frozen_findings_weights, fluctuation_of);
    expect_verdict(&f, FINDING_PARTLY,
                   "But it is not monotone: from B = 64 to B = 256 it grows from 1.00 to 3.00 (2.00 \u00b1 0.0");
    f = find_four(rises, 0.02, frozen_findings_weights, fluctuation_of);
    expect_verdict(&f, FINDING_DISAGREES, "No change in the other direction");
    f = find_four(hill, 0.02, frozen_findings_weights, fluctuation_of);
    expect_verdict(&f, FINDING_PARTLY, "But in between it is not the same: from B = 64 to B = 256 it falls");
    f = find_four(hill, 2, frozen_findings_weights, fluctuation_of);
    expect_verdict(&f, FINDING_NO_DIFFERENCE, "Nor does any batch between them differ beyond the intervals.");
    f = find_four(valley, 0.02, findings_loss, best_loss_of);
    expect_verdict(&f, FINDING_PARTLY, "from B = 64 to B = 256 it grows");
    f = find_four(turns, 0.02, findings_overfitting, gap_equal_loss_of);
    expect_verdict(&f, FINDING_PARTLY, "But it is not monotone");
    f = find_four(turns, 0.02, findings_convergence, examples_of);
    expect_verdict(&f, FINDING_PARTLY, "from B = 64 to B = 256 it grows from 1.00 to 3.00 (2.77 to 3.25 times");
    f = find_four(turns, 0, findings_memory, examples_of);
    expect_verdict(&f, FINDING_PARTLY, "from B = 64 to B = 256 it grows from 1.00 to 3.00 (2.00 \u00b1 0,");
    f = find_four(rises, 0, findings_memory, examples_of);
    expect_verdict(&f, FINDING_AGREES, "at the batches between them");
    f = find_four(valley, 0, findings_speed, examples_of);
    expect_verdict(&f, FINDING_PARTLY, "from B = 64 to B = 256 it grows");
}
END_TEST

START_TEST(points_that_turn_agree_in_part)
{
    static const double turning[FOUR] = {0.3, 1, 0.2, 0.6};
    tas_sweep *s = sweep_blank(context, four, FOUR);
    finding f;
    for (int p = 0; p < 2; p++) {
        s->frozen[p].name = p ? "middle" : "start";
        for (int i = 0; i < FOUR; i++)
            s->frozen[p].batch[i] = (frozen_figures){.draws = 30, .variance = turning[i], .variance_error = 0.01};
    }
    frozen_findings_variance(s, &f);
    expect_verdict(&f, FINDING_PARTLY, "0.300 at B = 256, but 0.200 at B = 64 and 0.300 at B = 256; at the middle");
    s->frozen[0].batch[2].variance = 0.31;
    frozen_findings_variance(s, &f);
    expect_verdict(&f, FINDING_PARTLY, "and 0.300 at B = 256; at the middle");
    s->frozen[1].batch[2].variance = 0.31;
    frozen_findings_variance(s, &f);
    expect_verdict(&f, FINDING_AGREES, "");
    sweep_freed(s);
}
END_TEST

START_TEST(a_noise_scale_that_turns_agrees_in_part)
{
    tas_sweep *s = sweep_blank(context, two, 2);
    finding f;
    plant_noise(s, 1);
    s->batch[SMALL].noise_window[1] = (noise_scale_range){NOISE_KNOWN, 20, 15, 30, 9};
    frozen_findings_noise(s, &f);
    expect_verdict(&f, FINDING_PARTLY, "; but on the way, up to example 200, it was 20.0 (15.0 to 30.0).");
    s->batch[SMALL].noise_window[1] = (noise_scale_range){NOISE_KNOWN, 55, 45, 70, 9};
    frozen_findings_noise(s, &f);
    expect_verdict(&f, FINDING_AGREES, "up to example 300.");
    sweep_freed(s);
}
END_TEST

/* A batch that does not fit has no memory to be compared: what is known of it is a sufficient budget. */
START_TEST(a_batch_that_does_not_fit_is_named)
{
    static const uint64_t batches[] = {16, 64, 1024};
    tas_sweep *s = sweep_blank(context, batches, 3);
    finding f;
    for (int i = 0; i < 3; i++) s->batch[i].memory_forecast = (uint64_t)(4 - i) << 20;
    s->batch[2].outcome = ROW_OVER_BUDGET;
    findings_memory(s, &f);
    expect_verdict(&f, FINDING_DISAGREES, "4.00 MiB at B = 16, 3.00 MiB at B = 64");
    expect_verdict(&f, FINDING_DISAGREES, "budget: B = 1024.");
    sweep_freed(s);
}
END_TEST

/* The lowest loss of a run may be that of a batch which at equal training loss is worse: each figure says which it is.
 */
START_TEST(a_worse_loss_says_where)
{
    tas_sweep *s = sweep_blank(context, two, 2);
    finding f;
    plant_loss(s, 1);
    s->batch[SMALL].worse_low = 0.01;
    s->batch[SMALL].worse_high = 0.02;
    findings_loss(s, &f);
    expect_verdict(&f, FINDING_AGREES,
                   "was that of B = 16. At equal training loss B = 16 is worse than the best of the others by 0.010");
    s->options.goal = TAS_GOAL_ACCURACY; /* then it is the best loss itself */
    findings_loss(s, &f);
    expect_verdict(&f, FINDING_AGREES, "was that of B = 16. B = 16 is worse");
    sweep_freed(s);
}
END_TEST

/* From groups, or not at all. */
START_TEST(noise_says_from_what)
{
    tas_sweep *s = sweep_blank(context, two, 2);
    finding f;
    plant_noise(s, 1);
    s->batch[SMALL].noise_group = 16;
    frozen_findings_noise(s, &f);
    ck_assert_msg(strstr(f.seen, "up to example 300, from groups of 16 examples"), "%s", f.seen);
    for (int i = 0; i < 2; i++) s->batch[i].noise_obstacle = "it cannot", s->batch[i].noise_windows = 0;
    frozen_findings_noise(s, &f);
    ck_assert_str_eq(f.seen, "It was not estimated: it cannot.");
    sweep_freed(s);
}
END_TEST

/* The noise scale of a batch that did not come to the target is that of its whole runs. */
START_TEST(noise_says_up_to_where)
{
    tas_sweep *s = sweep_blank(context, two, 2);
    finding f;
    s->batch[SMALL].noise = (noise_scale_range){NOISE_KNOWN, 50, 40, 60, 9};
    s->batch[SMALL].outcome = ROW_UNDERTRAINED;
    frozen_findings_noise(s, &f);
    expect_verdict(&f, FINDING_NOT_KNOWN, "From the start to the end of its runs, at B = 16, it was 50.0");
    s->batch[SMALL].outcome = ROW_REACHED;
    frozen_findings_noise(s, &f);
    expect_verdict(&f, FINDING_NOT_KNOWN, "From the start to the target, at B = 16, it was 50.0");
    sweep_freed(s);
}
END_TEST

/* A clock tells 5 % apart, or twice what the line leaves over. */
START_TEST(speeds_differ_by_more_than_the_clock)
{
    tas_sweep *s = sweep_blank(context, two, 2);
    finding f;
    s->batch[SMALL].examples_per_s = 1000;
    s->batch[LARGE].examples_per_s = 1060;
    findings_speed(s, &f);
    expect_verdict(&f, FINDING_AGREES, "1.06 times as many");
    s->advice.time = (fit_time){.known = true, .fixed = 1e-3, .each = 1e-5, .misfit = 0.04};
    findings_speed(s, &f);
    expect_verdict(&f, FINDING_NO_DIFFERENCE, "no difference seen (\u00b1 8 %)");
    expect_verdict(&f, FINDING_NO_DIFFERENCE, "100000 examples per second is reached near B = 100");
    sweep_freed(s);
}
END_TEST

/* The command ------------------------------------------------------------------------------------------------------ */

/* What a shell makes of it: its words, each ended by a 0. */
static size_t shell_words(const char *command, char *words, size_t bytes)
{
    char *script = malloc(strlen(command) + 32);
    sprintf(script, "printf '%%s\\0' %s", command);
    FILE *shell = popen(script, "r");
    ck_assert_ptr_nonnull(shell);
    const size_t length = fread(words, 1, bytes, shell);
    ck_assert_int_eq(pclose(shell), 0);
    free(script);
    return length;
}

static void expect_words(const tas_sweep *s, const char *const *wanted)
{
    char words[2048], *command = tas_sweep_command(s);
    const size_t length = shell_words(command, words, sizeof words);
    const char *at = words;
    for (int i = 0; wanted[i]; at += strlen(at) + 1, i++) {
        ck_assert_msg(at < words + length, "no word is left for \"%s\" in: %s", wanted[i], command);
        ck_assert_str_eq(at, wanted[i]);
    }
    ck_assert_msg(at == words + length, "more words than expected: %s", command);
    free(command);
}

START_TEST(the_command_is_read_back)
{
    tas_sweep *s = sweep_made(context, "names");
    s->advice.batch = 128;
    s->advice.lr = (double)0.083f;
    s->advice.steps = 1000;
    s->advice.seconds = 1;
    s->advice.seconds_high = 1.25; /* 2.9 epochs are enough */
    s->validation = 0;
    const char *plain[] = {"tassello",   "train", odd_net,    odd_data, "--batch",  "128",      "--lr", "0.083",
                           "--momentum", "0",     "--epochs", "3",      "--device", "x\"><i>&", NULL};
    expect_words(s, plain);
    s->options.train.momentum = 0.9f; /* the default */
    s->options.train.nesterov = 1;
    s->options.examples = 6000;
    s->validation = 500;
    s->options.budget = 1048576;
    s->options.train.schedule = TAS_SCHEDULE_STEP;
    s->options.train.decay_steps = 1000;
    s->options.train.decay = 0.5f;
    s->options.train.warmup = 300;
    s->options.train.base_batch = 64;
    s->options.epochs = 6.5;
    s->device[0] = 0;
    s->advice.lr = NAN;
    const char *long_one[] = {"tassello",   "train",      odd_net, odd_data,       "--batch", "128",
                              "--nesterov", "--warmup",   "150",   "--schedule",   "step",    "--decay-steps",
                              "500",        "--decay",    "0.5",   "--epochs",     "4",       "--until-loss",
                              "0.45",       "--examples", "6000",  "--validation", "500",     "--budget",
                              "1048576",    NULL};
    expect_words(s, long_one);
    sweep_freed(s);
}
END_TEST

static void expect_end(const tas_sweep *s, const char *options, const char *words)
{
    char *command = tas_sweep_command(s), *end = tas_sweep_command_end(s);
    ck_assert_msg(strstr(command, options) != NULL, "\"%s\" is not in: %s", options, command);
    ck_assert_str_eq(end, words);
    free(command);
    free(end);
}

/* 2.33 epochs are expected, and the spread over seeds, and a quarter more to see that the target stays. */
START_TEST(the_command_ends_at_its_target)
{
    tas_sweep *s = sweep_made(context, "plausible");
    s->advice.batch = 128;
    s->advice.steps = 1000;
    s->advice.seconds = 1;
    s->advice.seconds_high = 1.25;
    expect_end(s, " --epochs 4 --until-loss 0.45 ",
               "It stops at the target, and after 4 epochs at the latest, which is enough for 95 % of seeds.");
    s->target = 0.1 + 0.2; /* its float, and nine digits, are another number */
    expect_end(s, " --until-loss 0.30000000000000004 ",
               "It stops at the target, and after 4 epochs at the latest, which is enough for 95 % of seeds.");
    s->options.by_accuracy = 1;
    s->target = 0.85;
    expect_end(s, " --epochs 4 --until-accuracy 0.85 ",
               "It stops at the target, and after 4 epochs at the latest, which is enough for 95 % of seeds.");
    s->options.on_train = 1;
    expect_end(s, " --epochs 3 ",
               "It trains for 3 epochs, enough for 95 % of seeds; there is no stop at a training loss.");
    s->options.on_train = 0;
    s->advice.seconds = s->advice.seconds_high = NAN; /* not timed: by the spread of the steps, t = 2.92 */
    s->batch[s->advice.row].steps = (sweep_mean){1000, 0.2, 3};
    expect_end(s, " --epochs 6 ",
               "It stops at the target, and after 6 epochs at the latest, which is enough for 95 % of seeds.");
    s->row[s->advice.row].missed = 1; /* then nothing is enough for all seeds */
    expect_end(s, " --epochs 6 ", "It stops at the target, and after 6 epochs at the latest.");
    s->row[s->advice.row].missed = 0;
    s->options.train.schedule = TAS_SCHEDULE_COSINE;
    s->options.epochs = 2;
    expect_end(s, " --steps 860 --until-accuracy 0.85", "It stops at the target, and after 860 steps at the latest.");
    s->options.train.schedule = TAS_SCHEDULE_CONSTANT;
    s->advice.steps = NAN;
    expect_end(s, " --epochs 2 ", "It stops at the target, and after 2 epochs at the latest.");
    sweep_freed(s);
}
END_TEST

/* JSON ------------------------------------------------------------------------------------------------------------- */

static json_t *json_of(const tas_sweep *s)
{
    char *text = tas_sweep_json_text(s);
    json_error_t error;
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_null(strchr(text, '\n'));
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(value != NULL, "%s: %.100s", error.text, text);
    free(text);
    return value;
}

/* "batches/3/steps/mean"; fails if there is no such key. */
static json_t *at_path(json_t *value, const char *path)
{
    char part[64];
    for (const char *at = path; *at;) {
        const size_t length = strcspn(at, "/");
        snprintf(part, sizeof part, "%.*s", (int)length, at);
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(part)) : json_object_get(value, part);
        ck_assert_msg(value != NULL, "%s: there is no %s", path, part);
        at += length + (at[length] == '/');
    }
    return value;
}

static double number_at(json_t *value, const char *path)
{
    json_t *found = at_path(value, path);
    ck_assert_msg(json_is_number(found), "%s is not a number", path);
    return json_number_value(found);
}

static void expect_null(json_t *value, const char *path)
{
    ck_assert_msg(json_is_null(at_path(value, path)), "%s is not null", path);
}

/* What the public functions give of targets on the way, of checks and of the target's depth. */
START_TEST(levels_and_checks_are_public)
{
    tas_sweep *s = sweep_made(context, "plausible");
    tas_level l;
    tas_check c;
    tas_sweep_facts f;
    s->levels = s->checks = 0;
    s->base_batch = 0;
    s->base_epochs = NAN;
    ck_assert(!tas_sweep_level(s, 0, &l) && !tas_sweep_check(s, 0, &c));
    s->levels = 2;
    s->level[0] = (sweep_level){.target = 0.9, .epochs = 0.5, .best = 2};
    s->level[0].seconds[2] = (sweep_mean){0.25, 0.1, 3};
    s->level[0].steps[2] = (sweep_mean){40, 0.1, 3};
    s->level[0].curve = (fit_curve){.known = true, .b_crit = {.state = FIT_AT_LEAST, .low = 12}};
    s->level[1] = (sweep_level){.target = 0.45, .epochs = NAN, .best = -1};
    ck_assert(tas_sweep_level(s, 0, &l) && l.target == 0.9 && l.epochs == 0.5 && l.best == 16);
    ck_assert(l.best_seconds == 0.25 && l.best_steps == 40 && isnan(l.best_examples));
    ck_assert(isnan(l.b_crit) && l.b_crit_low == 12 && isinf(l.b_crit_high));
    ck_assert(tas_sweep_level(s, 1, &l) && l.best == 0 && isnan(l.best_seconds) && l.b_crit_low == 0);
    ck_assert(!tas_sweep_level(s, 2, &l));
    s->checks = 1;
    s->check[0] = (sweep_check){.batch = 64, .seed = 9, .reached = true, .held = false, .seconds = 0.5, .loss = NAN};
    ck_assert(tas_sweep_check(s, 0, &c) && c.batch == 64 && c.seed == 9 && c.reached && !c.held && c.seconds == 0.5);
    ck_assert(!tas_sweep_check(s, 1, &c));
    tas_sweep_get_facts(s, &f);
    ck_assert(f.target == 0.45 && !f.base_batch && isnan(f.base_epochs));
    s->base_batch = 64;
    s->base_epochs = 1.5;
    s->base_best = 0.43;
    s->options.goal = TAS_GOAL_ACCURACY;
    tas_sweep_get_facts(s, &f);
    ck_assert(f.base_batch == 64 && f.base_epochs == 1.5 && f.base_best == 0.43 && isnan(f.compared_at));
    sweep_freed(s);
}
END_TEST

START_TEST(json_has_all_figures)
{
    tas_sweep *s = sweep_made(context, "plausible");
    json_t *value = json_of(s);
    const fit_curve *c = &s->advice.curve;
    ck_assert_int_eq(c->b_crit.state, FIT_KNOWN);
    expect_near(number_at(value, "b_crit"), c->b_crit.value, 1e-8);
    expect_near(number_at(value, "b_crit_low"), c->b_crit.low, 1e-8);
    expect_near(number_at(value, "b_crit_high"), c->b_crit.high, 1e-8);
    expect_near(number_at(value, "s_min"), c->s_min.value, 1e-8);
    expect_near(number_at(value, "e_min"), c->e_min.value, 1e-8);
    ck_assert(c->b_crit.low < 90 && c->b_crit.high > 90 && c->s_min.low < 120 && c->s_min.high > 120); /* as planted */
    expect_near(number_at(value, "recommendation/batch"), (double)s->advice.batch, 0);
    expect_near(number_at(value, "recommendation/seconds_high"), s->advice.seconds_high, 1e-8);
    expect_near(number_at(value, "elapsed_s"), 204, 0);
    expect_near(number_at(value, "forecast_s"), 190, 0);
    expect_near(number_at(value, "target"), 0.45, 1e-8);
    ck_assert_uint_eq(json_array_size(at_path(value, "batches")), 8);
    ck_assert_uint_eq(json_array_size(at_path(value, "frozen")), 3);
    ck_assert_uint_eq(json_array_size(at_path(value, "runs")), (size_t)s->runs);
    for (int i = 0; i < s->count; i++) {
        json_t *b = at_path(at_path(value, "batches"), (char[]){(char)('0' + i), 0});
        expect_near(number_at(b, "batch"), (double)s->batch[i].batch, 0);
        expect_near(number_at(b, "steps/mean"), s->batch[i].steps.value, 1e-8);
        expect_near(number_at(b, "steps/spread"), 0.1, 1e-8);
        expect_near(number_at(b, "memory_used"), (double)s->batch[i].memory_used, 0);
        expect_near(number_at(b, "gap_equal_steps/mean"), s->batch[i].gap_equal_steps.value, 1e-8);
    }
    expect_near(number_at(value, "frozen/2/batches/7/cosine"), s->frozen[2].batch[7].cosine, 1e-8);
    expect_near(number_at(value, "runs/0/points/2/loss"), 2.35 / 3, 1e-8);
    expect_near(number_at(value, "batches/0/noise_scale_over_training/10/low"), 90, 0);
    expect_null(value, "batches/0/noise_scale_over_training/10/high"); /* it has no upper end */
    expect_null(value, "runs/1/steps");
    json_decref(value);
    sweep_freed(s);
}
END_TEST

START_TEST(json_knows_what_it_does_not_know)
{
    static const char *const none[] = {"b_crit",
                                       "b_crit_low",
                                       "b_crit_high",
                                       "s_min",
                                       "e_min",
                                       "target",
                                       "forecast_s",
                                       "step_fixed_s",
                                       "recommendation/seconds",
                                       "recommendation/seconds_high",
                                       "batches/7/steps/mean",
                                       "batches/0/examples_per_s",
                                       "batches/3/test_loss",
                                       "batches/0/noise_scale/value",
                                       "batches/0/noise_scale/high",
                                       "equal_loss"};
    static const char *const names[] = {"unknown", "nan"};
    for (int k = 0; k < 2; k++) {
        tas_sweep *s = sweep_made(context, names[k]);
        json_t *value = json_of(s);
        for (size_t i = 0; i < sizeof none / sizeof *none; i++)
            if (k == 0 || strcmp(none[i], "step_fixed_s")) expect_null(value, none[i]);
        ck_assert_int_eq(json_integer_value(at_path(value, "recommendation/batch")), RECOMMEND_DEFAULT);
        json_decref(value);
        sweep_freed(s);
    }
    tas_sweep *s = sweep_made(context, "plausible");
    s->advice.curve.b_crit = (fit_range){FIT_AT_LEAST, 70, 50, INFINITY};
    json_t *value = json_of(s);
    expect_null(value, "b_crit");
    expect_near(number_at(value, "b_crit_low"), 50, 0);
    expect_null(value, "b_crit_high");
    json_decref(value);
    s->batch[0].fluctuation = (sweep_mean){.value = NAN}; /* as a sweep leaves one that was not measured; */
    s->batch[1].fluctuation = (sweep_mean){0};
    s->batch[2].fluctuation = (sweep_mean){0.1, 0, 1}; /* of one seed; and of two that came out alike */
    s->batch[3].fluctuation = (sweep_mean){0.1, 0, 2};
    value = json_of(s);
    for (int i = 0; i < 3; i++) {
        json_t *b = at_path(at_path(value, "batches"), (char[]){(char)('0' + i), 0});
        expect_null(b, "fluctuation/spread");
        if (i < 2) expect_null(b, "fluctuation/mean");
    }
    expect_near(number_at(value, "batches/3/fluctuation/spread"), 0, 0);
    json_decref(value);
    sweep_freed(s);
}
END_TEST

START_TEST(json_holds_any_name_and_any_sweep)
{
    tas_sweep *s = sweep_made(context, "names");
    json_t *value = json_of(s);
    ck_assert_str_eq(json_string_value(at_path(value, "net")), odd_net);
    expect_null(value, "data"); /* no UTF-8 */
    json_decref(value);
    sweep_freed(s);
    for (int i = 0; i < sweep_fixture_count; i++) {
        char file[] = "/tmp/tassello-json-XXXXXX";
        s = sweep_made(context, sweep_fixtures[i].name);
        ck_assert_int_ge(mkstemp(file), 0);
        ck_assert_int_eq(tas_sweep_json(s, file), TAS_OK);
        json_t *of_file = json_load_file(file, JSON_REJECT_DUPLICATES, NULL);
        value = json_of(s);
        ck_assert_msg(of_file && json_equal(value, of_file), "%s", sweep_fixtures[i].name);
        json_decref(value);
        json_decref(of_file);
        unlink(file);
        sweep_freed(s);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("findings");
    TCase *found = tcase_create("findings"), *told = tcase_create("command and JSON");
    tcase_add_checked_fixture(found, support_open, support_close);
    tcase_add_checked_fixture(told, support_open, support_close);
    tcase_add_loop_test(found, verdicts_follow_the_figures, 0, PLANTED);
    tcase_add_test(found, speeds_differ_by_more_than_the_clock);
    tcase_add_test(found, means_differ_by_more_than_t);
    tcase_add_test(found, one_seed_has_no_interval);
    tcase_add_test(found, points_that_differ_agree_in_part);
    tcase_add_test(found, a_large_batch_that_diverges_agrees);
    tcase_add_test(found, a_good_start_is_within_5_percent);
    tcase_add_test(found, ends_alone_prove_nothing);
    tcase_add_test(found, points_that_turn_agree_in_part);
    tcase_add_test(found, a_noise_scale_that_turns_agrees_in_part);
    tcase_add_test(found, ends_alone_prove_nothing);
    tcase_add_test(found, points_that_turn_agree_in_part);
    tcase_add_test(found, a_noise_scale_that_turns_agrees_in_part);
    tcase_add_test(found, a_batch_that_does_not_fit_is_named);
    tcase_add_test(found, a_worse_loss_says_where);
    tcase_add_test(found, noise_says_up_to_where);
    tcase_add_test(found, noise_says_from_what);
    tcase_add_test(told, the_command_is_read_back);
    tcase_add_test(told, the_command_ends_at_its_target);
    tcase_add_test(told, levels_and_checks_are_public);
    tcase_add_test(told, json_has_all_figures);
    tcase_add_test(told, json_knows_what_it_does_not_know);
    tcase_add_test(told, json_holds_any_name_and_any_sweep);
    suite_add_tcase(suite, found);
    suite_add_tcase(suite, told);
    return support_run(suite);
}
