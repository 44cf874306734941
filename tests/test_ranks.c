/* Runs over several devices of a process: the same bits, whatever their number. */
#include "queues.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICES = 8 };

static tas_context *contexts[DEVICES];
static tas_device *devices[DEVICES];
static tas_ranks *ranks;
static uint64_t budgets[DEVICES]; /* of each rank; 0: the default */

/* `count` reference devices in all, of which one is the suite's own. */
static void open_ranks(uint32_t count)
{
    for (uint32_t i = 0; i + 1 < count; i++) {
        ck_assert_int_eq(tas_context_open(&contexts[i]), TAS_OK);
        ck_assert_int_eq(tas_device_open(contexts[i], "reference", TAS_ARITH_EXACT, &devices[i]), TAS_OK);
    }
    if (count > 1) expect_ok(tas_ranks_open_devices(context, devices, count - 1, &ranks));
    for (uint32_t r = 1; r < count; r++) tas_ranks_set_budget(ranks, r, budgets[r]);
}

static void close_ranks(uint32_t count)
{
    tas_ranks_close(&ranks);
    for (uint32_t i = 0; i + 1 < count; i++) {
        tas_device_close(&devices[i]);
        tas_context_close(&contexts[i]);
    }
}

typedef struct outcome {
    char sha256[65];
    float losses[64];
    int steps;
    uint64_t peak_bytes, host_bytes;
} outcome;

static int on_step(void *user, const tas_step *step)
{
    outcome *out = user;
    out->losses[out->steps++] = step->loss;
    return 0;
}

