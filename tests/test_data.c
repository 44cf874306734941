/* The data set: arrays and callbacks. */
#include "data/dataset.h"

#include "support.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Arrays ---------------------------------------------------------------------------------------------------------- */

static const unsigned char pixels[6] = {1, 2, 3, 4, 5, 255};
static const float inputs[6] = {0, 1, 2, 3, 4, 5};
static const uint32_t classes[3] = {0, 2, 1};
static const float goals[3] = {10, 11, 12};

static tas_data_options arrays(void)
{
    tas_data_options o;
    tas_data_options_init(&o);
    o.count = 3;
    o.input_size = 2;
    o.input_type = TAS_INPUT_F32;
    o.classes = 3;
    o.inputs = inputs;
    o.targets = classes;
    return o;
}

static void refuse_options(const tas_data_options *o, tas_status status, const char *word)
{
    tas_data *data = (tas_data *)&context;
    expect(tas_data_open(context, o, &data), status, word, "");
    ck_assert_ptr_null(data);
}

START_TEST(arrays_are_copied_or_borrowed)
{
    float mine[6];
    float in[4];
    uint32_t out[2];
    for (int borrow = 0; borrow < 2; borrow++) {
        tas_data *data = NULL;
        tas_data_options o = arrays();
        memcpy(mine, inputs, sizeof mine);
        o.inputs = mine;
        o.borrow = borrow;
        ck_assert_msg(!tas_data_open(context, &o, &data), "%s", tas_error(context));
        mine[5] = 77;
        ck_assert_uint_eq(tas_data_count(data), 3);
        ck_assert_uint_eq(tas_data_input_size(data), 2);
        ck_assert_uint_eq(tas_data_classes(data), 3);
        ck_assert_uint_eq(dataset_input_bytes(data), 8);
        ck_assert_uint_eq(dataset_target_bytes(data), 4);
        ck_assert_int_eq(dataset_fetch(data, 1, 2, in, out), TAS_OK);
        ck_assert(in[0] == 2 && in[2] == 4 && in[3] == (borrow ? 77 : 5));
        ck_assert(out[0] == 2 && out[1] == 1);
        ck_assert_ptr_eq(data->own_inputs == NULL ? data->options.inputs : mine, mine);
        expect(dataset_fetch(data, 1, 3, in, out), TAS_BAD_ARGUMENT, "3 examples from 1", "there are 3");
        expect(dataset_fetch(data, UINT64_MAX, 2, in, out), TAS_BAD_ARGUMENT, "2 examples", "");
        expect(dataset_fetch(data, 1, SIZE_MAX, in, out), TAS_BAD_ARGUMENT, "from 1", "");
        tas_data_close(&data);
        ck_assert_ptr_null(data);
        tas_data_close(&data);
    }
}
END_TEST

START_TEST(arrays_of_bytes_and_float_targets)
{
    tas_data *data = NULL;
    unsigned char in[4];
    float out[2];
    tas_data_options o = arrays();
    o.inputs = pixels;
    o.input_type = TAS_INPUT_U8;
    o.target_type = TAS_TARGET_F32;
    o.target_size = 1;
    o.targets = goals;
    ck_assert_msg(!tas_data_open(context, &o, &data), "%s", tas_error(context));
    ck_assert_uint_eq(tas_data_classes(data), 0);
    ck_assert_uint_eq(dataset_input_bytes(data), 2);
    ck_assert_int_eq(dataset_fetch(data, 1, 2, in, out), TAS_OK);
    ck_assert_mem_eq(in, pixels + 2, 4);
    ck_assert(out[0] == 11 && out[1] == 12);
    tas_data_close(&data);
}
END_TEST

static int never(void *user, const uint64_t *index, size_t n, void *in, void *out)
{
    (void)user, (void)index, (void)n, (void)in, (void)out;
    ck_abort_msg("called without need");
    return 1;
}

