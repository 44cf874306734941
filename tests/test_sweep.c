/* The search for rates as a pure function, and sweeps of a small network on the reference device. */
#include "lab/sweep/rate_search.h" /* before check.h, which has a macro of the name fail */
#include "lab/sweep/sweep.h"

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The race --------------------------------------------------------------------------------------------------------- */

/* A curve of examples against the rate, like those that are found: a slow side, a steep side, and a cliff. */
static double examples_at(double lr, double best, double cliff, bool *diverged)
{
    const double x = log(lr / best);
    *diverged = lr > best * cliff;
    if (*diverged || x < -6) return NAN;
    return 1000 * exp(0.4 * x * x);
}

static int run_race(rate_search *r, double first, double best, double cliff)
{
    double lr, give_up;
    rate_search_begin(r, first, 1.2, 1.5);
    while (rate_search_next(r, &lr, &give_up)) {
        bool diverged;
        double value = examples_at(lr, best, cliff, &diverged);
        if (value > give_up) value = NAN; /* given up */
        rate_search_record(r, value, diverged);
    }
    return r->count;
}

START_TEST(race_finds_the_rate)
{
    for (int i = 0; i < 400; i++) {
        const double best = 0.1, first = best * exp(random_float(-5, 5)), cliff = random_float(1.3f, 6);
        rate_search r;
        const int runs = run_race(&r, first, best, cliff);
        ck_assert_int_ge(r.best, 0);
        const double off = fabs(log(rate_search_best(&r) / best)) / log(2.0);
        const double room = cliff < sqrt(2) ? 1 : 0.5; /* half a step of the grid, but for a cliff within it */
        ck_assert_msg(off <= room + 1e-6, "from %g: lr %g, cliff %g", first, rate_search_best(&r), cliff);
        ck_assert(!r.edge);
        ck_assert_msg(runs <= 16, "%d runs from %g", runs, first);
        /* its neighbors at sqrt(2) were tried: the best is at no edge */
        for (int side = -1; side <= 1; side += 2) {
            bool tried = false;
            for (int k = 0; k < r.count; k++) tried |= r.entry[k].half == r.entry[r.best].half + side;
            ck_assert(tried);
        }
    }
}
END_TEST

START_TEST(race_ends_where_nothing_works)
{
    rate_search r;
    ck_assert_int_le(run_race(&r, 1, 1e9, 2), RATE_SEARCH_RUNS); /* too slow everywhere */
    ck_assert_int_lt(r.best, 0);
    ck_assert(isnan(rate_search_best(&r)));
    ck_assert_int_le(run_race(&r, 1, 1e-9, 2), RATE_SEARCH_RUNS); /* diverges everywhere */
    ck_assert_int_lt(r.best, 0);
}
END_TEST

/* Sweeps ----------------------------------------------------------------------------------------------------------- */

enum { N = 900, WIDE = 5, KINDS = 3 };
static const char net_text[] = "input 5\ndense 12\nrelu\ndense 3\nloss softmax\n";
static float inputs[N * WIDE];
static uint32_t labels[N];
static tas_data *train, *test;
static tas_network *net;

static tas_data *open_arrays(int count)
{
    tas_data_options options;
    tas_data *out;
    tas_data_options_init(&options);
    options.count = (uint64_t)count;
    options.input_size = WIDE;
    options.input_type = TAS_INPUT_F32;
    options.classes = KINDS;
    options.inputs = inputs;
    options.targets = labels;
    expect_ok(tas_data_open(context, &options, &out));
    return out;
}

static tas_data *open_set(int count, int classes)
{
    for (int i = 0; i < count; i++) {
        labels[i] = random_below((uint32_t)classes);
        for (int k = 0; k < WIDE; k++)
            inputs[i * WIDE + k] = random_float(-1.5f, 1.5f) + (k == (int)labels[i] ? 1.5f : 0); /* they overlap */
    }
    return open_arrays(count);
}

static void open_all(void)
{
    support_open();
    random_seed(7); /* figures of a sweep are held against each other: the same set each time */
    train = open_set(N, KINDS);
    test = open_set(300, KINDS);
    expect_ok(tas_network_parse(context, net_text, "small", &net));
}

static void close_all(void)
{
    tas_network_close(&net);
    tas_data_close(&test);
    tas_data_close(&train);
    support_close();
}

static tas_sweep_options small_options(const uint32_t *batches, int count)
{
    tas_sweep_options options;
    tas_sweep_options_init(&options);
    options.batches = batches;
    options.batch_count = count;
    options.train.momentum = 0;
    options.train.lr = 0.1f;
    options.seeds = 2;
    return options;
}

static const sweep_batch *batch_of(const tas_sweep *s, uint64_t batch)
{
    for (int i = 0; i < s->count; i++)
        if (s->batch[i].batch == batch) return &s->batch[i];
    ck_abort_msg("no such batch");
    return NULL;
}

/* Without those that check the advice: which batch it names depends on timings. */
static int count_runs(const tas_sweep *s)
{
    int count = s->runs;
    for (int i = 0; i < s->runs; i++)
        count -= !s->run[i].search && s->run[i].seed >= s->options.seed + SWEEP_CHECK_SEED;
    return count;
}

/* From a batch of 2 on, at a low rate, with little momentum, so that branches are short; the other runs are as
 * without it. */
