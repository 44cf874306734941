/* Networks whose texts leave to a data set what it has: the words' values, and targets in units of their own. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 301, VALUES = 4, TARGETS = 2 };

static float inputs[EXAMPLES * VALUES], targets[EXAMPLES * TARGETS];
static unsigned char bytes[EXAMPLES * 12];
static uint32_t labels[EXAMPLES];

/* Columns of different scales; the last is the same everywhere. */
static void draw(void)
{
    static const float mean[VALUES] = {1e6f, -3, 1e-5f, 0.1f}, std[VALUES] = {20, 1e3f, 1e-6f, 0};
    for (int i = 0; i < EXAMPLES; i++) {
        for (int k = 0; k < VALUES; k++) inputs[i * VALUES + k] = mean[k] + std[k] * random_float(-1, 1);
        targets[i * TARGETS] = 5000 + 300 * random_float(-1, 1);
        targets[i * TARGETS + 1] = -0.01f + 0.001f * random_float(-1, 1);
        labels[i] = random_below(3);
        for (int k = 0; k < 12; k++) bytes[i * 12 + k] = (unsigned char)random_below(k < 4 ? 256 : 20);
    }
}

static int fill(void *user, const uint64_t *index, size_t n, void *in, void *out)
{
    (void)user;
    for (size_t k = 0; k < n; k++) {
        memcpy((float *)in + k * VALUES, inputs + index[k] * VALUES, VALUES * sizeof *inputs);
        memcpy((float *)out + k * TARGETS, targets + index[k] * TARGETS, TARGETS * sizeof *targets);
    }
    return 0;
}

static tas_data_options options_of(bool values)
{
    tas_data_options options;
    tas_data_options_init(&options);
    options.count = EXAMPLES;
    options.input_size = VALUES;
    options.input_type = TAS_INPUT_F32;
    options.inputs = inputs;
    options.target_type = values ? TAS_TARGET_F32 : TAS_TARGET_LABEL;
    options.classes = values ? 0 : 3;
    options.target_size = values ? TARGETS : 0;
    options.targets = values ? (void *)targets : labels;
    return options;
}

static tas_data *open_data(const tas_data_options *options)
{
    tas_data *data;
    expect_ok(tas_data_open(context, options, &data));
    return data;
}

static tas_network *resolve(const char *text, const tas_data *data)
{
    tas_network *network;
    expect_ok(tas_network_parse_for(context, text, "net", data, &network));
    return network;
}

/* Numbers with commas between them behind `name` in a text, from `line` on. */
static void read_list(const char *text, const char *line, const char *name, float *out, int count)
{
    const char *at = strstr(strstr(text, line), name);
    ck_assert_msg(at, "%s: no %s", text, name);
    at += strlen(name);
    for (int k = 0; k < count; k++) {
        char *end;
        out[k] = strtof(at, &end);
        ck_assert_msg(end > at && (k + 1 == count ? *end != ',' : *end == ','), "%s: not %d numbers", text, count);
        at = end + 1;
    }
}

/* In long double, in two passes. */
static void check_column(const char *what, const float *x, int count, int stride, float mean, float std)
{
    long double sum = 0, squares = 0;
    for (int i = 0; i < count; i++) sum += (long double)x[i * stride];
    for (int i = 0; i < count; i++)
        squares += ((long double)x[i * stride] - sum / count) * ((long double)x[i * stride] - sum / count);
    const double m = (double)(sum / count), s = (double)sqrtl(squares / count);
    ck_assert_msg(fabs(mean - m) <= 1e-7 * fabs(m), "%s: mean %.9g, expected %.9g", what, (double)mean, m);
    ck_assert_msg(s < 1e-9 * fabs(m) ? std == 1 : fabs(std - s) <= 1e-6 * s, "%s: std %.9g, expected %.9g", what,
                  (double)std, s);
}

static const char all_words[] = "# data\n"
                                "\tinput data normalize # normalize data\n"
                                "dense 5 as data\n"
                                "relu\n\n"
                                "dense data\n"
                                "loss data normalise";

