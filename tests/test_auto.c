/* A batch chosen by a probe: each reason for which it takes 64 instead, the limits, what it leaves behind. */
#include "device/device.h"

#include "support.h"

#include "lab/auto.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { MOST = 6000, WIDTH = 8, KINDS = 4 };
static float inputs[MOST * WIDTH];
static uint32_t labels[MOST];
static tas_network *network;
static char reason[4096];

/* One center a class, and noise about it; a share of the labels is drawn. */
static void make_set(double noise, double wrong)
{
    for (int i = 0; i < MOST; i++) {
        labels[i] = (uint32_t)i % KINDS;
        for (int k = 0; k < WIDTH; k++)
            inputs[i * WIDTH + k] = (float)(k % KINDS == (int)labels[i]) + random_float(-1, 1) * (float)noise;
        if (random_unit() < wrong) labels[i] = random_below(KINDS);
    }
}

static void open_all(void)
{
    support_open();
    expect_ok(tas_network_parse(context, "input 8\ndense 16\nrelu\ndense 4\n", "net", &network));
    random_seed(test_seed());
    make_set(1, 0);
}

static void close_all(void)
{
    tas_network_close(&network);
    support_close();
}

static tas_train_options plain(uint64_t steps)
{
    tas_train_options options;
    tas_train_options_init(&options);
    options.momentum = 0;
    options.lr = 0.05f;
    options.steps = steps;
    return options;
}

static tas_status choose(uint64_t count, tas_train_options *options)
{
    tas_data *data = data_of(count, WIDTH, inputs, labels, KINDS, 0);
    const uint64_t used = device->used_bytes;
    const tas_status status = tas_auto_batch(device, network, data, options, reason, sizeof reason);
    ck_assert_uint_eq(device->used_bytes, used);
    tas_data_close(&data);
    return status;
}

/* The batch of the default, its rate, and a word of the reason. */
static void refuses(uint64_t count, tas_train_options options, uint32_t batch, float lr, const char *word)
{
    expect_ok(choose(count, &options));
    ck_assert_msg(options.batch == batch && options.lr == lr, "batch %u lr %g: %s", options.batch, (double)options.lr,
                  reason);
    ck_assert_msg(strstr(reason, word) != NULL, "no '%s' in: %s", word, reason);
}

/* What a probe by branches answers depends on the time it has: a power of two within a tenth of the set, with a rate by
 * the optimizer's rule, or 64 and one of the reasons. */
static void check_branched(uint64_t count, tas_train_options options, double power)
{
    const float lr = options.lr;
    expect_ok(choose(count, &options));
    const double wanted = (double)lr * pow(options.batch / 64.0, power);
    ck_assert_msg(fabs((double)options.lr / wanted - 1) < 1e-6, "batch %u lr %g: %s", options.batch, (double)options.lr,
                  reason);
    ck_assert(!(options.batch & (options.batch - 1)) && options.batch <= count / 10);
    const bool chosen = strstr(reason, "critical batch, by branches (80 %),") != NULL;
    ck_assert_msg(chosen || (options.batch == 64 && strstr(reason, "because ")), "%s", reason);
    ck_assert_msg(!strstr(reason, "noise scale") && !strstr(reason, "not predict"), "%s", reason);
}

START_TEST(momentum_and_adam_are_probed_by_branches)
{
    tas_train_options options = plain(20000);
    make_set(2, 0.1);
    options.momentum = 0.9f;
    options.lr = 0.005f;
    check_branched(MOST, options, 0.75);
    options.momentum = 0;
    options.optimizer = TAS_ADAMW;
    check_branched(MOST, options, 0.5);
    check_branched(1300, options, 0.5); /* branches of at most 128 */
}
END_TEST

START_TEST(branches_of_a_loss_that_does_not_fall)
{
    tas_train_options options = plain(1000000);
    options.momentum = 0.9f;
    options.lr = 1e-9f;
    refuses(MOST, options, 64, 1e-9f, "no more than chance");
    options.lr = 1e5f;
    refuses(MOST, options, 64, 1e5f, "did not fall");
}
END_TEST

START_TEST(a_small_set_moves_the_default)
{
    tas_train_options options = plain(1 << 20);
    options.momentum = 0.5f;
    refuses(650, options, 64, 0.05f, "Batch 64 with learning rate 0.05, ");
    refuses(639, options, 32, 0.05f / 2, "scaled with the batch");
    refuses(40, options, 4, 0.05f / 16, "scaled with the batch");
    refuses(3, options, 1, 0.05f / 64, "scaled with the batch");
    options.optimizer = TAS_ADAM;
    refuses(160, options, 16, 0.05f / 2, "square root");
}
END_TEST

