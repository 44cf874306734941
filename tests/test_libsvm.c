/* Sparse text: lines, labels, indices, splits, schemas; and what is refused. */
#include "data/dataset.h"

#include "tables.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *shown(const tas_data *data) { return tables_show(data, 6); }

static const struct good_row {
    const char *name, *text, *examples, *classes;
    tas_targets kind;
} good[] = {
    {.name = "a", .text = "+1 1:0.5 3:-2\n-1 2:1e1\n", .examples = "0.5 0 -2|1;0 10 0|0;", .classes = "-1,1"},
    {.name = "a.gz", .text = "+1 1:0.5 3:-2\n-1 2:1e1\n", .examples = "0.5 0 -2|1;0 10 0|0;", .classes = "-1,1"},
    {.name = "a.svm", .text = "0 0:7\n1 2:1\n", .examples = "7 0 0|0;0 0 1|1;", .classes = ""},
    {.name = "a",
     .text = "# made by\n\n1 1:1 # one\r\n  2\t2:3  \n3\n",
     .examples = "1 0|0;0 3|1;0 0|2;",
     .classes = "1,2,3"},
    {.name = "a", .text = "1.5 1:1\n2 1:2", .examples = "1|1.5;2|2;", .classes = ""},
    {.name = "a", .text = "1 1:1\n2 1:2\n", .examples = "1|1;2|2;", .classes = "", .kind = TAS_TARGETS_VALUES},
    {.name = "a", .text = "3 1:1\n7 1:2\n", .examples = "1|0;2|1;", .classes = "3,7", .kind = TAS_TARGETS_CLASSES},
    {.name = "a.svmlight", .text = "1\n2 1:2\n", .examples = "0|0;2|1;", .classes = "1,2"},
};

START_TEST(good_files)
{
    char names[256] = "";
    tas_data_info info;
    reading.targets = good[_i].kind;
    tables_open_text(good[_i].name, good[_i].text);
    ck_assert_ptr_null(test);
    ck_assert_str_eq(shown(train), good[_i].examples);
    tas_data_get_info(train, &info);
    ck_assert_str_eq(info.format, "libsvm");
    for (uint32_t i = 0; info.class_name && i < tas_data_classes(train); i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? "," : "", info.class_name[i]);
    ck_assert_str_eq(names, good[_i].classes);
}
END_TEST