START_TEST(values_of_a_table)
{
    tas_data_options options = options_of(true);
    float mean[VALUES], std[VALUES];
    draw();
    tas_data *data = open_data(&options);
    tas_network *network = resolve(all_words, data);
    const char *text = tas_network_text(network);
    ck_assert(!strncmp(text, "# data\n\tinput 4 mean ", 21) &&
              strstr(text, " # normalize data\ndense 5 as data\nrelu\n\n"));
    ck_assert(strstr(text, "dense 2\nloss mse mean "));
    read_list(text, "input", "mean ", mean, VALUES);
    read_list(text, "input", "std ", std, VALUES);
    for (int k = 0; k < VALUES; k++) check_column("input", inputs + k, EXAMPLES, VALUES, mean[k], std[k]);
    ck_assert_float_eq(mean[3], 0.1f);
    read_list(text, "loss", "mean ", mean, TARGETS);
    read_list(text, "loss", "std ", std, TARGETS);
    for (int k = 0; k < TARGETS; k++) check_column("target", targets + k, EXAMPLES, TARGETS, mean[k], std[k]);

    tas_network *again = resolve(text, NULL); /* as a checkpoint has it */
    ck_assert_str_eq(tas_network_text(again), text);
    tas_network_close(&again);
    tas_data_close(&data);
    options.inputs = options.targets = NULL;
    options.fill = fill;
    data = open_data(&options);
    again = resolve(all_words, data);
    ck_assert_str_eq(tas_network_text(again), text);
    tas_network_close(&again);
    tas_network_close(&network);
    tas_data_close(&data);
}
END_TEST

START_TEST(values_of_labels_and_of_pictures)
{
    tas_data_options options = options_of(false);
    float mean[12], std[12], of[12 * EXAMPLES];
    draw();
    tas_data *data = open_data(&options);
    tas_network *network = resolve(all_words, data);
    const char *text = tas_network_text(network);
    ck_assert(strstr(text, "\ndense 3\nloss softmax ") ||
              !strcmp(strstr(text, "\ndense 3"), "\ndense 3\nloss softmax "));
    tas_network_close(&network);
    tas_data_close(&data);

    options.input_size = 12;
    options.input_type = TAS_INPUT_U8;
    options.inputs = bytes;
    data = open_data(&options);
    for (int k = 0; k < 12 * EXAMPLES; k++) of[k] = (float)bytes[k] / 255;
    network = resolve("input 3x2x2 normalize\ndense data", data);
    read_list(tas_network_text(network), "input", "mean ", mean, 3);
    read_list(tas_network_text(network), "input", "std ", std, 3);
    for (int c = 0; c < 3; c++) {
        float plane[4 * EXAMPLES];
        for (int k = 0; k < 4 * EXAMPLES; k++) plane[k] = of[k / 4 * 12 + c * 4 + k % 4];
        check_column("channel", plane, 4 * EXAMPLES, 1, mean[c], std[c]);
    }
    tas_network_close(&network);
    network = resolve("input data normalize\ndense data", data); /* an array has no height and width */
    read_list(tas_network_text(network), "input", "mean ", mean, 12);
    read_list(tas_network_text(network), "input", "std ", std, 12);
    for (int c = 0; c < 12; c++) check_column("value", of + c, EXAMPLES, 12, mean[c], std[c]);
    tas_network_close(&network);
    tas_data_close(&data);
}
END_TEST

START_TEST(one_answer_has_one_output)
{
    tas_data_options options = options_of(false);
    draw();
    for (int i = 0; i < EXAMPLES; i++) labels[i] %= 2;
    options.classes = 2;
    tas_data *data = open_data(&options);
    tas_network *network = resolve("input data\ndense data\nloss bce", data);
    ck_assert_uint_eq(tas_network_outputs(network), 1);
    tas_network_close(&network);
    tas_data_close(&data);
}
END_TEST

static void refuse(const char *text, const tas_data *data, const char *word, const char *other)
{
    tas_network *network = (tas_network *)&context;
    expect(tas_network_parse_for(context, text, "net", data, &network), TAS_BAD_NETWORK, word, other);
    ck_assert_ptr_null(network);
}