START_TEST(a_batch_that_grows)
{
    const uint32_t batches[] = {2};
    const float rates[] = {0.001f};
    tas_sweep_options options = small_options(batches, 1);
    tas_sweep *s, *without;
    tas_grown grown;
    options.rates = rates;
    options.target = 0.55;
    options.train.momentum = 0.5f;
    options.epochs = 20;
    options.brief = 1;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &without));
    ck_assert_int_eq(tas_sweep_grown(without, &grown), 0);
    options.grow = 1;
    options.batch_most = 32;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    ck_assert_int_eq(tas_sweep_grown(s, &grown), 1);
    ck_assert_msg(grown.seeds == 2 && grown.reached == 2, "%d of %d reached", grown.reached, grown.seeds);
    ck_assert_int_eq(s->runs, without->runs);
    ck_assert_msg(!strncmp(grown.schedule, "2,", 2), "after %g steps it did not grow: %s", grown.steps, grown.schedule);
    const double mean = grown.examples / grown.steps;
    ck_assert_msg(mean > 2 && mean <= 32, "%g examples per step by %s", mean, grown.schedule);
    ck_assert(grown.seconds > 0 && grown.seconds_deciding >= 0 && grown.seconds_deciding < grown.seconds);
    tas_sweep_close(&s);
    tas_sweep_close(&without);
}
END_TEST

/* What a rate was chosen on says too much of it. */
static void check_seeds(const tas_sweep *s)
{
    for (int i = 0; i < s->runs; i++)
        for (int k = 0; k < s->runs; k++)
            if (s->run[i].search && !s->run[k].search) ck_assert_uint_ne(s->run[i].seed, s->run[k].seed);
}

START_TEST(a_sweep_measures_and_recommends)
{
    const uint32_t batches[] = {64, 8, 24}, sorted[] = {8, 24, 64};
    tas_sweep_options options = small_options(batches, 3);
    tas_sweep *s;
    tas_advice advice;
    int found = 0;
    expect_ok(tas_sweep_run(device, net, train, test, &options, &s));
    tas_sweep_advice(s, &advice);
    ck_assert_int_ge(s->count, 3); /* with the neighbors of one that a busy machine makes the best for a while */
    ck_assert_uint_eq(s->validation, 90);
    ck_assert_uint_eq(s->examples, 810);
    ck_assert(s->target > 0 && s->target < 1.2);
    ck_assert(s->count > 3 || advice.batch == 8 || advice.batch == 24 || advice.batch == 64);
    ck_assert(advice.range_low <= advice.batch && advice.batch <= advice.range_high);
    ck_assert(advice.lr > 0 && advice.seconds > 0 && strlen(advice.reason) > 40);
    check_seeds(s);
    for (int i = 0; i < s->count && found < 3; i++) {
        const sweep_batch *b = &s->batch[i];
        if (b->batch != sorted[found]) continue;
        found++;
        ck_assert_int_eq(b->outcome, ROW_REACHED);
        ck_assert_int_ge(b->seeds, 2); /* a check that falls short counts as another */
        ck_assert_int_ge(b->reached, 2);
        ck_assert(b->searches >= 4 && b->lr > 0);
        ck_assert(b->step_seconds > 0 && b->examples_per_s > 0);
        ck_assert_uint_eq(b->memory_used, b->memory_forecast);
        ck_assert(b->steps.value >= 1 && fabs(b->examples.value / b->steps.value - (double)b->batch) < 1e-6);
        ck_assert(fabs(b->epochs.value * 810 - b->examples.value) < 1e-6);
        ck_assert(b->best_loss.value <= b->last_loss.value + 1e-9 && b->best_loss.value <= s->target + 0.05);
        ck_assert(b->last_accuracy.value > 0.5 && b->test_accuracy > 0.5 && b->test_loss > 0);
        ck_assert(isfinite(b->gap_equal_loss.value) && isfinite(b->gap_equal_epochs.value) &&
                  isfinite(b->gap_equal_steps.value));
        if (b->batch == 64) ck_assert(b->noise.steps > 0); /* small batches are measured now and then */
        ck_assert(b->fluctuation.value > 0 && b->seed_spread.value > 0);
        for (int p = 0; p < FROZEN_POINTS; p++) {
            const frozen_figures *f = &s->frozen[p].batch[i];
            ck_assert_ptr_nonnull(s->frozen[p].name);
            ck_assert_int_ge(f->draws, 30);
            ck_assert_msg(fabs(f->variance - f->variance_expected) < 5 * f->variance_error, "%g, expected %g (%g)",
                          f->variance, f->variance_expected, f->variance_error);
            if (!i) continue;
            const frozen_figures *smaller = &s->frozen[p].batch[i - 1];
            ck_assert(f->variance_expected < smaller->variance_expected);
            ck_assert(f->variance < smaller->variance + 5 * (f->variance_error + smaller->variance_error));
        }
    }
    ck_assert_int_eq(found, 3);
    tas_sweep_close(&s);
    ck_assert_ptr_null(s);
}
END_TEST

/* Found by a user: 26 classes of 30 examples each. Its sweep advised a rate whose runs touched a target that was hardly
 * better than chance, and collapsed after it. */
