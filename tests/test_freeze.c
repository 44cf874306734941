/* Frozen layers: their parameters keep their bits, they act as in evaluation, and what is trained is trained as if they
 * were part of the data or fixed functions. TASSELLO_TEST_DEVICE is the device, else the reference. */
#include "driver.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 41, INPUTS_OF = 36, VALUES_MOST = 4096 };

static float images[EXAMPLES * INPUTS_OF];
static uint32_t classes[EXAMPLES];

static tas_data *open_set(const float *inputs, size_t size)
{
    tas_data_options options;
    tas_data *data;
    tas_data_options_init(&options);
    options.count = EXAMPLES;
    options.input_size = size;
    options.input_type = TAS_INPUT_F32;
    options.target_type = TAS_TARGET_LABEL;
    options.classes = 3;
    options.inputs = inputs;
    options.targets = classes;
    expect_ok(tas_data_open(context, &options, &data));
    return data;
}

static tas_data *draw_set(void)
{
    for (int k = 0; k < EXAMPLES * INPUTS_OF; k++) images[k] = random_float(-1, 1);
    for (int i = 0; i < EXAMPLES; i++) classes[i] = random_below(3);
    return open_set(images, INPUTS_OF);
}

/* A network's parameters, in canonical order, drawn or read. */
typedef struct values {
    const tas_network *network;
    float *of[64];
} values;

static values draw_values(const tas_network *network)
{
    values v = {.network = network};
    const tas_tensor_info *info;
    for (size_t i = 0; (info = tas_network_tensor(network, i)); i++) {
        v.of[i] = malloc(info->elements * sizeof(float));
        const bool variance = strstr(info->name, "running_var"), gamma = strstr(info->name, "norm.weight");
        for (size_t k = 0; k < info->elements; k++)
            v.of[i][k] = variance || gamma ? random_float(0.5f, 2) : random_float(-0.5f, 0.5f);
    }
    return v;
}

static void free_values(values *v)
{
    for (size_t i = 0; tas_network_tensor(v->network, i); i++) free(v->of[i]);
}

/* Parameter i of `v` is that of number i + skip of the model. */
static tas_model *open_model(tas_device *on, const tas_network *network, const values *v, size_t skip)
{
    tas_model *model;
    const tas_tensor_info *info;
    expect_ok(tas_model_open(on, network, 1, &model));
    for (size_t i = 0; (info = tas_network_tensor(network, i)); i++)
        expect_ok(tas_model_write(model, info->name, v->of[i + skip], info->elements));
    return model;
}

static tas_network *parse(const char *format, const char *frozen)
{
    char text[1024];
    tas_network *network;
    snprintf(text, sizeof text, format, frozen);
    expect_ok(tas_network_parse(context, text, "net", &network));
    return network;
}

static const char net[] =
    "input 1x6x6\nconv2d 4 3 no bias as c1\nbatch_norm as b1\nrelu\ndropout 0.5 as d1\nconv2d 3 3 no bias as c2\n"
    "batch_norm as b2\nrelu\nconv_transpose2d 2 2 as t\ngroup_norm 1 as g\ndense 5 as f\nlayer_norm "
    "as l\ndropout 0.2 as d2\ndense 3\n%s\n";

static tas_train_options draw_options(int optimizer)
{
    tas_train_options options;
    tas_train_options_init(&options);
    tas_train_options_choose(&options, (tas_optimizer)optimizer);
    options.lr = 0.01f;
    options.batch = 16;
    options.steps = 5;
    options.weight_decay = 0.1f;
    options.clip = random_below(2) ? 0.5f : 0;
    options.decay_on = random_below(2) ? TAS_DECAY_ON_ALL : TAS_DECAY_ON_WEIGHTS;
    options.noise = (int)random_below(2);
    options.seed = random_u64();
    return options;
}

/* What is frozen keeps its bits, what is not does not. */
static void check_moved(tas_model *model, const values *before)
{
    const tas_tensor_info *info;
    float now[VALUES_MOST];
    for (size_t i = 0; (info = tas_network_tensor(before->network, i)); i++) {
        tas_layer_info layer;
        ck_assert(tas_network_layer_info(before->network, info->layer, &layer));
        const bool statistic = strstr(info->name, "running");
        expect_ok(tas_model_read(model, info->name, now, info->elements));
        const bool same = !memcmp(now, before->of[i], info->elements * sizeof *now);
        ck_assert_msg(info->trained == (!layer.frozen && !statistic), "%s: trained %d", info->name, info->trained);
        ck_assert_msg(same == (layer.frozen != 0), "%s: %s, seed %llu", info->name, same ? "did not move" : "moved",
                      (unsigned long long)test_seed());
    }
}