START_TEST(options_are_checked)
{
    tas_data_options o = arrays();
#define REFUSE(change, word) o = arrays(), change, refuse_options(&o, TAS_BAD_ARGUMENT, word)
    REFUSE(o.size = 0, "tas_data_options_init");
    REFUSE(o.size++, "tas_data_options_init");
    REFUSE(o.count = 0, "count 0");
    REFUSE(o.count = 1ull << 32, "count 4294967296");
    REFUSE(o.input_size = 0, "input_size");
    REFUSE(o.input_size = SIZE_MAX / 4 + 2, "fit in memory");                      /* 4 bytes each wrap to 4 */
    REFUSE((o.input_size = (1ull << 32) - 1, o.count = 1 << 30), "fit in memory"); /* with the label 2^34, wraps to 0 */
    REFUSE((o.input_size = 1ull << 61, o.count = 1), "fit in memory");             /* wraps nowhere */
    REFUSE(o.input_type = (tas_input_type)7, "input_type 7");
    REFUSE(o.target_type = (tas_target_type)7, "target_type 7");
    REFUSE(o.classes = 0, "classes");
    REFUSE((o.target_type = TAS_TARGET_F32, o.targets = goals), "target_size");
    REFUSE(o.inputs = NULL, "inputs NULL");
    REFUSE(o.targets = NULL, "targets NULL");
    REFUSE((o.inputs = NULL, o.targets = NULL), "NULL");
    REFUSE(o.fill = never, "both");
    REFUSE((o.fill = never, o.inputs = NULL), "both");
    REFUSE((o.fill = never, o.targets = NULL), "both");
#undef REFUSE
}
END_TEST

START_TEST(content_is_checked)
{
    float bad[6];
    tas_data_options o = arrays();
    o.classes = 2;
    refuse_options(&o, TAS_BAD_DATA, "example 1: label 2, expected less than 2");
    o = arrays();
    o.inputs = bad;
    memcpy(bad, inputs, sizeof bad);
    bad[5] = NAN;
    refuse_options(&o, TAS_BAD_DATA, "example 2: input 1 is nan");
    o.borrow = 1;
    bad[5] = 0;
    bad[2] = -INFINITY;
    refuse_options(&o, TAS_BAD_DATA, "example 1: input 0 is -inf");
    o = arrays();
    memcpy(bad, goals, sizeof goals);
    bad[2] = INFINITY;
    o.target_type = TAS_TARGET_F32;
    o.target_size = 1;
    o.targets = bad;
    refuse_options(&o, TAS_BAD_DATA, "example 2: target 0 is inf");
}
END_TEST

/* Good or bad, a call leaves the caller's rounding and locale as they were. */
START_TEST(entry_points_give_back_the_environment)
{
    tas_data *data = NULL;
    tas_data_options o = arrays();
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(locale);
    ck_assert(locale);
    for (int bad = 0; bad < 2; bad++) {
        fesetround(FE_UPWARD);
        o.classes = bad ? 1 : 3;
        ck_assert_int_eq(tas_data_open(context, &o, &data), bad ? TAS_BAD_DATA : TAS_OK);
        ck_assert_int_eq(fegetround(), FE_UPWARD);
        tas_data_close(&data);
        ck_assert_int_eq(tas_data_open_folder(context, "/nonexistent", TAS_TRAIN, &data), TAS_BAD_FILE);
        ck_assert_int_eq(fegetround(), FE_UPWARD);
        ck_assert_ptr_eq(uselocale((locale_t)0), locale);
    }
    fesetround(FE_TONEAREST);
    uselocale(before);
    freelocale(locale);
}
END_TEST

/* Lists ----------------------------------------------------------------------------------------------------------- */

enum { ROW = 4096 }; /* bytes of inputs and of targets, at most */

/* Each example of the list as dataset_fetch() has it, in the list's order, and nothing behind the last. */
static void check_pick(const tas_data *data, const uint32_t *list, size_t n)
{
    const size_t in = dataset_input_bytes(data), out = dataset_target_bytes(data);
    unsigned char *x = malloc(n * in + 1), *y = malloc(n * out + 1), row[ROW], target[ROW];
    ck_assert(in <= ROW && out <= ROW);
    x[n * in] = y[n * out] = 0xa5;
    ck_assert_msg(!dataset_pick(data, list, n, x, y), "%s", tas_error(context));
    for (size_t k = 0; k < n; k++) {
        ck_assert_int_eq(dataset_fetch(data, list[k], 1, row, target), TAS_OK);
        ck_assert_msg(!memcmp(x + k * in, row, in) && !memcmp(y + k * out, target, out), "place %zu", k);
    }
    ck_assert(x[n * in] == 0xa5 && y[n * out] == 0xa5);
    free(x);
    free(y);
}

static void check_lists_of_three(const tas_data *data)
{
    static const uint32_t list[] = {2, 0, 2, 2, 1, 0, 1};
    static const uint32_t wrong[] = {2, 1, 3, UINT32_MAX};
    unsigned char x[ROW] = {1}, y[ROW] = {1};
    check_pick(data, list, 7);
    check_pick(data, list + 4, 1);
    check_pick(data, list, 0);
    expect(dataset_pick(data, wrong, 4, x, y), TAS_BAD_ARGUMENT, data->name,
           "example 3 at place 2 of a list, there are 3");
    expect(dataset_pick(data, wrong + 3, 1, x, y), TAS_BAD_ARGUMENT, "example 4294967295 at place 0", "there are 3");
    ck_assert(x[0] == 1 && y[0] == 1); /* nothing is written */
}