START_TEST(few_examples_of_many_classes)
{
    enum { LETTERS = 26, SIDE = 64, BLOBS = LETTERS * 30 };
    static float pixels[BLOBS * SIDE], center[LETTERS][SIDE];
    static uint32_t kinds[BLOBS];
    tas_data_options about;
    tas_data *blobs, *more;
    tas_network *wide;
    tas_sweep *s;
    random_seed(5);
    for (int k = 0; k < LETTERS; k++)
        for (int i = 0; i < SIDE; i++) center[k][i] = random_below(4) ? 0 : 1;
    for (int n = 0; n < BLOBS; n++) {
        kinds[n] = (uint32_t)(n % LETTERS);
        for (int i = 0; i < SIDE; i++) pixels[n * SIDE + i] = center[kinds[n]][i] + random_float(-0.8f, 0.8f);
    }
    tas_data_options_init(&about);
    about.count = BLOBS;
    about.input_size = SIDE;
    about.input_type = TAS_INPUT_F32;
    about.classes = LETTERS;
    about.inputs = pixels;
    about.targets = kinds;
    expect_ok(tas_data_open(context, &about, &blobs));
    expect_ok(tas_data_open(context, &about, &more));
    expect_ok(tas_network_parse(context, "input 64\ndense 32\nrelu\ndense 26\nloss softmax\n", "blobs", &wide));
    tas_sweep_options options;
    tas_sweep_options_init(&options);
    options.epochs = 10;
    expect_ok(tas_sweep_run(device, wide, blobs, more, &options, &s));
    const sweep_batch *chosen = batch_of(s, s->advice.batch);
    double best = 0;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (sweep_mean_known(&b->last_accuracy)) best = fmax(best, b->last_accuracy.value);
        if (s->advice.verdicts[i] == VERDICT_KEPT)
            ck_assert_msg(b->last_loss.value < 1.5 * s->target + 0.05, "B = %u: %g after %g", (unsigned)b->batch,
                          b->last_loss.value, s->target);
        ck_assert(!(b->lr > 0.5001 * b->lr_edge_of_stability));
    }
    ck_assert(s->target < 1); /* chance has 3.26 */
    ck_assert_msg(chosen->last_accuracy.value > 0.9 * best, "accuracy %g at the advice, %g",
                  chosen->last_accuracy.value, best);
    ck_assert(s->checks > 0 && s->check[s->checks - 1].reached);
    tas_sweep_close(&s);
    tas_network_close(&wide);
    tas_data_close(&more);
    tas_data_close(&blobs);
}
END_TEST

/* What says nothing is refused before any training: what untrained weights meet, and what chance does. */
START_TEST(targets_that_say_nothing)
{
    const uint32_t batches[] = {8};
    tas_sweep_options options = small_options(batches, 1);
    tas_sweep *s = NULL;
    options.target = 5;
    expect(tas_sweep_run(device, net, train, NULL, &options, &s), TAS_BAD_ARGUMENT,
           "a target loss of 5.00 says nothing", "frequencies of classes");
    ck_assert_ptr_null(s);
    options.target = 0.2;
    options.by_accuracy = 1;
    expect(tas_sweep_run(device, net, train, NULL, &options, &s), TAS_BAD_ARGUMENT,
           "a target accuracy of 0.200 says nothing", "most frequent class");
    ck_assert_ptr_null(s);
    tas_network *mse;
    expect_ok(tas_network_parse(context, "input 5\ndense 12\nrelu\ndense 3\nloss mse\n", "mse", &mse));
    options.by_accuracy = 0;
    options.target = 50;
    expect(tas_sweep_run(device, mse, train, NULL, &options, &s), TAS_BAD_ARGUMENT,
           "a target loss of 50.0 says nothing", "the untrained network");
    tas_network_close(&mse);
}
END_TEST

/* Stopped and gone on with
 * --------------------------------------------------------------------------------------------- */

typedef struct stopper {
    int runs; /* stop once so many are done */
    int seen, first;
} stopper;

static int stop_after(void *user, const tas_sweep_progress *progress)
{
    stopper *w = user;
    if (!w->seen++) w->first = progress->runs;
    return w->runs && progress->runs >= w->runs;
}

static int stop_at_weights(void *user, const tas_sweep_progress *progress)
{
    (void)user;
    return !strncmp(progress->doing, "training to the weights", 23);
}

static void remove_folder(const char *folder)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(a_sweep_goes_on_from_its_state)
{
    const uint32_t batches[] = {32}; /* the order of several depends on timings */
    char folder[] = "/tmp/tassello-sweep-XXXXXX";
    tas_sweep_options options = small_options(batches, 1);
    tas_sweep *whole, *parts = NULL;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &whole));
    ck_assert_ptr_nonnull(mkdtemp(folder));
    options.state = folder;
    options.on_progress = stop_after;
    for (int stop = 3; stop <= 13; stop += 5) {
        stopper w = {.runs = stop};
        options.user = &w;
        expect(tas_sweep_run(device, net, train, NULL, &options, &parts), TAS_STOPPED, "stopped", "");
        ck_assert_int_ge(parts->runs, stop);
        ck_assert_int_eq(parts->stopped, true);
        tas_sweep_close(&parts);
    }
    options.on_progress = NULL;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &parts));
    ck_assert_int_eq(parts->runs, whole->runs);
    ck_assert(parts->target == whole->target);
    for (int i = 0; i < parts->runs; i++) {
        const sweep_run *a = &parts->run[i], *b = &whole->run[i];
        ck_assert_uint_eq(a->batch, b->batch);
        ck_assert_uint_eq(a->seed, b->seed);
        ck_assert(a->lr == b->lr && a->outcome == b->outcome && a->points == b->points);
        ck_assert(a->steps == b->steps || (isnan(a->steps) && isnan(b->steps)));
        ck_assert(a->noise.trace == b->noise.trace && a->noise.squares == b->noise.squares);
        for (int k = 0; k < a->points; k++) {
            const sweep_point *p = &a->point[k], *q = &b->point[k];
            ck_assert(p->step == q->step && p->examples == q->examples);
            ck_assert(p->loss == q->loss || (isnan(p->loss) && isnan(q->loss)));
        }
    }
    tas_sweep_close(&parts);
    options.train.momentum = 0.5f; /* another sweep: refused, and told why */
    expect(tas_sweep_run(device, net, train, NULL, &options, &parts), TAS_BAD_ARGUMENT, "momentum 0,", "momentum 0.5");
    ck_assert_ptr_null(parts);
    remove_folder(folder);
    tas_sweep_close(&whole);
}
END_TEST

