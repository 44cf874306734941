/* Sets of NumPy arrays: files and archives. */
#include "data/dataset.h"
#include "data/readers/npy.h"
#include "libraries.h"

#include "files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if HAVE_ZIP
#include <zip.h>
#endif

/* Arrays ----------------------------------------------------------------------------------------------------------- */

enum { DIMS = 4, ARRAY_BYTES = 1 << 16 };

/* A .npy file in memory. */
typedef struct npy {
    unsigned char bytes[ARRAY_BYTES];
    size_t used;
} npy;

/* A header of version 1 to 3, then the elements. */
static void make_text(npy *out, int version, const char *text, const void *elements, size_t bytes)
{
    const size_t prefix = version == 1 ? 10 : 12, length = strlen(text), header = (prefix + length + 64) / 64 * 64;
    ck_assert_uint_le(header + bytes, sizeof out->bytes);
    memset(out->bytes, ' ', header);
    memcpy(out->bytes, "\x93NUMPY", 6);
    out->bytes[6] = (unsigned char)version;
    out->bytes[7] = 0;
    for (size_t k = 8; k < prefix; k++) out->bytes[k] = (unsigned char)((header - prefix) >> 8 * (k - 8));
    memcpy(out->bytes + prefix, text, length);
    out->bytes[header - 1] = '\n';
    if (bytes) memmove(out->bytes + header, elements, bytes); /* they may lie in out */
    out->used = header + bytes;
}

static void make(npy *out, const char *type, bool fortran, const char *shape, const void *elements, size_t bytes)
{
    char text[256];
    snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }", type,
             fortran ? "True" : "False", shape);
    make_text(out, 1, text, elements, bytes);
}

static void write_array(const char *name, const char *type, const char *shape, const void *elements, size_t bytes)
{
    static npy file;
    make(&file, type, false, shape, elements, bytes);
    files_write(name, file.bytes, file.used);
}

/* The half of a whole number of magnitude below 2048. */
static uint64_t half_of(int value)
{
    unsigned magnitude = (unsigned)abs(value), exponent = 15 + 10;
    if (!value) return 0;
    for (; magnitude < 1024; magnitude *= 2) exponent--;
    return (value < 0 ? 0x8000u : 0) | exponent << 10 | (magnitude & 1023);
}

static uint64_t bits_of(char kind, unsigned bytes, int value)
{
    const float single = (float)value;
    const double wide = value;
    uint64_t bits = 0;
    uint32_t low;
    if (kind != 'f') return (uint64_t)(int64_t)value;
    if (bytes == 2) return half_of(value);
    memcpy(&low, &single, sizeof low);
    memcpy(&bits, &wide, sizeof bits);
    return bytes == 4 ? low : bits;
}

static void put_number(unsigned char *out, const char *type, int value)
{
    const unsigned bytes = (unsigned)(type[2] - '0');
    const uint64_t bits = bits_of(type[1], bytes, value);
    for (unsigned k = 0; k < bytes; k++) out[k] = (unsigned char)(bits >> 8 * (*type == '>' ? bytes - 1 - k : k));
}