START_TEST(arrays_are_picked_from)
{
    tas_data *data = NULL;
    tas_data_options o = arrays();
    for (int floats = 0; floats < 2; floats++) {
        for (int borrow = 0; borrow < 2; borrow++) {
            o.borrow = borrow;
            ck_assert_msg(!tas_data_open(context, &o, &data), "%s", tas_error(context));
            check_lists_of_three(data);
            tas_data_close(&data);
        }
        o.inputs = pixels;
        o.input_type = TAS_INPUT_U8;
        o.target_type = TAS_TARGET_F32;
        o.target_size = 2;
        o.targets = inputs;
    }
    o.count = 1;
    ck_assert_msg(!tas_data_open(context, &o, &data), "%s", tas_error(context));
    check_pick(data, (const uint32_t[]){0, 0, 0}, 3);
    tas_data_close(&data);
}
END_TEST

/* Callbacks ------------------------------------------------------------------------------------------------------- */

typedef struct fill_plan {
    uint64_t nan_at, label_at, stop_at;
    size_t calls, most;
} fill_plan;

static int fill(void *user, const uint64_t *index, size_t n, void *in, void *out)
{
    fill_plan *plan = user;
    plan->calls++;
    if (n > plan->most) plan->most = n;
    float *x = in;
    uint32_t *label = out;
    fesetround(FE_DOWNWARD); /* a guest who does not wipe his feet */
    for (size_t k = 0; k < n; k++) {
        if (index[k] == plan->stop_at) return 5;
        x[2 * k] = (float)index[k];
        x[2 * k + 1] = index[k] == plan->nan_at ? NAN : -1;
        label[k] = index[k] == plan->label_at ? 10 : (uint32_t)(index[k] % 10);
    }
    return 0;
}

static tas_data *open_callback(fill_plan *plan, uint64_t count)
{
    tas_data *data = NULL;
    tas_data_options o = arrays();
    o.count = count;
    o.classes = 10;
    o.inputs = o.targets = NULL;
    o.fill = fill;
    o.user = plan;
    ck_assert_msg(!tas_data_open(context, &o, &data), "%s", tas_error(context));
    return data;
}

START_TEST(callback_fills_by_index)
{
    enum { N = 5000, FIRST = 1500 };
    fill_plan plan = {UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0};
    float *x = malloc(N * 2 * sizeof *x);
    uint32_t *label = malloc(N * sizeof *label);
    tas_data *data = open_callback(&plan, FIRST + N);
    ck_assert_int_eq(dataset_fetch(data, FIRST, N, x, label), TAS_OK);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    for (uint32_t k = 0; k < N; k++) {
        const uint32_t index = FIRST + k;
        ck_assert(x[2 * k] == (float)index && x[2 * k + 1] == -1 && label[k] == index % 10);
    }
    plan.nan_at = 6400;
    expect(dataset_fetch(data, FIRST, N, x, label), TAS_BAD_DATA, "callback: example 6400: input 1 is nan", "");
    plan.label_at = 3000;
    expect(dataset_fetch(data, FIRST, N, x, label), TAS_BAD_DATA,
           "callback: example 3000: label 10, expected less than 10", "");
    plan.stop_at = 1501;
    expect(dataset_fetch(data, FIRST, N, x, label), TAS_BAD_DATA, "callback: returned 5", "1500");
    tas_data_close(&data);
    free(x);
    free(label);
}
END_TEST

