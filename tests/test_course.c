/* The course of a run: which examples each step takes when the batch and the order change on the way, against a walk
 * step by step; copies of a run; and that a change leaves the same bits however batches are cut and if the device
 * fails. TASSELLO_TEST_DEVICE is the device, else the reference. */
#include "device/device.h" /* before check.h, which has a macro of the name fail */
#include "train/options.h"
#include "train/run_copy.h"

#include "driver.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The course ------------------------------------------------------------------------------------------------------- */

enum { EXAMPLES_MOST = 60, WALK = 150 };

static course *open_course(uint32_t examples, uint32_t batch, bool drop_last)
{
    tas_train_options options = sample_options(batch, WALK);
    course *c = malloc(sizeof *c);
    options.drop_last = drop_last;
    ck_assert_int_eq(course_open(c, context, &options, examples), TAS_OK);
    return c;
}

static void free_course(course *c)
{
    course_close(c);
    free(c);
}

/* What is said of a step that begins at that place. */
static void check_step(const course *c, uint64_t step, uint64_t epoch, uint32_t at, uint32_t batch)
{
    const course_step found = course_at(c, step);
    const uint32_t left = c->examples - at;
    ck_assert_msg(found.epoch == epoch && found.at == at && found.batch == batch,
                  "step %d: epoch %d at %u batch %u, expected epoch %d at %u batch %u", (int)step, (int)found.epoch,
                  found.at, found.batch, (int)epoch, at, batch);
    ck_assert_uint_eq(found.count, left < batch ? left : batch);
    ck_assert(found.left >= 1);
    for (uint64_t k = 1; k < found.left; k++) {
        const course_step later = course_at(c, step + k);
        ck_assert(later.epoch == epoch && later.batch == batch && later.left == found.left - k);
    }
    const course_step next = course_at(c, step + found.left);
    ck_assert(next.epoch != epoch || next.batch != batch || next.left < UINT64_MAX);
}

/* Changes of the batch at random steps, the last one possibly dropped again. */
START_TEST(steps_are_as_a_walk_takes_them)
{
    for (int round = 0; round < 300; round++) {
        const uint32_t examples = 1 + random_below(EXAMPLES_MOST);
        const bool drop_last = random_below(2);
        uint32_t batch[WALK + 1], at = 0;
        uint64_t epoch = 0, ends[2 * WALK] = {0};
        batch[0] = 1 + random_below(examples);
        course *c = open_course(examples, batch[0], drop_last);
        for (uint64_t s = 1; s <= WALK; s++) {
            batch[s] = random_below(20) ? batch[s - 1] : 1 + random_below(examples);
            if (batch[s] != batch[s - 1] && random_below(2)) /* is replaced */
                ck_assert_int_eq(course_change_batch(c, context, s + random_below(3), 1), TAS_OK);
            if (batch[s] != batch[s - 1]) ck_assert_int_eq(course_change_batch(c, context, s, batch[s]), TAS_OK);
        }
        for (uint64_t s = 0; s < WALK; s++) {
            if (examples - at < batch[s] && drop_last) at = 0, epoch++, ends[epoch] = s;
            check_step(c, s + 1, epoch, at, batch[s]);
            at += batch[s];
            if (at >= examples || (drop_last && examples - at < batch[s])) at = 0, epoch++, ends[epoch] = s + 1;
        }
        for (uint64_t e = 1; e <= epoch; e++) ck_assert_uint_eq(course_end(c, e), ends[e]);
        free_course(c);
    }
}
END_TEST

START_TEST(one_batch_divides_evenly)
{
    for (int round = 0; round < 200; round++) {
        const uint32_t examples = 1 + random_below(1000), batch = 1 + random_below(examples);
        const bool drop_last = random_below(2);
        const uint64_t each = examples / batch + (examples % batch && !drop_last);
        const uint64_t step = 1 + random_u64() % UINT32_MAX;
        course *c = open_course(examples, batch, drop_last);
        check_step(c, step, (step - 1) / each, (uint32_t)((step - 1) % each * batch), batch);
        ck_assert_uint_eq(course_end(c, 7), 7 * each);
        free_course(c);
    }
}
END_TEST