static const char *const types[] = {"|b1", "|i1", "|u1", "<i2", ">i2", "<i4", ">i4", "<i8", ">i8", "<u2", ">u2",
                                    "<u4", ">u4", "<u8", ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"};
enum { TYPES = sizeof types / sizeof *types, EXAMPLES = 7 };
static const struct shape_row {
    const char *text;
    uint32_t dims[DIMS]; /* (the last ones) */
    int count;
    uint32_t channels, height, width;
    bool last;
} shapes[] = {
    {"7,", {EXAMPLES}, 1, 0, 0, 0, false},
    {"7, 5", {EXAMPLES, 5}, 2, 0, 0, 0, false},
    {"7, 3, 5", {EXAMPLES, 3, 5}, 3, 1, 3, 5, false},
    {"7, 2, 3, 5", {EXAMPLES, 2, 3, 5}, 4, 2, 3, 5, false},
    {"7, 5, 2, 3", {EXAMPLES, 5, 2, 3}, 4, 3, 5, 2, true},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* A number that the type holds, of the element with this index in C's order. */
static int number_at(const char *type, size_t k)
{
    const int value = (int)(k * 37 % 101);
    if (type[1] == 'b') return value % 2;
    return type[1] == 'u' ? value : value - 50;
}

/* Where element k in C's order lies in the file. */
static size_t place_in_file(const struct shape_row *shape, bool fortran, size_t k)
{
    size_t index[DIMS], at = 0;
    for (int d = shape->count - 1; d >= 0; d--) {
        index[d] = k % shape->dims[d];
        k /= shape->dims[d];
    }
    for (int i = 0; i < shape->count; i++) {
        const int d = fortran ? shape->count - 1 - i : i;
        at = at * shape->dims[d] + index[d];
    }
    return at;
}

static size_t elements_of(const struct shape_row *shape)
{
    size_t n = 1;
    for (int d = 0; d < shape->count; d++) n *= shape->dims[d];
    return n;
}

/* Where it lies in an example. */
static size_t place_in_example(const struct shape_row *shape, size_t k)
{
    const size_t e = k % (elements_of(shape) / EXAMPLES);
    if (!shape->last) return e;
    return (e % shape->channels * shape->height + e / shape->channels / shape->width) * shape->width +
           e / shape->channels % shape->width;
}

static void make_numbers(npy *out, const char *type, const struct shape_row *shape, bool fortran)
{
    unsigned char elements[4096];
    const size_t n = elements_of(shape), bytes = (size_t)(type[2] - '0');
    for (size_t k = 0; k < n; k++)
        put_number(elements + place_in_file(shape, fortran, k) * bytes, type, number_at(type, k));
    make(out, type, fortran, shape->text, elements, n * bytes);
}

static const unsigned char seven[EXAMPLES] = {0, 1, 2, 2, 1, 0, 0};

static tas_data *read_one(const char *path, const tas_reading *reading)
{
    tas_data *train = NULL, *test = NULL;
    tas_reading initial;
    tas_reading_init(&initial);
    ck_assert_msg(!tas_data_read(context, path, reading ? reading : &initial, &train, &test), "%s", tas_error(context));
    ck_assert(train && !test);
    return train;
}

static void check_numbers(const tas_data *data, const char *type, const struct shape_row *shape)
{
    const size_t n = elements_of(shape), size = n / EXAMPLES;
    float in[4096];
    uint32_t out[EXAMPLES];
    tas_data_info info;
    tas_data_get_info(data, &info);
    ck_assert_uint_eq(tas_data_count(data), EXAMPLES);
    ck_assert_uint_eq(tas_data_input_size(data), size);
    ck_assert(info.channels == shape->channels && info.height == shape->height && info.width == shape->width);
    const bool pixels = !strcmp(type, "|u1");
    ck_assert_int_eq(info.input_type, pixels ? TAS_INPUT_U8 : TAS_INPUT_F32);
    expect_ok(tas_data_get(data, NULL, EXAMPLES, in, out));
    for (size_t k = 0; k < n; k++) {
        const float wanted = (float)number_at(type, k) / (pixels ? 255 : 1);
        ck_assert_msg(in[k / size * size + place_in_example(shape, k)] == wanted, "%s (%s): element %zu is %g, not %g",
                      type, shape->text, k, (double)in[k / size * size + place_in_example(shape, k)], (double)wanted);
    }
    for (int i = 0; i < EXAMPLES; i++) ck_assert_uint_eq(out[i], seven[i]);
}

START_TEST(types_and_orders)
{
    static npy file;
    write_array("y.npy", "|u1", "7,", seven, sizeof seven);
    for (int t = 0; t < TYPES; t++)
        for (int s = 0; s < SHAPES; s++)
            for (int fortran = 0; fortran < 2; fortran++) {
                make_numbers(&file, types[t], &shapes[s], fortran);
                files_write("x.npy", file.bytes, file.used);
                tas_data *data = read_one(t % 2 ? files_folder() : files_path("x.npy"), NULL);
                check_numbers(data, types[t], &shapes[s]);
                const bool as_used = !strcmp(types[t], "|u1") || !strcmp(types[t], "<f4");
                const bool in_order = !shapes[s].last && !(fortran && shapes[s].count > 1);
                ck_assert_int_eq(data->inputs.map != NULL, as_used && in_order);
                tas_data_close(&data);
            }
}
END_TEST

START_TEST(headers_in_other_words)
{
    static const char *const texts[] = {
        "{'descr': '<i2', 'fortran_order': False, 'shape': (7,), }",
        "{\"shape\":(7L,),\"fortran_order\":False,\"descr\":\"<i2\"}",
        "  {  'fortran_order' : False , 'shape' : ( 7 , 1 ) ,\n 'descr' : '<i2' } ",
        "{'descr': 'i2', 'fortran_order': True, 'shape': (7, 1, 1)}",
        "{'descr': '=i2', 'fortran_order': True, 'shape': (7, 1, 1, 1)}",
    };
    static const int16_t numbers[EXAMPLES] = {-1, 2, -3, 4, -5, 6, -32768};
    static npy file;
    float in[EXAMPLES];
    write_array("Y.npy", "|u1", "7, 1", seven, sizeof seven);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int version = 1; version <= 3; version++) {
            make_text(&file, version, texts[i], numbers, sizeof numbers);
            files_write("X.npy", file.bytes, file.used);
            tas_data *data = read_one(files_folder(), NULL);
            expect_ok(tas_data_get(data, NULL, EXAMPLES, in, NULL));
            for (int k = 0; k < EXAMPLES; k++) ck_assert(in[k] == numbers[k]);
            tas_data_close(&data);
        }
}
END_TEST

START_TEST(half_floats)
{
    static const uint16_t halves[EXAMPLES] = {0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x3555};
    static const float values[EXAMPLES] = {0x1p-24f, -0x1p-24f, 1023 * 0x1p-24f, 0x1p-14f, 65504, -65504, 0.333251953f};
    float in[EXAMPLES];
    write_array("y.npy", "|u1", "7,", seven, sizeof seven);
    write_array("x.npy", "<f2", "7,", halves, sizeof halves);
    tas_data *data = read_one(files_folder(), NULL);
    expect_ok(tas_data_get(data, NULL, EXAMPLES, in, NULL));
    for (int k = 0; k < EXAMPLES; k++) ck_assert(in[k] == values[k]);
    tas_data_close(&data);
}
END_TEST

/* Whole numbers that no double holds are rounded once: to even, and up. */
START_TEST(large_numbers_are_rounded_once)
{
    static const uint64_t numbers[EXAMPLES] = {
        0, 1, UINT64_MAX, (1ull << 63) + (1ull << 39) + 1, (1ull << 63) + (1ull << 39), 16777217, 16777219};
    float in[EXAMPLES];
    write_array("y.npy", "|u1", "7,", seven, sizeof seven);
    write_array("x.npy", "<u8", "7,", numbers, sizeof numbers);
    tas_data *data = read_one(files_folder(), NULL);
    expect_ok(tas_data_get(data, NULL, EXAMPLES, in, NULL));
    ck_assert(in[2] == 0x1p64f && in[3] == 0x1p63f + 0x1p40f && in[4] == 0x1p63f && in[5] == 16777216 &&
              in[6] == 16777220);
    tas_data_close(&data);
}
END_TEST

/* Pixels and channels ------------------------------------------------------------------------------------------------
 */

START_TEST(pixels_as_wanted)
{
    static const unsigned char bytes[EXAMPLES] = {0, 1, 2, 3, 4, 128, 255};
    float numbers[EXAMPLES], in[EXAMPLES];
    tas_reading reading;
    tas_reading_init(&reading);
    for (int k = 0; k < EXAMPLES; k++) numbers[k] = bytes[k];
    write_array("y.npy", "|u1", "7,", seven, sizeof seven);
    for (int wide = 0; wide < 2; wide++)
        for (int choice = TAS_CHOICE_AUTO; choice <= TAS_CHOICE_NO; choice++) {
            const bool pixels = choice == TAS_CHOICE_YES || (choice == TAS_CHOICE_AUTO && !wide);
            if (wide)
                write_array("x.npy", "<f4", "7,", numbers, sizeof numbers);
            else
                write_array("x.npy", "|u1", "7,", bytes, sizeof bytes);
            reading.pixels = (tas_choice)choice;
            tas_data *data = read_one(files_folder(), &reading);
            ck_assert_int_eq(data->options.input_type, pixels ? TAS_INPUT_U8 : TAS_INPUT_F32);
            expect_ok(tas_data_get(data, NULL, EXAMPLES, in, NULL));
            for (int k = 0; k < EXAMPLES; k++) ck_assert(in[k] == (pixels ? (float)bytes[k] / 255 : (float)bytes[k]));
            tas_data_close(&data);
        }
    static const float wrong[] = {256, -1, 0.5f, NAN, INFINITY};
    reading.pixels = TAS_CHOICE_YES;
    for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++) {
        tas_data *data = NULL;
        numbers[3] = wrong[w];
        write_array("x.npy", "<f4", "7,", numbers, sizeof numbers);
        expect(tas_data_read(context, files_folder(), &reading, &data, NULL), TAS_BAD_DATA, "x.npy: example 3: is ",
               "a whole number from 0 to 255");
    }
}
END_TEST

/* Each shape with what the network wants. */
START_TEST(channels_first_or_last)
{
    static const struct {
        const char *shape;
        uint32_t wish[3], channels, height, width;
    } rows[] = {
        {"1, 3, 4, 5", {0, 0, 0}, 3, 4, 5},   {"1, 4, 5, 3", {0, 0, 0}, 4, 5, 3}, {"1, 5, 4, 3", {0, 0, 0}, 3, 5, 4},
        {"1, 4, 5, 3", {3, 4, 5}, 3, 4, 5},   {"1, 4, 5, 3", {4, 5, 3}, 4, 5, 3}, {"1, 5, 4, 3", {5, 4, 3}, 5, 4, 3},
        {"1, 5, 4, 3", {9, 9, 9}, 3, 5, 4},   {"1, 3, 4, 5", {5, 3, 4}, 5, 3, 4}, {"1, 1, 60, 1", {0, 0, 0}, 1, 60, 1},
        {"1, 6, 10, 1", {0, 0, 0}, 1, 6, 10},
    };
    unsigned char bytes[60] = {0};
    tas_reading reading;
    tas_reading_init(&reading);
    write_array("y.npy", "|u1", "1,", seven, 1);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        tas_data_info info;
        write_array("x.npy", "|u1", rows[r].shape, bytes, sizeof bytes);
        reading.channels = rows[r].wish[0];
        reading.height = rows[r].wish[1];
        reading.width = rows[r].wish[2];
        tas_data *data = read_one(files_folder(), &reading);
        tas_data_get_info(data, &info);
        ck_assert_msg(info.channels == rows[r].channels && info.height == rows[r].height && info.width == rows[r].width,
                      "row %zu: %u x %u x %u", r, info.channels, info.height, info.width);
        tas_data_close(&data);
    }
    ck_assert_ptr_nonnull(strstr(files_notes(), "x.npy: (1, 5, 4, 3) is read as examples, height, width, channels"));
    ck_assert_ptr_nonnull(strstr(files_notes(), "x.npy: (1, 3, 4, 5) is read as examples, channels, height, width"));
}
END_TEST

