/* Augmentation: what the feed makes of images, and how often; that nothing but seed, epoch and example decides it; that
 * evaluation leaves images alone; and channels with scales of their own. TASSELLO_TEST_DEVICE is the device, else the
 * reference. */
#include "train/feed.h" /* before check.h, which has a macro of the name fail */

#include "driver.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 40, CHANNELS = 2, HEIGHT = 5, WIDTH = 7, PLANE = HEIGHT * WIDTH, VALUES = CHANNELS * PLANE };
enum { SHIFT = 2, SIDE = 3, EPOCHS = 60, SHIFTS = 2 * SHIFT + 1 };

static const char plain[] = "input 2x5x7 mean 0.5,0.25 std 2,0.5\ndense 3\n";
static const char augmented[] =
    "input 2x5x7 mean 0.5,0.25 std 2,0.5\naugment flip shift 2 cutout 3\ndense 3\n"; /* SHIFT, SIDE */
static unsigned char bytes[EXAMPLES * VALUES];
static float floats[EXAMPLES * VALUES];
static uint32_t labels[EXAMPLES];

static void setup(void)
{
    random_seed(test_seed());
    for (int i = 0; i < EXAMPLES * VALUES; i++) {
        bytes[i] = (unsigned char)(1 + i % 255); /* none is 0, and neighbors differ */
        floats[i] = random_float(1, 2);
    }
    for (int i = 0; i < EXAMPLES; i++) labels[i] = random_below(3);
}

static tas_data *open_set(bool of_bytes)
{
    tas_data *data = NULL;
    tas_data_options options;
    tas_data_options_init(&options);
    options.count = EXAMPLES;
    options.input_size = VALUES;
    options.input_type = of_bytes ? TAS_INPUT_U8 : TAS_INPUT_F32;
    options.classes = 3;
    options.inputs = of_bytes ? (void *)bytes : (void *)floats;
    options.targets = labels;
    expect_ok(tas_data_open(context, &options, &data));
    return data;
}

static tas_model *open_model(const char *text)
{
    tas_network *network;
    tas_model *model;
    expect_ok(tas_network_parse(context, text, "net", &network));
    expect_ok(tas_model_open(tested, network, 7, &model));
    tas_network_close(&network);
    return model;
}

/* Feeding --------------------------------------------------------------------------------------------------------- */

typedef struct fed {
    tas_model *model;
    tas_data *data;
    workspace w;
} fed;

static void feed_begin(fed *f, const char *text, bool of_bytes, bool resident, uint32_t tile)
{
    bool shrunk;
    f->model = open_model(text);
    f->data = open_set(of_bytes);
    plan_request request = forecast_request(f->data, true, EXAMPLES, tile);
    if (!resident) request.resident = 0;
    expect_ok(workspace_open(&f->w, f->model, &request, 0, &shrunk));
    ck_assert_int_eq(f->w.plan.resident, resident);
    ck_assert_uint_eq(f->w.plan.tile, tile);
    expect_ok(feed_open(&f->w, f->data));
}

/* What the network sees of each example, in the order of the data set. */
static void feed_all(fed *f, uint64_t seed, uint32_t epoch, const uint32_t *order, float *out)
{
    float tile[EXAMPLES * VALUES];
    f->w.seed = seed;
    f->w.epoch = epoch;
    expect_ok(feed_order(&f->w, order, EXAMPLES));
    for (uint32_t at = 0, n; at < EXAMPLES; at += n) {
        n = EXAMPLES - at < f->w.plan.tile ? EXAMPLES - at : f->w.plan.tile;
        expect_ok(feed_tile(&f->w, f->data, order, at, n));
        expect_ok(f->w.device->driver->read(f->w.device, &f->w.tensor[f->w.network->input], 0, tile,
                                            n * VALUES * sizeof(float)));
        expect_ok(feed_done(&f->w));
        for (uint32_t k = 0; k < n; k++) memcpy(out + order[at + k] * VALUES, tile + k * VALUES, sizeof(float[VALUES]));
    }
}

static void feed_end(fed *f)
{
    workspace_close(&f->w);
    tas_model_close(&f->model);
    tas_data_close(&f->data);
}