/* Each epoch's order is a permutation, whose beginning a change leaves as it was; the same in a copy. */
START_TEST(orders_change_behind_a_step)
{
    uint32_t before[EXAMPLES_MOST], after[EXAMPLES_MOST];
    for (int round = 0; round < 200; round++) {
        const uint32_t examples = 2 + random_below(EXAMPLES_MOST - 1);
        course *c = open_course(examples, 1 + random_below(examples), random_below(2));
        uint64_t step = 0;
        for (int k = 0; k < 5; k++) {
            course copy = {0};
            step += random_below(6);
            const course_step next = course_at(c, step + 1);
            const uint64_t epoch = next.epoch;
            course_fill(c, epoch, before);
            ck_assert_int_eq(course_copy(&copy, context, c), TAS_OK);
            ck_assert_int_eq(course_change_order(c, context, step, random_u64()), TAS_OK);
            course_fill(c, epoch, after);
            ck_assert(!memcmp(before, after, next.at * sizeof *before));
            if (examples - next.at > 12) ck_assert(memcmp(before, after, examples * sizeof *before));
            uint64_t seen = 0;
            for (uint32_t i = 0; i < examples; i++) seen |= 1ull << after[i];
            ck_assert(seen == (1ull << examples) - 1);
            course_fill(&copy, epoch, after);
            ck_assert(!memcmp(before, after, examples * sizeof *before));
            if (epoch) {
                course_fill(&copy, epoch - 1, before);
                course_fill(c, epoch - 1, after);
                ck_assert(!memcmp(before, after, examples * sizeof *before));
            }
            course_fill(&copy, epoch + 1, before);
            course_fill(c, epoch + 1, after);
            if (examples > 12) ck_assert(memcmp(before, after, examples * sizeof *before));
            course_close(&copy);
        }
        free_course(c);
    }
}
END_TEST

/* Runs ------------------------------------------------------------------------------------------------------------- */

enum { RUN_EXAMPLES = 131, RUN_INPUTS = 60, STEPS = 30, BATCH = 13, MOST = 40 };

static const char *const texts[] = {
    "input 60\ndense 21\ntanh\ndropout 0.2\ndense 4\n",
    "input 2x6x5\nconv2d 5 3 padding 1\nrelu\nmax_pool 2\nflatten\ndropout 0.3\ndense 4\n",
    "input 60\ndense 20\nbatch_norm\nrelu\ndense 4\n",
    "input 2x6x5\nconv2d 4 3\nbatch_norm\nrelu\nflatten\ndense 9\nbatch_norm\ntanh\ndense 4\n",
};
enum { TEXTS = 4 };

static float run_inputs[RUN_EXAMPLES * RUN_INPUTS];
static uint32_t run_labels[RUN_EXAMPLES];
static tas_data *run_set;

static void open_set(void)
{
    seed_anew();
    for (uint32_t i = 0; i < RUN_EXAMPLES * RUN_INPUTS; i++) run_inputs[i] = random_float(-1, 1);
    for (uint32_t e = 0; e < RUN_EXAMPLES; e++) run_labels[e] = random_below(4);
    run_set = data_of(RUN_EXAMPLES, RUN_INPUTS, run_inputs, run_labels, 4, 0);
}

static void close_set(void) { tas_data_close(&run_set); }

/* What a run has shown: after its step k, at [k - 1]. */
typedef struct shown {
    uint64_t steps;
    tas_step step[2 * STEPS];
} shown;

typedef struct session {
    tas_model *model;
    tas_run *run;
    tas_train_options options;
    tas_train_result result;
    shown shown;
    char hex[65]; /* once it is over */
} session;