/* Targets ---------------------------------------------------------------------------------------------------------- */

/* Numbers of a set whose inputs are 1 feature. */
static void write_targets(const char *type, const char *shape, const double *value, size_t n, uint32_t count)
{
    unsigned char elements[4096];
    char text[32];
    const size_t bytes = (size_t)(type[2] - '0');
    for (size_t k = 0; k < n; k++) {
        float narrow = (float)value[k];
        if (!strcmp(type, "<f8"))
            memcpy(elements + k * 8, &value[k], 8);
        else if (!strcmp(type, "<f4"))
            memcpy(elements + k * 4, &narrow, 4);
        else
            put_number(elements + k * bytes, type, (int)value[k]);
    }
    write_array("y.npy", type, shape, elements, n * bytes);
    memset(elements, 0, count);
    snprintf(text, sizeof text, "%u,", count);
    write_array("x.npy", "|u1", text, elements, count);
}

static tas_data *read_targets(tas_targets targets)
{
    tas_reading reading;
    tas_reading_init(&reading);
    reading.targets = targets;
    return read_one(files_folder(), &reading);
}

static void check_labels(tas_targets targets, uint32_t classes, const uint32_t *label, const char *const *names)
{
    tas_data *data = read_targets(targets);
    tas_data_info info;
    uint32_t out[64];
    tas_data_get_info(data, &info);
    ck_assert_int_eq(info.target_type, TAS_TARGET_LABEL);
    ck_assert_uint_eq(tas_data_classes(data), classes);
    expect_ok(tas_data_get(data, NULL, (size_t)tas_data_count(data), NULL, out));
    for (uint64_t i = 0; i < tas_data_count(data); i++) ck_assert_uint_eq(out[i], label[i]);
    ck_assert_int_eq(info.class_name != NULL, names != NULL);
    for (uint32_t k = 0; names && k < classes; k++) ck_assert_str_eq(info.class_name[k], names[k]);
    tas_data_close(&data);
}

START_TEST(labels_become_classes)
{
    static const double plain[] = {2, 0, 1, 1}, from_1[] = {3, 1, 2, 2}, gaps[] = {7, -5, 1000000, -5};
    static const uint32_t plain_labels[] = {2, 0, 1, 1}, gap_labels[] = {1, 0, 2, 0};
    static const char *const forms[] = {"<i8", "|u1", "<f8", ">i4"};
    for (int f = 0; f < 4; f++) {
        write_targets(forms[f], f % 2 ? "4," : "4, 1", plain, 4, 4);
        check_labels(TAS_TARGETS_AUTO, 3, plain_labels, NULL);
        check_labels(TAS_TARGETS_CLASSES, 3, plain_labels, NULL);
        ck_assert_str_eq(files_notes(), "");
    }
    write_targets("<f4", "4,", from_1, 4, 4);
    check_labels(TAS_TARGETS_AUTO, 3, plain_labels, (const char *const[]){"1", "2", "3"});
    ck_assert_ptr_nonnull(
        strstr(files_notes(), "y.npy: the labels are 3 numbers from 1 to 3, not 0 to 2: they become classes"));
    write_targets("<i8", "4,", gaps, 4, 4);
    check_labels(TAS_TARGETS_AUTO, 3, gap_labels, (const char *const[]){"-5", "7", "1000000"});
}
END_TEST

START_TEST(labels_or_values)
{
    double numbers[21];
    uint32_t label[21];
    float out[21];
    for (int k = 0; k < 21; k++) label[k] = (uint32_t)(numbers[k] = k);
    write_targets("<i8", "20,", numbers, 20, 20);
    check_labels(TAS_TARGETS_AUTO, 20, label, NULL);
    write_targets("<i8", "21,", numbers, 21, 21);
    check_labels(TAS_TARGETS_CLASSES, 21, label, NULL);
    ck_assert_str_eq(files_notes(), "");
    for (int k = 0; k < 2; k++) {
        tas_data *data = read_targets(k ? TAS_TARGETS_VALUES : TAS_TARGETS_AUTO);
        tas_data_info info;
        tas_data_get_info(data, &info);
        ck_assert(info.target_type == TAS_TARGET_F32 && info.target_size == 1);
        expect_ok(tas_data_get(data, NULL, 21, NULL, out));
        for (int i = 0; i < 21; i++) ck_assert(out[i] == (float)i);
        tas_data_close(&data);
    }
    ck_assert_ptr_nonnull(strstr(files_notes(), "more than 20 different whole numbers are read as values"));
    numbers[2] = 0.5;
    write_targets("<f4", "20,", numbers, 20, 20);
    tas_data *data = read_targets(TAS_TARGETS_AUTO);
    ck_assert_uint_eq(tas_data_classes(data), 0);
    tas_data_close(&data);
}
END_TEST

START_TEST(one_hot_rows)
{
    static const double rows[] = {0, 0, 1, 1, 0, 0, 0, 1, 0}, two[] = {0, 1, 1, 1, 0, 0, 0, 1, 0};
    static const uint32_t label[] = {2, 0, 1};
    static const char *const forms[] = {"<f8", "|b1", "|u1", "<f4"};
    float out[9];
    for (int f = 0; f < 4; f++) {
        write_targets(forms[f], "3, 3", rows, 9, 3);
        check_labels(TAS_TARGETS_CLASSES, 3, label, NULL);
        check_labels(TAS_TARGETS_AUTO, 3, label, NULL);
    }
    ck_assert_ptr_nonnull(strstr(files_notes(), "rows with a single 1 are read as labels of 3 classes"));
    for (int k = 0; k < 2; k++) {
        write_targets("<f4", "3, 3", k ? two : rows, 9, 3);
        tas_data *data = read_targets(k ? TAS_TARGETS_AUTO : TAS_TARGETS_VALUES);
        tas_data_info info;
        tas_data_get_info(data, &info);
        ck_assert(info.target_type == TAS_TARGET_F32 && info.target_size == 3);
        expect_ok(tas_data_get(data, NULL, 3, NULL, out));
        for (int i = 0; i < 9; i++) ck_assert(out[i] == (float)(k ? two : rows)[i]);
        tas_data_close(&data);
    }
}
END_TEST

/* Sets ------------------------------------------------------------------------------------------------------------- */

/* Training examples with labels from 1 to 3 and test examples. */
static void write_splits(void)
{
    static const unsigned char x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[4] = {3, 1, 2, 1}, z[2] = {2, 3};
    write_array("X_train.npy", "|u1", "4, 2", x, 8);
    write_array("y_train.npy", "|u1", "4,", y, 4);
    write_array("x_test.npy", "|u1", "2, 2", x, 4);
    write_array("y_test.npy", "|u1", "2,", z, 2);
}

