/* The cases of verify: a wrong launcher is found, its case is shrunk to the smallest shape that fails, and the name
 * that is printed repeats it. */
#include "verify/cases.h" /* before check.h, which has a macro of the name fail */

#include "ops/dense.h"
#include "ops/feed.h"
#include "ops/window.h"

#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Shapes ----------------------------------------------------------------------------------------------------------- */

/* Calls check with each edge shape and some random ones. */
static void each_shape(op_id op, void (*check)(op_id op, const case_name *name, const op_args *args))
{
    case_name name = {.seed = test_seed()};
    op_args args;
    uint32_t seen = 0;
    for (; name.number < EDGE_CASES + 200; name.number++) {
        if (!case_draw_args(op, &name, &args)) {
            ck_assert_uint_lt(name.number, EDGE_CASES);
            name.number = EDGE_CASES - 1; /* past the last edge shape */
            continue;
        }
        check(op, &name, &args);
        seen++;
    }
    ck_assert_uint_gt(seen, 200);
}

static void check_drawn(op_id op, const case_name *name, const op_args *args)
{
    op_args fitted = *args;
    const bool fits = op_get(op)->fit(&fitted) && (!args->n || args->batch >= args->first + args->n);
    ck_assert_msg(fits && !memcmp(fitted.size, args->size, sizeof args->size) &&
                      !memcmp(fitted.scalar, args->scalar, sizeof args->scalar) && fitted.n == args->n &&
                      fitted.first == args->first && fitted.batch == args->batch && fitted.at == args->at,
                  "%s: the drawn shape %u is not one that fits", op_get(op)->name, name->number);
}

START_TEST(drawn_shapes_fit) { each_shape((op_id)_i, check_drawn); }
END_TEST

START_TEST(names_are_read_as_printed)
{
    static const char *const bad[] = {"",         "1",           "1:",       ":1",       "1:2:",         "1:2:n",
                                      "1:2:n=",   "1:2:n=x",     "1:2:n=-1", "1:2:m=1",  "1:2:size16=1", "1:2:size=1",
                                      "1:2:n=1,", "1:2:n=1,n=1", "1:2:n=1:", "1:2:n=1 ", "1:4294967296", " 1:2"};
    char text[CASE_NAME_TEXT];
    case_name name, again;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) ck_assert_msg(!case_name_read(bad[k], &name), "%s", bad[k]);
    for (int round = 0; round < 500; round++) {
        memset(&name, 0, sizeof name);
        name.seed = random_u64();
        name.number = (uint32_t)random_u64();
        for (int f = 0; f < FIELDS; f++)
            if ((name.given[f] = random_below(round % 3 + 1) == 0)) name.value[f] = (uint32_t)random_u64();
        ck_assert_msg(case_name_read(case_name_print(&name, text), &again), "%s", text);
        ck_assert_msg(name.seed == again.seed && name.number == again.number &&
                          !memcmp(name.given, again.given, sizeof name.given) &&
                          !memcmp(name.value, again.value, sizeof name.value),
                      "%s", text);
    }
}
END_TEST

/* Wrong launchers -------------------------------------------------------------------------------------------------- */

static op_launch right;            /* the launcher that is replaced, */
static op_launch rights[OP_COUNT]; /* and each of them */

static float *floats(const mem *operand) { return (float *)(void *)operand->host; }

static void plant(op_id op, op_launch wrong)
{
    right = rights[op] = device->launch[op];
    device->launch[op] = wrong;
}

/* The row of one operation, whose failure's texts are kept. */
typedef struct found {
    tas_verify_row row;
    char name[CASE_NAME_TEXT], shape[SHAPE_TEXT], operand[32], text[DIFFERENCE_TEXT];
    case_name parsed;
} found;