/* What earlier sessions have run is told, even where they used the time up; and no more is run. */
START_TEST(a_sweep_without_time_left_tells_its_state)
{
    const uint32_t batches[] = {8, 32, 64};
    char folder[] = "/tmp/tassello-sweep-XXXXXX";
    tas_sweep_options options = small_options(batches, 3);
    tas_sweep *s;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    options.state = folder;
    options.brief = 1;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    const int runs = count_runs(s);
    tas_sweep_close(&s);
    options.seconds = 1e-3;
    options.seeds = 3;
    expect_ok(tas_sweep_run(device, net, train, test, &options, &s));
    ck_assert_int_le(count_runs(s), runs); /* fewer if a neighbor was added that now has no time */
    ck_assert(s->short_of_time && s->advice.row >= 0);
    ck_assert_ptr_nonnull(strstr(s->left_out, "the test of B = "));
    for (int i = 0; i < 3; i++) {
        char name[16];
        ck_assert_int_eq(s->batch[i].outcome, ROW_REACHED);
        ck_assert_str_eq(s->batch[i].why, "short of time: 2 of 3 seeds");
        ck_assert(i == s->advice.row ? s->batch[i].test_loss > 0 : isnan(s->batch[i].test_loss));
        snprintf(name, sizeof name, " %d", (int)s->batch[i].batch);
        ck_assert_int_eq(strstr(s->left_out, name) != NULL, i != s->advice.row);
    }
    tas_sweep_close(&s);
    options.seconds = 0;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    for (int i = 0; i < 3; i++) ck_assert_int_ge(batch_of(s, batches[i])->seeds, 3);
    tas_sweep_close(&s);
    remove_folder(folder);
}
END_TEST

/* Timings change from session to session, and with them which batch comes next: what an earlier session ran serves in
 * any order. Here each batch was swept alone, and then all of them without time for a run. */
START_TEST(runs_serve_in_any_order)
{
    const uint32_t batches[] = {24, 8, 128, 64};
    char folder[] = "/tmp/tassello-sweep-XXXXXX";
    double lr[4];
    int runs = 0;
    tas_sweep_options options = small_options(batches, 1);
    tas_sweep *s;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    options.state = folder;
    options.brief = 1;
    options.target = 0.6;
    for (int i = 0; i < 4; i++) {
        options.batches = batches + i;
        expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
        ck_assert_int_eq(s->batch[0].outcome, ROW_REACHED);
        lr[i] = s->batch[0].lr;
        runs += count_runs(s);
        tas_sweep_close(&s);
    }
    options.batches = batches;
    options.batch_count = 4;
    options.seconds = 1e-3;
    for (int again = 0; again < 2; again++) {
        expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
        ck_assert_int_eq(count_runs(s), runs);
        for (int i = 0; i < 4; i++) {
            const sweep_batch *b = batch_of(s, batches[i]);
            ck_assert_msg(b->lr == lr[i], "B = %u: %g, and %g alone: %s", batches[i], b->lr, lr[i], b->why);
            ck_assert_int_eq(b->outcome, ROW_REACHED);
        }
        tas_sweep_close(&s);
    }
    remove_folder(folder);
}
END_TEST

typedef struct listener {
    char notes[2048];
    double forecast; /* the first */
    bool stop;       /* once it is told */
} listener;

static int listen(void *user, const tas_sweep_progress *progress)
{
    listener *w = user;
    const size_t used = strlen(w->notes);
    if (progress->note) snprintf(w->notes + used, sizeof w->notes - used, "%s\n", progress->note);
    if (isnan(w->forecast)) w->forecast = progress->left;
    return w->stop && !isnan(w->forecast);
}