START_TEST(splits)
{
    tas_data *train = NULL, *test = NULL;
    tas_reading reading;
    uint32_t out[4];
    tas_reading_init(&reading);
    write_splits();
    for (int from = 0; from < 3; from++) {
        const char *paths[] = {files_folder(), files_path("X_train.npy"), files_path("y_test.npy")};
        expect_ok(tas_data_read(context, paths[from], &reading, &train, &test));
        ck_assert(tas_data_count(train) == 4 && tas_data_count(test) == 2 && tas_data_classes(test) == 3);
        expect_ok(tas_data_get(train, NULL, 4, NULL, out));
        ck_assert(out[0] == 2 && out[1] == 0 && out[2] == 1 && out[3] == 0);
        expect_ok(tas_data_get(test, NULL, 2, NULL, out));
        ck_assert(out[0] == 1 && out[1] == 2);
        tas_data_close(&train);
        tas_data_close(&test);
    }
    /* what the labels are is the training split's to say, even if the test split alone is read */
    expect_ok(tas_data_open_folder(context, files_folder(), TAS_TEST, &test));
    expect_ok(tas_data_get(test, NULL, 2, NULL, out));
    ck_assert(out[0] == 1 && out[1] == 2 && tas_data_classes(test) == 3);
    tas_data_close(&test);
    write_array("y_test.npy", "|u1", "2,", "\x02\x04", 2);
    expect(tas_data_read(context, files_folder(), &reading, &train, &test), TAS_BAD_DATA,
           "y_test.npy: example 1: ", "label 4, expected one of the training set's, 1 to 3");
    expect(tas_data_open_folder(context, files_folder(), TAS_TEST, &test), TAS_BAD_DATA, "y_test.npy: example 1: ", "");
    write_array("x_test.npy", "|u1", "2, 1, 2", "\x01\x02\x03\x04", 4);
    expect(tas_data_read(context, files_folder(), &reading, &train, &test), TAS_BAD_DATA,
           "x_test.npy: (2, 1, 2): ", "examples of the same shape as in");
    remove(files_path("y_train.npy"));
    expect(tas_data_read(context, files_folder(), &reading, &train, &test), TAS_BAD_DATA, "no array y_train",
           "it has X_train, x_test, y_test");
}
END_TEST

/* A schema of the training set is kept to; for prediction, labels may be missing, and the file may have any name. */
START_TEST(schemas_are_kept)
{
    static const float floats[] = {1, 2, 3, 4}, large[] = {1, 2, 3, 400};
    tas_data *train = NULL, *test = NULL, *again = NULL;
    tas_reading reading;
    float in[4];
    tas_reading_init(&reading);
    write_splits();
    expect_ok(tas_data_read(context, files_folder(), &reading, &train, &test));
    reading.schema = tas_data_schema(train);
    write_array("new.npy", "|u1", "2, 2", "\x05\x06\x07\x08", 4);
    expect_ok(tas_data_read_inputs(context, files_path("new.npy"), &reading, &again));
    expect_ok(tas_data_get(again, NULL, 2, in, NULL));
    ck_assert(in[0] == 5.0f / 255 && in[3] == 8.0f / 255 && tas_data_classes(again) == 3);
    tas_data_close(&again);
    write_array("new.npy", "<f4", "2, 2", floats, sizeof floats); /* the same pixels in another type */
    expect_ok(tas_data_read_inputs(context, files_path("new.npy"), &reading, &again));
    ck_assert_int_eq(again->options.input_type, TAS_INPUT_U8);
    tas_data_close(&again);
    write_array("new.npy", "<f4", "2, 2", large, sizeof large);
    expect(tas_data_read_inputs(context, files_path("new.npy"), &reading, &again), TAS_BAD_DATA,
           "new.npy: example 1: element [1] is 400", "from 0 to 255");
    write_array("new.npy", "|u1", "4, 1", floats, 4);
    expect(tas_data_read_inputs(context, files_path("new.npy"), &reading, &again), TAS_BAD_DATA,
           "new.npy: (4, 1): 1 numbers per example", "expected 2 as in the training set");
    expect(tas_data_read(context, files_path("new.npy"), &reading, &again, NULL), TAS_BAD_DATA,
           "which targets belong to this array cannot be seen", "x.npy with y.npy beside it");
    write_array("y_train.npy", "|u1", "4,", "\x09\x09\x09\x09", 4); /* of another class, which is not looked at */
    expect(tas_data_read(context, files_folder(), &reading, &again, NULL), TAS_BAD_DATA,
           "y_train.npy: example 0: ", "label 9, expected one of the training set's");
    expect_ok(tas_data_read_inputs(context, files_folder(), &reading, &again));
    ck_assert_uint_eq(tas_data_count(again), 4);
    tas_data_close(&again);
    tas_data_close(&train);
    tas_data_close(&test);

    reading.schema = NULL;
    write_array("x.npy", "<f4", "2, 2", floats, sizeof floats);
    write_array("y.npy", "<f4", "2, 2", floats, sizeof floats);
    train = read_one(files_path("x.npy"), &reading);
    reading.schema = tas_data_schema(train);
    write_array("new.npy", "|u1", "2, 2", "\x05\x06\x07\x08", 4);
    expect(tas_data_read_inputs(context, files_path("new.npy"), &reading, &again), TAS_BAD_DATA,
           "new.npy: unsigned bytes, expected floats as in the training set", "");
    reading.pixels = TAS_CHOICE_NO;
    expect_ok(tas_data_read_inputs(context, files_path("new.npy"), &reading, &again));
    expect_ok(tas_data_get(again, NULL, 2, in, NULL));
    ck_assert(in[0] == 5 && in[3] == 8);
    tas_data_close(&again);
    write_array("y.npy", "<f4", "2,", floats, 8);
    expect(tas_data_read(context, files_path("x.npy"), &reading, &again, NULL), TAS_BAD_DATA,
           "y.npy: 1 targets per example", "expected 2 as in the training set");
    tas_data_close(&train);
}
END_TEST

/* Refusals --------------------------------------------------------------------------------------------------------- */

static void refuse(const char *word, const char *other)
{
    tas_data *train = (tas_data *)&context;
    tas_reading reading;
    const int descriptors = files_count_descriptors();
    tas_reading_init(&reading);
    expect(tas_data_read(context, files_folder(), &reading, &train, NULL), TAS_BAD_DATA, word, other);
    ck_assert(!train);
    ck_assert_int_eq(files_count_descriptors(), descriptors);
}

