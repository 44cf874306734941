/* Parts of data sets: which examples they have, and that they train to the bits of a set that has them as its own.
 * TASSELLO_TEST_DEVICE is the device that trains, else the reference. */
#include "data/dataset.h" /* before check.h, which has a macro of the name fail */

#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXAMPLES = 400, WIDTH = 256, KINDS = 3, TAKEN = 150 };

static const char net[] = "input 16x16 mean 0.4 std 0.6\nflatten\ndense 9\nrelu\ndropout 0.25\ndense 5\n";
static unsigned char pixels[EXAMPLES][WIDTH];
static uint32_t labels[EXAMPLES];
static char folder[] = "/tmp/tassello-parts-XXXXXX";

static int fill(void *user, const uint64_t *index, size_t n, void *inputs, void *targets)
{
    (void)user;
    for (size_t k = 0; k < n; k++) {
        memcpy((unsigned char *)inputs + k * WIDTH, pixels[index[k]], WIDTH);
        ((uint32_t *)targets)[k] = labels[index[k]];
    }
    return 0;
}

static void write_idx(const char *name, const unsigned char *head, size_t bytes, const void *body, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    ck_assert(f && fwrite(head, 1, bytes, f) == bytes && fwrite(body, 1, n, f) == n && !fclose(f));
}

static tas_data *open_folder(void)
{
    static const unsigned char images[] = {0, 0, 8, 3, 0, 0, EXAMPLES >> 8, EXAMPLES & 255, 0, 0, 0, 16, 0, 0, 0, 16};
    static const unsigned char classes[] = {0, 0, 8, 1, 0, 0, EXAMPLES >> 8, EXAMPLES & 255};
    unsigned char narrow[EXAMPLES];
    tas_data *data = NULL;
    for (int i = 0; i < EXAMPLES; i++) narrow[i] = (unsigned char)labels[i];
    write_idx("train-images-idx3-ubyte", images, sizeof images, pixels, sizeof pixels);
    write_idx("train-labels-idx1-ubyte", classes, sizeof classes, narrow, sizeof narrow);
    expect_ok(tas_data_open_folder(context, folder, TAS_TRAIN, &data));
    ck_assert_ptr_nonnull(data->inputs.map);
    return data;
}

static tas_data_options shape_of(uint64_t count)
{
    tas_data_options options;
    tas_data_options_init(&options);
    options.count = count;
    options.input_size = WIDTH;
    options.classes = 5;
    return options;
}

/* The same set from arrays, from a callback, and from a mapped file. */
static tas_data *open_whole(int kind)
{
    tas_data *data = NULL;
    tas_data_options options = shape_of(EXAMPLES);
    if (kind == 2) return open_folder();
    if (kind == 1) options.fill = fill;
    if (kind == 0) options.inputs = pixels, options.targets = labels;
    expect_ok(tas_data_open(context, &options, &data));
    return data;
}

static void draw_examples(void)
{
    for (int i = 0; i < EXAMPLES; i++) {
        labels[i] = i < 5 ? (uint32_t)i : random_below(5);
        for (int k = 0; k < WIDTH; k++) pixels[i][k] = (unsigned char)random_u64();
        pixels[i][0] = (unsigned char)i; /* which one it is */
        pixels[i][1] = (unsigned char)(i >> 8);
    }
}

static void setup(void)
{
    random_seed(test_seed());
    draw_examples();
}

/* Examples -------------------------------------------------------------------------------------------------------- */

/* Which examples of the whole a part has; dataset_pick() says the same as dataset_fetch(), and nothing lies behind the
 * end.
 */