static void keep_row(void *user, const tas_verify_row *row)
{
    found *f = user;
    f->row = *row;
    snprintf(f->name, sizeof f->name, "%s", row->failure.name);
    snprintf(f->shape, sizeof f->shape, "%s", row->failure.shape);
    snprintf(f->operand, sizeof f->operand, "%s", row->failure.operand);
    snprintf(f->text, sizeof f->text, "%s", row->text);
}

static found verify_one(op_id op, const char *only_case)
{
    const char *const only[] = {op_get(op)->name, NULL};
    tas_verify_options options;
    found f = {0};
    tas_verify_options_init(&options);
    options.only = only;
    options.only_case = only_case;
    const tas_status status = tas_verify(device, &options, keep_row, &f, NULL);
    expect(status, f.row.failed ? TAS_MISMATCH : TAS_OK, "", "");
    if (f.row.failed) ck_assert_msg(case_name_read(f.name, &f.parsed), "%s", f.name);
    return f;
}

/* The wrong launcher is found, and the case that is named fails in the same way. */
static found find_planted(op_id op, op_launch wrong)
{
    plant(op, wrong);
    const found f = verify_one(op, NULL);
    ck_assert_uint_gt(f.row.failed, 0);
    const found again = verify_one(op, f.name);
    ck_assert_uint_eq(again.row.failed, 1);
    ck_assert_uint_eq(again.row.passed, 0);
    ck_assert_str_eq(again.name, f.name);
    ck_assert_str_eq(again.text, f.text);
    ck_assert_uint_eq(again.row.failure.got, f.row.failure.got);
    device->launch[op] = right;
    ck_assert_uint_eq(verify_one(op, f.name).row.passed, 1);
    return f;
}

static op_args shape_of(op_id op, const found *f)
{
    op_args args;
    ck_assert(case_draw_args(op, &f->parsed, &args));
    return args;
}

/* Off by one float in the last element, if there are more outputs than 20 and more inputs than 6. */
static tas_status off_by_one(tas_device *d, const op_args *args, const mem *operand, const mem *scratch)
{
    tas_status status = right(d, args, operand, scratch);
    if (args->size[DENSE_OUTPUTS] <= 20 || args->size[DENSE_INPUTS] <= 6) return status;
    float *last = floats(&operand[3]) + (uint64_t)args->n * args->size[DENSE_OUTPUTS] - 1;
    if (isfinite(*last)) *last = nextafterf(*last, INFINITY);
    return status;
}

START_TEST(shrunk_to_the_bounds)
{
    const found f = find_planted(OP_DENSE_FORWARD, off_by_one);
    const op_args args = shape_of(OP_DENSE_FORWARD, &f);
    ck_assert_uint_eq(args.n, 1);
    ck_assert_uint_eq(args.batch, 1);
    ck_assert_uint_eq(args.size[DENSE_OUTPUTS], 21);
    ck_assert_uint_eq(args.size[DENSE_INPUTS], 7);
    ck_assert_str_eq(f.shape, "n=1 first=0 batch=1 at=0 size=21,7");
    ck_assert_str_eq(f.operand, "y");
    ck_assert_uint_eq(f.row.failure.element, 20);
    ck_assert_uint_eq(f.row.failure.elements, 21);
    ck_assert_uint_eq(f.row.failure.differing, 1);
    ck_assert_uint_eq(f.row.failure.ulp, 1);
    ck_assert_int_eq(f.row.failure.floats, 1);
    ck_assert_msg(strstr(f.text, "y[20] is ") && strstr(f.text, "1 ULP apart; 1 of 21 elements differ"), "%s", f.text);
}
END_TEST

/* Sizes that depend on each other: groups, strides and padding; only where the batch goes on behind the tile. */
static tas_status wrong_groups(tas_device *d, const op_args *args, const mem *operand, const mem *scratch)
{
    tas_status status = right(d, args, operand, scratch);
    const bool open = args->first + args->n < args->batch;
    if (args->size[WINDOW_GROUPS] > 1 && args->size[WINDOW_KH] > 1 && args->size[WINDOW_PY] && open)
        floats(&operand[2])[0] += 1;
    return status;
}