START_TEST(a_short_run_is_not_probed)
{
    tas_train_options options = plain(479);
    refuses(MOST, options, 64, 0.05f, "too short");
    options.steps = 0;
    options.epochs = 5; /* of 94 steps */
    refuses(MOST, options, 64, 0.05f, "too short");
}
END_TEST

START_TEST(a_loss_that_does_not_fall)
{
    tas_train_options options = plain(5000);
    options.lr = 1e-9f;
    refuses(MOST, options, 64, 1e-9f, "did not fall");
    options.lr = 1e5f; /* overflows, or jumps about */
    refuses(MOST, options, 64, 1e5f, "did not fall");
}
END_TEST

START_TEST(a_noise_scale_that_is_not_known)
{
    random_seed(5); /* the answer has the same bits each time; by chance another seed's scale is known */
    make_set(1, 1);
    tas_train_options options = plain(600);
    options.lr = 0.01f;
    expect_ok(choose(MOST, &options));
    ck_assert_msg(options.batch == 64 && options.lr == 0.01f, "batch %u: %s", options.batch, reason);
    ck_assert_msg(strstr(reason, "noise scale is not") || strstr(reason, "did not fall"), "%s", reason);
}
END_TEST

/* On a busy machine the probe may not come to know how long steps take: then the default, with its rate. */
static bool was_too_busy(const tas_train_options *options, uint64_t count)
{
    uint32_t batch = 64;
    if (!strstr(reason, "timed well enough") && !strstr(reason, "too long for a probe")) return false;
    while (batch > 1 && batch > count / 10) batch /= 2;
    ck_assert_msg(options->batch == batch && options->lr == 0.05f * (float)batch / 64, "batch %u lr %g: %s",
                  options->batch, (double)options->lr, reason);
    return true;
}

/* What is chosen is a power of two, at most a tenth of the set, with the rate of McCandlish et al. */
static void check_choice(const tas_train_options *options, uint64_t count)
{
    char said[64];
    if (was_too_busy(options, count)) return;
    snprintf(said, sizeof said, "Batch %u with learning rate %.3g, interpolated", options->batch, (double)options->lr);
    ck_assert_msg(strstr(reason, said) != NULL, "no '%s' in: %s", said, reason);
    ck_assert(!(options->batch & (options->batch - 1)) && (options->batch <= count / 10));
    ck_assert_msg(options->batch >= 64 ? options->lr >= 0.05f : options->lr < 0.05f, "lr %g: %s", (double)options->lr,
                  reason);
    ck_assert(options->lr <= 0.05f * (float)options->batch / 64 || options->batch < 64);
}

START_TEST(a_probe_that_knows)
{
    static const uint64_t counts[] = {MOST, 700, 90};
    for (int i = 0; i < 3; i++) {
        tas_train_options options = plain(200000);
        expect_ok(choose(counts[i], &options));
        check_choice(&options, counts[i]);
    }
}
END_TEST

/* The run's own settings are as they were, but for batch and rate; and it then takes what its plan says. */
START_TEST(what_is_left_behind)
{
    tas_data *data = data_of(MOST, WIDTH, inputs, labels, KINDS, 0);
    tas_train_options options = plain(200000), before;
    tas_train_result result;
    tas_plan plan;
    tas_plan_options plan_is;
    tas_model *model;
    options.schedule = TAS_SCHEDULE_COSINE;
    options.warmup = 7;
    before = options;
    expect_ok(tas_auto_batch(device, network, data, &options, reason, sizeof reason));
    before.batch = options.batch;
    before.lr = options.lr;
    ck_assert_mem_eq(&options, &before, sizeof options);
    options.steps = 20;
    tas_plan_options_init(&plan_is);
    plan_is.batch = options.batch;
    expect_ok(tas_plan_make(device, network, data, NULL, &plan_is, &plan));
    expect_ok(tas_model_open(device, network, 1, &model));
    expect_ok(tas_train(model, data, &options, &result));
    ck_assert_uint_eq(result.peak_bytes, plan.bytes_total);
    tas_model_close(&model);
    tas_data_close(&data);
}
END_TEST

/* The least bytes with which there is a plan for a batch of 64: of a run, or of one that measures the noise, too. */
static uint64_t least_budget(const tas_data *data, int noise)
{
    tas_plan plan;
    tas_plan_options options;
    tas_plan_options_init(&options);
    options.batch = 64;
    options.noise = noise;
    expect_ok(tas_plan_make(device, network, data, NULL, &options, &plan));
    return plan.min_budget;
}

