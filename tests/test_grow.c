/* A batch that grows: its decisions, what bounds them, and that the batches it had give the same bits. */
#include "train/run.h" /* before check.h, which has a macro of the name fail */

#include "session.h"

#include "lab/branch/growth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SET = 3000 };
static const session_set set = {.net = "input 8\ndense 16\nrelu\ndense 4\n", .examples = SET, .judge = 400, .noise = 2};

/* A low rate: twice the batch with twice the rate does as well. */
static tas_train_options options_of(tas_optimizer which, float momentum)
{
    tas_train_options options;
    tas_train_options_init(&options);
    tas_train_options_choose(&options, which);
    options.momentum = momentum;
    options.lr = which == TAS_SGD ? 0.004f : 0.002f;
    options.batch = 8;
    options.batch_most = 256;
    options.epochs = 20;
    options.lr_scaling = tas_growth_scaling(which);
    options.base_batch = 8;
    options.noise = which == TAS_SGD && momentum == 0;
    return options;
}

typedef struct grown {
    char digest[65];
    tas_batch_change change[TAS_BATCH_CHANGES];
    int changes;
    uint64_t steps;
    tas_growth_cost cost;
} grown;

/* Goes on from a file, on another model. */
static void reopen(session *s, const tas_train_options *options, const tas_growth_options *growing, tas_growth **growth)
{
    char file[64], *text;
    tas_saved_run *saved;
    snprintf(file, sizeof file, "/tmp/tassello-grow-%d", (int)getpid());
    expect_ok(tas_growth_save(*growth, &text));
    expect_ok(tas_run_save(s->run, file, text, 0));
    free(text);
    tas_growth_close(growth);
    tas_run_close(&s->run);
    tas_model_close(&s->model);
    expect_ok(tas_model_open(tested, s->network, 4, &s->model));
    expect_ok(tas_run_resume(s->model, s->data, options, file, &s->run));
    expect_ok(tas_saved_run_open(context, file, &saved));
    expect(tas_growth_resume(s->run, s->data, growing, saved->more, growth), TAS_BAD_ARGUMENT, "other examples", "");
    expect(tas_growth_resume(s->run, s->judge, growing, "{\"due\":1}", growth), TAS_BAD_DATA, "damaged", "");
    ck_assert_ptr_null(*growth);
    expect_ok(tas_growth_resume(s->run, s->judge, growing, saved->more, growth));
    tas_saved_run_close(&saved);
    unlink(file);
}

/* stretch: steps at a time, at most; if there is a limit, the run goes on from a file now and then. */
static grown grow_with(tas_train_options options, double share, uint64_t stretch)
{
    grown out = {0};
    tas_growth_options growing;
    tas_growth *growth;
    session *s = session_open(&set, options);
    tas_growth_options_init(&growing);
    growing.share = share;
    expect_ok(tas_growth_open(s->run, s->judge, &growing, &growth));
    for (int k = 1; s->result.steps < tas_run_steps(s->run); k++) {
        const uint64_t left = tas_growth_left(growth);
        if (stretch < UINT64_MAX && k % 9 == 0) reopen(s, &options, &growing, &growth);
        expect_ok(tas_run_advance(s->run, left < stretch ? left : stretch, &s->result));
        expect_ok(tas_growth_decide(growth));
    }
    const tas_batch_change *list = tas_growth_changes(growth, &out.changes);
    memcpy(out.change, list, (size_t)out.changes * sizeof *list);
    out.steps = s->result.steps;
    out.cost = tas_growth_get_cost(growth);
    expect_ok(tas_model_digest(s->model, out.digest));
    ck_assert_uint_eq(s->result.examples, options.epochs * SET);
    tas_growth_close(&growth);
    session_close(s);
    return out;
}

static const struct {
    tas_optimizer which;
    float momentum;
    bool noise, branches; /* what decides */
} kinds[] = {{TAS_SGD, 0.9f, false, true},
             {TAS_ADAM, 0, false, true},
             {TAS_SGD, 0, true, false},
             {TAS_SGD, 0.9f, true, false}}; /* the bound lets it grow before there are examples for branches */