START_TEST(callback_fills_a_list)
{
    enum { N = 2500, EXAMPLES = 3001 };
    fill_plan plan = {UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0};
    float *x = malloc(N * 2 * sizeof *x);
    uint32_t *label = malloc(N * sizeof *label), *list = malloc(N * sizeof *list);
    tas_data *data = open_callback(&plan, EXAMPLES);
    for (uint32_t k = 0; k < N; k++) list[k] = 1700 * k % EXAMPLES;
    list[9] = list[8];
    check_pick(data, list, N);
    plan.calls = plan.most = 0;
    ck_assert_int_eq(dataset_pick(data, list, N, x, label), TAS_OK);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    ck_assert(plan.calls == 3 && plan.most == 1024); /* in pieces, in the list's order */
    for (uint32_t k = 0; k < N; k++) ck_assert(x[2 * k] == (float)list[k] && label[k] == list[k] % 10);

    list[N - 1] = EXAMPLES; /* known before anyone is called */
    expect(dataset_pick(data, list, N, x, label), TAS_BAD_ARGUMENT, "callback: example 3001 at place 2499", "are 3001");
    ck_assert_uint_eq(plan.calls, 3);
    list[N - 1] = 0;
    plan.nan_at = list[1025];
    expect(dataset_pick(data, list, N, x, label), TAS_BAD_DATA, "callback: example 1920: input 1 is nan", "");
    plan.label_at = list[1023];
    expect(dataset_pick(data, list, N, x, label), TAS_BAD_DATA,
           "callback: example 1521: label 10, expected less than 10", "");
    plan.stop_at = list[1];
    expect(dataset_pick(data, list, N, x, label), TAS_BAD_DATA,
           "callback: returned 5 for a list of examples, 0 to 1521", "");
    tas_data_close(&data);
    data = open_callback(&plan, 1);
    check_pick(data, (const uint32_t[]){0, 0}, 2);
    tas_data_close(&data);
    free(x);
    free(label);
    free(list);
}
END_TEST

static char logged[256];
static int log_lines;

static void keep_line(void *user, const char *line)
{
    (void)user;
    log_lines++;
    snprintf(logged, sizeof logged, "%s", line);
}

/* Of example k the first input is tiny, the second is not. */
static int fill_tiny(void *user, const uint64_t *index, size_t n, void *in, void *out)
{
    (void)user;
    (void)index;
    for (size_t k = 0; k < n; k++) {
        ((float *)in)[2 * k] = -0x1p-41f;
        ((float *)in)[2 * k + 1] = 1;
        ((uint32_t *)out)[k] = 0;
    }
    return 0;
}

/* What the contract makes 0 is counted; what is 0, and what is just large enough, is not. */
START_TEST(tiny_inputs_are_noted)
{
    static const float tiny[6] = {9e-13f, -1e-45f, 0, -0.0f, 0x1p-40f, -0x1.fffffep-41f}, large[6] = {0, 1, -0x1p-40f};
    static const float goal[3] = {1e-20f, 1, 1};
    tas_data *data = NULL;
    tas_data_options o = arrays();
    float in[4];
    uint32_t out[2];
    tas_set_log(context, keep_line, NULL);
    o.inputs = tiny;
    ck_assert_int_eq(tas_data_open(context, &o, &data), TAS_OK);
    ck_assert_msg(strstr(logged, "arrays: 3 of 6 inputs") && strstr(logged, "2^-40"), "\"%s\"", logged);
    ck_assert_int_eq(dataset_fetch(data, 0, 2, in, out), TAS_OK);
    ck_assert_int_eq(log_lines, 1); /* once per set */
    tas_data_close(&data);

    o.inputs = large;
    o.target_type = TAS_TARGET_F32;
    o.target_size = 1;
    o.targets = goal;
    ck_assert_int_eq(tas_data_open(context, &o, &data), TAS_OK);
    tas_data_close(&data);
    ck_assert_int_eq(log_lines, 1);

    o = arrays();
    o.inputs = o.targets = NULL;
    o.fill = fill_tiny;
    ck_assert_int_eq(tas_data_open(context, &o, &data), TAS_OK);
    for (int k = 0; k < 2; k++) ck_assert_int_eq(dataset_fetch(data, 0, 2, in, out), TAS_OK);
    ck_assert_int_eq(log_lines, 2);
    ck_assert_msg(strstr(logged, "callback: 2 of 4 inputs"), "\"%s\"", logged);
    tas_data_close(&data);
}
END_TEST

static Suite *create_suite(void)
{
    Suite *suite = suite_create("data");
    TCase *cases = tcase_create("data");
    tcase_add_checked_fixture(cases, support_open, support_close);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    tcase_add_test(cases, arrays_are_copied_or_borrowed);
    tcase_add_test(cases, arrays_of_bytes_and_float_targets);
    tcase_add_test(cases, options_are_checked);
    tcase_add_test(cases, content_is_checked);
    tcase_add_test(cases, entry_points_give_back_the_environment);
    tcase_add_test(cases, arrays_are_picked_from);
    tcase_add_test(cases, callback_fills_by_index);
    tcase_add_test(cases, callback_fills_a_list);
    tcase_add_test(cases, tiny_inputs_are_noted);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(create_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
