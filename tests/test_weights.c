/* Weights of examples and of classes: what they mean for training and evaluation, which sets carry them, and what is
 * refused. test_tiles.c cuts batches with weights; test_gradients.c has the finite differences. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SET = 24, WIDTH = 5, KINDS = 3, STEPS = 6 };

static float inputs[SET * WIDTH], targets[SET * KINDS];
static uint32_t labels[SET];

static void draw_set(void)
{
    for (int k = 0; k < SET * WIDTH; k++) inputs[k] = random_float(-1, 1);
    for (int k = 0; k < SET * KINDS; k++) targets[k] = random_float(0, 1);
    for (int k = 0; k < SET; k++) labels[k] = random_below(KINDS);
}

static tas_data_options set_options(bool floats, const float *weights)
{
    tas_data_options options;
    tas_data_options_init(&options);
    options.count = SET;
    options.input_size = WIDTH;
    options.input_type = TAS_INPUT_F32;
    options.target_type = floats ? TAS_TARGET_F32 : TAS_TARGET_LABEL;
    options.classes = floats ? 0 : KINDS;
    options.target_size = floats ? KINDS : 0;
    options.inputs = inputs;
    options.targets = floats ? (const void *)targets : labels;
    options.weights = weights;
    return options;
}

static tas_data *open_set(bool floats, const float *weights)
{
    tas_data *data = NULL;
    const tas_data_options options = set_options(floats, weights);
    expect_ok(tas_data_open(context, &options, &data));
    return data;
}

static tas_model *open_model(const char *ending)
{
    char text[200];
    snprintf(text, sizeof text, "input %d\ndense 4\ntanh\ndense %d\nloss %s\n", WIDTH, KINDS, ending);
    return model_of_text(text, 3);
}

typedef struct outcome {
    char hex[65];
    float loss; /* of the last step */
    tas_score score;
} outcome;

/* A short training on the set, which is closed, in tiles of so many examples. */
static outcome train(const char *ending, tas_data *data, uint32_t batch, uint32_t tile)
{
    outcome o;
    tas_train_options options;
    tas_train_result result;
    tas_model *model = open_model(ending);
    tas_train_options_init(&options);
    options.batch = batch;
    options.steps = STEPS;
    options.tile = tile;
    options.lr = 0.25f;
    expect_ok(tas_train(model, data, &options, &result));
    expect_ok(tas_model_digest(model, o.hex));
    expect_ok(tas_evaluate(model, data, &o.score));
    o.loss = result.last_loss;
    tas_model_close(&model);
    tas_data_close(&data);
    return o;
}

static void expect_same(const outcome *a, const outcome *b)
{
    ck_assert_str_eq(a->hex, b->hex);
    ck_assert(a->loss == b->loss && a->score.loss == b->score.loss && a->score.correct == b->score.correct);
}

START_TEST(equal_weights_change_nothing)
{
    float ones[SET], fours[SET];
    for (int k = 0; k < SET; k++) ones[k] = 1, fours[k] = 4;
    draw_set();
    for (int floats = 0; floats < 2; floats++) {
        const char *ending = floats ? "huber" : "softmax smoothing 0.1";
        const outcome none = train(ending, open_set(floats, NULL), 7, 0);
        const outcome one = train(ending, open_set(floats, ones), 7, 0);
        const outcome four = train(ending, open_set(floats, fours), 7, 3);
        expect_same(&none, &one);
        expect_same(&none, &four); /* powers of two are exact */
    }
    const outcome none = train("bce", open_set(false, NULL), 7, 0);
    const outcome one = train("bce weights 1,1,1", open_set(false, ones), 7, 2);
    expect_same(&none, &one);
}
END_TEST

/* The mean divides by the sum of the weights of the batch, in any tile; weights of classes act as the same weights of
 * examples. */
