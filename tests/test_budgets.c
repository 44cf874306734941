/* Trainings of a length at which a difference would show, of the networks that ship and of one with dropout: the same
 * digest with every budget. What the reference did with all its memory is what is to come out. TASSELLO_TEST_DEVICE is
 * the device, else the reference; where fma is software, networks are narrow. */
#include "device/device.h" /* before check.h, which has a macro of the name fail */

#include "driver.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 28, CLASSES_MADE = 10, EXAMPLES = 150 };

static bool slow; /* fma is software */

typedef struct budget_case {
    const char *text; /* the network: of that name, or that text */
    const char *narrow;
    uint32_t batch, steps;
} budget_case;

static const budget_case cases[] = {
    {"mlp", "input 1x28x28\ndense 24\nrelu\ndense 10\n", 37, 100},
    {"lenet",
     "input 1x28x28\nconv2d 4 5\nrelu\nmax_pool 2\nconv2d 6 5\nrelu\nmax_pool 2\nflatten\ndense 20\nrelu\ndense 10\n",
     24, 30},
    {"input 1x28x28\nconv2d 12 3 padding 1 stride 2\nrelu\ndropout 0.2\navg_pool 2\nconv2d 16 3 groups "
     "4\ntanh\ndropout "
     "0.3\nflatten\ndense 64\nrelu\ndropout 0.5\ndense 10\n",
     "input 1x28x28\nconv2d 4 3 padding 1 stride 2\nrelu\ndropout 0.2\nmax_pool 2\nconv2d 4 3 groups 2\ntanh\nflatten\n"
     "dense 12\ndropout 0.5\ndense 10\n",
     29, 30},
    /* Statistics of the whole batch: a step of several passes, which keeps values on the device or on the host. */
    {"input 1x28x28\nconv2d 8 3 stride 2 padding 1 no bias\nbatch_norm\nrelu as s\nconv2d 8 3 padding 1 no bias\n"
     "batch_norm\nrelu\nconv2d 8 3 padding 1 no bias\nbatch_norm\nadd s\nrelu as t\nconv2d 12 3 stride 2 padding 1\n"
     "batch_norm as u\nfrom t\nconv2d 12 1 stride 2\nbatch_norm\nadd u\nrelu\nglobal_avg_pool\ndense 10\n",
     "input 1x28x28\nconv2d 4 3 stride 2 padding 1 no bias\nbatch_norm\nrelu as s\nconv2d 4 3 padding 1 no bias\n"
     "batch_norm\nadd s\nrelu\nglobal_avg_pool\ndense 10\n",
     33, 10},
};

static unsigned char inputs[EXAMPLES][SIDE * SIDE];
static uint32_t targets[EXAMPLES];

/* Bytes, brighter in one row of the image, which tells the class. */
static tas_data *make_set(void)
{
    tas_data *set = NULL;
    tas_data_options options;
    for (uint32_t e = 0; e < EXAMPLES; e++) {
        targets[e] = random_below(CLASSES_MADE);
        for (uint32_t i = 0; i < SIDE * SIDE; i++)
            inputs[e][i] = (unsigned char)(random_below(128) + (i / SIDE == 2 * targets[e] + 4 ? 127 : 0));
    }
    tas_data_options_init(&options);
    options.count = EXAMPLES;
    options.input_size = SIDE * SIDE;
    options.input_type = TAS_INPUT_U8;
    options.classes = CLASSES_MADE;
    options.inputs = inputs;
    options.targets = targets;
    expect_ok(tas_data_open(context, &options, &set));
    return set;
}

static tas_network *make_network(const budget_case *c)
{
    const char *text = slow ? c->narrow : c->text;
    tas_network *network = NULL;
    expect_ok(strchr(text, '\n') ? tas_network_parse(context, text, "drops", &network)
                                 : tas_network_open(context, text, &network));
    return network;
}