static int show(void *user, const tas_step *step)
{
    shown *out = user;
    ck_assert_uint_lt(out->steps, 2 * STEPS);
    out->step[out->steps++] = *step;
    return 0;
}

static tas_train_options run_options(int round)
{
    static const tas_optimizer optimizers[] = {TAS_SGD, TAS_ADAM, TAS_LAMB};
    tas_train_options options = sample_options(BATCH, STEPS);
    for (int k = 0; k < round; k++) random_u64();
    tas_train_options_choose(&options, optimizers[random_below(3)]);
    options.batch_most = MOST;
    options.weight_decay = 0.001f;
    options.lr_scaling = TAS_SCALING_SQRT;
    options.drop_last = random_below(2);
    options.ahead = random_below(2);
    options.noise = random_below(2);
    options.schedule = TAS_SCHEDULE_COSINE;
    options.seed = random_u64();
    return options;
}

static session *open_session(const char *text, tas_device *on, tas_train_options options)
{
    session *s = calloc(1, sizeof *s);
    tas_network *network = NULL;
    s->options = options;
    s->options.on_step = show;
    s->options.user = &s->shown;
    expect_ok(tas_network_parse(context, text, "course", &network));
    expect_ok(tas_model_open(on, network, 3, &s->model));
    tas_network_close(&network);
    expect_ok(tas_run_open(s->model, run_set, &s->options, &s->run));
    return s;
}

/* Frees its memory on the device, and keeps what it has shown. */
static void end_session(session *s)
{
    if (!s->model) return;
    expect_ok(tas_model_digest(s->model, s->hex));
    tas_run_close(&s->run);
    tas_model_close(&s->model);
}

static void close_session(session *s)
{
    end_session(s);
    free(s);
}

static void advance(session *s, uint64_t steps) { expect_ok(tas_run_advance(s->run, steps, &s->result)); }

typedef struct hex {
    char text[65];
} hex;

static hex hex_of(session *s)
{
    hex out;
    expect_ok(tas_model_digest(s->model, out.text));
    return out;
}

