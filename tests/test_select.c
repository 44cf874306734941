/* Names of devices and the choice among them: no driver is asked. */
#include "device/select.h"

#include "support.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8 };

static tas_device_info list[MOST];
static char pci[MOST][PCI_TEXT];
static size_t count, order[MOST], chosen;

static void setup(void)
{
    support_open();
    memset(list, 0, sizeof list);
    memset(pci, 0, sizeof pci);
    count = 0;
}

static void add(const char *platform, const char *name, tas_device_type type, uint64_t gigabytes, const char *address)
{
    tas_device_info *info = &list[count];
    snprintf(info->platform, sizeof info->platform, "%s", platform);
    snprintf(info->name, sizeof info->name, "%s", name);
    snprintf(pci[count], PCI_TEXT, "%s", address);
    info->type = type;
    info->global_bytes = gigabytes << 30;
    info->vector_width = type == TAS_TYPE_CPU ? 8 : 1;
    count++;
}

static void name_all(void)
{
    add("Tassello", "C reference", TAS_TYPE_REFERENCE, 8, "");
    select_name_all(list, (const char(*)[PCI_TEXT])pci, count);
}

static void expect_order(size_t n, const size_t *expected)
{
    ck_assert_int_eq(select_device(context, NULL, list, count, order, &chosen), TAS_OK);
    ck_assert_uint_eq(chosen, n);
    for (size_t k = 0; k < n; k++)
        ck_assert_msg(order[k] == expected[k], "place %zu: row %zu, expected %zu", k, order[k], expected[k]);
}

static void expect_row(const char *id, size_t row)
{
    ck_assert_msg(!select_device(context, id, list, count, order, &chosen), "%s: %s", id, tas_error(context));
    ck_assert_uint_eq(chosen, 1);
    ck_assert_msg(order[0] == row, "%s: row %zu, expected %zu", id, order[0], row);
}

static void expect_failure(const char *id, const char *part)
{
    ck_assert_int_eq(select_device(context, id, list, count, order, &chosen), TAS_NO_DEVICE);
    ck_assert_uint_eq(chosen, 0);
    ck_assert_msg(strstr(tas_error(context), part) != NULL, "'%s' is not in: %s", part, tas_error(context));
}

static const struct {
    const char *platform, *id;
    tas_device_type type;
} names[] = {
    {"Portable Computing Language", "pocl", TAS_TYPE_CPU},
    {"Portable Computing Language", "pocl-gpu", TAS_TYPE_GPU},
    {"rusticl", "rusticl", TAS_TYPE_CPU},
    {"rusticl", "rusticl-gpu", TAS_TYPE_GPU},
    {"Intel(R) OpenCL", "intel-cpu", TAS_TYPE_CPU},
    {"Intel(R) OpenCL Graphics", "intel-gpu", TAS_TYPE_GPU},
    {"Intel(R) OpenCL HD Graphics", "intel-gpu", TAS_TYPE_GPU},
    {"Intel(R) FPGA Emulation Platform for OpenCL(TM)", "intel-fpga", TAS_TYPE_OTHER},
    {"NVIDIA CUDA", "nvidia", TAS_TYPE_GPU},
    {"AMD Accelerated Parallel Processing", "amd", TAS_TYPE_GPU},
    {"Oclgrind", "oclgrind", TAS_TYPE_CPU},
    {"Clover", "clover", TAS_TYPE_GPU},
    {"  Some (TM)  Vendor's CL 2! ", "some-tm-vendor-s-cl-2", TAS_TYPE_GPU},
    {"Some", "some-cpu", TAS_TYPE_CPU},
    {"Some", "some-other", TAS_TYPE_OTHER},
    {"Portable Computing Language", "pocl", TAS_TYPE_NONE},
    {"Intel(R) OpenCL", "intel", TAS_TYPE_NONE},
    {"Some", "some", TAS_TYPE_NONE},
    {"", "opencl", TAS_TYPE_GPU},
    {"\xc3\xbc\xc3\xbc", "opencl", TAS_TYPE_GPU},
    {"Reference", "opencl-reference", TAS_TYPE_GPU},
    {"a name that is much longer than an id should ever be", "a-name-that-is-much-long", TAS_TYPE_GPU},
};