/* Memory is that of this device and this budget. */
START_TEST(memory_is_not_taken_from_another_budget)
{
    const uint32_t batches[] = {8, 32};
    char folder[] = "/tmp/tassello-sweep-XXXXXX";
    tas_sweep_options options = small_options(batches, 2);
    listener w = {.forecast = NAN};
    tas_sweep *s;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    options.state = folder;
    options.brief = options.scale = 1;
    options.target = 0.8;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    for (int i = 0; i < 2; i++) ck_assert(s->batch[i].memory_used && !s->batch[i].memory_elsewhere);
    tas_sweep_close(&s);
    options.on_progress = listen;
    options.user = &w;
    options.budget = 1 << 20;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    ck_assert_int_eq(s->runs, 5); /* the last one checks the advice */
    for (int i = 0; i < 2; i++) {
        ck_assert(!s->batch[i].memory_used && s->batch[i].memory_elsewhere);
        ck_assert(s->row[i].memory == (double)s->batch[i].memory_forecast);
    }
    ck_assert_ptr_nonnull(strstr(w.notes, "another device"));
    tas_sweep_close(&s);
    options.seeds = 3; /* a run here tells */
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    for (int i = 0; i < 2; i++) ck_assert_uint_eq(s->batch[i].memory_used, s->batch[i].memory_forecast);
    tas_sweep_close(&s);
    remove_folder(folder);
}
END_TEST

/* A set that differs in one label, or in many inputs behind its beginning, is another. */
START_TEST(a_state_is_of_its_whole_set)
{
    const uint32_t batches[] = {32};
    char folder[] = "/tmp/tassello-sweep-XXXXXX";
    tas_sweep_options options = small_options(batches, 1);
    tas_sweep *s = NULL;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    options.state = folder;
    options.brief = options.scale = 1;
    options.target = 0.8;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    tas_sweep_close(&s);
    for (int what = 0; what < 3; what++) {
        tas_data_close(&train);
        random_seed(7);
        train = open_set(N, KINDS);
        tas_data_close(&train);
        if (what == 1) labels[N - 1] = (labels[N - 1] + 1) % KINDS;
        for (int k = 500 * WIDE; k < N * WIDE && what == 2; k++) inputs[k] += 1;
        train = open_arrays(N);
        expect(tas_sweep_run(device, net, train, NULL, &options, &s), what ? TAS_BAD_ARGUMENT : TAS_OK,
               what ? "there 'data" : "", "");
        tas_sweep_close(&s);
    }
    remove_folder(folder);
}
END_TEST

/* Where time is left for no measurement, no batch was left out. */
START_TEST(measurements_that_are_left_out_are_told_as_such)
{
    const uint32_t batches[] = {8, 32};
    char folder[] = "/tmp/tassello-sweep-XXXXXX";
    tas_sweep_options options = small_options(batches, 2);
    tas_sweep *s;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    options.state = folder;
    options.scale = 1;
    options.target = 0.8;
    options.on_progress = stop_at_weights;
    expect(tas_sweep_run(device, net, train, NULL, &options, &s), TAS_STOPPED, "stopped", "");
    ck_assert_int_eq(s->runs, 5); /* the last one checks the advice */
    tas_sweep_close(&s);
    options.on_progress = NULL;
    options.seconds = 1e-3;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    ck_assert_int_eq(s->runs, 5); /* the last one checks the advice */
    ck_assert(!s->short_of_time && !s->frozen[0].name);
    ck_assert_ptr_nonnull(strstr(s->left_out, "gradients at frozen weights"));
    tas_sweep_close(&s);
    remove_folder(folder);
}
END_TEST

/* A network without classes has no accuracy; and the training before the measurements is reported, and can be stopped.
 */
START_TEST(losses_without_classes)
{
    const uint32_t batches[] = {8, 32};
    tas_sweep_options options = small_options(batches, 2);
    tas_network *mse;
    tas_sweep *s;
    options.scale = 1;
    expect_ok(tas_network_parse(context, "input 5\ndense 12\nrelu\ndense 3\nloss mse\n", "mse", &mse));
    expect_ok(tas_sweep_run(device, mse, train, test, &options, &s));
    for (int i = 0; i < 2; i++) {
        const sweep_batch *b = &s->batch[i];
        ck_assert(b->outcome == ROW_REACHED && b->test_loss > 0 && isnan(b->test_accuracy));
        ck_assert(b->best_loss.seeds == 2 && !b->best_accuracy.seeds && !b->last_accuracy.seeds);
    }
    tas_sweep_close(&s);
    options.on_progress = stop_at_weights;
    expect(tas_sweep_run(device, mse, train, test, &options, &s), TAS_STOPPED, "stopped", "");
    ck_assert_ptr_null(s->frozen[0].name);
    tas_sweep_close(&s);
    tas_network_close(&mse);
}
END_TEST

/* Steps are compared across looks: at B = 64, whose first looks are a step apart, each step has a pair but the first.
 */
START_TEST(looks_break_no_pairs)
{
    const uint32_t batches[] = {64};
    tas_sweep_options options = small_options(batches, 1);
    tas_sweep *s;
    options.scale = options.brief = options.on_train = 1;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    ck_assert_ptr_nonnull(strstr(s->target_words, "training loss"));
    int figures = 0;
    for (int i = 0; i < s->runs; i++) {
        const noise_scale *n = &s->run[i].noise;
        if (s->run[i].search || s->run[i].seed >= options.seed + SWEEP_CHECK_SEED) continue;
        figures++;
        ck_assert_uint_gt(n->steps, 1);
        ck_assert_uint_eq(n->pairs, n->steps - 1);
    }
    ck_assert_int_eq(figures, 2);
    tas_sweep_close(&s);
}
END_TEST

/* What is refused, and what is named
 * ----------------------------------------------------------------------------------- */