START_TEST(within_the_least_budget)
{
    tas_data *data = data_of(MOST, WIDTH, inputs, labels, KINDS, 0);
    tas_train_options options = plain(200000);
    options.budget = least_budget(data, 1); /* the probe's batches of 256 and 1024 are cut into tiles */
    expect_ok(tas_auto_batch(device, network, data, &options, reason, sizeof reason));
    check_choice(&options, MOST);
    ck_assert_msg(device->peak_bytes <= options.budget, "%llu bytes", (unsigned long long)device->peak_bytes);
    tas_data_close(&data);
}
END_TEST

/* A run fits where its probe does not: it is trained, with 64. */
START_TEST(a_probe_that_does_not_fit)
{
    tas_data *data = data_of(MOST, WIDTH, inputs, labels, KINDS, 0);
    tas_train_options options = plain(200000);
    tas_train_result result;
    tas_model *model;
    options.budget = least_budget(data, 0);
    ck_assert_uint_lt(options.budget, least_budget(data, 1));
    expect_ok(tas_auto_batch(device, network, data, &options, reason, sizeof reason));
    ck_assert_msg(options.batch == 64 && options.lr == 0.05f && strstr(reason, "more memory"), "batch %u: %s",
                  options.batch, reason);
    ck_assert_msg(device->peak_bytes <= options.budget, "%llu bytes", (unsigned long long)device->peak_bytes);
    options.steps = 20;
    expect_ok(tas_model_open(device, network, 1, &model));
    expect_ok(tas_train(model, data, &options, &result));
    options.budget = 1; /* not the run either, as its own plan says */
    expect_ok(tas_auto_batch(device, network, data, &options, reason, sizeof reason));
    expect(tas_train(model, data, &options, &result), TAS_NO_MEMORY, "budget", "");
    tas_model_close(&model);
    tas_data_close(&data);
}
END_TEST

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Steps of about 20 ms in a run of hours, of whose 5 % a sixteenth is a minute: the probe ends at its limit, and not
 * for the run's length. */
START_TEST(a_limit_in_seconds)
{
    tas_data *data = data_of(MOST, WIDTH, inputs, labels, KINDS, 0);
    tas_train_options options = plain(2000000);
    tas_network *wide;
    expect_ok(tas_network_parse(context, "input 8\ndense 800\nrelu\ndense 800\nrelu\ndense 4\n", "wide", &wide));
    const double begun = seconds_now();
    expect_ok(auto_choose(device, wide, data, 0.05, &options, reason, sizeof reason));
    const double taken = seconds_now() - begun;
    ck_assert_msg(taken < 15, "%g s: %s", taken, reason);
    ck_assert_msg(options.batch == 64 && strstr(reason, "steps take") && !strstr(reason, "too short"), "batch %u: %s",
                  options.batch, reason);
    tas_network_close(&wide);
    tas_data_close(&data);
}
END_TEST

START_TEST(what_cannot_be)
{
    tas_train_options options = plain(100);
    options.size--;
    expect(choose(MOST, &options), TAS_BAD_ARGUMENT, "tas_train_options_init", "");
    options = plain(100);
    options.lr_scaling = TAS_SCALING_SQRT;
    expect(choose(MOST, &options), TAS_BAD_ARGUMENT, "scaling", "");
    static const float rates[] = {0, -1, NAN, INFINITY};
    for (int i = 0; i < 4; i++) {
        options = plain(100);
        options.lr = rates[i];
        expect(choose(MOST, &options), TAS_BAD_ARGUMENT, "lr", "above 0");
        ck_assert_uint_eq(options.batch, 64);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auto");
    TCase *tc = tcase_create("auto");
    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, momentum_and_adam_are_probed_by_branches);
    tcase_add_test(tc, branches_of_a_loss_that_does_not_fall);
    tcase_add_test(tc, a_small_set_moves_the_default);
    tcase_add_test(tc, a_short_run_is_not_probed);
    tcase_add_test(tc, a_loss_that_does_not_fall);
    tcase_add_test(tc, a_noise_scale_that_is_not_known);
    tcase_add_test(tc, a_probe_that_knows);
    tcase_add_test(tc, what_is_left_behind);
    tcase_add_test(tc, within_the_least_budget);
    tcase_add_test(tc, a_probe_that_does_not_fit);
    tcase_add_test(tc, a_limit_in_seconds);
    tcase_add_test(tc, what_cannot_be);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