START_TEST(splits)
{
    static const char *const names[][2] = {{"a", "a.t"}, {"b", "b.t.gz"}, {"c.gz", "c.t.gz"}, {"d.gz", "d.t"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tables_write(names[i][1], "-1 1:4 4:1\n");
        tables_open_text(names[i][0], "+1 1:2\n-1 3:3\n");
        ck_assert_str_eq(shown(train), "2 0 0 0|1;0 0 3 0|0;"); /* as many inputs as either has */
        ck_assert_str_eq(shown(test), "4 0 0 1|0;");
    }
    tas_data_close(&train);
    tas_data_close(&test);
    expect_ok(tas_data_read(context, files_path("a"), &reading, NULL, &test));
    ck_assert_str_eq(shown(test), "4 0 0 1|0;");
    tables_open(files_path("a.t"));
    ck_assert_ptr_null(test);
    tables_write("e.t", "1 0:1\n"); /* from 0 in either */
    tables_open_text("e", "1 2:5\n0 1:1\n");
    ck_assert_str_eq(shown(train), "0 0 5|1;0 1 0|0;");
}
END_TEST

/* MNIST's last pixels are 0 everywhere. */
START_TEST(pixels)
{
    tas_data_info info;
    reading.channels = 1;
    reading.height = 2;
    reading.width = 3;
    tables_open_text("a", "1 1:51 3:255\n0 2:102\n");
    ck_assert_str_eq(shown(train), "0.2 0 1 0 0 0|1;0 0.4 0 0 0 0|0;");
    tas_data_get_info(train, &info);
    ck_assert(info.input_type == TAS_INPUT_U8 && info.channels == 1 && info.height == 2 && info.width == 3);
    tables_open_text("a", "1 1:51 3:255.5\n0 2:102\n");
    ck_assert_str_eq(shown(train), "51 0 255.5 0 0 0|1;0 102 0 0 0 0|0;");
    reading.height = reading.width = 0;
    reading.channels = 4;
    tables_open_text("a", "1 1:51 3:255\n0 2:102\n");
    ck_assert_str_eq(shown(train), "51 0 255 0|1;0 102 0 0|0;");
    reading.channels = 2;
    tables_open(files_path("a"));
    ck_assert_uint_eq(tas_data_input_size(train), 3);
    reading.pixels = TAS_CHOICE_YES;
    tables_write("a", "1 1:51 3:-1\n0 2:102\n");
    expect(tables_read(files_path("a")), TAS_BAD_DATA, "a:1: index 3: -1 is not a pixel", "");
}
END_TEST

START_TEST(schemas)
{
    tables_open_text("a", "+1 1:2 4:1\n-1 3:3\n");
    char *kept = strdup(tas_data_schema(train));
    reading.schema = kept;
    tables_open_text("b", "+1 2:5\n");
    ck_assert_str_eq(shown(train), "0 5 0 0|1;");
    tas_data_close(&train);
    tables_write("b", "2:5\n7 1:1\n4:1\n");
    expect_ok(tas_data_read_inputs(context, files_path("b"), &reading, &train));
    ck_assert_str_eq(shown(train), "0 5 0 0|0;1 0 0 0|0;0 0 0 1|0;");
    tas_data_close(&train);
    tables_write("b", "1 1:1\n1 5:1\n");
    expect(tables_read(files_path("b")), TAS_BAD_DATA, "b:2: index 5, expected at most 4 as the network has inputs",
           "");
    tables_write("b", "1 1:1\n1 0:1\n");
    expect(tables_read(files_path("b")), TAS_BAD_DATA, "b:2: index 0, but those of the training set count from 1", "");
    tables_write("b", "1 1:1\n0 1:1\n");
    expect(tables_read(files_path("b")), TAS_BAD_DATA, "b:2: label 0 is not a class of the training set", "");
    free(kept);
}
END_TEST

static const struct bad_row {
    const char *text, *word;
    tas_targets kind;
} bad[] = {
    {.text = "", .word = "no examples"},
    {.text = "# nothing\n\n", .word = "no examples"},
    {.text = "1\n2\n", .word = "no example has an index:value"},
    {.text = "a 1:1\n", .word = "a.svm:1: 'a': expected a number as the label"},
    {.text = "1 1:1\n1,2 1:1\n", .word = "a.svm:2: '1,2': several labels"},
    {.text = "inf 1:1\n", .word = "a.svm:1: 'inf': expected a number as the label"},
    {.text = "1 1:1\n1:1\n", .word = "a.svm:2: no label"},
    {.text = "1 qid:1 1:1\n", .word = "a.svm:1: 'qid:1': sets for ranking cannot be used"},
    {.text = "1 1:1 2\n", .word = "a.svm:1: '2': expected index:value"},
    {.text = "1 x:1\n", .word = "a.svm:1: 'x:1': expected an index"},
    {.text = "1 :1\n", .word = "a.svm:1: ':1': expected an index"},
    {.text = "1 -1:1\n", .word = "a.svm:1: '-1:1': expected an index"},
    {.text = "1 1.5:1\n", .word = "a.svm:1: '1.5:1': expected an index"},
    {.text = "1 16777217:1\n", .word = "a.svm:1: '16777217:1': expected an index from 0 to 16777216"},
    {.text = "1 99999999999999999999999999:1\n", .word = "expected an index from 0 to 16777216"},
    {.text = "1 1:\n", .word = "a.svm:1: '1:': expected a finite number"},
    {.text = "1 1:nan\n", .word = "a.svm:1: '1:nan': expected a finite number"},
    {.text = "1 1:1e39\n", .word = "a.svm:1: '1:1e39': expected a finite number"},
    {.text = "1 1:1:1\n", .word = "a.svm:1: '1:1:1': expected a finite number"},
    {.text = "1 2:1 2:1\n", .word = "a.svm:1: '2:1': expected ascending indices"},
    {.text = "1 2:1 1:1\n", .word = "a.svm:1: '1:1': expected ascending indices"},
    {.text = "1 1:1\n1.5 1:1\n", .word = "a.svm:2: label 1.5, expected a whole number", .kind = TAS_TARGETS_CLASSES},
};

START_TEST(refused)
{
    reading.targets = bad[_i].kind;
    tables_write("a.svm", bad[_i].text);
    expect(tables_read(files_path("a.svm")), TAS_BAD_DATA, bad[_i].word, "a.svm");
    ck_assert(!train && !test);
}
END_TEST

START_TEST(refused_otherwise)
{
    FILE *f = fopen(files_path("nul.svm"), "wb");
    fwrite("1 1:1\n1 1:\0\n", 1, 12, f);
    fclose(f);
    expect(tables_read(files_path("nul.svm")), TAS_BAD_DATA, "nul.svm:2: a NUL byte", "");
    tables_write("a", "1 1:1\n-1 1:1\n");
    tables_write("a.t", "1 1:1\n2 1:1\n");
    expect(tables_read(files_path("a")), TAS_BAD_DATA, "a.t:2: label 2 is not a class of the training set", "");
    reading.target = "y";
    expect(tables_read(files_path("a")), TAS_BAD_ARGUMENT, "a LIBSVM text", "does not use target");
    reading.target = NULL;
    f = fopen(files_path("sparse"), "wb");
    for (int i = 0; i < 100; i++) fprintf(f, "%d 16777216:1\n", i & 1);
    fclose(f);
    expect(tables_read(files_path("sparse")), TAS_BAD_DATA, "100 examples of 16777216 inputs are too sparse", "sparse");
    tables_write("cut.gz", "1 1:1\n1 1:1\n1 2:1\n1 1:1\n1 2:3\n1 4:5\n");
    ck_assert_int_eq(truncate(files_path("cut.gz"), 30), 0);
    expect(tables_read(files_path("cut.gz")), TAS_BAD_DATA, "damaged gzip data", "cut.gz");
}
END_TEST

static int found;

static void count_problem(void *user, const char *problem)
{
    (void)user;
    found += *problem != 0;
}

START_TEST(several_problems)
{
    int count;
    found = 0;
    tables_write("a.svm", "1 1:1\nx 1:1\n1 2:1 1:1\n1 1\n");
    expect_ok(tas_data_check(context, files_path("a.svm"), &reading, 10, count_problem, NULL, &count));
    ck_assert(count == 3 && found == 3);
}
END_TEST

int main(void)
{
    files_open();
    Suite *suite = suite_create("libsvm");
    TCase *all = tcase_create("libsvm");
    tcase_add_checked_fixture(all, tables_setup, tables_teardown);
    tcase_add_loop_test(all, good_files, 0, sizeof good / sizeof *good);
    tcase_add_test(all, splits);
    tcase_add_test(all, pixels);
    tcase_add_test(all, schemas);
    tcase_add_loop_test(all, refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(all, refused_otherwise);
    tcase_add_test(all, several_problems);
    suite_add_tcase(suite, all);
    const int failed = support_run(suite);
    files_close();
    return failed;
}