START_TEST(sizes_that_depend_on_each_other)
{
    const found f = find_planted(OP_CONV_BACKWARD_WEIGHTS, wrong_groups);
    const op_args args = shape_of(OP_CONV_BACKWARD_WEIGHTS, &f);
    ck_assert_msg(args.n == 1 && args.batch == args.first + 2, "%s", f.name);
    ck_assert_msg(args.size[WINDOW_KH] == 2 && args.size[WINDOW_KW] == 1 && args.size[WINDOW_PY] == 1, "%s", f.name);
    ck_assert_msg(args.size[WINDOW_C] == args.size[WINDOW_GROUPS] && args.size[WINDOW_O] == args.size[WINDOW_C] &&
                      args.size[WINDOW_C] <= 8,
                  "%s", f.name);
    ck_assert_msg(args.size[WINDOW_H_IN] == 1 && args.size[WINDOW_W_IN] == 1, "%s", f.name);
}
END_TEST

static tas_status wrong_image(tas_device *d, const op_args *args, const mem *operand, const mem *scratch)
{
    tas_status status = right(d, args, operand, scratch);
    if (args->size[IMAGE_HEIGHT] > 3 && args->size[IMAGE_CUTOUT]) floats(&operand[4])[0] = 7;
    return status;
}

START_TEST(images_shrink)
{
    const found f = find_planted(OP_GATHER_IMAGE_BYTES, wrong_image);
    const op_args args = shape_of(OP_GATHER_IMAGE_BYTES, &f);
    ck_assert_msg(args.n == 1 && args.size[IMAGE_HEIGHT] == 4 && args.size[IMAGE_WIDTH] == 1 &&
                      args.size[IMAGE_CUTOUT] == 1 && args.size[IMAGE_SHIFT] == 0 && args.size[GATHER_ELEMENTS] == 4 &&
                      args.size[GATHER_SOURCE] == 1 && args.size[GATHER_ORDER] == 1 && !args.size[GATHER_LABELS],
                  "%s", f.name);
}
END_TEST

/* NaN and infinity ------------------------------------------------------------------------------------------------- */

static float from_value, to_value; /* what a wrong launcher replaces, and by what */

static tas_status replace_value(tas_device *d, const op_args *args, const mem *operand, const mem *scratch)
{
    tas_status status = right(d, args, operand, scratch);
    float *y = floats(&operand[1]);
    for (uint64_t i = 0; i < (uint64_t)args->n * args->size[0]; i++)
        if (isnan(from_value) ? isnan(y[i]) : y[i] == from_value) y[i] = to_value;
    return status;
}

START_TEST(nan_and_infinity_must_match)
{
    static const float pairs[][2] = {{INFINITY, NAN}, {-INFINITY, INFINITY}, {NAN, INFINITY}, {NAN, 0}};
    for (int k = 0; k < 4; k++) {
        from_value = pairs[k][0];
        to_value = pairs[k][1];
        const found f = find_planted(OP_LEAKY_FORWARD, replace_value);
        const bool nan = isnan(from_value) || isnan(to_value);
        ck_assert_msg(nan ? f.row.failure.ulp == UINT64_MAX : f.row.failure.ulp == 0xff000000u, "%s", f.text);
        ck_assert(!strstr(f.text, "ULP") == nan);
        ck_assert_msg(f.row.failure.elements < 200, "%s", f.text);
    }
}
END_TEST

START_TEST(any_nan_will_do)
{
    from_value = NAN;
    const uint32_t other = 0xffc12345u;
    memcpy(&to_value, &other, sizeof other);
    plant(OP_LEAKY_FORWARD, replace_value);
    ck_assert_uint_eq(verify_one(OP_LEAKY_FORWARD, NULL).row.failed, 0);
}
END_TEST

/* Writes outside --------------------------------------------------------------------------------------------------- */