/* A header's text with 8 bytes behind it. */
static const struct refused_header {
    const char *text, *error;
} refused_headers[] = {
    {"", "header: byte 118: expected {"},
    {"[1, 2]", "byte 0: expected {, found \"[1, 2]"},
    {"{'descr': '<f4'}", "header: no 'fortran_order'"},
    {"{'descr': '<f4', 'fortran_order': False}", "header: no 'shape'"},
    {"{'fortran_order': False, 'shape': (2,)}", "header: no 'descr'"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}",
     "expected 'descr', 'fortran_order' and 'shape'"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}", "each once, found \"'shape'"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", "expected a comma or }, found"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "expected nothing more, found \"x"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "expected True or False, found \"0,"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': 2}", "expected a shape in parentheses, found \"2}"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2", "expected a comma or a parenthesis"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 2)}", "expected a comma or a parenthesis, found \"2)}"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "expected a dimension, a whole number from 0 on"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2.0,)}", "expected a comma or a parenthesis, found \".0,)"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
     "a dimension below 2^64, found \"184"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615,)}", "do not fit in memory"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 2)}", "do not fit in memory"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
     "(4294967296, 4294967296) elements do not fit in memory"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846976,)}", "do not fit in memory"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}",
     "truncated: 136 bytes, expected 4000000000128"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}", "dimension 1 is 0, expected at least 1"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0, 5)}", "dimension 2 is 0, expected at least 1"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
     "truncated: 136 bytes, expected 140 for (3,) elements of f4"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "trailing bytes: 136 bytes, expected 132"},
    {"{'descr': '<f8', 'fortran_order': False, 'shape': ()}", "(): 0 dimensions, expected 1 to 4"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 2)}",
     "(1, 1, 1, 1, 2): 5 dimensions, expected 1 to 4"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", "more than 8 dimensions"},
    {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "type |O (Python objects (pickle)), expected b1, i1"},
    {"{'descr': '<U2', 'fortran_order': False, 'shape': (1,)}", "type <U2 (strings)"},
    {"{'descr': '|S8', 'fortran_order': False, 'shape': (1,)}", "type |S8 (byte strings)"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "type <c8 (complex numbers)"},
    {"{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}", "type |V8 (raw data)"},
    {"{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}", "type <M8[s] (dates and times)"},
    {"{'descr': '<m8[s]', 'fortran_order': False, 'shape': (1,)}", "type <m8[s] (time differences)"},
    {"{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}", "type <f16 (a float)"},
    {"{'descr': '<i3', 'fortran_order': False, 'shape': (1,)}", "type <i3 (a whole number)"},
    {"{'descr': '|f1', 'fortran_order': False, 'shape': (8,)}", "type |f1 (a float)"},
    {"{'descr': '|b2', 'fortran_order': False, 'shape': (4,)}", "type |b2 (a truth value)"},
    {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", "type  (unknown)"},
    {"{'descr': [('a', '<f4'), ('b', '<f4')], 'fortran_order': False, 'shape': (1,)}", "a structured array"},
    {"{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (1,)}", "an array within an array"},
    {"{'descr': <f4, 'fortran_order': False, 'shape': (2,)}", "expected a short text in quotes, found \"<f4"},
    {"{'descr': '<f4, 'fortran_order': False, 'shape': (2,)}", "type <f4,  (a float)"},
    {"{'descr' '<f4', 'fortran_order': False, 'shape': (2,)}", "expected a colon, found"},
};
enum { REFUSED_HEADERS = sizeof refused_headers / sizeof *refused_headers };

START_TEST(headers_are_checked)
{
    static npy file;
    write_array("y.npy", "|u1", "2,", seven, 2);
    for (int i = 0; i < REFUSED_HEADERS; i++) {
        make_text(&file, 1, refused_headers[i].text, "\0\0\0\0\0\0\0", 8);
        /* all have the size that the errors say */
        if (file.used == 72) {
            memmove(file.bytes + 128, file.bytes + 64, 8);
            memset(file.bytes + 63, ' ', 65);
            file.bytes[8] = 118;
            file.bytes[127] = '\n';
            file.used = 136;
        }
        files_write("x.npy", file.bytes, file.used);
        refuse("x.npy: ", refused_headers[i].error);
    }
}
END_TEST

static void refuse_bytes(const npy *file, size_t used, const char *error)
{
    files_write("x.npy", file->bytes, used);
    refuse("x.npy: ", error);
}

START_TEST(files_are_checked)
{
    static npy file;
    write_array("y.npy", "|u1", "2,", seven, 2);
    make(&file, "<f4", false, "2,", "\0\0\0\0\0\0\0", 8);
    refuse_bytes(&file, 0, "ends within its first 8 bytes");
    refuse_bytes(&file, 7, "ends within its first 8 bytes");
    refuse_bytes(&file, 9, "ends within its header");
    refuse_bytes(&file, 100, "ends within its header");
    refuse_bytes(&file, file.used - 1, "truncated: 135 bytes, expected 136 for (2,) elements of f4");
    refuse_bytes(&file, file.used + 1, "trailing bytes: 137 bytes, expected 136");
    file.bytes[0] = 'x';
    refuse_bytes(&file, file.used, "not a NumPy array (.npy): it does not begin with \\x93NUMPY");
    file.bytes[0] = 0x93;
    file.bytes[6] = 4;
    refuse_bytes(&file, file.used, "version 4.0 of the .npy format");
    file.bytes[6] = 1, file.bytes[7] = 1;
    refuse_bytes(&file, file.used, "version 1.1 of the .npy format");
    file.bytes[7] = 0;
    file.bytes[20] = 0;
    refuse_bytes(&file, file.used, "header: byte 10: ");
    make(&file, "<f4", false, "2,", "\0\0\0\0\0\0\0", 8);
    file.bytes[9] = 255;
    refuse_bytes(&file, file.used, "ends within its header");
    file.bytes[6] = 2;
    memset(file.bytes + 8, 255, 4);
    refuse_bytes(&file, file.used, "header of 4294967295 bytes, expected at most 65536");
    write_array("x.npy", "<f4", "2,", "\0\0\0\0\0\0\xc0\x7f", 8);
    refuse("x.npy: example 1: is nan", "expected a finite number of type float"); /* mapped */
    write_array("x.npy", "<f4", "1, 2", "\0\0\x80\xff\0\0\0\0", 8);
    write_array("y.npy", "|u1", "1,", seven, 1);
    refuse("x.npy: example 0: element [0] is -inf", "");
    write_array("x.npy", ">f8", "1, 1", "\x7e\x37\xe4\x3c\x88\x00\x75\x9c", 8); /* 1e300 */
    refuse("x.npy: example 0: element [0] is 1e+300", "a finite number of type float");
    make(&file, "<f2", true, "1, 2, 2", "\0\0\0\0\0\x7c\0\0", 8);
    refuse_bytes(&file, file.used, "example 0: element [0, 1] is inf");
}
END_TEST

START_TEST(targets_are_checked)
{
    static const double numbers[] = {0, 1, 0.5, 1}, nan_row[] = {0, 1, NAN, 1}, far[] = {0, 1e300, 0, 0};
    tas_data *train;
    tas_reading reading;
    tas_reading_init(&reading);
    write_targets("<f8", "4,", numbers, 4, 3);
    refuse("y.npy: 4 targets, but 3 examples in ", "x.npy");
    write_targets("<f8", "1, 2, 2", numbers, 4, 1);
    refuse("y.npy: (1, 2, 2): 3 dimensions", "one target per example or one row of targets");
    write_targets("<f8", "4,", nan_row, 4, 4);
    refuse("y.npy: example 2: target 0 is nan", "a finite number");
    write_targets("<f8", "2, 2", far, 4, 2);
    refuse("y.npy: example 0: target 1 is 1e+300", "a finite number of type float");
    reading.targets = TAS_TARGETS_CLASSES;
    write_targets("<f8", "4,", numbers, 4, 4);
    expect(tas_data_read(context, files_folder(), &reading, &train, NULL), TAS_BAD_DATA, "y.npy: example 2: label 0.5",
           "expected a whole number");
    write_targets("<f8", "4,", nan_row, 4, 4);
    expect(tas_data_read(context, files_folder(), &reading, &train, NULL), TAS_BAD_DATA, "y.npy: example 2: label nan",
           "");
    write_targets("<f8", "2, 2", numbers, 4, 2);
    expect(tas_data_read(context, files_folder(), &reading, &train, NULL), TAS_BAD_DATA,
           "y.npy: example 1: not one-hot", "a row of a single 1 and zeros");
    write_array("y.npy", "<U1", "2,", "a\0\0\0b\0\0\0", 8);
    refuse("y.npy: elements of type <U1 (strings)", "");
    reading.target = "x";
    expect(tas_data_read(context, files_folder(), &reading, &train, NULL), TAS_BAD_ARGUMENT,
           "a set of .npy files (NumPy) does not use target", "");
}
END_TEST