enum { KINDS_OF_RUNS = sizeof kinds / sizeof *kinds };

START_TEST(the_batches_it_had_give_the_same_bits)
{
    tas_train_options options = options_of(kinds[_i].which, kinds[_i].momentum);
    options.noise = kinds[_i].noise;
    const grown first = grow_with(options, 0.2, UINT64_MAX), again = grow_with(options, 0.2, 37);
    ck_assert_str_eq(first.digest, again.digest);
    ck_assert(first.changes == again.changes && first.changes >= 1 && first.steps == again.steps);
    ck_assert_uint_eq(first.cost.examples, again.cost.examples);
    for (int i = 0; i < first.changes; i++) {
        const uint32_t before = i ? first.change[i - 1].batch : options.batch, batch = first.change[i].batch;
        ck_assert(batch > before && batch <= 256 && batch <= SET / 10 && batch % before == 0);
        ck_assert(first.change[i].step == again.change[i].step && first.change[i].batch == again.change[i].batch);
    }
    ck_assert((double)first.cost.examples <= 0.2 * 20 * SET && first.cost.decisions >= 2);
    ck_assert((first.cost.examples > 0) == kinds[_i].branches);

    options.changes = first.change;
    options.change_count = first.changes;
    options.batch_most = 0;
    options.noise = 0;
    session *s = session_open(&set, options);
    char digest[65];
    expect_ok(tas_run_advance(s->run, UINT64_MAX, &s->result));
    expect_ok(tas_model_digest(s->model, digest));
    ck_assert_uint_eq(s->result.steps, first.steps);
    ck_assert_str_eq(digest, first.digest);
    session_close(s);
}
END_TEST

START_TEST(what_bounds_it)
{
    tas_train_options options = options_of(TAS_SGD, 0.9f);
    options.batch_most = 16;
    const grown least = grow_with(options, 0.2, UINT64_MAX);
    for (int i = 0; i < least.changes; i++) ck_assert_uint_le(least.change[i].batch, 16);
    options = options_of(TAS_SGD, 0.9f);
    const grown cheap = grow_with(options, 1e-6, UINT64_MAX); /* no examples for branches: the batch stays */
    ck_assert(cheap.changes == 0 && cheap.cost.examples == 0);
    ck_assert_uint_eq(tas_growth_most(3000, 64, 0), 256);
    ck_assert_uint_eq(tas_growth_most(3000, 32, 100), 64);
    ck_assert_uint_eq(tas_growth_most(100, 32, 0), 32);
    ck_assert_int_eq(tas_growth_scaling(TAS_SGD), TAS_SCALING_SQRT);
    ck_assert_int_eq(tas_growth_scaling(TAS_LION), TAS_SCALING_SQRT);
}
END_TEST

/* The forecast has the copy that branches keep; the evaluation, smaller than a tile's, is as it was planned. */
static uint64_t peak_within(uint64_t budget, bool grows, tas_plan *forecast)
{
    tas_train_options options = options_of(TAS_ADAM, 0);
    tas_plan_options planned;
    tas_growth_options growing;
    tas_growth *growth;
    options.epochs = 4;
    session *s = session_open(&set, options);
    tas_plan_options_init(&planned);
    planned.batch = options.batch;
    planned.batch_most = options.batch_most;
    planned.optimizer = options.optimizer;
    planned.budget = budget;
    planned.validation = s->judge;
    planned.grows = grows;
    expect_ok(tas_plan_make(tested, s->network, s->data, NULL, &planned, forecast));
    tas_run_close(&s->run);
    tas_model_close(&s->model);
    options.budget = forecast->train_budget;
    tas_growth_options_init(&growing);
    growing.share = 0.2;
    expect_ok(tas_model_open(tested, s->network, 3, &s->model));
    expect_ok(tas_run_open(s->model, s->data, &options, &s->run));
    tas_model_set_budget(s->model, forecast->validation_budget);
    expect_ok(tas_growth_open(s->run, s->judge, &growing, &growth));
    while (s->result.steps < tas_run_steps(s->run)) {
        expect_ok(tas_run_advance(s->run, tas_growth_left(growth), &s->result));
        expect_ok(tas_growth_decide(growth));
    }
    ck_assert_int_ge(tas_growth_get_cost(growth).decisions, 1);
    tas_growth_close(&growth);
    const uint64_t peak = s->result.peak_bytes;
    session_close(s);
    return peak;
}