static const char *const texts[] = {
    "input 6\ndense 9\nrelu\ndense 4\nloss softmax\n",
    "input 6\ndense 17\ntanh\ndropout 0.3\ndense 11\nrelu\ndense 4\nloss softmax\n",
    "input 1x2x3\nconv2d 5 2\nrelu\nflatten\ndense 4\nloss softmax\n",
    "input 6\ndense 260\nrelu\ndense 260\nrelu\ndense 4\nloss softmax\n", /* two buckets of parameters */
    "input 6\ndense 260\nbatch_norm\nrelu\ndense 260\nbatch_norm\nrelu\ndense 4\nloss softmax\n",
    "input 6\ndense 8\nbatch_norm\nrelu\ndense 4\nloss softmax\n",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static outcome train(uint32_t count, const char *text, tas_train_options options)
{
    outcome out = {0};
    tas_network *network;
    tas_model *model;
    tas_train_result result;
    open_ranks(count);
    expect_ok(tas_network_parse(context, text, "the test", &network));
    expect_ok(tas_model_open(device, network, 3, &model));
    options.on_step = on_step;
    options.user = &out;
    expect_ok(tas_train(model, sample, &options, &result));
    ck_assert_uint_eq(result.steps, (uint64_t)out.steps);
    out.peak_bytes = result.peak_bytes;
    out.host_bytes = result.host_bytes;
    expect_ok(tas_model_digest(model, out.sha256));
    tas_model_close(&model);
    tas_network_close(&network);
    close_ranks(count);
    return out;
}

/* What a rank needs: number `rank` of so many, or with -1 each of them. budget 0: the default. */
static tas_plan forecast(const char *text, const tas_train_options *options, uint32_t count, int rank, uint64_t budget)
{
    tas_network *network;
    tas_plan_options planned;
    tas_plan plan;
    tas_plan_options_init(&planned);
    planned.batch = options->batch;
    planned.shards = options->shards;
    planned.optimizer = options->optimizer;
    planned.clip = options->clip > 0;
    planned.tile = options->tile;
    planned.keep_on_host = options->keep_on_host;
    planned.ranks = count;
    planned.rank = rank;
    planned.budget = budget;
    expect_ok(tas_network_parse(context, text, "the test", &network));
    expect_ok(tas_plan_make(device, network, sample, NULL, &planned, &plan));
    tas_network_close(&network);
    return plan;
}

static void expect_same(outcome a, outcome b)
{
    ck_assert_str_eq(a.sha256, b.sha256);
    ck_assert_int_eq(a.steps, b.steps);
    ck_assert(!memcmp(a.losses, b.losses, (size_t)a.steps * sizeof *a.losses));
}

/* 53 examples: the last batch is ragged, and batches of 5 leave shards empty. */
START_TEST(digests)
{
    static const uint32_t counts[] = {2, 3, 4, 5, 8}, batches[] = {16, 5, 53};
    for (int t = 0; t < TEXTS; t++)
        for (size_t b = 0; b < 3; b++) {
            tas_train_options options = sample_options(batches[b], 9);
            options.shards = 8;
            const outcome alone = train(1, texts[t], options);
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
                expect_same(train(counts[c], texts[t], options), alone);
        }
}
END_TEST

/* What rank 0 forgets to wait for shows on a device that is as late as it may be. */
START_TEST(late_device)
{
    for (int t = 0; t < TEXTS; t++)
        for (int order = 0; order < QUEUES_ORDERS; order++) {
            tas_train_options options = sample_options(16, 5);
            options.shards = 4;
            const outcome alone = train(1, texts[t], options);
            queues_open(device, (queues_order)order);
            const outcome late = train(3, texts[t], options);
            queues_close(device);
            expect_same(late, alone);
        }
}
END_TEST

/* The same sums in another order: losses that differ by more than rounding would show a sum of something else. */
START_TEST(shards_are_sums_of_the_batch)
{
    for (int t = 0; t < TEXTS; t++) {
        tas_train_options options = sample_options(48, 4);
        const outcome whole = train(1, texts[t], options);
        for (uint32_t shards = 2; shards <= 8; shards *= 2) {
            options.shards = shards;
            const outcome cut = train(1, texts[t], options);
            ck_assert_int_eq(cut.steps, whole.steps);
            for (int k = 0; k < cut.steps; k++)
                ck_assert_double_eq_tol((double)cut.losses[k], (double)whole.losses[k], 1e-4);
        }
    }
}
END_TEST

/* With the smallest budget shares are even: of powers of two uneven ones need more. */
START_TEST(forecasts_are_exact)
{
    static const uint32_t counts[] = {2, 4, 8};
    for (int t = 0; t < TEXTS; t++)
        for (int o = 0; o <= TAS_LAMB; o++) {
            tas_train_options options = sample_options(16, 5);
            const uint32_t count = counts[(t + o) % 3];
            tas_train_options_choose(&options, (tas_optimizer)o);
            options.shards = 8;
            options.clip = o % 2 ? 0.1f : 0;
            const uint64_t budget = forecast(texts[t], &options, count, -1, 0).min_budget;
            const tas_plan plan = forecast(texts[t], &options, count, 0, budget);
            options.budget = budget;
            for (uint32_t r = 1; r < DEVICES; r++) budgets[r] = budget;
            const outcome found = train(count, texts[t], options);
            ck_assert_uint_eq(found.host_bytes, plan.host_bytes);
            ck_assert_uint_eq(found.peak_bytes, plan.bytes_total);
            for (uint32_t r = 1; r < DEVICES; r++) budgets[r] = 0;
        }
}
END_TEST

START_TEST(optimizers)
{
    for (int o = TAS_SGD; tas_optimizer_name((tas_optimizer)o); o++)
        for (int clips = 0; clips < 2; clips++) {
            tas_train_options options = sample_options(16, 6);
            tas_train_options_choose(&options, (tas_optimizer)o);
            options.shards = 4;
            options.weight_decay = 0.01f;
            options.decay_on = clips ? TAS_DECAY_ON_WEIGHTS : TAS_DECAY_ON_ALL;
            options.clip = clips ? 0.1f : 0;
            const outcome alone = train(1, texts[1], options);
            expect_same(train(2, texts[1], options), alone);
            expect_same(train(3, texts[1], options), alone);
        }
}
END_TEST

/* Any network --------------------------------------------------------------------------------------------------------
 */

enum { TEXT = 1024 };

static void add(char text[TEXT], const char *format, ...)
{
    const size_t length = strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + length, TEXT - length, format, list);
    va_end(list);
}

/* Normalization over the batch needs two examples in each batch: *least. Groups must divide batches, so that there are
 * none. */