START_TEST(tiles_and_classes)
{
    static const float of_class[KINDS] = {0.5f, 3, 1.25f};
    static const uint32_t tiles[] = {1, 2, 3, 7, 24, 0};
    float weights[SET], both[SET], of_label[SET];
    draw_set();
    for (int k = 0; k < SET; k++) {
        weights[k] = random_below(4) ? random_float(0, 3) : 0;
        of_label[k] = of_class[labels[k]];
        both[k] = weights[k] * of_label[k];
    }
    const char *with = "softmax weights 0.5,3,1.25";
    const outcome by_example = train("softmax", open_set(false, both), 24, 0);
    const outcome by_class = train("softmax", open_set(false, of_label), 24, 0);
    ck_assert_str_ne(by_example.hex, by_class.hex);
    for (size_t k = 0; k < sizeof tiles / sizeof *tiles; k++) {
        const outcome cut = train(with, open_set(false, weights), 24, tiles[k]);
        const outcome alone = train(with, open_set(false, NULL), 24, tiles[k]);
        expect_same(&by_example, &cut);
        expect_same(&by_class, &alone);
    }
}
END_TEST

/* Examples of weight 0 take no part, whatever they are. */
START_TEST(weight_zero)
{
    float weights[SET];
    draw_set();
    for (int k = 0; k < SET; k++) weights[k] = k % 3 ? 1 : 0;
    const outcome before = train("mae", open_set(true, weights), SET, 5);
    for (int k = 0; k < SET; k += 3) {
        for (int i = 0; i < WIDTH; i++) inputs[k * WIDTH + i] = 7;
        for (int j = 0; j < KINDS; j++) targets[k * KINDS + j] = -1e6f;
    }
    const outcome after = train("mae", open_set(true, weights), SET, 5);
    expect_same(&before, &after);

    /* A batch without weight: its loss and gradient are 0. */
    memset(weights, 0, sizeof weights);
    tas_data *data = open_set(true, weights);
    tas_model *model = open_model("mse");
    tas_train_options options;
    tas_train_result result;
    char untrained[65], hex[65];
    tas_score score;
    tas_train_options_init(&options);
    options.batch = 5;
    expect_ok(tas_model_digest(model, untrained));
    expect_ok(tas_train(model, data, &options, &result));
    expect_ok(tas_model_digest(model, hex));
    expect_ok(tas_evaluate(model, data, &score));
    ck_assert_str_eq(untrained, hex);
    ck_assert(result.last_loss == 0 && score.loss == 0 && result.steps == 5);
    tas_model_close(&model);
    tas_data_close(&data);
}
END_TEST

/* The loss of an evaluation is the weighted mean; accuracy counts examples. */
START_TEST(evaluation)
{
    float weights[SET], outputs[SET * KINDS];
    double sum = 0, total = 0;
    uint64_t correct = 0;
    draw_set();
    for (int k = 0; k < SET; k++) weights[k] = random_float(0, 2);
    tas_data *data = open_set(false, weights);
    tas_model *model = open_model("softmax");
    tas_score score;
    expect_ok(tas_predict(model, inputs, SET, outputs));
    expect_ok(tas_evaluate(model, data, &score));
    for (int k = 0; k < SET; k++) {
        double y[KINDS];
        for (int j = 0; j < KINDS; j++) y[j] = outputs[k * KINDS + j];
        const int most = y[1] > y[0] ? y[2] > y[1] ? 2 : 1 : y[2] > y[0] ? 2 : 0;
        sum += weights[k] * plain_softmax(y, KINDS, labels[k]);
        total += weights[k];
        correct += most == (int)labels[k];
    }
    ck_assert_msg(fabs(score.loss - sum / total) < 1e-6, "%.9g, expected %.9g", score.loss, sum / total);
    ck_assert_uint_eq(score.correct, correct);
    tas_model_close(&model);
    tas_data_close(&data);
}
END_TEST

static int fill(void *user, const uint64_t *index, size_t n, void *in, void *out)
{
    (void)user;
    for (size_t k = 0; k < n; k++) {
        memcpy((float *)in + k * WIDTH, inputs + index[k] * WIDTH, WIDTH * sizeof(float));
        ((uint32_t *)out)[k] = labels[index[k]];
    }
    return 0;
}