static bool same_double(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

/* Steps from..to-1 of one have the figures of the other's, which begin at `at`. */
static void expect_same_steps(const shown *a, uint64_t from, uint64_t to, const shown *b, uint64_t at)
{
    ck_assert(to <= a->steps && at + to - from <= b->steps);
    for (uint64_t k = from; k < to; k++) {
        const tas_step *x = &a->step[k], *y = &b->step[at + k - from];
        ck_assert_msg(x->step == y->step && x->steps == y->steps && x->epoch == y->epoch && x->batch == y->batch &&
                          x->lr == y->lr && x->loss == y->loss && x->examples == y->examples &&
                          same_double(x->trace, y->trace) && same_double(x->square, y->square),
                      "step %d (%d): epoch %d, batch %u, lr %g, loss %.9g, trace %g; expected %d, %u, %g, %.9g, %g",
                      (int)x->step, (int)y->step, (int)y->epoch, y->batch, (double)y->lr, (double)y->loss, y->trace,
                      (int)x->epoch, x->batch, (double)x->lr, (double)x->loss, x->trace);
    }
}

static void expect_same_noise(const tas_noise *a, const tas_noise *b)
{
    ck_assert(a->state == b->state && a->steps == b->steps && a->group == b->group);
    ck_assert(same_double(a->value, b->value) && same_double(a->low, b->low) && same_double(a->high, b->high));
}

/* Changes, as a run of growing batches and its branches make them. */
static void change(session *s, uint32_t batch, uint64_t order)
{
    expect_ok(run_change_batch(s->run, batch));
    if (order) expect_ok(run_change_order(s->run, order));
}

static const char *text_of(int i, tas_train_options *options)
{
    if (i % TEXTS >= 2) options->drop_last = 1; /* a last batch of one example has no variance */
    return texts[i % TEXTS];
}

START_TEST(a_copy_gives_the_same_bits_again)
{
    tas_train_options options = run_options(_i);
    const char *text = text_of(_i, &options);
    options.tile = _i / TEXTS == 1 ? 7 : 0;
    session *plain = open_session(text, tested, options), *s = open_session(text, tested, options);
    run_copy *first, *second;
    advance(plain, STEPS);
    advance(s, 9);
    expect_ok(run_copy_take(s->run, &first));
    const hex nine = hex_of(s);
    advance(s, 7);
    const hex sixteen = hex_of(s);
    expect_ok(run_copy_restore(s->run, first));
    ck_assert_str_eq(hex_of(s).text, nine.text);
    ck_assert_uint_eq(s->run->result.steps, 9);
    expect_same_steps(&plain->shown, 0, 16, &s->shown, 0);
    advance(s, 7);
    ck_assert_str_eq(hex_of(s).text, sixteen.text);
    expect_same_steps(&plain->shown, 9, 16, &s->shown, 16);
    expect_ok(run_copy_take(s->run, &second));

    /* branches with other batches and orders, twice */
    hex branch[2][2];
    shown seen[2];
    for (int turn = 0; turn < 2; turn++) {
        for (int which = 0; which < 2; which++) {
            expect_ok(run_copy_restore(s->run, which ? second : first));
            s->shown.steps = 0;
            change(s, which ? MOST : 5, 77 + (uint64_t)which);
            advance(s, 7);
            branch[turn][which] = hex_of(s);
            if (!turn) seen[which] = s->shown;
            expect_same_steps(&seen[which], 0, 7, &s->shown, 0);
        }
    }
    for (int which = 0; which < 2; which++) ck_assert_str_eq(branch[0][which].text, branch[1][which].text);
    ck_assert_str_ne(branch[0][0].text, branch[0][1].text);

    /* a short one, within the epoch */
    expect_ok(run_copy_restore(s->run, second));
    change(s, 5, 99);
    advance(s, 1);

    expect_ok(run_copy_restore(s->run, second));
    s->shown.steps = 0;
    ck_assert_str_eq(hex_of(s).text, sixteen.text);
    advance(s, STEPS);
    expect_same_steps(&plain->shown, 16, STEPS, &s->shown, 0);
    ck_assert_str_eq(hex_of(s).text, hex_of(plain).text);
    ck_assert_uint_eq(s->result.steps, STEPS);
    ck_assert_uint_eq(s->result.examples, plain->result.examples);
    if (options.noise) expect_same_noise(&s->result.noise, &plain->result.noise);
    run_copy_free(&first);
    run_copy_free(&second);
    close_session(s);
    close_session(plain);
}
END_TEST

/* A run whose batch and order change at some steps, in stretches. */
static session *changing(const char *text, tas_device *on, tas_train_options options, const uint32_t batch[3],
                         uint64_t order)
{
    session *s = open_session(text, on, options);
    advance(s, 8);
    change(s, batch[0], 0);
    advance(s, 5);
    change(s, batch[1], order);
    advance(s, 1);
    change(s, batch[2], 0);
    advance(s, STEPS);
    ck_assert_uint_eq(s->shown.steps, tas_run_steps(s->run));
    return s;
}

static void expect_same(session *a, session *b)
{
    end_session(a);
    end_session(b);
    ck_assert_uint_eq(a->shown.steps, b->shown.steps);
    expect_same_steps(&a->shown, 0, a->shown.steps, &b->shown, 0);
    ck_assert_str_eq(a->hex, b->hex);
    if (a->options.noise) expect_same_noise(&a->result.noise, &b->result.noise);
}

static uint64_t least_budget(const char *text, tas_train_options options)
{
    tas_network *network = NULL;
    tas_run *run = NULL;
    tas_model *model = NULL;
    expect_ok(tas_network_parse(context, text, "course", &network));
    expect_ok(tas_model_open(tested, network, 3, &model));
    tas_network_close(&network);
    options.budget = 1;
    expect(tas_run_open(model, run_set, &options, &run), TAS_NO_MEMORY, "smallest sufficient", "");
    tas_model_close(&model);
    return smallest_budget();
}

START_TEST(a_change_leaves_the_same_bits)
{
    static const uint32_t tiles[] = {0, 1, 7, MOST};
    const uint32_t batch[] = {2 + random_below(MOST - 1), MOST, 2 + random_below(MOST - 1)};
    const uint64_t order = random_u64();
    tas_train_options options = run_options(_i);
    const char *text = text_of(_i, &options);
    session *whole = changing(text, reference, options, batch, order);
    ck_assert_uint_eq(course_at(&whole->run->course, 9).batch, batch[0]);
    ck_assert_uint_eq(course_at(&whole->run->course, 14).batch, MOST);
    for (int k = 0; k < 4; k++) {
        options.tile = tiles[k];
        session *s = changing(text, tested, options, batch, order);
        expect_same(whole, s);
        close_session(s);
    }
    options.tile = 0;
    options.budget = least_budget(text, options);
    session *s = changing(text, tested, options, batch, order);
    expect_same(whole, s);
    ck_assert_uint_eq(s->result.peak_bytes, options.budget);
    ck_assert_uint_lt(s->result.tile, MOST);
    close_session(s);
    close_session(whole);
}
END_TEST

/* The largest batch is a matter of memory alone. */
START_TEST(the_largest_batch_changes_nothing)
{
    tas_train_options options = run_options(_i);
    const char *text = text_of(_i, &options);
    session *wide = open_session(text, tested, options);
    options.batch_most = 0;
    session *plain = open_session(text, tested, options);
    advance(wide, STEPS);
    advance(plain, STEPS);
    expect(run_change_batch(plain->run, BATCH + 1), TAS_BAD_ARGUMENT, "batch 14", "1 to 13");
    expect(run_change_batch(plain->run, 0), TAS_BAD_ARGUMENT, "batch 0", "1 to 13");
    expect_same(plain, wide);
    close_session(wide);
    close_session(plain);
}
END_TEST

/* A run of epochs ends with them, whatever its batches; each example comes once per epoch. */
START_TEST(epochs_end_when_they_are_over)
{
    tas_train_options options = run_options(_i);
    options.steps = 0;
    options.epochs = 3;
    options.drop_last = 0;
    options.schedule = TAS_SCHEDULE_CONSTANT;
    session *s = open_session(texts[0], tested, options);
    advance(s, 4);
    change(s, 31, 5);
    advance(s, 100);
    uint32_t examples[3] = {0};
    for (uint64_t k = 0; k < s->shown.steps; k++) examples[s->shown.step[k].epoch - 1] += s->shown.step[k].batch;
    for (int e = 0; e < 3; e++) ck_assert_uint_eq(examples[e], RUN_EXAMPLES);
    ck_assert_uint_eq(s->result.steps, 4 + (RUN_EXAMPLES - 4 * BATCH - 1) / 31 + 1 + 2 * ((RUN_EXAMPLES - 1) / 31 + 1));
    close_session(s);
}
END_TEST

/* A branch that diverges can be left; the run goes on as if it had not been. */
START_TEST(a_branch_that_diverges_is_left)
{
    tas_train_options options = run_options(_i);
    const char *text = text_of(_i, &options);
    run_copy *copy, *again;
    tas_train_options_choose(&options, TAS_SGD);
    options.lr = 0.01f;
    session *plain = open_session(text, tested, options), *s = open_session(text, tested, options);
    advance(plain, STEPS);
    advance(s, 9);
    expect_ok(run_copy_take(s->run, &copy));
    s->run->options.lr = 1e30f; /* as no options may ask */
    ck_assert_int_eq(tas_run_advance(s->run, 20, &s->result), TAS_NOT_FINITE);
    ck_assert_int_eq(tas_run_advance(s->run, 1, &s->result), TAS_NOT_FINITE);
    expect(run_copy_take(s->run, &again), TAS_NOT_FINITE, "failed before", "");
    s->run->options.lr = 0.01f;
    expect_ok(run_copy_restore(s->run, copy));
    s->shown.steps = 9;
    advance(s, STEPS);
    expect_same(plain, s);
    run_copy_free(&copy);
    close_session(s);
    close_session(plain);
}
END_TEST

/* Settings --------------------------------------------------------------------------------------------------------- */

/* What the options say beforehand, as what is done on the way. */
START_TEST(changes_are_as_if_made_on_the_way)
{
    const tas_batch_change changes[] = {{8, 2 + random_below(MOST - 1)}, {13, MOST}, {14, 2 + random_below(MOST - 1)}};
    const uint32_t batch[] = {changes[0].batch, changes[1].batch, changes[2].batch};
    tas_train_options options = run_options(_i);
    const char *text = text_of(_i, &options);
    session *done = changing(text, tested, options, batch, 0);
    options.batch_most = 0;
    options.changes = changes;
    options.change_count = 3;
    for (int k = 0; k < 3; k++) {
        options.tile = k == 1 ? 7 : 0;
        if (k == 2) options.budget = least_budget(text, options);
        session *s = open_session(text, tested, options);
        tas_plan forecast;
        tas_plan_options planned;
        tas_plan_options_init(&planned);
        planned.batch = BATCH;
        planned.changes = changes;
        planned.change_count = 3;
        planned.tile = options.tile;
        planned.budget = options.budget;
        planned.optimizer = options.optimizer;
        planned.noise = options.noise;
        advance(s, STEPS);
        expect_same(done, s);
        close_session(s);
        s = open_session(text, tested, options);
        expect_ok(tas_plan_make(tested, tas_model_network(s->model), run_set, NULL, &planned, &forecast));
        advance(s, 1);
        ck_assert_uint_eq(s->result.peak_bytes, forecast.bytes_total);
        ck_assert_uint_eq(s->result.tile, forecast.tile);
        close_session(s);
    }
    close_session(done);
}
END_TEST

/* The schedule, step by step: a decay whenever the examples since the warm-up are another so many. */
START_TEST(seesaw_is_as_the_paper_has_it)
{
    for (int round = 0; round < 100; round++) {
        const uint64_t examples = 100 + random_below(20000);
        tas_train_options options = sample_options(1 + random_below(100), 1 + random_below(400));
        tas_batches batches;
        course c;
        options.schedule = TAS_SCHEDULE_SEESAW;
        options.decay_steps = 1 + random_below(60);
        options.warmup = random_below(2) ? random_below(1 + (uint32_t)options.steps) : 0;
        options.batch_most = random_below(2) ? 1 + random_below(3000) : 0;
        if (options.batch > examples) continue;
        ck_assert_int_eq(options_course(&c, context, &options, examples), TAS_OK);
        ck_assert_int_eq(tas_train_batches(context, &options, examples, &batches), TAS_OK);
        const uint64_t most =
            options.batch_most && options.batch_most < examples / 10 ? options.batch_most : examples / 10;
        uint64_t done = 0, batch = options.batch, due = options.decay_steps * options.batch;
        double lr = 0.05;
        int at = 0, halved = 0;
        for (uint64_t step = 0; step < options.steps; step++) {
            for (; done >= due; due += options.decay_steps * options.batch) {
                const bool doubles = 2 * batch <= most && !halved;
                halved |= !doubles;
                batch *= doubles ? 2 : 1;
                lr /= doubles ? sqrt(2) : 2;
            }
            while (at + 1 < batches.count && batches.list[at + 1].step <= step) at++;
            const float found = options_lr(&options, &c, step, options.steps);
            const double wanted = step < options.warmup ? 0.05 * (double)(step + 1) / (double)options.warmup : lr;
            ck_assert_uint_eq(course_at(&c, step + 1).batch, batch);
            ck_assert_uint_eq(batches.list[at].batch, batch);
            ck_assert_msg(found == 0 ? wanted < 1e-18 : fabs((double)found - wanted) < 1e-6 * wanted,
                          "step %d: %g, expected %g", (int)step, (double)found, wanted);
            if (step >= options.warmup) done += batch;
        }
        ck_assert_int_eq(batches.capped != 0, halved);
        ck_assert_uint_eq(batches.steps, options.steps);
        course_close(&c);
    }
}
END_TEST

START_TEST(settings_that_do_not_fit)
{
    static const struct {
        tas_batch_change list[2];
        int count;
        const char *word, *other;
    } wrong[] = {
        {{{0, 5}}, 1, "change 1", "a step above 0"},
        {{{4, 5}, {4, 6}}, 2, "change 2, to batch 6 from step 4", "above 4"},
        {{{4, 0}}, 1, "change 1, from step 4 on: batch 0", "at least 1"},
        {{{4, 5}, {9, RUN_EXAMPLES + 1}}, 2, "change 2, from step 9 on: batch 132 is larger", "131 examples"},
        {{{4, 5}, {STEPS, 6}}, 2, "change 2, to batch 6 from step 30", "only 30 steps"},
        {{{4, 5}}, TAS_BATCH_CHANGES + 1, "65 changes", "at most 64"},
    };
    tas_train_options options = sample_options(BATCH, STEPS);
    tas_network *network = NULL;
    tas_model *model = NULL;
    tas_run *run = NULL;
    expect_ok(tas_network_parse(context, texts[2], "course", &network));
    expect_ok(tas_model_open(tested, network, 3, &model));
    tas_network_close(&network);
    tas_batches batches;
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        options.changes = wrong[k].list;
        options.change_count = wrong[k].count;
        expect(tas_run_open(model, run_set, &options, &run), TAS_BAD_ARGUMENT, wrong[k].word, wrong[k].other);
        expect(tas_train_batches(context, &options, RUN_EXAMPLES, &batches), TAS_BAD_ARGUMENT, wrong[k].word,
               k == 3 ? "" : wrong[k].other);
    }
    const tas_batch_change to_one = {4, 1}, odd = {4, 39}; /* 131 - 52 = 39 + 40 */
    options.changes = &to_one;
    options.change_count = 1;
    expect(tas_run_open(model, run_set, &options, &run), TAS_BAD_ARGUMENT, "batch_norm needs at least 2",
           "a batch has 1");
    options.changes = &odd;
    expect(tas_run_open(model, run_set, &options, &run), TAS_BAD_ARGUMENT, "batch_norm needs at least 2", "last batch");
    options.drop_last = 1;
    expect_ok(tas_run_open(model, run_set, &options, &run));
    expect(run_change_batch(run, 1), TAS_BAD_ARGUMENT, "batch_norm needs at least 2", "a batch has 1");
    tas_run_close(&run);
    options.lr_scaling = TAS_SCALING_LINEAR;
    options.base_batch = 1;
    options.lr = 3e4f;
    expect(tas_run_open(model, run_set, &options, &run), TAS_BAD_ARGUMENT, "to 39 makes it 1170000", "");
    options.schedule = TAS_SCHEDULE_SEESAW;
    options.decay_steps = 1;
    options.lr = 0.1f;
    expect(tas_run_open(model, run_set, &options, &run), TAS_BAD_ARGUMENT, "seesaw", "no changes");
    tas_model_close(&model);
}
END_TEST