static void run(tas_device *on, const tas_network *network, const values *v, const tas_data *data,
                const tas_train_options *options, char hex[65])
{
    tas_model *model = open_model(on, network, v, 0);
    expect_ok(tas_train(model, data, options, NULL));
    check_moved(model, v);
    expect_ok(tas_model_digest(model, hex));
    tas_model_close(&model);
}

START_TEST(frozen_bits_do_not_change)
{
    static const char *const frozen[] = {"freeze to d1", "freeze c2",       "freeze b1 f", "freeze b2 t\n freeze c1",
                                         "freeze to l",  "freeze g l d2 b1"};
    for (size_t i = 0; i < sizeof frozen / sizeof *frozen; i++) {
        tas_network *network = parse(net, frozen[i]);
        const values v = draw_values(network);
        tas_data *data = draw_set();
        const int optimizers = tested_small ? 1 : 7;
        for (int k = 0; k < optimizers; k++) {
            char a[65], b[65];
            tas_train_options options = draw_options(tested_small ? (int)i : k);
            run(reference, network, &v, data, &options, a);
            options.tile = 1 + random_below(9);
            options.keep_on_host = (int)random_below(2);
            run(tested, network, &v, data, &options, b);
            ck_assert_msg(!strcmp(a, b), "%s, %s, tiles of %u: other bits, seed %llu", frozen[i],
                          tas_optimizer_name(options.optimizer), options.tile, (unsigned long long)test_seed());
        }
        tas_data_close(&data);
        free_values((values *)&v);
        tas_network_close(&network);
    }
}
END_TEST

/* A frozen beginning is a part of the data: what it makes of them in evaluation trains the rest to the same bits. */
START_TEST(a_frozen_beginning_is_data)
{
    static const char beginning[] = "input 1x6x6\nconv2d 4 3 as c1\nbatch_norm as b1\nrelu\ndropout 0.5 as d1\n";
    static const char end[] = "dense 5\nbatch_norm\nrelu\ndense 3\n";
    char text[512];
    static float features[EXAMPLES * 64];
    snprintf(text, sizeof text, "%s%sfreeze to d1\n", beginning, end);
    tas_network *whole = parse("%s", text), *first = parse(beginning, ""), *rest;
    snprintf(text, sizeof text, "input 64\n%s", end);
    rest = parse("%s", text);
    tas_data *data = draw_set();
    values v = draw_values(whole);
    tas_model *model = open_model(tested, first, &v, 0);
    expect_ok(tas_predict(model, images, EXAMPLES, features));
    tas_model_close(&model);
    tas_data *made = open_set(features, 64);
    for (int k = 0; k < 3; k++) {
        tas_train_options options = draw_options(k);
        options.noise = 0;
        tas_model *a = open_model(tested, whole, &v, 0), *b = open_model(tested, rest, &v, 6);
        const tas_tensor_info *info;
        tas_score score, its;
        expect_ok(tas_train(a, data, &options, NULL));
        expect_ok(tas_train(b, made, &options, NULL));
        for (size_t i = 0; (info = tas_network_tensor(rest, i)); i++) {
            float x[VALUES_MOST], y[VALUES_MOST];
            expect_ok(tas_model_read(a, tas_network_tensor(whole, i + 6)->name, x, info->elements));
            expect_ok(tas_model_read(b, info->name, y, info->elements));
            ck_assert_msg(!memcmp(x, y, info->elements * sizeof *x), "%s: other bits, seed %llu", info->name,
                          (unsigned long long)test_seed());
        }
        expect_ok(tas_evaluate(a, data, &score));
        expect_ok(tas_evaluate(b, made, &its));
        ck_assert_double_eq(score.loss, its.loss);
        tas_model_close(&a);
        tas_model_close(&b);
    }
    tas_data_close(&made);
    tas_data_close(&data);
    free_values(&v);
    tas_network_close(&whole);
    tas_network_close(&first);
    tas_network_close(&rest);
}
END_TEST

/* One step of gradient descent. */
static void step(const tas_network *network, const values *v, const tas_data *data, const char *name, float *out)
{
    tas_train_options options;
    tas_train_options_init(&options);
    options.batch = EXAMPLES;
    options.steps = 1;
    options.lr = 1024;
    options.momentum = 0;
    tas_model *model = open_model(tested, network, v, 0);
    expect_ok(tas_train(model, data, &options, NULL));
    expect_ok(tas_model_read(model, name, out, 36));
    tas_model_close(&model);
}