static void draw_order(uint32_t *order)
{
    for (uint32_t i = 0; i < EXAMPLES; i++) {
        const uint32_t k = random_below(i + 1);
        order[i] = order[k];
        order[k] = i;
    }
}

/* The images of an epoch are the same however they come to the device. */
START_TEST(one_image_per_epoch_and_example)
{
    static const uint32_t tiles[] = {1, 7, EXAMPLES};
    static float first[EXAMPLES * VALUES], other[EXAMPLES * VALUES];
    uint32_t order[EXAMPLES];
    fed f;
    for (int of_bytes = 0; of_bytes < 2; of_bytes++)
        for (int k = 0; k < 6; k++) {
            feed_begin(&f, augmented, of_bytes, k % 2, tiles[k / 2]);
            draw_order(order);
            feed_all(&f, 5, 3, order, k ? other : first);
            if (k) ck_assert(!memcmp(first, other, sizeof first));
            feed_all(&f, 5, 4, order, other);
            ck_assert(memcmp(first, other, sizeof first));
            feed_all(&f, 5 + (1ull << 32), 3, order, other);
            ck_assert(memcmp(first, other, sizeof first));
            feed_end(&f);
        }
}
END_TEST

/* What was done to an image. */
typedef struct change {
    bool flip;
    int dy, dx;    /* of the value at (y, x) from (y + dy, x + dx) */
    int top, left; /* of the hole, which may begin outside */
} change;

static float normal_byte(int channel, float byte)
{
    const float std = channel ? 0.5f : 2, mean = channel ? 0.25f : 0.5f;
    return (byte / 255 - mean) / std;
}

static bool same_images(const change *c, const unsigned char *before, const float *after)
{
    for (int i = 0; i < VALUES; i++) {
        const int channel = i / PLANE, y = i % PLANE / WIDTH, x = i % WIDTH, v = y + c->dy, u = x + c->dx;
        const bool inside = v >= 0 && v < HEIGHT && u >= 0 && u < WIDTH;
        const int from = channel * PLANE + v * WIDTH + (c->flip ? WIDTH - 1 - u : u);
        const bool hole = y >= c->top && y < c->top + SIDE && x >= c->left && x < c->left + SIDE;
        const float wanted = hole ? 0 : normal_byte(channel, inside ? before[from] : 0);
        if (fabsf(after[i] - wanted) > 1e-6f) return false;
    }
    return true;
}

/* The one change that explains the image. */
static change find_change(const unsigned char *before, const float *after)
{
    change found = {0};
    int count = 0;
    for (int way = 0; way < 2 * SHIFTS * SHIFTS; way++)
        for (int center = 0; center < PLANE; center++) {
            const change c = {.flip = way % 2,
                              .dy = way / 2 % SHIFTS - SHIFT,
                              .dx = way / 2 / SHIFTS - SHIFT,
                              .top = center / WIDTH - SIDE / 2,
                              .left = center % WIDTH - SIDE / 2};
            if (!same_images(&c, before, after)) continue;
            found = c;
            count++;
        }
    ck_assert_int_eq(count, 1);
    return found;
}

/* Counts of equally likely outcomes, by Pearson's test: of k degrees of freedom the statistic is beyond
 * k + 2 sqrt(k t) + 2 t with probability e^-t at most (Laurent and Massart 2000, lemma 1); t is 20. */
static void check_uniform(const char *what, const int *counts, int outcomes)
{
    double total = 0, statistic = 0;
    for (int i = 0; i < outcomes; i++) total += counts[i];
    for (int i = 0; i < outcomes; i++) {
        const double wanted = total / outcomes;
        statistic += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
    }
    const double k = outcomes - 1;
    ck_assert_msg(statistic < k + 2 * sqrt(20 * k) + 40, "%s: %g, expected about %g, of %g draws", what, statistic, k,
                  total);
}