static void add_block(char text[TEXT], bool planes, uint32_t *least)
{
    static const char *const acts[] = {"relu", "tanh", "sigmoid", "gelu", "leaky 0.1"};
    if (planes)
        add(text, "conv2d %u 3 padding 1\n", 1 + random_below(6));
    else
        add(text, "dense %u\n", 2 + random_below(20));
    const uint32_t norm = random_below(4);
    if (norm == 0) *least = 2;
    if (norm < 2) add(text, norm ? "layer_norm\n" : "batch_norm\n");
    add(text, "%s\n", acts[random_below(5)]);
    if (random_below(2)) add(text, "dropout 0.%u\n", 1 + random_below(6));
}

static void draw_network(char text[TEXT], uint32_t *least)
{
    const bool planes = random_below(3) == 0;
    *text = 0;
    *least = 1;
    add(text, planes ? "input 1x2x3\n" : "input 6\n");
    if (planes) add_block(text, true, least);
    if (planes && random_below(2)) add_block(text, true, least);
    if (planes) add(text, "flatten\n");
    for (uint32_t k = random_below(3); k--;) add_block(text, false, least);
    add(text, "dense 4\nloss softmax\n");
}

static tas_train_options draw_options(uint32_t least)
{
    tas_train_options options = sample_options(least + random_below(COUNT - least), 1 + random_below(12));
    tas_train_options_choose(&options, (tas_optimizer)random_below(TAS_LAMB + 1));
    options.shards = 2u << random_below(random_below(8) ? 4 : 12);
    options.clip = random_below(2) ? 0.5f : 0;
    options.weight_decay = random_below(2) ? 0.01f : 0;
    options.drop_last = COUNT % options.batch && COUNT % options.batch < least ? 1 : (int)random_below(2);
    return options;
}

/* Whatever the network, the shards, the ranks, the tiles, each rank's budget and the settings: the same bits. */
START_TEST(any)
{
    char text[TEXT];
    uint32_t least;
    random_seed(test_seed() + (uint64_t)_i);
    draw_network(text, &least);
    tas_train_options options = draw_options(least);
    const uint32_t most = options.shards < DEVICES ? options.shards : DEVICES;
    options.keep_on_host = (int)random_below(2);
    const uint32_t count = 2 + random_below(most - 1);
    const outcome alone = train(1, text, options);
    options.tile = random_below(2) ? 1 + random_below(options.batch) : 0; /* may rule out what needs least */
    const uint64_t budget = forecast(text, &options, count, -1, 0).min_budget;
    for (uint32_t r = 1; r < DEVICES; r++) budgets[r] = random_below(2) ? budget + random_below(4) * budget / 3 : 0;
    options.budget = random_below(2) ? budget + random_below(4) * budget / 3 : 0;
    expect_same(train(count, text, options), alone);
}
END_TEST

/* What the library refuses. */
START_TEST(refusals)
{
    tas_network *network;
    tas_model *model;
    tas_ranks *second;
    tas_train_options options = sample_options(16, 2);
    open_ranks(3);
    expect_ok(tas_network_parse(context, texts[0], "the test", &network));
    expect_ok(tas_model_open(device, network, 3, &model));
    options.shards = 2;
    expect(tas_train(model, sample, &options, NULL), TAS_BAD_ARGUMENT, "3 ranks", "shards");
    expect(tas_ranks_open_devices(context, devices, 2, &second), TAS_BAD_ARGUMENT, "context", "");
    expect(tas_ranks_open_mpi(context, &second), TAS_BAD_ARGUMENT, "", "");
    options.shards = 4; /* the ranks can still be used */
    expect_ok(tas_train(model, sample, &options, NULL));
    tas_model_close(&model);
    tas_network_close(&network);
    close_ranks(3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ranks");
    TCase *tc = tcase_create("ranks");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, sample_open, sample_close);
    tcase_add_test(tc, digests);
    tcase_add_test(tc, late_device);
    tcase_add_test(tc, shards_are_sums_of_the_batch);
    tcase_add_test(tc, optimizers);
    tcase_add_test(tc, forecasts_are_exact);
    tcase_add_loop_test(tc, any, 0, getenv("TASSELLO_RANKS") ? 1000 : 50);
    tcase_add_test(tc, refusals);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