START_TEST(short_ids)
{
    char id[64];
    select_short_id(names[_i].platform, names[_i].type, id, sizeof id);
    ck_assert_str_eq(id, names[_i].id);
}
END_TEST

START_TEST(alone)
{
    add("NVIDIA CUDA", "Card", TAS_TYPE_GPU, 8, "0000:65:00.0");
    add("Portable Computing Language", "pthread", TAS_TYPE_CPU, 8, "");
    name_all();
    ck_assert_str_eq(list[0].id, "nvidia");
    ck_assert_str_eq(list[0].long_id, "nvidia@0000:65:00.0");
    ck_assert_str_eq(list[1].id, "pocl");
    ck_assert_uint_eq(strlen(list[1].long_id), strlen("pocl@12345678"));
    ck_assert_str_eq(list[2].id, "reference");
    ck_assert_str_eq(list[2].long_id, "reference");
    expect_row("nvidia", 0);
    expect_row("nvidia@0000:65:00.0", 0);
    expect_row("pocl", 1);
    expect_row(list[1].long_id, 1);
    expect_row("reference", 2);
}
END_TEST

/* A second card makes the short id ambiguous, and leaves the long one as it was. */
START_TEST(two_cards)
{
    add("NVIDIA CUDA", "Card", TAS_TYPE_GPU, 8, "0000:b3:00.0");
    add("NVIDIA CUDA", "Card", TAS_TYPE_GPU, 8, "0000:65:00.0");
    name_all();
    ck_assert_str_eq(list[0].id, "nvidia@0000:b3:00.0");
    ck_assert_str_eq(list[1].id, "nvidia@0000:65:00.0");
    expect_failure("nvidia", "nvidia@0000:b3:00.0, nvidia@0000:65:00.0");
    ck_assert(!strstr(tas_error(context), "reference"));
    expect_row("nvidia@0000:65:00.0", 1);
    expect_order(2, (const size_t[]){1, 0}); /* all else being equal, by the id */
}
END_TEST

START_TEST(without_addresses)
{
    add("Some", "Card B", TAS_TYPE_GPU, 8, "");
    add("Some", "Card A", TAS_TYPE_GPU, 8, "");
    add("Some", "Card A", TAS_TYPE_GPU, 8, "");
    add("Some", "Card A", TAS_TYPE_GPU, 8, "");
    snprintf(list[1].driver, sizeof list[1].driver, "2");
    snprintf(list[2].driver, sizeof list[2].driver, "1");
    snprintf(list[3].driver, sizeof list[3].driver, "3");
    name_all();
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < a; b++) {
            ck_assert_str_ne(list[a].id, list[b].id);
            ck_assert_str_ne(list[a].long_id, list[b].long_id);
        }
        expect_row(list[a].id, a);
        expect_row(list[a].long_id, a);
    }
    /* in the order of what the drivers say, not in theirs */
    ck_assert_ptr_eq(strchr(list[2].long_id, '.'), NULL);
    ck_assert_str_eq(strchr(list[1].long_id, '.'), ".2");
    ck_assert_str_eq(strchr(list[3].long_id, '.'), ".3");
    expect_failure("some", list[3].long_id);
}
END_TEST

/* Two drivers of one card, or a card listed twice, have one address. */
START_TEST(one_address)
{
    add("Some", "Card", TAS_TYPE_GPU, 8, "0000:65:00.0");
    add("Some", "Card", TAS_TYPE_GPU, 8, "0000:65:00.0");
    add("NVIDIA CUDA", "Card", TAS_TYPE_GPU, 8, "0000:65:00.0");
    name_all();
    ck_assert_str_eq(list[0].long_id, "some@0000:65:00.0");
    ck_assert_str_eq(list[1].long_id, "some@0000:65:00.0.2");
    ck_assert_str_eq(list[2].id, "nvidia");
}
END_TEST

/* The longest texts that there can be stay whole where they must be unique. */
START_TEST(long_names)
{
    add("a name that is much longer than an id should ever be", "Card", TAS_TYPE_OTHER, 8, "ffffffff:ff:1f.7");
    add("a name that is much longer than an id should ever be", "Card", TAS_TYPE_OTHER, 8, "ffffffff:ff:1f.7");
    name_all();
    ck_assert_str_eq(list[1].id, "a-name-that-is-much-long-other@ffffffff:ff:1f.7.2");
    ck_assert_str_eq(list[1].id, list[1].long_id);
}
END_TEST