START_TEST(each_change_is_as_likely_as_others)
{
    static float after[EXAMPLES * VALUES];
    static int flips[2], dys[SHIFTS], dxs[SHIFTS], tops[HEIGHT], lefts[WIDTH], pairs[2 * SHIFTS];
    uint32_t order[EXAMPLES];
    fed f;
    feed_begin(&f, augmented, true, true, EXAMPLES);
    for (uint32_t i = 0; i < EXAMPLES; i++) order[i] = i;
    const uint64_t seed = random_u64();
    for (uint32_t epoch = 0; epoch < (tested_small ? 2 : EPOCHS); epoch++) {
        feed_all(&f, seed, epoch, order, after);
        for (int i = 0; i < EXAMPLES; i++) {
            const change c = find_change(bytes + i * VALUES, after + i * VALUES);
            flips[c.flip]++;
            dys[c.dy + SHIFT]++;
            dxs[c.dx + SHIFT]++;
            tops[c.top + SIDE / 2]++;
            lefts[c.left + SIDE / 2]++;
            pairs[2 * (c.dx + SHIFT) + c.flip]++;
        }
    }
    feed_end(&f);
    check_uniform("flips", flips, 2);
    check_uniform("shifts in y", dys, SHIFTS);
    check_uniform("shifts in x", dxs, SHIFTS);
    check_uniform("rows of holes", tops, HEIGHT);
    check_uniform("columns of holes", lefts, WIDTH);
    check_uniform("flips and shifts", pairs, 2 * SHIFTS);
}
END_TEST

/* Each alone leaves the rest as it is. */
START_TEST(each_alone)
{
    static const char *const lines[] = {"augment flip\ndense", "augment shift 2\ndense", "augment cutout 3\ndense"};
    static float after[EXAMPLES * VALUES];
    uint32_t order[EXAMPLES];
    for (uint32_t i = 0; i < EXAMPLES; i++) order[i] = i;
    for (int k = 0; k < 3; k++) {
        char *text = text_replaced(plain, "dense", lines[k]);
        fed f;
        int flips = 0, shifts = 0, zeros = 0;
        feed_begin(&f, text, true, true, EXAMPLES);
        feed_all(&f, 1, 0, order, after);
        for (int i = 0; i < EXAMPLES; i++) {
            const change none = {.top = -SIDE}, flip = {.flip = true, .top = -SIDE};
            const float *image = after + i * VALUES;
            flips += same_images(&flip, bytes + i * VALUES, image);
            shifts += !same_images(&flip, bytes + i * VALUES, image) && !same_images(&none, bytes + i * VALUES, image);
            for (int v = 0; v < VALUES; v++) zeros += image[v] == 0;
        }
        ck_assert_msg(k == 0   ? flips > 5 && flips < 35 && !shifts && !zeros
                      : k == 1 ? shifts > 30 && !zeros
                               : zeros >= EXAMPLES * 2 * 4 && zeros <= EXAMPLES * 2 * 9,
                      "%s: %d flips, %d changed otherwise, %d zeros", lines[k], flips, shifts, zeros);
        feed_end(&f);
        free(text);
    }
}
END_TEST

/* Training -------------------------------------------------------------------------------------------------------- */

static void train(const char *text, bool of_bytes, const tas_train_options *options, char hex[65])
{
    tas_model *model = open_model(text);
    tas_data *data = open_set(of_bytes);
    expect_ok(tas_train(model, data, options, NULL));
    expect_ok(tas_model_digest(model, hex));
    tas_model_close(&model);
    tas_data_close(&data);
}

START_TEST(trainings)
{
    char first[65], other[65];
    tas_train_options options;
    tas_train_options_init(&options);
    options.batch = 16;
    options.epochs = 3;
    train(augmented, true, &options, first);
    options.noise = 1;
    train(augmented, true, &options, other);
    ck_assert_str_eq(first, other);
    options.seed = 2;
    train(augmented, true, &options, other);
    ck_assert_str_ne(first, other);
    options.seed = 1;
    train(plain, true, &options, other);
    ck_assert_str_ne(first, other);
}
END_TEST