static tas_status write_behind(tas_device *d, const op_args *args, const mem *operand, const mem *scratch)
{
    tas_status status = right(d, args, operand, scratch);
    if (args->n > 4) floats(&operand[1])[(uint64_t)args->n * args->size[0]] = 0;
    return status;
}

START_TEST(writes_outside_are_found)
{
    const found f = find_planted(OP_RELU_FORWARD, write_behind);
    ck_assert_str_eq(f.shape, "n=5 first=0 batch=5 at=0 size=1");
    ck_assert_str_eq(f.operand, "");
    ck_assert_msg(strstr(f.text, "wrote outside an operand") != NULL, "%s", f.text);
}
END_TEST

/* For a time, and what the device cannot run ------------------------------------------------------------------------
 */

static tas_verify_progress last;
static uint64_t progress_calls;

static void keep_progress(void *user, const tas_verify_progress *now)
{
    (void)user;
    ck_assert_uint_eq(now->cases, ++progress_calls);
    ck_assert(now->seconds >= last.seconds && (now->left == 0 || now->left <= 0.3 - now->seconds + 1e-6));
    last = *now;
    last.operation = "";
}

START_TEST(wrong_in_a_time)
{
    const char *const only[] = {"add", "dense_forward", NULL};
    tas_verify_options options;
    tas_verify_result result;
    found f = {0};
    tas_verify_options_init(&options);
    options.only = only;
    options.seconds = 0.3;
    options.on_progress = keep_progress;
    progress_calls = 0;
    last = (tas_verify_progress){0};
    plant(OP_DENSE_FORWARD, off_by_one);
    expect(tas_verify(device, &options, keep_row, &f, &result), TAS_MISMATCH, "1 of 2 rows", "");
    ck_assert_str_eq(f.row.operation, "add"); /* the last row */
    ck_assert_uint_eq(f.row.failed, 0);
    ck_assert_uint_eq(result.cases, progress_calls);
    ck_assert_uint_gt(result.cases, 40);
    ck_assert(last.seconds >= 0.29);
}
END_TEST

static tas_status refuse(tas_device *d, const op_args *args, const mem *operand, const mem *scratch)
{
    if (args->n > 8) return (fail)(d->context, TAS_DEVICE_FAILED, "planted: it cannot run this");
    return right(d, args, operand, scratch);
}

/* One row fails, with the case and the device's own words; the others go on. */
START_TEST(what_cannot_run_is_named)
{
    for (int timed = 0; timed < 2; timed++) {
        tas_verify_options options;
        const char *const only[] = {"softplus_backward", NULL};
        found f = {0};
        tas_verify_options_init(&options);
        options.only = only;
        options.seconds = timed ? 0.1 : 0;
        plant(OP_SOFTPLUS_BACKWARD, refuse);
        expect(tas_verify(device, &options, keep_row, &f, NULL), TAS_MISMATCH, "", "");
        device->launch[OP_SOFTPLUS_BACKWARD] = right;
        ck_assert_uint_eq(f.row.failed, 1);
        ck_assert_str_eq(f.text, "planted: it cannot run this");
        ck_assert(case_name_read(f.name, &f.parsed) && shape_of(OP_SOFTPLUS_BACKWARD, &f).n > 8);
    }
}
END_TEST

/* Gradients -------------------------------------------------------------------------------------------------------- */

static uint32_t wrong_rows, right_rows;
static char wrong_kinds[2048]; /* "dense|conv2d|" */

static void count_gradients(void *user, const tas_verify_row *row)
{
    (void)user;
    ck_assert_str_eq(row->provider, "gradient");
    ck_assert_uint_ge(row->passed + row->failed, row->failed ? 1 : 12);
    ck_assert_msg(row->failed || row->worst_error <= 1, "%s: %g", row->operation, row->worst_error);
    wrong_rows += row->failed > 0;
    right_rows += row->failed == 0;
    if (!row->failed) return;
    ck_assert_msg(strstr(row->text, "seed ") && !strncmp(row->operation, "gradient of ", 12), "%s", row->text);
    const size_t used = strlen(wrong_kinds);
    snprintf(wrong_kinds + used, sizeof wrong_kinds - used, "%s|", row->operation + 12);
}