/* A device that fails ---------------------------------------------------------------------------------------------- */

static struct {
    const device_driver *driver;
    op_launch launch;
    long left; /* launches, reads or writes until one fails */
    bool failed;
} breaking;

static bool breaks(void)
{
    if (!breaking.left || --breaking.left) return false;
    breaking.failed = true;
    return true;
}

static tas_status refuse_launch(tas_device *on, const op_args *args, const mem *operand, const mem *scratch)
{
    return breaks() ? TAS_NO_MEMORY : breaking.launch(on, args, operand, scratch);
}

static tas_status fail_read(tas_device *on, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    if (!breaks()) return breaking.driver->read(on, m, offset, to, bytes);
    memset(to, 0xff, bytes);
    return (fail)(context, TAS_DEVICE_FAILED, "failed on purpose");
}

static tas_status fail_write(tas_device *on, const mem *m, uint64_t offset, const void *from, uint64_t bytes, bool wait)
{
    return breaks() ? (fail)(context, TAS_DEVICE_FAILED, "failed on purpose")
                    : breaking.driver->write(on, m, offset, from, bytes, wait);
}

/* Changes and copies, as a run with branches has them; something may fail anywhere from the first copy on. */
static session *branching(const char *text, tas_train_options options, long left)
{
    run_copy *copy;
    session *s = open_session(text, reference, options);
    advance(s, 5);
    breaking.left = left;
    change(s, 20, 0);
    advance(s, 2);
    expect_ok(run_copy_take(s->run, &copy));
    change(s, MOST, 9);
    advance(s, 3);
    expect_ok(run_copy_restore(s->run, copy));
    advance(s, 1);
    change(s, 31, 0);
    advance(s, 4);
    expect_ok(run_copy_restore(s->run, copy));
    change(s, 7, 10);
    advance(s, STEPS);
    run_copy_free(&copy);
    return s;
}