static void refuse(const tas_sweep_options *options, tas_status status, const char *word, const char *other)
{
    tas_sweep *s = NULL;
    expect(tas_sweep_run(device, net, train, NULL, options, &s), status, word, other);
    tas_sweep_close(&s);
}

START_TEST(errors_say_what_is_wrong)
{
    const uint32_t batches[] = {8, 32}, large[] = {8, 811}, twice[] = {8, 8}, none[] = {0};
    tas_sweep_options options = small_options(large, 2);
    refuse(&options, TAS_BAD_ARGUMENT, "811", "810");
    options = small_options(twice, 2);
    refuse(&options, TAS_BAD_ARGUMENT, "8", "twice");
    options = small_options(none, 1);
    refuse(&options, TAS_BAD_ARGUMENT, "batch of 0", "");
    options = small_options(batches, 2);
    options.seeds = 1;
    refuse(&options, TAS_BAD_ARGUMENT, "1 seeds", "2 to");
    options = small_options(batches, 2);
    options.seconds = 1e-3;
    refuse(&options, TAS_BAD_ARGUMENT, "time limit", "too short");
    options = small_options(batches, 2);
    options.validation = N;
    refuse(&options, TAS_BAD_ARGUMENT, "held out", "900");
    options = small_options(batches, 2);
    options.examples = N + 1;
    refuse(&options, TAS_BAD_ARGUMENT, "901", "900");
    options = small_options(batches, 2);
    options.budget = 1000;
    refuse(&options, TAS_NO_MEMORY, "budget", "1000");
    options = small_options(batches, 2);
    options.state = "/nowhere/at/all";
    refuse(&options, TAS_BAD_FILE, "/nowhere/at/all", "No such");
    options = small_options(batches, 2);
    options.by_accuracy = 1;
    refuse(&options, TAS_BAD_ARGUMENT, "target", "accuracy");
    options = small_options(batches, 2);
    options.waste = INFINITY;
    refuse(&options, TAS_BAD_ARGUMENT, "waste inf", "");
    options = small_options(batches, 2);
    options.rates = (const float[]){0.1f, 0.1f};
    refuse(&options, TAS_BAD_ARGUMENT, "rates", "target");
}
END_TEST

START_TEST(one_class_is_refused)
{
    const uint32_t batches[] = {8, 32};
    const tas_sweep_options options = small_options(batches, 2);
    tas_data_close(&train);
    train = open_set(N, 1);
    refuse(&options, TAS_BAD_DATA, "class 0", "nothing to learn");
}
END_TEST

START_TEST(a_target_out_of_reach_names_the_nearest)
{
    const uint32_t batches[] = {8, 32};
    tas_sweep_options options = small_options(batches, 2);
    tas_sweep *s;
    options.target = 1e-4;
    options.epochs = 2;
    options.scale = 1;
    expect(tas_sweep_run(device, net, train, NULL, &options, &s), TAS_NOT_REACHED, "no batch reached",
           "nearest was 0.");
    ck_assert_ptr_nonnull(s); /* what was seen can be reported all the same */
    ck_assert(s->nearest > 1e-4 && (s->nearest_batch == 8 || s->nearest_batch == 32));
    tas_sweep_close(&s);
}
END_TEST

/* Once a whole search was in vain, others are short; and the forecast is corrected aloud. */
START_TEST(a_target_out_of_reach_is_not_searched_for_everywhere)
{
    const uint32_t batches[] = {8, 24, 64, 128};
    tas_sweep_options options = small_options(batches, 4);
    listener w = {.forecast = NAN};
    tas_sweep *s;
    int whole = 0;
    options.target = 1e-4;
    options.on_progress = listen;
    options.user = &w;
    expect(tas_sweep_run(device, net, train, NULL, &options, &s), TAS_NOT_REACHED, "no batch reached",
           "nearest was 0.");
    for (int i = 0; i < 4; i++) {
        whole += s->batch[i].searches > 2;
        ck_assert_int_ge(s->batch[i].searches, 1);
        ck_assert_ptr_nonnull(strstr(s->batch[i].why, "did not reach the target"));
    }
    ck_assert_int_eq(whole, 1);
    ck_assert_msg(strstr(w.notes, "forecast") && strstr(w.notes, "the target was not reached in "), "%s", w.notes);
    tas_sweep_close(&s);
}
END_TEST

static double forecast_of(tas_sweep_options *options)
{
    listener w = {.forecast = NAN, .stop = true};
    tas_sweep *s = NULL;
    options->on_progress = listen;
    options->user = &w;
    expect(tas_sweep_run(device, net, train, NULL, options, &s), TAS_STOPPED, "stopped", "");
    ck_assert_ptr_null(s);
    return w.forecast;
}

/* Each run counts for 0.1 s at least, which clocks do not hide. */
START_TEST(a_target_that_is_to_be_made_is_in_the_forecast)
{
    const uint32_t batches[] = {16};
    tas_sweep_options options = small_options(batches, 1);
    options.brief = 1;
    options.target = 0.6;
    const double given = forecast_of(&options);
    options.target = NAN;
    ck_assert_double_gt(forecast_of(&options), given + 0.4);
    options.on_progress = NULL;
    options.seconds = 1;
    refuse(&options, TAS_BAD_ARGUMENT, "the target, the search for a rate, two runs of B = 16", "1.00 s");
}
END_TEST