START_TEST(unknown)
{
    add("NVIDIA CUDA", "Card", TAS_TYPE_GPU, 8, "0000:65:00.0");
    add("Portable Computing Language", "pthread", TAS_TYPE_CPU, 8, "");
    name_all();
    static const char *const wrong[] = {"nvidi", "nvidia@", "nvidia@0000", "0",          "",
                                        "@",     "NVIDIA",  "amd",         "reference@", "%s%n"};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
        expect_failure(wrong[k], "nvidia, pocl, reference");
    char endless[5000];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    expect_failure(endless, "nvidia, pocl, reference");
}
END_TEST

/* A platform without a device is never chosen, takes no device's name, and is what a name of such a device means. */
START_TEST(platforms_without_devices)
{
    add("Intel(R) OpenCL", "Intel(R) OpenCL", TAS_TYPE_NONE, 0, "");
    add("Portable Computing Language", "Portable Computing Language", TAS_TYPE_NONE, 0, "");
    add("Portable Computing Language", "pthread", TAS_TYPE_CPU, 8, "");
    add("NVIDIA CUDA", "NVIDIA CUDA", TAS_TYPE_NONE, 0, "");
    name_all();
    ck_assert_str_eq(list[2].id, "pocl");
    expect_order(1, (const size_t[]){2});
    expect_row("pocl", 2);
    expect_row("intel", 0);
    expect_row("intel-cpu", 0);
    expect_row("nvidia@0000:65:00.0", 3);
    expect_failure("nvidias", "pocl, reference");
    list[2].type = TAS_TYPE_NONE;
    expect_order(1, (const size_t[]){4});
}
END_TEST

START_TEST(preference)
{
    add("Portable Computing Language", "pthread", TAS_TYPE_CPU, 64, "");
    add("Intel(R) OpenCL", "cpu", TAS_TYPE_CPU, 128, "");
    add("Some", "Board", TAS_TYPE_OTHER, 16, "");
    add("NVIDIA CUDA", "Card", TAS_TYPE_GPU, 8, "0000:65:00.0");
    add("AMD Accelerated Parallel Processing", "Card", TAS_TYPE_GPU, 24, "0000:66:00.0");
    add("rusticl", "llvmpipe", TAS_TYPE_CPU, 512, "");
    list[5].vector_width = 1;
    name_all();
    expect_order(6, (const size_t[]){4, 3, 2, 1, 0, 5});
}
END_TEST

/* The order of the drivers changes nothing. */
START_TEST(any_order)
{
    static const char *const platforms[] = {"Some", "AMD Accelerated", "NVIDIA CUDA"};
    for (int k = 0; k < 3; k++) add(platforms[(k + _i) % 3], "Card", TAS_TYPE_GPU, 8, "");
    name_all();
    ck_assert_int_eq(select_device(context, NULL, list, count, order, &chosen), TAS_OK);
    ck_assert_uint_eq(chosen, 3);
    ck_assert_str_eq(list[order[0]].id, "amd");
    ck_assert_str_eq(list[order[1]].id, "nvidia");
    ck_assert_str_eq(list[order[2]].id, "some");
}
END_TEST

START_TEST(reference_alone)
{
    name_all();
    expect_order(1, (const size_t[]){0});
    expect_row("reference", 0);
    expect_failure("pocl", "reference");
    ck_assert_int_eq(select_device(context, NULL, list, 0, order, &chosen), TAS_NO_DEVICE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("select");
    TCase *tests = tcase_create("select");
    tcase_add_checked_fixture(tests, setup, support_close);
    tcase_add_loop_test(tests, short_ids, 0, sizeof names / sizeof *names);
    tcase_add_test(tests, alone);
    tcase_add_test(tests, two_cards);
    tcase_add_test(tests, without_addresses);
    tcase_add_test(tests, one_address);
    tcase_add_test(tests, long_names);
    tcase_add_test(tests, unknown);
    tcase_add_test(tests, platforms_without_devices);
    tcase_add_test(tests, preference);
    tcase_add_loop_test(tests, any_order, 0, 3);
    tcase_add_test(tests, reference_alone);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