START_TEST(refuses_what_does_not_fit)
{
    tas_data_options options = options_of(false);
    tas_network *network;
    tas_model *model;
    draw();
    tas_data *data = open_data(&options);
    refuse("input 5 normalize\ndense 1\n", data, "net: takes 5 values per example", "has 4");
    refuse("input 2x2x2 normalize\ndense 1\n", data, "takes 2x2x2 values", "has 4");
    refuse("input 4\ndense 1\nloss mse normalize\n", data, "'normalize' of loss mse needs float targets", "has labels");
    refuse("input data normalize mean 1\ndense 1\n", data, "net:1: a second 'mean'", "");
    refuse("input date normalize\ndense 1\n", data, "net", "");
    refuse("input data\ndense 1\nloss bce normalize\n", data, "net:3: 'normalize' is for", "bce");
    refuse("input data\nconv2d 3 3\n", data, "net:2: conv2d 3x3 needs planes", "");
    refuse(all_words, NULL, "net:2: 'data' stands for", "without a data set");

    expect_ok(tas_network_parse(context, "input 4 normalize\ndense 3\n", "net", &network));
    expect(tas_model_open(device, network, 1, &model), TAS_BAD_NETWORK, "'normalize'", "tas_network_open_for");
    tas_network_close(&network);
    expect_ok(tas_network_parse(context, "input 4\ndense 3\nloss mse std 2\n", "net", &network));
    expect_ok(tas_model_open(device, network, 1, &model));
    tas_score score;
    expect(tas_evaluate(model, data, &score), TAS_BAD_NETWORK, "mean or std of float targets", "has labels");
    tas_model_close(&model);
    tas_network_close(&network);
    tas_data_close(&data);
    expect(tas_network_open_for(context, "tabula", NULL, &network), TAS_BAD_FILE, "did you mean 'tabular'?", "");
}
END_TEST

static void check_reading(const char *text, tas_targets wanted, uint32_t channels, uint32_t height, uint32_t width)
{
    tas_reading reading;
    tas_reading_init(&reading);
    expect_ok(tas_network_expect_text(context, text, "net", &reading));
    ck_assert_int_eq((int)reading.targets, (int)wanted);
    ck_assert_uint_eq(reading.channels, channels);
    ck_assert_uint_eq(reading.height, height);
    ck_assert_uint_eq(reading.width, width);
}

START_TEST(what_data_are_to_be)
{
    tas_reading reading;
    check_reading("input 3x32x30\nconv2d 2 3\nglobal_avg_pool\n", TAS_TARGETS_CLASSES, 3, 32, 30);
    check_reading("\xef\xbb\xbfinput 28x20 normalize\ndense 2\n", TAS_TARGETS_CLASSES, 1, 28, 20);
    check_reading("input 13 normalize\ndense 1\nloss mse\n", TAS_TARGETS_VALUES, 13, 0, 0);
    check_reading("input 13\ndense 10\nloss mae\n", TAS_TARGETS_AUTO, 13, 0, 0);
    check_reading("input 13\ndense 10\ndense data\nloss huber delta 2\n", TAS_TARGETS_VALUES, 13, 0, 0);
    check_reading("input 13\ndense 1\nloss bce\n", TAS_TARGETS_AUTO, 13, 0, 0);
    check_reading(all_words, TAS_TARGETS_AUTO, 0, 0, 0);
    tas_reading_init(&reading);
    expect_ok(tas_network_expect(context, "lenet", &reading));
    ck_assert_uint_eq(reading.height, 28);
    expect_ok(tas_network_expect(context, "tabular", &reading));
    ck_assert(reading.targets == TAS_TARGETS_AUTO && !reading.channels);
    expect(tas_network_expect(context, "lenot", &reading), TAS_BAD_FILE, "did you mean 'lenet'?", "");
    expect(tas_network_expect_text(context, "input 4\ndens 3\n", "net", &reading), TAS_BAD_NETWORK, "net:2", "dense");
}
END_TEST

/* Targets in units of their own --------------------------------------------------------------------------------- */

/* Trains, evaluates, and predicts all examples. */
static tas_metrics *train(const char *text, const tas_data *data, char hex[65], tas_score *score, float *outputs,
                          uint32_t tile, uint64_t budget)
{
    tas_network *network = resolve(text, data);
    tas_train_options options = sample_options(32, 12);
    tas_model *model;
    tas_metrics *metrics;
    options.tile = tile;
    options.budget = budget;
    expect_ok(tas_model_open(device, network, 5, &model));
    expect_ok(tas_train(model, data, &options, NULL));
    expect_ok(tas_model_digest(model, hex));
    expect_ok(tas_evaluate_metrics(model, data, score, &metrics));
    expect_ok(tas_predict(model, inputs, EXAMPLES, outputs));
    tas_model_close(&model);
    tas_network_close(&network);
    return metrics;
}