static uint32_t places_of(const tas_data *part, uint32_t *place)
{
    const uint32_t count = (uint32_t)tas_data_count(part);
    unsigned char x[EXAMPLES][WIDTH], y[WIDTH];
    uint32_t label[EXAMPLES], one;
    expect_ok(dataset_fetch(part, 0, count, x, label));
    for (uint32_t k = 0; k < count; k++) {
        place[k] = x[k][0] | (uint32_t)x[k][1] << 8;
        ck_assert_uint_lt(place[k], EXAMPLES);
        ck_assert(!memcmp(x[k], pixels[place[k]], WIDTH) && label[k] == labels[place[k]]);
        expect_ok(dataset_pick(part, &k, 1, y, &one));
        ck_assert(!memcmp(y, x[k], WIDTH) && one == label[k]);
        expect_ok(dataset_fetch(part, k, 1, y, &one));
        ck_assert(!memcmp(y, x[k], WIDTH) && one == label[k]);
    }
    expect(dataset_fetch(part, 1, count, x, label), TAS_BAD_ARGUMENT, "there are", part->name);
    expect(dataset_pick(part, &count, 1, x, label), TAS_BAD_ARGUMENT, "there are", part->name);
    ck_assert(tas_data_classes(part) == 5 && tas_data_input_size(part) == WIDTH);
    return count;
}

/* Both lists rise, and each of `all` is in one of them. */
static void check_whole(const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb, const uint32_t *all, uint32_t n)
{
    ck_assert_uint_eq(na + nb, n);
    for (uint32_t i = 0, j = 0, k = 0; k < n; k++)
        if (i < na && a[i] == all[k])
            i++;
        else
            ck_assert_msg(j < nb && b[j++] == all[k], "example %u is in neither part, or not in its turn", all[k]);
}

START_TEST(parts_are_the_whole)
{
    uint32_t all[EXAMPLES], a[EXAMPLES], b[EXAMPLES];
    tas_data *whole = open_whole(_i), *rest = NULL, *held = NULL;
    const uint32_t counts[] = {1, 2, TAKEN, EXAMPLES - 1};
    for (uint32_t i = 0; i < EXAMPLES; i++) all[i] = i;
    for (int c = 0; c < 4; c++) {
        expect_ok(tas_data_split(whole, counts[c], random_u64(), &rest, &held));
        const uint32_t nb = places_of(held, b), na = places_of(rest, a);
        ck_assert_uint_eq(nb, counts[c]);
        check_whole(a, na, b, nb, all, EXAMPLES);
        tas_data_close(&rest);
        tas_data_close(&held);
    }
    tas_data_close(&whole);
}
END_TEST

START_TEST(heads_are_the_first)
{
    uint32_t a[EXAMPLES];
    tas_data *whole = open_whole(_i), *head = NULL, *second = NULL;
    for (uint32_t n = 1; n <= EXAMPLES; n += 133) {
        expect_ok(tas_data_head(whole, n, &head));
        expect_ok(tas_data_head(head, (n + 1) / 2, &second));
        ck_assert_uint_eq(places_of(head, a), n);
        for (uint32_t k = 0; k < n; k++) ck_assert_uint_eq(a[k], k);
        ck_assert_uint_eq(places_of(second, a), (n + 1) / 2);
        for (uint32_t k = 0; k < (n + 1) / 2; k++) ck_assert_uint_eq(a[k], k);
        tas_data_close(&second);
        tas_data_close(&head);
    }
    tas_data_close(&whole);
}
END_TEST

START_TEST(parts_of_parts)
{
    uint32_t all[EXAMPLES], a[EXAMPLES], b[EXAMPLES];
    tas_data *whole = open_whole(_i), *rest = NULL, *held = NULL, *of_rest = NULL, *of_held = NULL, *head = NULL;
    expect_ok(tas_data_split(whole, TAKEN, 5, &rest, &held));
    const uint32_t n = places_of(held, all);
    expect_ok(tas_data_split(held, 40, 5, &of_rest, &of_held)); /* of the same seed */
    check_whole(a, places_of(of_rest, a), b, places_of(of_held, b), all, n);
    expect_ok(tas_data_head(of_rest, 30, &head));
    ck_assert_uint_eq(places_of(head, b), 30);
    ck_assert_mem_eq(a, b, 30 * sizeof *a);
    tas_data_close(&head);
    tas_data_close(&of_rest);
    tas_data_close(&of_held);

    expect_ok(tas_data_head(rest, 200, &head)); /* and a split of a head */
    ck_assert_uint_eq(places_of(head, all), 200);
    expect_ok(tas_data_split(head, 77, 9, &of_rest, &of_held));
    check_whole(a, places_of(of_rest, a), b, places_of(of_held, b), all, 200);
    tas_data_close(&of_rest);
    tas_data_close(&of_held);
    tas_data_close(&head);
    tas_data_close(&rest);
    tas_data_close(&held);
    tas_data_close(&whole);
}
END_TEST