static void count_problem(void *user, const char *problem)
{
    ck_assert_ptr_nonnull(strstr(problem, "x.npy: example "));
    ++*(int *)user;
}

START_TEST(problems_are_collected)
{
    float numbers[EXAMPLES] = {0, NAN, 1, INFINITY, NAN, 2, NAN};
    tas_reading reading;
    int found = 0, count = 0;
    tas_reading_init(&reading);
    write_array("y.npy", "|u1", "7,", seven, sizeof seven);
    write_array("x.npy", "<f4", "7,", numbers, sizeof numbers);
    expect_ok(tas_data_check(context, files_folder(), &reading, 10, count_problem, &found, &count));
    ck_assert(found == 4 && count == 4);
    found = 0;
    expect_ok(tas_data_check(context, files_folder(), &reading, 2, count_problem, &found, &count));
    ck_assert(found == 2 && count == 2);
}
END_TEST

/* Archives --------------------------------------------------------------------------------------------------------- */

#if HAVE_ZIP
/* numpy 2.4.6: numpy.savez_compressed(b, x_train=numpy.asfortranarray(numpy.arange(24).reshape(2, 3, 4).astype('>i2')),
 * y_train=numpy.array([2, 1]), x_test=numpy.arange(12, dtype='f2').reshape(1, 3, 4) / 4,
 * y_test=numpy.array([1], dtype='u1')) */
static const unsigned char made_by_numpy[] = {
    0x50, 0x4b, 0x03, 0x04, 0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x7a, 0xd8, 0x05, 0xcf, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0b, 0x00, 0x14, 0x00, 0x78, 0x5f, 0x74, 0x72, 0x61, 0x69, 0x6e, 0x2e,
    0x6e, 0x70, 0x79, 0x01, 0x00, 0x10, 0x00, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x78, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x9b, 0xec, 0x17, 0xea, 0x1b, 0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad, 0x9e, 0x92, 0x5a,
    0x9c, 0x5c, 0xa4, 0x6e, 0xa5, 0xa0, 0x6e, 0x97, 0x69, 0xa4, 0xae, 0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94,
    0x98, 0x17, 0x9f, 0x5f, 0x94, 0x92, 0x0a, 0x12, 0x0f, 0x29, 0x2a, 0x4d, 0x05, 0x0a, 0x17, 0x67, 0x24, 0x16, 0xa4,
    0x02, 0xb9, 0x1a, 0x46, 0x3a, 0x0a, 0xc6, 0x3a, 0x0a, 0x26, 0x9a, 0x3a, 0x0a, 0xb5, 0x0a, 0x64, 0x02, 0x2e, 0x06,
    0x06, 0x06, 0x1e, 0x06, 0x16, 0x06, 0x01, 0x06, 0x0e, 0x06, 0x11, 0x06, 0x46, 0x06, 0x5e, 0x06, 0x56, 0x06, 0x41,
    0x06, 0x4e, 0x06, 0x51, 0x06, 0x26, 0x06, 0x3e, 0x06, 0x36, 0x06, 0x21, 0x06, 0x2e, 0x06, 0x31, 0x06, 0x66, 0x06,
    0x7e, 0x06, 0x76, 0x06, 0x61, 0x06, 0x6e, 0x06, 0x71, 0x00, 0x50, 0x4b, 0x03, 0x04, 0x2d, 0x00, 0x00, 0x00, 0x08,
    0x00, 0x00, 0x00, 0x21, 0x00, 0x1d, 0x4f, 0x5b, 0x4e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0b, 0x00,
    0x14, 0x00, 0x79, 0x5f, 0x74, 0x72, 0x61, 0x69, 0x6e, 0x2e, 0x6e, 0x70, 0x79, 0x01, 0x00, 0x10, 0x00, 0x90, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x4a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9b, 0xec, 0x17, 0xea, 0x1b,
    0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad, 0x9e, 0x92, 0x5a, 0x9c, 0x5c, 0xa4, 0x6e, 0xa5, 0xa0, 0x6e, 0x93, 0x69,
    0xa1, 0xae, 0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17, 0x9f, 0x5f, 0x94, 0x92, 0x0a, 0x12, 0x77,
    0x4b, 0xcc, 0x29, 0x4e, 0x05, 0x8a, 0x17, 0x67, 0x24, 0x16, 0xa4, 0x02, 0xf9, 0x1a, 0x46, 0x3a, 0x9a, 0x3a, 0x0a,
    0xb5, 0x0a, 0x14, 0x00, 0x2e, 0x26, 0x06, 0x08, 0x60, 0x84, 0xd2, 0x00, 0x50, 0x4b, 0x03, 0x04, 0x2d, 0x00, 0x00,
    0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x2d, 0xf9, 0xf7, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x0a, 0x00, 0x14, 0x00, 0x78, 0x5f, 0x74, 0x65, 0x73, 0x74, 0x2e, 0x6e, 0x70, 0x79, 0x01, 0x00, 0x10, 0x00, 0x98,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x61, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9b, 0xec, 0x17, 0xea,
    0x1b, 0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad, 0x9e, 0x92, 0x5a, 0x9c, 0x5c, 0xa4, 0x6e, 0xa5, 0xa0, 0x6e, 0x93,
    0x66, 0xa4, 0xae, 0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17, 0x9f, 0x5f, 0x94, 0x92, 0x0a, 0x12,
    0x77, 0x4b, 0xcc, 0x29, 0x4e, 0x05, 0x8a, 0x17, 0x67, 0x24, 0x16, 0xa4, 0x02, 0xf9, 0x1a, 0x86, 0x3a, 0x0a, 0xc6,
    0x3a, 0x0a, 0x26, 0x9a, 0x3a, 0x0a, 0xb5, 0x0a, 0xe4, 0x01, 0x2e, 0x06, 0x06, 0x06, 0x13, 0x06, 0x0b, 0x06, 0x2b,
    0x06, 0x1b, 0x06, 0x5b, 0x06, 0x3b, 0x06, 0x7b, 0x06, 0x87, 0x06, 0x07, 0x06, 0xc7, 0x06, 0x47, 0x00, 0x50, 0x4b,
    0x03, 0x04, 0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x7b, 0xb2, 0xa6, 0xc0, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0x00, 0x14, 0x00, 0x79, 0x5f, 0x74, 0x65, 0x73, 0x74, 0x2e, 0x6e, 0x70, 0x79,
    0x01, 0x00, 0x10, 0x00, 0x81, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x45, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x9b, 0xec, 0x17, 0xea, 0x1b, 0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad, 0x9e, 0x92, 0x5a, 0x9c, 0x5c, 0xa4,
    0x6e, 0xa5, 0xa0, 0x5e, 0x53, 0x6a, 0xa8, 0xae, 0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17, 0x9f,
    0x5f, 0x94, 0x92, 0x0a, 0x12, 0x77, 0x4b, 0xcc, 0x29, 0x4e, 0x05, 0x8a, 0x17, 0x67, 0x24, 0x16, 0xa4, 0x02, 0xf9,
    0x1a, 0x86, 0x3a, 0x9a, 0x3a, 0x0a, 0xb5, 0x0a, 0x14, 0x00, 0x2e, 0x46, 0x00, 0x50, 0x4b, 0x01, 0x02, 0x2d, 0x03,
    0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x7a, 0xd8, 0x05, 0xcf, 0x78, 0x00, 0x00, 0x00, 0xb0,
    0x00, 0x00, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00,
    0x00, 0x00, 0x78, 0x5f, 0x74, 0x72, 0x61, 0x69, 0x6e, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x01, 0x02, 0x2d, 0x03,
    0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x1d, 0x4f, 0x5b, 0x4e, 0x4a, 0x00, 0x00, 0x00, 0x90,
    0x00, 0x00, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0xb5, 0x00,
    0x00, 0x00, 0x79, 0x5f, 0x74, 0x72, 0x61, 0x69, 0x6e, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x01, 0x02, 0x2d, 0x03,
    0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x2d, 0xf9, 0xf7, 0xb8, 0x61, 0x00, 0x00, 0x00, 0x98,
    0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x3c, 0x01,
    0x00, 0x00, 0x78, 0x5f, 0x74, 0x65, 0x73, 0x74, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x01, 0x02, 0x2d, 0x03, 0x2d,
    0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x7b, 0xb2, 0xa6, 0xc0, 0x45, 0x00, 0x00, 0x00, 0x81, 0x00,
    0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0xd9, 0x01, 0x00,
    0x00, 0x79, 0x5f, 0x74, 0x65, 0x73, 0x74, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x05, 0x06, 0x00, 0x00, 0x00, 0x00,
    0x04, 0x00, 0x04, 0x00, 0xe2, 0x00, 0x00, 0x00, 0x5a, 0x02, 0x00, 0x00, 0x00, 0x00};