/* The target is made at the rate that scaling gives that batch. */
START_TEST(a_target_is_made_at_the_scaled_rate)
{
    const uint32_t batches[] = {32, 64};
    tas_sweep_options options = small_options(batches, 2);
    tas_sweep *s;
    options.scale = options.brief = 1;
    options.train.lr = 0.4f;
    options.train.lr_scaling = TAS_SCALING_LINEAR;
    options.train.base_batch = 256;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    ck_assert_uint_eq(s->run[0].batch, 64);
    ck_assert(s->run[0].search && s->run[0].lr == (double)0.1f);
    ck_assert(batch_of(s, 64)->lr == (double)0.1f && batch_of(s, 32)->lr == (double)0.05f);
    ck_assert_ptr_nonnull(strstr(s->target_words, "lr 0.100)"));
    tas_sweep_close(&s);
}
END_TEST

/* Linear scaling takes the rate of B = 400 far above what is stable; without scaling 400 has too few steps. */
START_TEST(bad_batches_are_named)
{
    const uint32_t batches[] = {8, 400};
    const float rates[] = {0.3f, 40};
    tas_sweep_options options = small_options(batches, 2);
    tas_sweep *s;
    options.scale = 1;
    options.target = 0.6;
    options.epochs = 3;
    options.train.lr = 0.4f;
    options.train.base_batch = 8;
    options.train.lr_scaling = TAS_SCALING_LINEAR;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    ck_assert_int_eq(batch_of(s, 8)->outcome, ROW_REACHED);
    ck_assert_int_eq(batch_of(s, 400)->outcome, ROW_DIVERGED);
    ck_assert_uint_eq(s->advice.batch, 8);
    tas_sweep_close(&s);

    options.train.lr_scaling = TAS_SCALING_NONE;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    ck_assert_int_eq(batch_of(s, 8)->outcome, ROW_REACHED);
    ck_assert_int_eq(batch_of(s, 400)->outcome, ROW_UNDERTRAINED);
    ck_assert_uint_eq(s->advice.batch, 8);
    tas_sweep_close(&s);

    options.train.lr_scaling = TAS_SCALING_NONE;
    options.scale = 0; /* rates that are known: no search */
    options.rates = rates;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s));
    ck_assert(batch_of(s, 8)->lr == (double)rates[0] && batch_of(s, 400)->lr == (double)rates[1]);
    ck_assert_int_eq(s->runs, 5); /* the last one checks the advice */
    ck_assert_int_eq(batch_of(s, 400)->outcome, ROW_DIVERGED);
    tas_sweep_close(&s);
}
END_TEST

/* The least budget at which any batch fits leaves the largest one out, and names what it would take. */
START_TEST(a_batch_over_budget_is_named)
{
    const uint32_t batches[] = {8, 800};
    tas_sweep_options options = small_options(batches, 2);
    tas_sweep *s = NULL;
    options.scale = options.brief = 1;
    options.target = 0.6;
    options.train.lr = 0.4f;
    for (options.budget = 4096; !s; options.budget += 256) {
        const tas_status status = tas_sweep_run(device, net, train, NULL, &options, &s);
        if (status) ck_assert_int_eq(status, TAS_NO_MEMORY);
        ck_assert_uint_lt(options.budget, 1 << 20);
    }
    ck_assert_int_eq(batch_of(s, 8)->outcome, ROW_REACHED);
    ck_assert_int_eq(batch_of(s, 800)->outcome, ROW_OVER_BUDGET);
    ck_assert_ptr_nonnull(strstr(batch_of(s, 800)->why, "does not fit"));
    ck_assert_uint_eq(s->advice.batch, 8);
    const uint64_t enough = batch_of(s, 800)->memory_forecast;
    tas_sweep_close(&s);
    options.budget -= 256; /* that of the run before */
    options.brief = 0;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s)); /* no time is spent on what has no figures */
    for (int p = 0; p < FROZEN_POINTS; p++) {
        ck_assert_ptr_nonnull(s->frozen[p].name);
        ck_assert(s->frozen[p].batch[0].draws >= 30 && !s->frozen[p].batch[1].draws);
    }
    tas_sweep_close(&s);
    options.brief = 1;
    options.budget = enough;
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &s)); /* what it named is enough */
    ck_assert_int_ne(batch_of(s, 800)->outcome, ROW_OVER_BUDGET);
    tas_sweep_close(&s);
}
END_TEST

/* Little time: what is left out is said, and the limit is kept. */
START_TEST(a_time_limit_is_kept)
{
    const uint32_t batches[] = {1, 8, 32, 64};
    tas_sweep_options options = small_options(batches, 4);
    tas_sweep *s = NULL;
    options.seconds = 2.5;
    options.epochs = 40;
    const tas_status status = tas_sweep_run(device, net, train, NULL, &options, &s);
    if (status == TAS_BAD_ARGUMENT) { /* a machine so slow that no run fits says so */
        tas_sweep_close(&s);
        return;
    }
    expect_ok(status);
    ck_assert(s->short_of_time);
    ck_assert_msg(s->elapsed < 2.5 + 1, "%g s", s->elapsed);
    int said = 0;
    for (int i = 0; i < s->count; i++) said += strstr(s->batch[i].why, "short of time") != NULL;
    ck_assert_int_ge(said, 1);
    tas_sweep_close(&s);
}
END_TEST