static uint32_t common(const uint32_t *a, const uint32_t *b, uint32_t n)
{
    uint32_t same = 0;
    for (uint32_t i = 0, j = 0; i < n && j < n;) {
        same += a[i] == b[j];
        if (a[i] <= b[j])
            i++;
        else
            j++;
    }
    return same;
}

START_TEST(seeds_draw)
{
    static const uint64_t seeds[] = {1, 1, 2, 1 + (1ull << 32)};
    uint32_t first[TAKEN], other[TAKEN];
    tas_data *whole = open_whole(0), *held = NULL, *rest = NULL;
    for (int k = 0; k < 4; k++) {
        expect_ok(tas_data_split(whole, TAKEN, seeds[k], k == 1 ? &rest : NULL, &held)); /* the rest changes nothing */
        places_of(held, k ? other : first);
        if (k == 1) ck_assert_uint_eq(common(first, other, TAKEN), TAKEN);
        if (k > 1) ck_assert_uint_lt(common(first, other, TAKEN), TAKEN / 2); /* 56 are expected, sigma 5 */
        tas_data_close(&rest);
        tas_data_close(&held);
    }
    expect_ok(tas_data_split(whole, EXAMPLES - TAKEN, 1, &rest, NULL));
    ck_assert_uint_eq(places_of(rest, other), TAKEN);
    tas_data_close(&rest);
    tas_data_close(&whole);
}
END_TEST

START_TEST(parts_are_checked)
{
    tas_data *whole = open_whole(0), *a = (tas_data *)&context, *b = (tas_data *)&context;
    static const uint64_t wrong[] = {0, EXAMPLES, EXAMPLES + 1, UINT64_MAX};
    for (int i = 0; i < 4; i++) {
        a = b = (tas_data *)&context;
        expect(tas_data_split(whole, wrong[i], 1, &a, &b), TAS_BAD_ARGUMENT, "arrays: ", "1 to all but one of 400");
        ck_assert(!a && !b);
        if (wrong[i] == EXAMPLES) continue;
        a = (tas_data *)&context;
        expect(tas_data_head(whole, wrong[i], &a), TAS_BAD_ARGUMENT, "arrays: the first", "expected 1 to 400");
        ck_assert_ptr_null(a);
    }
    expect_ok(tas_data_split(whole, 7, 1, NULL, NULL));
    expect_ok(tas_data_split(whole, 7, 1, &a, &b));
    ck_assert_str_eq(a->name, "the other 393 of arrays");
    ck_assert_str_eq(b->name, "the drawn 7 of arrays");
    tas_data_close(&a);
    tas_data_close(&b);
    expect_ok(tas_data_head(whole, 1, &b));
    expect(tas_data_split(b, 1, 1, &a, NULL), TAS_BAD_ARGUMENT, "the first 1 of arrays", "1 to all but one of 1");
    tas_data_close(&b);
    tas_data_close(&whole);
}
END_TEST

/* A callback is told where its examples lie in the whole. */
static int refuse_100(void *user, const uint64_t *index, size_t n, void *inputs, void *targets)
{
    for (size_t k = 0; k < n; k++)
        if (index[k] == 100) return 3;
    return fill(user, index, n, inputs, targets);
}

START_TEST(errors_name_places_in_the_whole)
{
    unsigned char x[EXAMPLES][WIDTH];
    uint32_t label[EXAMPLES];
    tas_data *whole = NULL, *rest = NULL;
    tas_data_options options = shape_of(EXAMPLES);
    options.fill = refuse_100;
    expect_ok(tas_data_open(context, &options, &whole));
    for (uint64_t seed = 1; !rest; seed++) { /* one that leaves example 100 in */
        expect_ok(tas_data_split(whole, 1, seed, &rest, NULL));
        if (rest->index[99] != 100 && rest->index[100] != 100) tas_data_close(&rest);
    }
    expect(dataset_fetch(rest, 0, EXAMPLES - 1, x, label), TAS_BAD_DATA, "callback: returned 3 for a list of examples",
           "to 399");
    tas_data_close(&rest);
    labels[200] = 5;
    options.fill = fill;
    tas_data_close(&whole);
    expect_ok(tas_data_open(context, &options, &whole));
    expect_ok(tas_data_head(whole, 201, &rest));
    expect(dataset_fetch(rest, 150, 51, x, label), TAS_BAD_DATA, "callback: example 200: label 5", "");
    tas_data_close(&rest);
    tas_data_close(&whole);
}
END_TEST

