/* Pitfall 27: CLBlast computes wrong products for some rows of its tuning, and answers with status 0. Its self-test
 * must catch such a row; the other operations stay exact beside it. TASSELLO_TEST_DEVICE is the device's id. */
#include "device/opencl/launchers/clblast.h"
#include "verify/cases.h"

#include <tassello/tassello.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

static tas_context *context;
static tas_device *device;

/* Kernel 1 is wrong where mwg and nwg differ (CLBlast#533, #542). */
// clang-format off
static const clblast_row rows[] = {
    {.gemmk = 1, .kreg = 4, .kwg = 1, .kwi = 1, .mdima = 4, .mdimc = 4,
     .mwg = 16, .ndimb = 4, .ndimc = 4, .nwg = 16, .vwm = 4, .vwn = 4},
    {.gemmk = 1, .kreg = 4, .kwg = 1, .kwi = 1, .mdima = 4, .mdimc = 4,
     .mwg = 16, .ndimb = 4, .ndimc = 4, .nwg = 32, .vwm = 4, .vwn = 4},
};
// clang-format on

START_TEST(passes_its_own_row) { ck_assert_msg(!clblast_unused(device), "%s", clblast_unused(device)); }
END_TEST

/* Their times are not to be had: see run_product(). */
START_TEST(products_are_counted_in_a_profile)
{
    const op_args args = {.op = OP_DENSE_BACKWARD_INPUT, .n = 16, .batch = 16, .size = {16, 16}};
    mem m[3];
    tas_profile *profile;
    for (int i = 0; i < 3; i++) ck_assert(!device_alloc(device, 16 * 16 * sizeof(float), &m[i]));
    ck_assert_msg(!tas_profile_start(device), "%s", tas_error(context));
    for (int i = 0; i < 2; i++) ck_assert_msg(!device_run(device, &args, m, NULL), "%s", tas_error(context));
    ck_assert_msg(!tas_profile_stop(device, &profile), "%s", tas_error(context));
    ck_assert(profile->count == 1 && profile->rows[0].launches == 2 && !profile->rows[0].timed);
    ck_assert_str_eq(profile->rows[0].name, "clblast");
    tas_profile_free(profile);
    for (int i = 0; i < 3; i++) device_release(device, &m[i]);
}
END_TEST

/* CLBlast takes matrices as rows, and so does all else that reads or writes them: what is exact stays so. */
START_TEST(other_operations_stay_exact)
{
    static const op_id ops[] = {OP_SQUARE_ROWS, OP_DENSE_BACKWARD_BIAS, OP_SGD, OP_ADAM, OP_DENSE_CHECK, OP_DENSE_SGD};
    ck_assert_uint_eq(device_weight_panel(device, 33, 784), 1);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        case_results results;
        char text[CASES_TEXT];
        ck_assert_msg(!cases_verify(device, ops[i], 1, EDGE_CASES, 20, NULL, &results), "%s", tas_error(context));
        ck_assert_msg(!results.failed, "%s: %s", op_get(ops[i])->name, cases_print(&results, text));
    }
}
END_TEST

/* A plan asks for the scratch memory of its tile, and smaller tiles come, too. */
START_TEST(scratch_covers_smaller_tiles)
{
    static const op_id ops[] = {OP_DENSE_FORWARD, OP_DENSE_BACKWARD_INPUT, OP_DENSE_BACKWARD_PARAMETERS};
    static const uint32_t sizes[][2] = {{32, 784}, {500, 800}, {10, 500}};
    uint64_t most = 0;
    for (size_t i = 0; i < 3 * sizeof sizes / sizeof *sizes; i++) {
        uint64_t before = 0;
        for (uint32_t n = 1; n <= 200; n++) {
            const op_args args = {.op = ops[i % 3], .n = n, .batch = n, .size = {sizes[i / 3][0], sizes[i / 3][1]}};
            const uint64_t bytes = device_scratch(device, &args);
            ck_assert_msg(bytes >= before, "%s: %llu bytes for %u examples, %llu for one less", op_get(args.op)->name,
                          (unsigned long long)bytes, n, (unsigned long long)before);
            before = bytes;
        }
        most = before > most ? before : most;
    }
    ck_assert_uint_gt(most, 0);
}
END_TEST

START_TEST(catches_a_bad_row)
{
    bool right = false;
    char why[256] = "";
    ck_assert_msg(!clblast_set_row(device, &rows[_i]), "%s", tas_error(context));
    ck_assert(!clblast_selftest(device, &right, why, sizeof why));
    ck_assert_msg(right == (rows[_i].mwg == rows[_i].nwg), "row %d: %s", _i, right ? "all products right" : why);
}
END_TEST

int main(void)
{
    const char *id = getenv("TASSELLO_TEST_DEVICE");
    tas_device_info *list;
    size_t count, found = 0;
    if (tas_context_open(&context) || discover_list(context, &list, &count)) return 1;
    while (found < count && (!id || strcmp(list[found].id, id))) found++;
    if (!id || found == count || !strcmp(id, "reference")) {
        printf("skipped: no device %s\n", id ? id : "named by TASSELLO_TEST_DEVICE");
        return 77;
    }
    if (open_opencl(context, &list[found], TAS_ARITH_FAST, &device)) {
        fprintf(stderr, "%s\n", tas_error(context));
        return 1;
    }
    tas_devices_free(list);
    Suite *suite = suite_create("clblast");
    TCase *cases = tcase_create("self-test");
    tcase_add_test(cases, passes_its_own_row);
    tcase_add_test(cases, products_are_counted_in_a_profile);
    tcase_add_test(cases, other_operations_stay_exact);
    tcase_add_test(cases, scratch_covers_smaller_tiles);
    tcase_add_loop_test(cases, catches_a_bad_row, 0, 2);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tas_device_close(&device);
    tas_context_close(&context);
    return failed != 0;
}