/* Test examples without end: the training set's, over and over. */
static int fill_again(void *user, const uint64_t *index, size_t n, void *to, void *targets)
{
    (void)user;
    for (size_t k = 0; k < n; k++) {
        const size_t from = (size_t)(index[k] % 300);
        memcpy((float *)to + k * WIDE, inputs + from * WIDE, WIDE * sizeof(float));
        memcpy((uint32_t *)targets + k, labels + from, sizeof *labels);
    }
    return 0;
}

static tas_data *open_large(uint64_t count)
{
    tas_data_options options;
    tas_data *out;
    tas_data_options_init(&options);
    options.count = count;
    options.input_size = WIDE;
    options.input_type = TAS_INPUT_F32;
    options.classes = KINDS;
    options.fill = fill_again;
    expect_ok(tas_data_open(context, &options, &out));
    return out;
}

/* So many test examples as take about 1.5 s: eight batches' tests would take three times the limit. That time is kept
 * for one of them is seen in how much of it is left when tests begin. */
static int note_test(void *user, const tas_sweep_progress *progress)
{
    double *begun = user;
    if (isnan(*begun) && strstr(progress->doing, ": testing")) *begun = progress->seconds;
    return 0;
}

START_TEST(time_is_kept_for_a_test)
{
    const uint32_t batches[] = {4, 8, 16, 24, 32, 48, 64, 80};
    const double wanted = 1.5, limit = 4;
    tas_sweep_options options = small_options(batches, 8);
    tas_sweep *s;
    tas_model *model;
    tas_score score;
    double begun = NAN;
    double took = INFINITY; /* the least of three: of a machine that is busy with others for a while */
    tas_data *large = open_large(20000);
    expect_ok(tas_model_open(device, net, 1, &model));
    for (int i = 0; i < 3; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        expect_ok(tas_evaluate(model, large, &score));
        clock_gettime(CLOCK_MONOTONIC, &b);
        took = fmin(took, (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec));
    }
    tas_model_close(&model);
    tas_data_close(&large);
    large = open_large((uint64_t)(20000 * wanted / took));
    options.scale = options.brief = 1;
    options.target = 1e-4; /* each run goes to its end; all of them would take several times the limit */
    options.epochs = 100;
    options.seeds = 32;
    options.seconds = limit;
    options.on_progress = note_test;
    options.user = &begun;
    const tas_status status = tas_sweep_run(device, net, train, large, &options, &s);
    if (!isnan(begun)) {
        int tested = 0, trained = 0;
        for (int i = 0; i < s->count; i++) {
            tested += isfinite(s->batch[i].test_loss);
            trained += s->batch[i].seeds > 0;
        }
        ck_assert_int_eq(status, TAS_NOT_REACHED);
        ck_assert_msg(begun < limit - wanted / 3, "tests began at %g s", begun);
        ck_assert_int_ge(tested, 1);
        ck_assert_int_eq(tested < trained, strstr(s->left_out, "the test of B = ") != NULL);
    } else { /* where the machine is busy with others no batch may get its runs */
        ck_assert(status == TAS_BAD_ARGUMENT || status == TAS_NOT_REACHED);
    }
    tas_sweep_close(&s);
    tas_data_close(&large);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sweep");
    TCase *pure = tcase_create("race"), *all = tcase_create("sweeps"), *grown = tcase_create("grown");
    tcase_add_test(pure, race_finds_the_rate);
    tcase_add_test(pure, race_ends_where_nothing_works);
    tcase_add_checked_fixture(all, open_all, close_all);
    tcase_set_timeout(all, 120);
    tcase_add_test(all, a_sweep_measures_and_recommends);
    tcase_add_test(all, few_examples_of_many_classes);
    tcase_add_test(all, targets_that_say_nothing);
    tcase_add_test(all, a_sweep_goes_on_from_its_state);
    tcase_add_test(all, a_sweep_without_time_left_tells_its_state);
    tcase_add_test(all, looks_break_no_pairs);
    tcase_add_test(all, runs_serve_in_any_order);
    tcase_add_test(all, memory_is_not_taken_from_another_budget);
    tcase_add_test(all, a_state_is_of_its_whole_set);
    tcase_add_test(all, measurements_that_are_left_out_are_told_as_such);
    tcase_add_test(all, losses_without_classes);
    tcase_add_test(all, errors_say_what_is_wrong);
    tcase_add_test(all, one_class_is_refused);
    tcase_add_test(all, a_target_out_of_reach_names_the_nearest);
    tcase_add_test(all, a_target_out_of_reach_is_not_searched_for_everywhere);
    tcase_add_test(all, a_target_that_is_to_be_made_is_in_the_forecast);
    tcase_add_test(all, a_target_is_made_at_the_scaled_rate);
    tcase_add_test(all, bad_batches_are_named);
    tcase_add_test(all, a_batch_over_budget_is_named);
    tcase_add_test(all, a_time_limit_is_kept);
    tcase_add_test(all, time_is_kept_for_a_test);
    suite_add_tcase(suite, pure);
    suite_add_tcase(suite, all);
    tcase_set_timeout(grown, 200);
    tcase_add_test(grown, a_batch_that_grows);
    tcase_add_checked_fixture(grown, open_all, close_all);
    suite_add_tcase(suite, grown);
    return support_run(suite);
}