/* Copies, borrowed arrays, callbacks and parts of sets carry them. */
START_TEST(sets)
{
    float weights[SET], changing[SET];
    draw_set();
    for (int k = 0; k < SET; k++) weights[k] = changing[k] = random_float(0, 2);
    const outcome plain = train("softmax", open_set(false, weights), 9, 4);
    tas_data *copy = open_set(false, changing), *borrowed = NULL, *called = NULL;
    memset(changing, 0, sizeof changing);
    const outcome copied = train("softmax", copy, 9, 4);
    expect_same(&plain, &copied);

    tas_data_options options = set_options(false, weights);
    options.borrow = 1;
    expect_ok(tas_data_open(context, &options, &borrowed));
    const outcome in_place = train("softmax", borrowed, 9, 4);
    expect_same(&plain, &in_place);

    memcpy(changing, weights, sizeof changing);
    options = set_options(false, changing);
    options.inputs = options.targets = NULL;
    options.fill = fill;
    expect_ok(tas_data_open(context, &options, &called));
    memset(changing, 0, sizeof changing);
    const outcome by_callback = train("softmax", called, 9, 4);
    expect_same(&plain, &by_callback);

    /* Parts: weights that are the class's act as weights of classes do. */
    for (int k = 0; k < SET; k++) weights[k] = 0.5f + (float)labels[k];
    for (int head = 0; head < 2; head++) {
        outcome part[2];
        for (int by_class = 0; by_class < 2; by_class++) {
            tas_data *whole = open_set(false, by_class ? NULL : weights), *held = NULL, *some = NULL;
            expect_ok(tas_data_split(whole, 15, 5, NULL, &held));
            if (head) expect_ok(tas_data_head(held, 8, &some));
            part[by_class] = train(by_class ? "softmax weights 0.5,1.5,2.5" : "softmax", head ? some : held, 4, 3);
            if (head) tas_data_close(&held);
            tas_data_close(&whole);
        }
        expect_same(&part[0], &part[1]);
    }
}
END_TEST

START_TEST(refused)
{
    static const float bad[] = {-1, -1e-30f, NAN, INFINITY, 1000001};
    float weights[SET];
    draw_set();
    for (int k = 0; k < 5; k++) {
        for (int i = 0; i < SET; i++) weights[i] = 1;
        weights[k * 5] = bad[k];
        tas_data *data = NULL;
        char which[32];
        tas_data_options options = set_options(k % 2, weights);
        snprintf(which, sizeof which, "example %d", k * 5);
        expect(tas_data_open(context, &options, &data), TAS_BAD_DATA, which, "weight");
        ck_assert_ptr_null(data);
    }
    tas_data *floats = open_set(true, NULL), *three = open_set(false, NULL);
    tas_model *model = open_model("mse weights 1,2,3");
    tas_score score;
    expect(tas_evaluate(model, floats, &score), TAS_BAD_NETWORK, "weights of classes", "float targets");
    expect_ok(tas_evaluate(model, three, &score));
    tas_model_close(&model);
    model = model_of_text("input 5\ndense 1\nloss bce\n", 1);
    expect(tas_evaluate(model, three, &score), TAS_BAD_NETWORK, "1 outputs", "3 classes");
    tas_model_close(&model);
    tas_data_close(&three);
    tas_data_close(&floats);
}
END_TEST

/* One output and labels 0 and 1: the label is the target. */
START_TEST(one_answer)
{
    static const char text[] = "input 5\ndense 3\ntanh\ndense 1\nloss bce%s\n";
    float weights[SET], answers[SET];
    char with[80], without[80], hex[2][65];
    draw_set();
    for (int k = 0; k < SET; k++) {
        labels[k] %= 2;
        answers[k] = (float)labels[k];
        weights[k] = labels[k] ? 5 : 0.5f;
    }
    snprintf(with, sizeof with, text, " weights 0.5,5");
    snprintf(without, sizeof without, text, "");
    for (int floats = 0; floats < 2; floats++) {
        tas_data *data = NULL;
        tas_data_options options = set_options(floats, floats ? weights : NULL);
        options.classes = floats ? 0 : 2;
        options.target_size = floats ? 1 : 0;
        options.targets = floats ? (const void *)answers : labels;
        expect_ok(tas_data_open(context, &options, &data));
        tas_model *model = model_of_text(floats ? without : with, 3);
        tas_train_options train_options;
        tas_train_options_init(&train_options);
        train_options.batch = 7;
        expect_ok(tas_train(model, data, &train_options, NULL));
        expect_ok(tas_model_digest(model, hex[floats]));
        tas_model_close(&model);
        tas_data_close(&data);
    }
    ck_assert_str_eq(hex[0], hex[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights");
    TCase *tc = tcase_create("weights");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, equal_weights_change_nothing);
    tcase_add_test(tc, tiles_and_classes);
    tcase_add_test(tc, weight_zero);
    tcase_add_test(tc, evaluation);
    tcase_add_test(tc, sets);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, one_answer);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