/* Training -------------------------------------------------------------------------------------------------------- */

/* A set with the part's examples as its own. */
static tas_data *copy_of(const tas_data *part)
{
    static unsigned char x[EXAMPLES][WIDTH];
    static uint32_t label[EXAMPLES];
    tas_data *copy = NULL;
    tas_data_options options = shape_of(tas_data_count(part));
    expect_ok(dataset_fetch(part, 0, options.count, x, label));
    options.inputs = x;
    options.targets = label;
    expect_ok(tas_data_open(context, &options, &copy));
    return copy;
}

typedef struct outcome {
    char hex[65];
    float loss;
    double scored;
} outcome;

static outcome train(const tas_data *set, bool streamed)
{
    outcome o = {.loss = 0};
    tas_train_options options;
    tas_train_result result;
    tas_score score;
    tas_model *model = model_of_text(net, 3);
    tas_train_options_init(&options);
    options.batch = 32;
    options.epochs = 2;
    options.budget = 1;
    if (streamed) {
        expect(tas_train(model, set, &options, NULL), TAS_NO_MEMORY, "budget is ", "");
        options.budget = strtoull(strstr(tas_error(context), "budget is ") + 10, NULL, 10);
    } else {
        options.budget = 0;
    }
    expect_ok(tas_train(model, set, &options, &result));
    ck_assert_int_eq(result.resident, !streamed);
    expect_ok(tas_model_digest(model, o.hex));
    expect_ok(tas_evaluate(model, set, &score));
    o.loss = result.last_loss;
    o.scored = score.loss;
    tas_model_close(&model);
    return o;
}

static void check_trains_alike(const tas_data *part, bool streamed)
{
    tas_data *copy = copy_of(part);
    const outcome a = train(part, streamed), b = train(copy, false);
    ck_assert_str_eq(a.hex, b.hex);
    ck_assert(a.loss == b.loss && a.scored == b.scored);
    tas_data_close(&copy);
}

START_TEST(parts_train_as_copies)
{
    tas_data *whole = open_whole(_i), *rest = NULL, *held = NULL, *head = NULL, *first = NULL;
    expect_ok(tas_data_split(whole, TAKEN, random_u64(), &rest, &held));
    expect_ok(tas_data_head(rest, 100, &head));
    expect_ok(tas_data_head(whole, 90, &first));
    for (int streamed = 0; streamed < 2; streamed++) {
        check_trains_alike(held, streamed);
        check_trains_alike(rest, streamed);
        check_trains_alike(head, streamed);
        check_trains_alike(first, streamed);
    }
    tas_data_close(&first);
    tas_data_close(&head);
    tas_data_close(&rest);
    tas_data_close(&held);
    tas_data_close(&whole);
}
END_TEST

static void remove_folder(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", folder), remove(path);
    snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte", folder), remove(path);
    rmdir(folder);
}

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create("parts");
    TCase *tc = tcase_create(id ? id : "reference");
    device = tested;
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, parts_train_as_copies, 0, KINDS);
    if (!id) {
        tcase_add_loop_test(tc, parts_are_the_whole, 0, KINDS);
        tcase_add_loop_test(tc, heads_are_the_first, 0, KINDS);
        tcase_add_loop_test(tc, parts_of_parts, 0, KINDS);
        tcase_add_test(tc, seeds_draw);
        tcase_add_test(tc, parts_are_checked);
        tcase_add_test(tc, errors_name_places_in_the_whole);
    }
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    const int result = driver_run(make_suite);
    remove_folder();
    return result;
}