/* What passes through a frozen layer is what passes through one that is trained. */
START_TEST(gradients_pass_through_frozen_layers)
{
    static const char *const layers[] = {"conv2d 3 3", "conv_transpose2d 3 2", "dense 7", "layer_norm", "group_norm 2"};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        char text[256];
        float a[36], b[36];
        snprintf(text, sizeof text, "input 1x6x6\nconv2d 4 3\n%s as x\nrelu\ndense 3\n%%s", layers[i]);
        tas_network *trained = parse(text, ""), *frozen = parse(text, "freeze x\n");
        tas_data *data = draw_set();
        values v = draw_values(trained);
        step(trained, &v, data, "1.conv2d.weight", a);
        step(frozen, &v, data, "1.conv2d.weight", b);
        ck_assert_msg(memcmp(v.of[0], b, sizeof b) && !memcmp(a, b, sizeof b), "%s: other bits", layers[i]);
        tas_data_close(&data);
        free_values(&v);
        tas_network_close(&trained);
        tas_network_close(&frozen);
    }
}
END_TEST

/* batch_norm with fixed statistics is an affine function of each channel, as a convolution of one tap is. */
START_TEST(frozen_batch_norm_is_affine)
{
    tas_network *normed = parse("input 1x6x6\nconv2d 4 3\nbatch_norm as b\nrelu\ndense 3\nfreeze b\n", "");
    tas_network *affine = parse("input 1x6x6\nconv2d 4 3\nconv2d 4 1 groups 4 as b\nrelu\ndense 3\nfreeze b\n", "");
    tas_data *data = draw_set();
    values v = draw_values(normed), w = draw_values(affine);
    float a[36], b[36];
    memcpy(w.of[0], v.of[0], 36 * sizeof(float));
    memcpy(w.of[1], v.of[1], 4 * sizeof(float));
    for (int c = 0; c < 4; c++) { /* weight, bias, running mean and variance are 2 to 5 */
        const float scale = v.of[2][c] / sqrtf(v.of[5][c] + 1e-5f);
        w.of[2][c] = scale;
        w.of[3][c] = v.of[3][c] - v.of[4][c] * scale;
    }
    memcpy(w.of[4], v.of[6], 192 * sizeof(float));
    memcpy(w.of[5], v.of[7], 3 * sizeof(float));
    step(normed, &v, data, "1.conv2d.weight", a);
    step(affine, &w, data, "1.conv2d.weight", b);
    for (int k = 0; k < 36; k++)
        ck_assert_msg(fabsf(a[k] - b[k]) <= 1e-4f * fabsf(a[k] - v.of[0][k]) + 1e-3f, "%d: %g, expected %g", k,
                      (double)(a[k] - v.of[0][k]), (double)(b[k] - v.of[0][k]));
    tas_data_close(&data);
    free_values(&v);
    free_values(&w);
    tas_network_close(&normed);
    tas_network_close(&affine);
}
END_TEST

/* Frozen layers at the beginning need no gradients at all. */
START_TEST(less_work)
{
    tas_network *network =
        parse("input 1x6x6\nconv2d 4 3 as a\nrelu\nconv2d 3 3 as b\ndense 5 as c\ndense 3\n%s", "freeze to b\n");
    static const uint64_t forward[] = {0, 1, 0, 1, 1, 1}, train[] = {0, 1, 0, 1, 2, 3};
    tas_layer_info info;
    for (size_t i = 0; i < 6; i++) {
        ck_assert(tas_network_layer_info(network, i, &info));
        ck_assert_uint_eq(info.train_flops * forward[i], info.forward_flops * train[i]);
        ck_assert_int_eq(info.frozen, i == 1 || i == 3);
    }
    ck_assert(strstr(tas_network_layer(network, 1), "40 parameters, frozen"));
    tas_network_close(&network);
    network = parse("input 1x6x6\ndense 4\ndense 5 as c\ndense 3\n%s", "freeze c\n"); /* a gradient has to pass it */
    ck_assert(tas_network_layer_info(network, 2, &info));
    ck_assert_uint_eq(info.train_flops, 2 * info.forward_flops);
    tas_network_close(&network);
}
END_TEST

static Suite *make(const char *id)
{
    Suite *suite = suite_create("freeze");
    TCase *frozen = tcase_create(id ? id : "reference");
    tcase_add_checked_fixture(frozen, seed_anew, NULL);
    tcase_set_timeout(frozen, 300);
    tcase_add_test(frozen, frozen_bits_do_not_change);
    tcase_add_test(frozen, a_frozen_beginning_is_data);
    tcase_add_test(frozen, gradients_pass_through_frozen_layers);
    tcase_add_test(frozen, frozen_batch_norm_is_affine);
    tcase_add_test(frozen, less_work);
    suite_add_tcase(suite, frozen);
    return suite;
}

int main(void) { return driver_run(make); }