/* The digest, and the peak of memory; 0 for no limit. */
static uint64_t train(tas_device *on, const tas_network *network, const tas_data *set, const tas_train_options *given,
                      uint64_t budget, bool keeps, char hex[65])
{
    tas_model *model = NULL;
    tas_train_result result;
    tas_train_options options = *given;
    options.budget = budget;
    options.keep_on_host = keeps;
    expect_ok(tas_model_open(on, network, 7, &model));
    expect_ok(tas_train(model, set, &options, &result));
    expect_ok(tas_model_digest(model, hex));
    ck_assert_uint_eq(result.cuts + result.replays, 0);
    tas_model_close(&model);
    return result.peak_bytes;
}

static tas_plan plan_of(const tas_network *network, const tas_data *set, const tas_train_options *given,
                        uint64_t budget, bool keeps)
{
    tas_plan out;
    tas_plan_options options;
    tas_plan_options_init(&options);
    options.batch = given->batch;
    options.optimizer = given->optimizer;
    options.budget = budget;
    options.keep_on_host = keeps;
    expect_ok(tas_plan_make(tested, network, set, NULL, &options, &out));
    return out;
}

/* The least, one byte more, what a tile is enough for, and so on to all; then others between the least and all. */
START_TEST(digests_do_not_depend_on_the_budget)
{
    const budget_case *c = &cases[_i];
    const int budgets = slow ? 3 : 20;
    char wanted[65], hex[65];
    int streamed = 0, resident = 0, tiled = 0, passes = 0, spilled = 0;
    tas_network *network = make_network(c);
    tas_data *set = make_set();
    tas_train_options options = sample_options(slow ? 16 : c->batch, slow ? 10 : c->steps);
    if (_i == 0) /* SGD's update makes gradients of mlp itself, so that tiles would need more memory */
        tas_train_options_choose(&options, TAS_ADAM);
    options.lr = 0.01f;
    train(reference, network, set, &options, 0, false, wanted);
    const tas_plan all = plan_of(network, set, &options, 0, false);
    for (int k = 0; k < budgets; k++) {
        const uint64_t room = all.bytes_total - all.min_budget;
        const uint64_t budget = k == 0   ? all.min_budget
                                : k == 1 ? all.min_budget + 1 + room / 16
                                : k == 2 ? all.bytes_total
                                         : all.min_budget + random_u64() % (room + 1);
        const bool keeps = k >= 3 && k % 2;
        const tas_plan least = plan_of(network, set, &options, 0, keeps),
                       p = plan_of(network, set, &options, budget < least.min_budget ? least.min_budget : budget,
                                   keeps);
        const uint64_t peak = train(tested, network, set, &options, p.budget, keeps, hex);
        ck_assert_msg(!strcmp(hex, wanted), "%s, budget %llu (tile %u): %s, not %s", c->text,
                      (unsigned long long)budget, p.tile, hex, wanted);
        ck_assert_uint_eq(peak, p.bytes_total);
        streamed += !p.resident;
        resident += p.resident != 0;
        tiled += p.tiles > 1;
        passes += p.passes > 1;
        spilled += p.kept_on_host != 0;
    }
    ck_assert_msg(streamed && resident && tiled, "%d streamed, %d resident, %d tiled", streamed, resident, tiled);
    ck_assert_msg(!strstr(c->text, "batch_norm") || slow || (passes && spilled), "%d of several passes, %d on the host",
                  passes, spilled);
    tas_data_close(&set);
    tas_network_close(&network);
}
END_TEST

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create("budgets");
    TCase *tc = tcase_create(id ? id : "reference");
    slow = id && tested->info.vector_width < 4;
    tcase_set_timeout(tc, id ? 0 : 300);
    tcase_set_tags(tc, "statistics");
    tcase_add_checked_fixture(tc, seed_anew, NULL);
    tcase_add_loop_test(tc, digests_do_not_depend_on_the_budget, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void) { return driver_run(make_suite); }