static void verify_gradients(uint64_t seed)
{
    const char *const only[] = {"gradients", NULL};
    tas_verify_options options;
    tas_verify_options_init(&options);
    options.only = only;
    options.seed = seed;
    wrong_rows = right_rows = 0;
    snprintf(wrong_kinds, sizeof wrong_kinds, "|");
    const tas_status status = tas_verify(device, &options, count_gradients, NULL, NULL);
    expect(status, wrong_rows ? TAS_MISMATCH : TAS_OK, "", "");
}

static bool is_wrong(const char *kind)
{
    char word[64];
    snprintf(word, sizeof word, "|%s|", kind);
    return strstr(wrong_kinds, word) != NULL;
}

START_TEST(gradients_of_the_reference)
{
    verify_gradients(test_seed() + (uint64_t)_i);
    ck_assert_uint_eq(wrong_rows, 0);
    ck_assert_uint_gt(right_rows, 35);
}
END_TEST

/* Multiplies what the launcher wrote: a gradient that is 1 % too large. */
static tas_status one_percent(tas_device *d, const op_args *args, const mem *operand, const mem *scratch)
{
    const op_row *row = op_get(args->op);
    tas_status status = rights[args->op](d, args, operand, scratch);
    for (int o = 0; row->operand[o].name; o++) {
        const char *name = row->operand[o].name;
        if (strcmp(name, "dx") != 0 && strcmp(name, "gradient") != 0 && strcmp(name, "total") != 0 &&
            strcmp(name, "bias_total") != 0)
            continue;
        for (uint64_t i = 0; i < row->elements(args, o); i++) floats(&operand[o])[i] *= 1.01f;
    }
    return status;
}

/* What is wrong at once, and in which kinds that shows; some in which it does not. */
static const struct {
    op_id ops[16];
    const char *wrong[16], *right[4];
} plants[] = {
    {{OP_RELU_BACKWARD, OP_LEAKY_BACKWARD, OP_SIGMOID_BACKWARD, OP_GELU_BACKWARD, OP_SILU_BACKWARD,
      OP_HARD_SWISH_BACKWARD, OP_SOFTPLUS_BACKWARD, OP_MAX_POOL_BACKWARD, OP_AVERAGE_POOL_BACKWARD,
      OP_UPSAMPLE_BACKWARD, OP_PAD_BACKWARD, OP_DROPOUT_BACKWARD, OP_NORM_BACKWARD_INPUT},
     {"relu", "leaky", "sigmoid", "gelu", "silu", "hard_swish", "softplus", "max_pool", "avg_pool", "upsample", "pad",
      "dropout", "batch_norm", "layer_norm", "group_norm", "dropout of relu"},
     {"dense", "tanh", "conv2d", "loss mse"}},
    {{OP_DENSE_BACKWARD_INPUT}, {"dense", "dense no bias"}, {NULL}},
    {{OP_DENSE_BACKWARD_WEIGHTS}, {"dense no bias"}, {NULL}},
    {{OP_DENSE_BACKWARD_PARAMETERS}, {"dense"}, {NULL}},
    {{OP_CONV_BACKWARD_INPUT}, {"conv2d", "conv2d dilation"}, {"dense", "max_pool"}},
    {{OP_CONV_BACKWARD_PARAMETERS}, {"conv2d", "conv2d groups", "conv2d depthwise"}, {"dense", "loss mse"}},
    {{OP_SOFTMAX_LOSS, OP_SQUARED_LOSS, OP_LOGISTIC_LOSS, OP_ABSOLUTE_LOSS, OP_HUBER_LOSS},
     {"loss softmax", "loss smoothing", "loss mse", "loss bce", "loss mae", "loss huber"},
     {NULL}},
};
enum { PLANTS = sizeof plants / sizeof *plants };

