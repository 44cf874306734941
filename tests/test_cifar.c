/* The binary versions of CIFAR-10 and CIFAR-100. */
#include "data/dataset.h"

#include "files.h"

#include <stdlib.h>
#include <string.h>

enum { IMAGE = 3072, RECORDS = 20 };

static unsigned char pixel(int file, int record, int k) { return (unsigned char)(file * 50 + record * 7 + k * k / 9); }

static unsigned char label_of(int file, int record, int classes)
{
    return (unsigned char)((file * 3 + record) % classes);
}

/* Files are numbered in the order in which they are read. */
static void write_batch(const char *name, int file, int records, int classes)
{
    static unsigned char all[RECORDS * (IMAGE + 2)];
    unsigned char *at = all;
    for (int r = 0; r < records; r++) {
        if (classes == 100) *at++ = 77; /* the coarse label, which is not used */
        *at++ = label_of(file, r, classes);
        for (int k = 0; k < IMAGE; k++) *at++ = pixel(file, r, k);
    }
    files_write(name, all, (size_t)(at - all));
}

static void write_batches(int train, int test)
{
    char name[32];
    for (int i = 0; i < train; i++) {
        snprintf(name, sizeof name, "data_batch_%d.bin", i + 1);
        write_batch(name, i, RECORDS - i, 10);
    }
    if (test) write_batch("test_batch.bin", 9, test, 10);
}

/* Records of files first, first+1, ..., each with RECORDS - file, or `records` of them in a single one. */
static void check(const tas_data *data, int first, int files, int records, int classes)
{
    float in[IMAGE];
    uint64_t index = 0;
    uint32_t label;
    tas_data_info info;
    tas_data_get_info(data, &info);
    const bool pixels = info.input_type == TAS_INPUT_U8;
    ck_assert(info.channels == 3 && info.height == 32 && info.width == 32);
    ck_assert_uint_eq(tas_data_classes(data), (unsigned)classes);
    for (int f = first; f < first + files; f++)
        for (int r = 0; r < (records ? records : RECORDS - f); r++, index++) {
            expect_ok(tas_data_get(data, &index, 1, in, &label));
            ck_assert_uint_eq(label, label_of(f, r, classes));
            for (int k = 0; k < IMAGE; k++) ck_assert(in[k] == (float)pixel(f, r, k) / (pixels ? 255 : 1));
        }
    ck_assert_uint_eq(tas_data_count(data), index);
}

START_TEST(sets_of_10)
{
    tas_data *train, *test;
    tas_data_info info;
    tas_reading reading;
    tas_reading_init(&reading);
    write_batches(5, 6);
    files_write("batches.meta.txt", "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n", 62);
    for (int from = 0; from < 3; from++) {
        const char *paths[] = {files_folder(), files_path("data_batch_3.bin"), files_path("test_batch.bin")};
        reading.pixels = from == 2 ? TAS_CHOICE_NO : TAS_CHOICE_AUTO;
        expect_ok(tas_data_read(context, paths[from], &reading, &train, &test));
        check(train, 0, 5, 0, 10);
        check(test, 9, 1, 6, 10);
        tas_data_get_info(train, &info);
        ck_assert_int_eq(info.input_type, from == 2 ? TAS_INPUT_F32 : TAS_INPUT_U8);
        ck_assert_str_eq(info.class_name[0], "airplane");
        ck_assert_str_eq(info.class_name[9], "truck");
        tas_data_close(&train);
        tas_data_close(&test);
    }
}
END_TEST

START_TEST(sets_of_100)
{
    tas_data *train, *test;
    tas_data_info info;
    tas_reading reading;
    tas_reading_init(&reading);
    write_batch("train.bin", 0, 19, 100);
    write_batch("test.bin", 9, 3, 100);
    expect_ok(tas_data_read(context, files_folder(), &reading, &train, &test));
    check(train, 0, 1, 19, 100);
    check(test, 9, 1, 3, 100);
    tas_data_get_info(train, &info);
    ck_assert_ptr_null(info.class_name);
    tas_data_close(&train);
    tas_data_close(&test);
}
END_TEST

START_TEST(parts_of_sets)
{
    tas_data *train, *test;
    tas_reading reading;
    tas_reading_init(&reading);
    write_batches(2, 0);
    expect_ok(tas_data_read(context, files_folder(), &reading, &train, &test));
    check(train, 0, 2, 0, 10);
    ck_assert_ptr_null(test);
    reading.schema = tas_data_schema(train);
    files_clear();
    write_batches(0, 2);
    expect_ok(tas_data_read(context, files_folder(), &reading, NULL, &test));
    check(test, 9, 1, 2, 10);
    tas_data_close(&test);
    reading.pixels = TAS_CHOICE_NO;
    expect(tas_data_read(context, files_folder(), &reading, NULL, &test), TAS_BAD_DATA,
           "CIFAR-10 has images of 3 x 32 x 32 bytes", "expected 3072 bytes as in the training set");
    files_clear();
    write_batch("test.bin", 0, 1, 100);
    expect(tas_data_read(context, files_folder(), &reading, NULL, &test), TAS_BAD_DATA, "CIFAR-100 has 100 classes",
           "expected 10 as in the training set");
    tas_data_close(&train);
}
END_TEST