START_TEST(its_memory_is_planned)
{
    tas_plan forecast, without;
    peak_within(0, false, &without);
    ck_assert_uint_eq(peak_within(0, true, &forecast), forecast.bytes_total);
    ck_assert_uint_lt(without.host_bytes, forecast.host_bytes);
    const uint64_t least = forecast.min_budget;
    ck_assert_uint_le(peak_within(least, true, &forecast), least);
}
END_TEST

static void refuse(tas_train_options options, tas_growth_options growing, const char *word)
{
    tas_growth *growth;
    session *s = session_open(&set, options);
    expect(tas_growth_open(s->run, s->judge, &growing, &growth), TAS_BAD_ARGUMENT, word, "");
    ck_assert_ptr_null(growth);
    session_close(s);
}

START_TEST(what_cannot_grow)
{
    static const tas_batch_change change = {5, 16};
    tas_growth_options growing;
    tas_growth_options_init(&growing);
    tas_train_options options = options_of(TAS_ADAM, 0);
    options.schedule = TAS_SCHEDULE_COSINE;
    refuse(options, growing, "cosine");
    options = options_of(TAS_ADAM, 0);
    options.lr_scaling = TAS_SCALING_NONE;
    refuse(options, growing, "scaling");
    options = options_of(TAS_ADAM, 0);
    options.changes = &change;
    options.change_count = 1;
    refuse(options, growing, "batches to come");
    growing.share = 0;
    refuse(options_of(TAS_ADAM, 0), growing, "share");
    growing.share = 0.05;
    growing.size--;
    refuse(options_of(TAS_ADAM, 0), growing, "tas_growth_options_init");
}
END_TEST

/* Branches of 8 and 32. */
START_TEST(decisions)
{
    static const struct {
        double before, least[2], most[2];
        int factor;
    } cases[] = {
        {3, {2, 2.2}, {2.1, 2.3}, 4},  /* 0.1 of a progress of 0.9 */
        {3, {2, 2.2}, {2.2, 2.35}, 4}, /* 0.175, just within the tolerance */
        {3, {2, 2.2}, {2.25, 2.4}, 2}, /* 0.225: B_crit is 66, the critical batch 27 */
        {3, {2, 2.2}, {2.4, 2.6}, 1},  /* 0.4: B_crit is 18 */
        {3, {2, 2.2}, {2.9, 2.95}, 1}, /* less than a quarter: no curve is so steep */
        {3, {2, 2.2}, {2.1, INFINITY}, 1}, {3, {2, 2.2}, {2.1, NAN}, 4}, {3, {2, 2.2}, {NAN, NAN}, 1},
        {1, {2, 2.2}, {2.1, 2.3}, 1}, /* a plateau: a larger batch must not be worse */
        {1, {2, 2.2}, {2, 2.2}, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        critical_input in = {
            .before = {cases[i].before, cases[i].before}, .batches = 2, .repeats = 2, .batch = {8, 32}};
        memcpy(in.loss[0], cases[i].least, sizeof cases[i].least);
        memcpy(in.loss[1], cases[i].most, sizeof cases[i].most);
        ck_assert_msg(growth_factor(&in) == cases[i].factor, "case %zu: %d", i, growth_factor(&in));
    }
}
END_TEST

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create(id ? id : "grow");
    TCase *tc = tcase_create("grow");
    tcase_set_timeout(tc, 200);
    tcase_add_loop_test(tc, the_batches_it_had_give_the_same_bits, 0, KINDS_OF_RUNS);
    tcase_add_test(tc, its_memory_is_planned);
    if (!id) tcase_add_test(tc, what_bounds_it);
    if (!id) tcase_add_test(tc, what_cannot_grow);
    if (!id) tcase_add_test(tc, decisions);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void) { return driver_run(make_suite); }