static zip_t *new_archive(void)
{
    remove(files_path("d.npz"));
    zip_t *zip = zip_open(files_path("d.npz"), ZIP_CREATE | ZIP_TRUNCATE, NULL);
    ck_assert_ptr_nonnull(zip);
    return zip;
}

static void add_member(zip_t *zip, const char *name, const npy *member, int method)
{
    zip_source_t *source = zip_source_buffer(zip, member->bytes, member->used, 0);
    const zip_int64_t index = zip_file_add(zip, name, source, 0);
    ck_assert_int_ge(index, 0);
    ck_assert_int_eq(zip_set_file_compression(zip, (zip_uint64_t)index, method, 0), 0);
}

static void refuse_archive(const char *word, const char *other)
{
    tas_data *train = (tas_data *)&context;
    tas_reading reading;
    const int descriptors = files_count_descriptors();
    tas_reading_init(&reading);
    expect(tas_data_read(context, files_path("d.npz"), &reading, &train, NULL), TAS_BAD_DATA, word, other);
    ck_assert_int_eq(files_count_descriptors(), descriptors);
}

START_TEST(archives_of_numpy)
{
    tas_data *train = NULL, *test = NULL;
    tas_reading reading;
    float in[24];
    uint32_t out[2];
    tas_reading_init(&reading);
    files_write("d.npz", made_by_numpy, sizeof made_by_numpy);
    files_write("without-ending", made_by_numpy, sizeof made_by_numpy);
    for (int k = 0; k < 2; k++) {
        expect_ok(tas_data_read(context, files_path(k ? "without-ending" : "d.npz"), &reading, &train, &test));
        expect_ok(tas_data_get(train, NULL, 2, in, out));
        for (int i = 0; i < 24; i++) ck_assert(in[i] == (float)i);
        ck_assert(out[0] == 1 && out[1] == 0 && tas_data_classes(train) == 2);
        expect_ok(tas_data_get(test, NULL, 1, in, out));
        for (int i = 0; i < 12; i++) ck_assert(in[i] == (float)i / 4);
        ck_assert_uint_eq(out[0], 0);
        tas_data_close(&train);
        tas_data_close(&test);
    }
}
END_TEST

START_TEST(archives_stored_or_deflated)
{
    static npy x, y;
    make(&y, "|u1", false, "7,", seven, sizeof seven);
    for (int t = 0; t < TYPES; t++)
        for (int s = 0; s < SHAPES; s++) {
            make_numbers(&x, types[t], &shapes[s], t % 2);
            zip_t *zip = new_archive();
            add_member(zip, "y.npy", &y, t % 3 ? ZIP_CM_DEFLATE : ZIP_CM_STORE);
            add_member(zip, "other.npy", &y, ZIP_CM_STORE);
            add_member(zip, "X.npy", &x, s % 2 ? ZIP_CM_DEFLATE : ZIP_CM_STORE);
            ck_assert_int_eq(zip_close(zip), 0);
            tas_data *data = read_one(files_path("d.npz"), NULL);
            check_numbers(data, types[t], &shapes[s]);
            tas_data_close(&data);
        }
}
END_TEST

static void write_archive(const npy *x, const char *name, const npy *y, int method)
{
    zip_t *zip = new_archive();
    add_member(zip, name, x, method);
    if (y) add_member(zip, "y.npy", y, ZIP_CM_STORE);
    ck_assert_int_eq(zip_close(zip), 0);
}

/* The first bytes that are `from` become `to`. */
static void patch(const void *from, size_t n, const void *to)
{
    size_t size;
    unsigned char *all = files_read("d.npz", &size), *at = memmem(all, size, from, n);
    ck_assert_ptr_nonnull(at);
    memcpy(at, to, n);
    files_write("d.npz", all, size);
    free(all);
}

START_TEST(archives_are_checked)
{
    static npy x, y, huge;
    static const float numbers[EXAMPLES] = {1, 2, 3, 4, 5, 6, 7};
    size_t size;
    make(&x, "<f4", false, "7,", numbers, sizeof numbers);
    make(&y, "|u1", false, "7,", seven, sizeof seven);
    write_archive(&x, "images.npy", &y, ZIP_CM_STORE);
    refuse_archive("d.npz: no array x", "it has images, y");
    write_archive(&x, "x.npy", NULL, ZIP_CM_STORE);
    refuse_archive("d.npz: no array y", "it has x");
    write_archive(&x, "x.txt", NULL, ZIP_CM_STORE);
    refuse_archive("d.npz: no array x", "it has none");
    files_write("d.npz", "", 0);
    refuse_archive("d.npz: not a ZIP archive that can be read", "an empty file");
    files_write("d.npz", y.bytes, y.used);
    refuse_archive("d.npz: not a ZIP archive that can be read", "a NumPy array (.npy)");

    write_archive(&x, "x.npy", &y, ZIP_CM_STORE);
    unsigned char *all = files_read("d.npz", &size);
    files_write("d.npz", all, size - 30);
    free(all);
    refuse_archive("d.npz: not a ZIP archive that can be read", "");

    write_archive(&x, "x.npy", &y, ZIP_CM_STORE);
    patch(numbers + 5, 4, "\0\0\x80\x3f"); /* another float, so that the checksum fails */
    refuse_archive("d.npz: x: damaged: CRC error", "");
    write_archive(&x, "x.npy", &y, ZIP_CM_STORE);
    patch("\x93NUMPY", 6, "\x93NUMBY");
    refuse_archive("d.npz: x: not a NumPy array (.npy)", "");

    /* a header that claims 2^40 elements, and one that claims more than its bytes can be unpacked to */
    make_text(&huge, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}", numbers, 28);
    write_archive(&huge, "x.npy", &y, ZIP_CM_DEFLATE);
    refuse_archive("d.npz: x: truncated: ", "expected 4398046511232 for (1099511627776,)");
    make(&x, "|O", false, "7,", numbers, 28);
    write_archive(&x, "x.npy", &y, ZIP_CM_DEFLATE);
    refuse_archive("d.npz: x: elements of type |O (Python objects (pickle))", "");
}
END_TEST