START_TEST(files_for_prediction)
{
    tas_data *train, *data;
    tas_reading reading;
    tas_reading_init(&reading);
    write_batches(2, 3);
    expect_ok(tas_data_read(context, files_folder(), &reading, &train, NULL));
    reading.schema = tas_data_schema(train);
    expect_ok(tas_data_read_inputs(context, files_path("test_batch.bin"), &reading, &data));
    check(data, 9, 1, 3, 10);
    tas_data_close(&data);
    expect_ok(tas_data_read_inputs(context, files_folder(), &reading, &data));
    check(data, 0, 2, 0, 10);
    tas_data_close(&data);
    files_clear();
    write_batches(0, 3);
    expect_ok(tas_data_read_inputs(context, files_folder(), &reading, &data));
    check(data, 9, 1, 3, 10);
    tas_data_close(&data);
    tas_data_close(&train);
}
END_TEST

static void refuse(tas_status status, const char *word, const char *other)
{
    tas_data *train = (tas_data *)&context;
    tas_reading reading;
    const int descriptors = files_count_descriptors();
    tas_reading_init(&reading);
    reading.format = "cifar";
    expect(tas_data_read(context, files_folder(), &reading, &train, NULL), status, word, other);
    ck_assert(!train);
    ck_assert_int_eq(files_count_descriptors(), descriptors);
}

START_TEST(sets_are_checked)
{
    static unsigned char record[IMAGE + 2];
    refuse(TAS_BAD_FILE, "expected a folder with data_batch_1.bin", "train.bin and test.bin (CIFAR-100)");
    files_write("data_batch_1.bin", record, 0);
    refuse(TAS_BAD_DATA, "data_batch_1.bin: 0 bytes, expected a multiple of 3073", "CIFAR-10");
    files_write("data_batch_1.bin", record, IMAGE + 2);
    refuse(TAS_BAD_DATA, "data_batch_1.bin: 3074 bytes, expected a multiple of 3073", "1 of labels and 3072 of pixels");
    files_write("data_batch_1.bin", record, IMAGE + 1);
    record[0] = 10;
    files_write("data_batch_2.bin", record, IMAGE + 1);
    refuse(TAS_BAD_DATA, "data_batch_2.bin: image 0: label 10, expected 0 to 9", "");
    remove(files_path("data_batch_2.bin"));
    write_batch("data_batch_3.bin", 2, 1, 10);
    refuse(TAS_BAD_FILE, "data_batch_2.bin is missing", "although there are later ones");
    files_clear();
    write_batches(1, 0);
    files_write("batches.meta.txt", "a\nb\n", 4);
    refuse(TAS_BAD_DATA, "batches.meta.txt: fewer names than the 10 classes of CIFAR-10", "");
    files_write("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n", 22);
    refuse(TAS_BAD_DATA, "batches.meta.txt: more names than the 10 classes of CIFAR-10", "");
    files_write("batches.meta.txt", "a\nb\nc\nd\nb\nf\ng\nh\ni\nj\n", 20);
    refuse(TAS_BAD_DATA, "batches.meta.txt: class 4: \"b\", expected a name", "that no other class has");
    files_write("batches.meta.txt", "a\nb\nc\n\xff\nb\nf\ng\nh\ni\nj\n", 20);
    refuse(TAS_BAD_DATA, "batches.meta.txt: class 3: ", "expected a name in UTF-8");
    files_clear();
    write_batch("train.bin", 0, 2, 10);
    refuse(TAS_BAD_DATA, "train.bin: 6146 bytes, expected a multiple of 3074", "CIFAR-100: 2 of labels");
    record[0] = 0, record[1] = 100;
    files_write("train.bin", record, IMAGE + 2);
    refuse(TAS_BAD_DATA, "train.bin: image 0: label 100, expected 0 to 99", "");
}
END_TEST

static Suite *create_suite(void)
{
    Suite *suite = suite_create("cifar");
    TCase *cases = tcase_create("cifar");
    tcase_add_checked_fixture(cases, files_setup, support_close);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, sets_of_10);
    tcase_add_test(cases, sets_of_100);
    tcase_add_test(cases, parts_of_sets);
    tcase_add_test(cases, files_for_prediction);
    tcase_add_test(cases, sets_are_checked);
    suite_add_tcase(suite, cases);
    return suite;
}

int main(void)
{
    files_open();
    const int result = support_run(create_suite());
    files_close();
    return result;
}
