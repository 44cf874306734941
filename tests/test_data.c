/* IDX files, the data set. */
#include "data/data.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define FASHION "/usr/share/datasets/fashion-mnist"

static char folder[] = "/tmp/tassello-data-XXXXXX";
static tas_context *context;

/* The folder of this run ------------------------------------------------------------------------------------------ */

static const char *path_of(const char *name)
{
    static char text[512];
    snprintf(text, sizeof text, "%s/%s", folder, name);
    return text;
}

static void clear_folder(void)
{
    DIR *all = opendir(folder);
    for (struct dirent *e; all && (e = readdir(all));)
        if (e->d_name[0] != '.') remove(path_of(e->d_name));
    if (all) closedir(all);
}

static void setup(void)
{
    clear_folder();
    ck_assert_int_eq(tas_context_open(&context), TAS_OK);
}

static void teardown(void) { tas_context_close(&context); }

static void write_plain(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(path_of(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_gz(const char *name, const void *bytes, size_t n)
{
    gzFile f = gzopen(path_of(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(gzwrite(f, bytes, (unsigned)n), (int)n);
    ck_assert_int_eq(gzclose(f), Z_OK);
}

/* Turns over the bits of the byte at a place, counted from the end where negative. */
static void damage(const char *name, long place)
{
    FILE *f = fopen(path_of(name), "r+b");
    ck_assert_ptr_nonnull(f);
    fseek(f, place, place < 0 ? SEEK_END : SEEK_SET);
    const int byte = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(byte ^ 0xff, f);
    ck_assert_int_eq(fclose(f), 0);
}

static void shorten(const char *name, long bytes)
{
    struct stat about;
    ck_assert_int_eq(stat(path_of(name), &about), 0);
    ck_assert_int_eq(truncate(path_of(name), about.st_size - bytes), 0);
}

/* The last call failed so, and its text has each of the words. */
static void expect(tas_status found, tas_status status, const char *word, const char *other)
{
    ck_assert_msg(found == status, "%s, expected %s: %s", tas_status_name(found), tas_status_name(status),
                  tas_error(context));
    ck_assert_msg(strstr(tas_error(context), word) && strstr(tas_error(context), other),
                  "\"%s\" lacks \"%s\" or \"%s\"", tas_error(context), word, other);
}

/* IDX ------------------------------------------------------------------------------------------------------------- */

enum { IMAGES = 16 + 12 };
static const unsigned char images[IMAGES] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0,   0,
                                             0, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 254, 255};
static const unsigned char labels[8 + 3] = {0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 4};

static void accept(const char *name)
{
    uint64_t dims[3] = {0};
    unsigned char *bytes = NULL;
    ck_assert_msg(!idx_read(context, path_of(name), 3, dims, &bytes), "%s", tas_error(context));
    ck_assert(dims[0] == 3 && dims[1] == 2 && dims[2] == 2);
    ck_assert_mem_eq(bytes, images + 16, 12);
    free(bytes);
}

static void refuse(const char *name, tas_status status, const char *word)
{
    uint64_t dims[3];
    unsigned char *bytes = (unsigned char *)dims;
    expect(idx_read(context, path_of(name), 3, dims, &bytes), status, name, word);
    ck_assert_ptr_null(bytes);
}

START_TEST(idx_reads_plain_and_gzip)
{
    write_plain("a", images, IMAGES);
    accept("a");
    write_gz("a.gz", images, IMAGES);
    accept("a.gz");
    write_gz("gzip-by-content-not-by-name", images, IMAGES);
    accept("gzip-by-content-not-by-name");
}
END_TEST

START_TEST(idx_reads_more_than_a_chunk)
{
    const size_t size = 5000003;
    unsigned char *all = malloc(8 + size), *bytes = NULL;
    uint64_t count = 0;
    memcpy(all, labels, 4);
    for (int k = 0; k < 4; k++) all[4 + k] = (unsigned char)(size >> (24 - 8 * k));
    for (size_t i = 0; i < size; i++) all[8 + i] = (unsigned char)(i * i >> 7);
    write_plain("large", all, 8 + size);
    write_gz("large.gz", all, 8 + size);
    for (int gz = 0; gz < 2; gz++) {
        ck_assert_int_eq(idx_read(context, path_of(gz ? "large.gz" : "large"), 1, &count, &bytes), TAS_OK);
        ck_assert_uint_eq(count, size);
        ck_assert(!memcmp(bytes, all + 8, size));
        free(bytes);
    }
    shorten("large.gz", 2000);
    expect(idx_read(context, path_of("large.gz"), 1, &count, &bytes), TAS_BAD_DATA, "large.gz", "unexpected end");
    free(all);
}
END_TEST

START_TEST(idx_refuses_what_is_no_file)
{
    refuse("absent", TAS_BAD_FILE, "No such file");
    refuse("", TAS_BAD_FILE, "not a regular file");
    ck_assert_int_eq(mkfifo(path_of("pipe"), 0600), 0);
    refuse("pipe", TAS_BAD_FILE, "not a regular file");
}
END_TEST

START_TEST(idx_refuses_wrong_headers)
{
    unsigned char bytes[IMAGES];
    write_plain("empty", images, 0);
    refuse("empty", TAS_BAD_DATA, "ends within its magic");
    write_plain("three", images, 3);
    refuse("three", TAS_BAD_DATA, "ends within its magic");
    write_plain("labels", labels, sizeof labels);
    refuse("labels", TAS_BAD_DATA, "0x00000801, expected 0x00000803");
    memcpy(bytes, images, IMAGES);
    bytes[2] = 13;
    write_plain("floats", bytes, IMAGES);
    refuse("floats", TAS_BAD_DATA, "0x00000d03");
    bytes[2] = 8;
    bytes[0] = 1;
    write_plain("high", bytes, IMAGES);
    refuse("high", TAS_BAD_DATA, "0x01000803");
    write_plain("header", images, 15);
    refuse("header", TAS_BAD_DATA, "ends within its header");
    for (int d = 0; d < 3; d++) {
        memcpy(bytes, images, IMAGES);
        bytes[7 + 4 * d] = 0;
        write_plain("zero", bytes, 16);
        char word[] = "dimension 1 is 0";
        word[10] = (char)('1' + d);
        refuse("zero", TAS_BAD_DATA, word);
    }
}
END_TEST

/* 4 bytes of each dimension are the same, so a header says (x * 0x01010101)^3 */
START_TEST(idx_refuses_sizes_that_the_file_has_not)
{
    unsigned char bytes[IMAGES + 1] = {0, 0, 8, 3};
    memset(bytes + 4, 0xff, 12);
    write_plain("wraps", bytes, IMAGES);
    refuse("wraps", TAS_BAD_DATA, "4294967295 x 4294967295 x 4294967295");
    write_gz("wraps.gz", bytes, IMAGES);
    refuse("wraps.gz", TAS_BAD_DATA, "memory");

    const unsigned char huge[12] = {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}; /* 2^40 */
    memcpy(bytes + 4, huge, 12);
    write_plain("huge", bytes, IMAGES);
    refuse("huge", TAS_BAD_DATA, "1099511627792");
    write_gz("huge.gz", bytes, IMAGES);
    refuse("huge.gz", TAS_BAD_DATA, "truncated: 12 elements, expected 1099511627776");

    memcpy(bytes, images, IMAGES);
    write_plain("short", bytes, IMAGES - 1);
    refuse("short", TAS_BAD_DATA, "truncated: 27 bytes, expected 28 for 3 x 2 x 2");
    write_gz("short.gz", bytes, IMAGES - 1);
    refuse("short.gz", TAS_BAD_DATA, "truncated: 11 elements, expected 12");
    write_plain("long", bytes, IMAGES + 1);
    refuse("long", TAS_BAD_DATA, "trailing bytes: 29 bytes, expected 28");
    write_gz("long.gz", bytes, IMAGES + 1);
    refuse("long.gz", TAS_BAD_DATA, "trailing");
}
END_TEST

START_TEST(idx_refuses_damaged_gzip)
{
    write_gz("sum.gz", images, IMAGES);
    damage("sum.gz", -8);
    refuse("sum.gz", TAS_BAD_DATA, "incorrect data check");
    write_gz("length.gz", images, IMAGES);
    damage("length.gz", -4);
    refuse("length.gz", TAS_BAD_DATA, "incorrect length check");
    write_gz("data.gz", images, IMAGES);
    damage("data.gz", 14);
    refuse("data.gz", TAS_BAD_DATA, "");
    for (long cut = 1; cut < 20; cut += 6) {
        write_gz("cut.gz", images, IMAGES);
        shorten("cut.gz", cut);
        refuse("cut.gz", TAS_BAD_DATA, "unexpected end of file");
    }
}
END_TEST

/* Arrays ---------------------------------------------------------------------------------------------------------- */

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
        ck_assert_uint_eq(data_input_bytes(data), 8);
        ck_assert_uint_eq(data_target_bytes(data), 4);
        ck_assert_int_eq(data_fetch(data, 1, 2, in, out), TAS_OK);
        ck_assert(in[0] == 2 && in[2] == 4 && in[3] == (borrow ? 77 : 5));
        ck_assert(out[0] == 2 && out[1] == 1);
        ck_assert_ptr_eq(data->own_inputs == NULL ? data->is.inputs : mine, mine);
        expect(data_fetch(data, 1, 3, in, out), TAS_BAD_ARGUMENT, "3 examples from 1", "there are 3");
        expect(data_fetch(data, UINT64_MAX, 2, in, out), TAS_BAD_ARGUMENT, "2 examples", "");
        expect(data_fetch(data, 1, SIZE_MAX, in, out), TAS_BAD_ARGUMENT, "from 1", "");
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
    o.inputs = images;
    o.input_type = TAS_INPUT_U8;
    o.target_type = TAS_TARGET_F32;
    o.target_size = 1;
    o.targets = goals;
    ck_assert_msg(!tas_data_open(context, &o, &data), "%s", tas_error(context));
    ck_assert_uint_eq(tas_data_classes(data), 0);
    ck_assert_uint_eq(data_input_bytes(data), 2);
    ck_assert_int_eq(data_fetch(data, 1, 2, in, out), TAS_OK);
    ck_assert_mem_eq(in, images + 2, 4);
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
    REFUSE(o.input_size = SIZE_MAX / 4 + 2, "more than fit");                      /* 4 bytes each wrap to 4 */
    REFUSE((o.input_size = (1ull << 32) - 1, o.count = 1 << 30), "more than fit"); /* with the label 2^34, wraps to 0 */
    REFUSE((o.input_size = 1ull << 61, o.count = 1), "more than fit");             /* wraps nowhere */
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
    locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0), before = uselocale(locale);
    for (int bad = 0; bad < 2; bad++) {
        fesetround(FE_UPWARD);
        o.classes = bad ? 1 : 3;
        ck_assert_int_eq(tas_data_open(context, &o, &data), bad ? TAS_BAD_DATA : TAS_OK);
        ck_assert_int_eq(fegetround(), FE_UPWARD);
        tas_data_close(&data);
        ck_assert_int_eq(tas_data_open_folder(context, folder, TAS_TRAIN, &data), TAS_BAD_FILE);
        ck_assert_int_eq(fegetround(), FE_UPWARD);
        ck_assert_ptr_eq(uselocale((locale_t)0), locale);
    }
    fesetround(FE_TONEAREST);
    uselocale(before);
    freelocale(locale);
}
END_TEST

/* Callbacks ------------------------------------------------------------------------------------------------------- */

typedef struct fill_plan {
    uint64_t nan_at, label_at, stop_at;
} fill_plan;

static int fill(void *user, const uint64_t *index, size_t n, void *in, void *out)
{
    const fill_plan *plan = user;
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

START_TEST(callback_fills_by_index)
{
    enum { N = 5000, FIRST = 1500 };
    fill_plan plan = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    float *x = malloc(N * 2 * sizeof *x);
    uint32_t *label = malloc(N * sizeof *label);
    tas_data *data = NULL;
    tas_data_options o = arrays();
    o.count = FIRST + N;
    o.classes = 10;
    o.inputs = o.targets = NULL;
    o.fill = fill;
    o.user = &plan;
    ck_assert_msg(!tas_data_open(context, &o, &data), "%s", tas_error(context));
    ck_assert_int_eq(data_fetch(data, FIRST, N, x, label), TAS_OK);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    for (uint32_t k = 0; k < N; k++) {
        const uint32_t index = FIRST + k;
        ck_assert(x[2 * k] == (float)index && x[2 * k + 1] == -1 && label[k] == index % 10);
    }
    plan.nan_at = 6400;
    expect(data_fetch(data, FIRST, N, x, label), TAS_BAD_DATA, "callback: example 6400: input 1 is nan", "");
    plan.label_at = 3000;
    expect(data_fetch(data, FIRST, N, x, label), TAS_BAD_DATA,
           "callback: example 3000: label 10, expected less than 10", "");
    plan.stop_at = 1501;
    expect(data_fetch(data, FIRST, N, x, label), TAS_BAD_DATA, "callback: returned 5", "1500");
    tas_data_close(&data);
    free(x);
    free(label);
}
END_TEST

/* Folders --------------------------------------------------------------------------------------------------------- */

static void refuse_folder(const char *where, tas_split split, tas_status status, const char *word, const char *other)
{
    tas_data *data = (tas_data *)&context;
    expect(tas_data_open_folder(context, where, split, &data), status, word, other);
    ck_assert_ptr_null(data);
}

START_TEST(folder_opens)
{
    tas_data *data = NULL;
    unsigned char in[4], other[IMAGES];
    uint32_t out[3];
    memcpy(other, images, IMAGES);
    other[IMAGES - 1] = 99;
    write_gz("train-images-idx3-ubyte.gz", other, IMAGES);
    write_plain("train-labels-idx1-ubyte", labels, sizeof labels);
    for (int both = 0; both < 2; both++) { /* the plain file is taken where both are there */
        ck_assert_msg(!tas_data_open_folder(context, folder, TAS_TRAIN, &data), "%s", tas_error(context));
        ck_assert_uint_eq(tas_data_count(data), 3);
        ck_assert_uint_eq(tas_data_input_size(data), 4);
        ck_assert_uint_eq(tas_data_classes(data), 5);
        ck_assert_int_eq(data_fetch(data, 2, 1, in, out), TAS_OK);
        ck_assert(in[0] == 8 && in[3] == (both ? 255 : 99) && out[0] == 4);
        ck_assert_ptr_nonnull(strstr(data->name, "train"));
        tas_data_close(&data);
        write_plain("train-images-idx3-ubyte", images, IMAGES);
    }
    refuse_folder(folder, TAS_TEST, TAS_BAD_FILE, "t10k-images-idx3-ubyte ", "t10k-images-idx3-ubyte.gz");
    write_plain("t10k-images-idx3-ubyte", images, IMAGES);
    refuse_folder(folder, TAS_TEST, TAS_BAD_FILE, "t10k-labels-idx1-ubyte ", "t10k-labels-idx1-ubyte.gz");
    const unsigned char single[11] = {0, 0, 8, 1, 0, 0, 0, 3};
    write_gz("t10k-labels-idx1-ubyte.gz", single, sizeof single);
    ck_assert_msg(!tas_data_open_folder(context, folder, TAS_TEST, &data), "%s", tas_error(context));
    ck_assert_uint_eq(tas_data_classes(data), 1);
    tas_data_close(&data);
}
END_TEST

START_TEST(folder_is_checked)
{
    const unsigned char two[10] = {0, 0, 8, 1, 0, 0, 0, 2};
    refuse_folder(path_of("absent"), TAS_TRAIN, TAS_BAD_FILE, "absent", "No such file");
    refuse_folder(folder, (tas_split)2, TAS_BAD_ARGUMENT, "split 2", folder);
    write_plain("train-images-idx3-ubyte", images, IMAGES);
    refuse_folder(path_of("train-images-idx3-ubyte"), TAS_TRAIN, TAS_BAD_FILE, "not a folder", "");
    write_plain("train-labels-idx1-ubyte", two, sizeof two);
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_DATA, "3 images", "2 labels");
    write_plain("train-labels-idx1-ubyte", images, IMAGES);
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_DATA, "0x00000803, expected 0x00000801", "train-labels");
}
END_TEST

START_TEST(fashion_mnist_opens)
{
    static const uint64_t count[] = {60000, 10000};
    for (int split = 0; split < 2; split++) {
        tas_data *data = NULL;
        uint64_t of_class[10] = {0};
        ck_assert_msg(!tas_data_open_folder(context, FASHION, (tas_split)split, &data), "%s", tas_error(context));
        ck_assert_uint_eq(tas_data_count(data), count[split]);
        ck_assert_uint_eq(tas_data_input_size(data), 28 * 28);
        ck_assert_uint_eq(tas_data_classes(data), 10);
        for (uint64_t i = 0; i < count[split]; i++) of_class[((const uint32_t *)data->is.targets)[i]]++;
        for (int c = 0; c < 10; c++) ck_assert_uint_eq(of_class[c], count[split] / 10);
        tas_data_close(&data);
    }
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    return cases;
}

static Suite *create_suite(void)
{
    Suite *suite = suite_create("data");
    TCase *idx = add_case(suite, "idx"), *set = add_case(suite, "set");
    tcase_add_test(idx, idx_reads_plain_and_gzip);
    tcase_add_test(idx, idx_reads_more_than_a_chunk);
    tcase_add_test(idx, idx_refuses_what_is_no_file);
    tcase_add_test(idx, idx_refuses_wrong_headers);
    tcase_add_test(idx, idx_refuses_sizes_that_the_file_has_not);
    tcase_add_test(idx, idx_refuses_damaged_gzip);
    tcase_add_test(set, arrays_are_copied_or_borrowed);
    tcase_add_test(set, arrays_of_bytes_and_float_targets);
    tcase_add_test(set, options_are_checked);
    tcase_add_test(set, content_is_checked);
    tcase_add_test(set, entry_points_give_back_the_environment);
    tcase_add_test(set, callback_fills_by_index);
    tcase_add_test(set, folder_opens);
    tcase_add_test(set, folder_is_checked);
    if (!access(FASHION, R_OK))
        tcase_add_test(set, fashion_mnist_opens);
    else
        fprintf(stderr, "not tested: fashion-mnist, since %s is not there\n", FASHION);
    return suite;
}

int main(void)
{
    if (!mkdtemp(folder)) return perror(folder), 1;
    SRunner *runner = srunner_create(create_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    clear_folder();
    rmdir(folder);
    return failed != 0;
}