/* As if (t - M) / S were in the file: the same weights and loss; predictions and metrics are those of t. */
START_TEST(scaled_targets_are_those_of_scaled_data)
{
    static const char *const plain[] = {"input 4 normalize\ndense 6\ntanh\ndense 2\nloss mse\n",
                                        "input 4 normalize\ndense 6\ntanh\ndense 2\nloss huber delta 0.5\n"};
    static const char *const scaled[] = {
        "input 4 normalize\ndense 6\ntanh\ndense 2\nloss mse mean 5000,-0.01 std 100,0.002\n",
        "input 4 normalize\ndense 6\ntanh\ndense 2\nloss huber delta 0.5 mean 5000,-0.01 std 100,0.002\n"};
    static const float mean[TARGETS] = {5000, -0.01f}, std[TARGETS] = {100, 0.002f};
    static float own[EXAMPLES * TARGETS], y[EXAMPLES * TARGETS], want[EXAMPLES * TARGETS];
    tas_data_options options = options_of(true), by_fill = options;
    draw();
    for (int k = 0; k < EXAMPLES * TARGETS; k++) own[k] = (targets[k] - mean[k % TARGETS]) / std[k % TARGETS];
    tas_data *data = open_data(&options);
    options.targets = own;
    tas_data *other = open_data(&options);
    by_fill.inputs = by_fill.targets = NULL;
    by_fill.fill = fill;
    tas_data *filled = open_data(&by_fill);
    for (int k = 0; k < 2; k++) {
        char a[65], b[65], c[65];
        tas_score score, its;
        tas_metrics *of_plain = train(plain[k], other, a, &its, want, 0, 0);
        tas_metrics *metrics = train(scaled[k], data, b, &score, y, 0, 0);
        ck_assert_str_eq(a, b);
        ck_assert_double_eq(score.loss, its.loss);
        double squares = 0, errors = 0;
        for (int i = 0; i < EXAMPLES * TARGETS; i++) {
            const float expected = fmaf(want[i], std[i % TARGETS], mean[i % TARGETS]);
            ck_assert_msg(y[i] == expected, "output %d: %.9g, expected %.9g", i, (double)y[i], (double)expected);
            squares += pow((double)y[i] - (double)targets[i], 2);
            errors += fabs((double)y[i] - (double)targets[i]);
        }
        ck_assert_double_eq_tol(metrics->rmse, sqrt(squares / (EXAMPLES * TARGETS)), 1e-9 * metrics->rmse);
        ck_assert_double_eq_tol(metrics->mae, errors / (EXAMPLES * TARGETS), 1e-9 * metrics->mae);
        ck_assert_double_eq_tol(metrics->r2, of_plain->r2, 1e-3);
        tas_metrics_free(&metrics);
        tas_metrics_free(&of_plain);
        metrics = train(scaled[k], filled, c, &score, y, 5, 0); /* in tiles, which pass through the host's stages */
        ck_assert_str_eq(a, c);
        ck_assert_double_eq(score.loss, its.loss);
        tas_metrics_free(&metrics);
    }
    tas_data_close(&filled);
    tas_data_close(&other);
    tas_data_close(&data);
}
END_TEST

/* The sizes are such that the set is streamed. */
START_TEST(streamed_targets_are_scaled)
{
    char a[65], b[65];
    tas_data_options options = options_of(true);
    tas_data *data;
    tas_model *model;
    tas_network *network;
    draw();
    data = open_data(&options);
    network = resolve("input data normalize\ndense 4\nrelu\ndense data\nloss data normalize\n", data);
    for (int k = 0; k < 2; k++) {
        tas_train_options train_options = sample_options(16, 20);
        tas_train_result result;
        expect_ok(tas_model_open(device, network, 5, &model));
        train_options.tile = k ? 3 : 0;
        train_options.budget = k ? 1 : 0;
        if (k) {
            expect(tas_train(model, data, &train_options, NULL), TAS_NO_MEMORY, "", "");
            train_options.budget = smallest_budget();
        }
        expect_ok(tas_train(model, data, &train_options, &result));
        ck_assert_int_eq(result.resident, !k);
        expect_ok(tas_model_digest(model, k ? b : a));
        tas_model_close(&model);
    }
    ck_assert_str_eq(a, b);
    tas_network_close(&network);
    tas_data_close(&data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resolve");
    TCase *words = tcase_create("words"), *scales = tcase_create("scales");
    tcase_add_checked_fixture(words, support_open, support_close);
    tcase_add_test(words, values_of_a_table);
    tcase_add_test(words, values_of_labels_and_of_pictures);
    tcase_add_test(words, one_answer_has_one_output);
    tcase_add_test(words, refuses_what_does_not_fit);
    tcase_add_test(words, what_data_are_to_be);
    suite_add_tcase(suite, words);
    tcase_add_checked_fixture(scales, support_open, support_close);
    tcase_add_test(scales, scaled_targets_are_those_of_scaled_data);
    tcase_add_test(scales, streamed_targets_are_scaled);
    suite_add_tcase(suite, scales);
    return support_run(suite);
}