START_TEST(failures_leave_the_same_bits)
{
    tas_train_options options = run_options(_i);
    const char *text = text_of(_i, &options);
    device_driver driver = *reference->driver;
    int cuts = 0, replays = 0;
    session *whole = branching(text, options, 0);
    driver.never_fails = false;
    breaking.driver = reference->driver;
    breaking.launch = reference->launch[0];
    driver.read = fail_read;
    driver.write = fail_write;
    for (int round = 0; round < 60; round++) {
        const bool refuses = round % 2;
        for (int op = 0; op < OP_COUNT && refuses; op++) reference->launch[op] = refuse_launch;
        if (!refuses) reference->driver = &driver;
        breaking.failed = false;
        session *s = branching(text, options, 1 + random_below(refuses ? 600 : 30));
        breaking.left = 0;
        for (int op = 0; op < OP_COUNT; op++) reference->launch[op] = breaking.launch;
        reference->driver = breaking.driver;
        expect_same(whole, s);
        cuts += s->result.cuts;
        replays += s->result.replays;
        close_session(s);
    }
    ck_assert_msg(cuts > 3 && replays > 3, "%d cuts, %d replays", cuts, replays);
    close_session(whole);
}
END_TEST

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create("course");
    TCase *pure = tcase_create("course"), *tc = tcase_create(id ? id : "reference");
    tcase_add_checked_fixture(pure, seed_anew, NULL);
    tcase_add_test(pure, steps_are_as_a_walk_takes_them);
    tcase_add_test(pure, one_batch_divides_evenly);
    tcase_add_test(pure, orders_change_behind_a_step);
    tcase_add_test(pure, seesaw_is_as_the_paper_has_it);
    if (!id) suite_add_tcase(suite, pure);
    tcase_set_timeout(tc, id ? 0 : 120);
    tcase_add_checked_fixture(tc, open_set, close_set);
    tcase_add_loop_test(tc, a_copy_gives_the_same_bits_again, 0, 2 * TEXTS);
    tcase_add_loop_test(tc, a_change_leaves_the_same_bits, 0, TEXTS);
    tcase_add_loop_test(tc, the_largest_batch_changes_nothing, 0, TEXTS);
    tcase_add_test(tc, epochs_end_when_they_are_over);
    tcase_add_loop_test(tc, a_branch_that_diverges_is_left, 0, TEXTS);
    tcase_add_loop_test(tc, changes_are_as_if_made_on_the_way, 0, TEXTS);
    if (!id) tcase_add_test(tc, settings_that_do_not_fit);
    if (!id) tcase_add_loop_test(tc, failures_leave_the_same_bits, 0, TEXTS);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void) { return driver_run(make_suite); }