/* Places that are not used have operation 0, a gather. */
START_TEST(wrong_gradients_are_found)
{
    for (int k = 0; k < 16 && plants[_i].ops[k]; k++) plant(plants[_i].ops[k], one_percent);
    verify_gradients(1);
    for (int k = 0; k < 16 && plants[_i].ops[k]; k++) device->launch[plants[_i].ops[k]] = rights[plants[_i].ops[k]];
    for (int k = 0; k < 16 && plants[_i].wrong[k]; k++)
        ck_assert_msg(is_wrong(plants[_i].wrong[k]), "%s is not in %s", plants[_i].wrong[k], wrong_kinds);
    for (int k = 0; k < 4 && plants[_i].right[k]; k++)
        ck_assert_msg(!is_wrong(plants[_i].right[k]), "%s is in %s", plants[_i].right[k], wrong_kinds);
}
END_TEST

/* What is refused -------------------------------------------------------------------------------------------------- */

START_TEST(bad_cases_are_refused)
{
    static const struct {
        const char *name, *word;
    } bad[] = {
        {"1", "expected SEED:NUMBER"},      {"1:0:n=2", "no such shape"},    {"1:1:n=0", "no such shape"},
        {"1:1:size0=0", "no such shape"},   {"1:63", "no edge shape"},       {"1:170:size3=5", "no such shape"},
        {"1:170:n=1,n=1", "expected SEED"}, {"1:170:at=1", "no such shape"},
    };
    const char *const one[] = {"dense_forward", NULL}, *const two[] = {"dense_forward", "add", NULL},
                      *const training[] = {"training", NULL}, *const wrong[] = {"dense_forwrad", NULL};
    tas_verify_options options;
    tas_verify_options_init(&options);
    options.only = one;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        options.only_case = bad[k].name;
        expect(tas_verify(device, &options, NULL, NULL, NULL), TAS_BAD_ARGUMENT, bad[k].name, bad[k].word);
    }
    options.only_case = "1:1";
    options.only = two;
    expect(tas_verify(device, &options, NULL, NULL, NULL), TAS_BAD_ARGUMENT, "one operation", "");
    options.only = training;
    expect(tas_verify(device, &options, NULL, NULL, NULL), TAS_BAD_ARGUMENT, "one operation", "");
    options.only = NULL;
    expect(tas_verify(device, &options, NULL, NULL, NULL), TAS_BAD_ARGUMENT, "one operation", "");
    options.only_case = NULL;
    options.only = wrong;
    expect(tas_verify(device, &options, NULL, NULL, NULL), TAS_BAD_ARGUMENT, "dense_forwrad", "dense_forward?");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cases");
    TCase *tc = tcase_create("cases of verify"), *gradients = tcase_create("gradients");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_loop_test(tc, drawn_shapes_fit, 0, OP_COUNT);
    tcase_add_test(tc, names_are_read_as_printed);
    tcase_add_test(tc, shrunk_to_the_bounds);
    tcase_add_test(tc, sizes_that_depend_on_each_other);
    tcase_add_test(tc, images_shrink);
    tcase_add_test(tc, nan_and_infinity_must_match);
    tcase_add_test(tc, any_nan_will_do);
    tcase_add_test(tc, writes_outside_are_found);
    tcase_add_test(tc, wrong_in_a_time);
    tcase_add_test(tc, what_cannot_run_is_named);
    tcase_add_test(tc, bad_cases_are_refused);
    suite_add_tcase(suite, tc);
    tcase_set_timeout(gradients, 120);
    tcase_add_checked_fixture(gradients, support_open, support_close);
    tcase_add_loop_test(gradients, gradients_of_the_reference, 0, 2);
    tcase_add_loop_test(gradients, wrong_gradients_are_found, 0, PLANTS);
    suite_add_tcase(suite, gradients);
    return support_run(suite);
}