/* With statistics of the whole batch the images of a tile are fed in several passes. */
START_TEST(trainings_in_tiles)
{
    static const uint32_t tiles[] = {1, 3, 7, 16};
    const char *const behind[] = {"dense", "conv2d 4 3\nbatch_norm\nrelu\ndense"};
    for (int k = 0; k < 2; k++) {
        char *text = text_replaced(augmented, "dense", behind[k]), first[65], other[65];
        tas_train_options options;
        tas_train_options_init(&options);
        options.batch = 16;
        options.epochs = 2;
        train(text, true, &options, first);
        for (int i = 0; i < 8; i++) {
            options.tile = tiles[i / 2];
            options.keep_on_host = i % 2;
            train(text, true, &options, other);
            ck_assert_str_eq(first, other);
        }
        free(text);
    }
}
END_TEST

/* Evaluation and prediction use the images as they are, whether the network augments them in training or not. */
START_TEST(evaluation_and_prediction_leave_images_alone)
{
    for (int of_bytes = 0; of_bytes < 2; of_bytes++) {
        const char *const text[] = {plain, augmented};
        tas_data *data = open_set(of_bytes);
        tas_score score[2];
        float outputs[2][EXAMPLES * 3], *values = NULL;
        for (int k = 0; k < 2; k++) {
            tas_model *model = open_model(text[k]);
            if (!k) values = model_get(model);
            model_set(model, values); /* whose names differ */
            expect_ok(tas_evaluate(model, data, &score[k]));
            expect_ok(tas_predict(model, floats, EXAMPLES, outputs[k]));
            tas_model_close(&model);
        }
        ck_assert(score[0].loss == score[1].loss && score[0].correct == score[1].correct);
        ck_assert(!memcmp(outputs[0], outputs[1], sizeof outputs[0]));
        free(values);
        tas_data_close(&data);
    }
}
END_TEST

/* A list whose numbers are alike gives the bits of one number; and one that differs those of a set that was scaled
 * before. */
START_TEST(scales_of_channels)
{
    static const char *const alike[] = {"input 2x5x7 mean 0.3 std 0.7\ndense 3\n",
                                        "input 2x5x7 mean 0.3,0.3 std 0.7\ndense 3\n",
                                        "input 2x5x7 mean 0.3 std 0.7,0.7\ndense 3\n"};
    char hex[3][65];
    tas_train_options options;
    tas_train_options_init(&options);
    options.batch = 7;
    for (int of_bytes = 0; of_bytes < 2; of_bytes++) {
        for (int k = 0; k < 3; k++) train(alike[k], of_bytes, &options, hex[k]);
        ck_assert_str_eq(hex[0], hex[1]);
        ck_assert_str_eq(hex[0], hex[2]);
    }
    train(plain, false, &options, hex[0]);
    for (int i = 0; i < EXAMPLES * VALUES; i++)
        floats[i] = i / PLANE % 2 ? fmaf(floats[i], 2, -0.5f) : fmaf(floats[i], 0.5f, -0.25f);
    train("input 2x5x7\ndense 3\n", false, &options, hex[1]);
    ck_assert_str_eq(hex[0], hex[1]);
}
END_TEST

/* Values without planes are channels, too. */
START_TEST(scales_of_values)
{
    char text[VALUES * 16] = "input 70 mean 0";
    char hex[2][65];
    tas_train_options options;
    tas_train_options_init(&options);
    options.batch = EXAMPLES;
    for (int i = 1; i < VALUES; i++) sprintf(text + strlen(text), ",%d", i % 9);
    strcat(text, "\ndense 3\n");
    train(text, false, &options, hex[0]);
    for (int i = 0; i < EXAMPLES * VALUES; i++) floats[i] -= (float)(i % VALUES % 9);
    train("input 70\ndense 3\n", false, &options, hex[1]);
    ck_assert_str_eq(hex[0], hex[1]);
}
END_TEST

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create("augment");
    TCase *tc = tcase_create(id ? id : "reference");
    tcase_set_timeout(tc, 0);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, one_image_per_epoch_and_example);
    tcase_add_test(tc, each_change_is_as_likely_as_others);
    tcase_add_test(tc, each_alone);
    tcase_add_test(tc, trainings);
    tcase_add_test(tc, trainings_in_tiles);
    tcase_add_test(tc, evaluation_and_prediction_leave_images_alone);
    tcase_add_test(tc, scales_of_channels);
    tcase_add_test(tc, scales_of_values);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void) { return driver_run(make_suite); }