/* An archive may well be much smaller than its arrays, but not as small as this header and this directory say. */
START_TEST(archives_of_bombs)
{
    static npy x, y;
    char shape[64];
    make(&x, "|u1", false, "32768,", NULL, 0);
    memset(x.bytes + x.used, 0, 32768);
    x.used += 32768;
    memset(y.bytes, 0, sizeof y.bytes);
    make(&y, "|u1", false, "32768,", y.bytes, 32768);
    write_archive(&x, "x.npy", &y, ZIP_CM_DEFLATE);
    tas_data *data = read_one(files_path("d.npz"), NULL);
    ck_assert_uint_eq(tas_data_count(data), 32768);
    tas_data_close(&data);

    /* 2 GB in the header and the directory, about 100 bytes in the file */
    const uint32_t claimed = 2000000000;
    snprintf(shape, sizeof shape, "%u,", claimed);
    make(&x, "|u1", false, shape, NULL, 0);
    const uint32_t there = (uint32_t)x.used + 32000, all = (uint32_t)x.used + claimed;
    memset(x.bytes + x.used, 0, 32000);
    x.used = there;
    write_archive(&x, "x.npy", &y, ZIP_CM_DEFLATE);
    patch(&there, 4, &all);
    patch(&there, 4, &all); /* also in the directory */
    refuse_archive("d.npz: x: truncated: ", "compressed bytes cannot hold 2000000000 for (2000000000,) elements");
}
END_TEST
#endif

/* Streaming -------------------------------------------------------------------------------------------------------- */

enum { MANY = 3000, WIDTH = 64 };

typedef struct outcome {
    char hex[65];
    float loss;
} outcome;

static outcome train(const tas_data *set, bool streamed)
{
    static const char net[] = "input 8x8 mean 0.4 std 0.6\nflatten\ndense 9\nrelu\ndropout 0.25\ndense 5\n";
    outcome o = {.loss = 0};
    tas_train_options options;
    tas_train_result result;
    tas_model *model = model_of_text(net, 3);
    tas_train_options_init(&options);
    options.batch = 32;
    options.epochs = 2;
    options.budget = streamed;
    if (streamed) {
        expect(tas_train(model, set, &options, NULL), TAS_NO_MEMORY, "budget is ", "");
        options.budget = smallest_budget();
        ck_assert_uint_lt(options.budget, MANY * WIDTH); /* the set is larger than it */
    }
    expect_ok(tas_train(model, set, &options, &result));
    ck_assert_int_eq(result.resident, !streamed);
    expect_ok(tas_model_digest(model, o.hex));
    o.loss = result.last_loss;
    tas_model_close(&model);
    return o;
}

/* Mapped files that are larger than the budget train to the bits of a resident set of the same examples. */
START_TEST(mapped_files_train_as_resident_ones)
{
    static unsigned char x[MANY * WIDTH], y[MANY];
    static float wide[MANY * WIDTH];
    static uint32_t label[MANY];
    char name[512];
    for (int i = 0; i < MANY; i++) label[i] = y[i] = (unsigned char)(i < 5 ? i : (int)random_below(5));
    for (int k = 0; k < MANY * WIDTH; k++) wide[k] = (float)(x[k] = (unsigned char)random_u64()) / 255;
    snprintf(name, sizeof name, "%s/x.npy", files_folder());
    for (int floats = 0; floats < 2; floats++) {
        static npy head;
        FILE *f = fopen(name, "wb");
        make(&head, floats ? "<f4" : "|u1", false, "3000, 8, 8", NULL, 0);
        ck_assert_uint_eq(fwrite(head.bytes, 1, head.used, f), head.used);
        ck_assert_uint_eq(fwrite(floats ? (void *)wide : x, 1, floats ? sizeof wide : sizeof x, f),
                          floats ? sizeof wide : sizeof x);
        fclose(f);
        write_array("y.npy", "|u1", "3000,", y, sizeof y);
        tas_data *mapped = read_one(name, NULL), *resident = NULL;
        ck_assert_ptr_nonnull(mapped->inputs.map);
        tas_data_options options;
        tas_data_options_init(&options);
        options.count = MANY;
        options.input_size = WIDTH;
        options.classes = 5;
        options.input_type = floats ? TAS_INPUT_F32 : TAS_INPUT_U8;
        options.inputs = floats ? (void *)wide : x;
        options.targets = label;
        expect_ok(tas_data_open(context, &options, &resident));
        const outcome a = train(mapped, true), b = train(resident, false), c = train(mapped, false);
        ck_assert_str_eq(a.hex, b.hex);
        ck_assert_str_eq(c.hex, b.hex);
        ck_assert(a.loss == b.loss && c.loss == b.loss);
        tas_data_close(&mapped);
        tas_data_close(&resident);
    }
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, files_setup, support_close);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    return cases;
}

static Suite *create_suite(void)
{
    Suite *suite = suite_create("npy");
    TCase *arrays = add_case(suite, "arrays"), *sets = add_case(suite, "sets"), *refusals = add_case(suite, "refusals");
    tcase_add_test(arrays, types_and_orders);
    tcase_add_test(arrays, headers_in_other_words);
    tcase_add_test(arrays, half_floats);
    tcase_add_test(arrays, large_numbers_are_rounded_once);
    tcase_add_test(arrays, pixels_as_wanted);
    tcase_add_test(arrays, channels_first_or_last);
    tcase_add_test(sets, labels_become_classes);
    tcase_add_test(sets, labels_or_values);
    tcase_add_test(sets, one_hot_rows);
    tcase_add_test(sets, splits);
    tcase_add_test(sets, schemas_are_kept);
    tcase_add_test(sets, mapped_files_train_as_resident_ones);
    tcase_add_test(refusals, headers_are_checked);
    tcase_add_test(refusals, files_are_checked);
    tcase_add_test(refusals, targets_are_checked);
    tcase_add_test(refusals, problems_are_collected);
#if HAVE_ZIP
    TCase *archives = add_case(suite, "archives");
    tcase_add_test(archives, archives_of_numpy);
    tcase_add_test(archives, archives_stored_or_deflated);
    tcase_add_test(archives, archives_are_checked);
    tcase_add_test(archives, archives_of_bombs);
#else
    fprintf(stderr, "not tested: archives, since libzip is not there\n");
#endif
    return suite;
}

int main(void)
{
    files_open();
    const int result = support_run(create_suite());
    files_close();
    return result;
}
