/* Tunings: classes of shapes, rows, and the file in the cache, of a device that is not there. */
#include "device/record.h"
#include "device/tuning.h"
#include "device/variant.h"
#include "ops/dense.h"
#include "ops/window.h"

#include "base/digest.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VARIANTS = 3, RECORD = 1024 };
static const char *const names[VARIANTS] = {"small", "middle", "large"};
static const char head[] = "tassello tuning 1\n";

static char folder[64], noted[4096];
static tas_device one; /* with variants of a dense product and of a convolution */

static void keep_note(void *user, const char *line)
{
    (void)user;
    strncat(noted, line, sizeof noted - strlen(noted) - 1);
}

static void name_variant(const tas_device *d, op_id op, int variant, char *name)
{
    (void)d;
    (void)op;
    strcpy(name, names[variant]);
}

static void open_one(void)
{
    one = (tas_device){.context = context, .variant = -1, .name_variant = name_variant};
    one.variants[OP_DENSE_FORWARD] = one.variants[OP_CONV_FORWARD] = VARIANTS;
    strcpy(one.info.id, "one");
    strcpy(one.info.name, "a device");
    strcpy(one.info.driver, "1.0");
}

static void close_one(void)
{
    if (one.tuning.close) one.tuning.close(one.tuning.self);
    one.tuning = (device_tuning){0};
}

static void setup(void)
{
    support_open();
    strcpy(folder, "/tmp/tassello-test-tuning-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    setenv("XDG_CACHE_HOME", folder, 1);
    tas_set_log(context, keep_note, NULL);
    *noted = 0;
    open_one();
}

static void teardown(void)
{
    char path[640];
    close_one();
    if (record_path(&one.info, "tuning", path, sizeof path)) remove(path);
    snprintf(path, sizeof path, "%s/tassello", folder);
    rmdir(path);
    rmdir(folder);
    support_close();
}

static op_args dense(uint32_t n, uint32_t outputs, uint32_t inputs)
{
    op_args a = {.op = OP_DENSE_FORWARD, .n = n};
    a.size[DENSE_OUTPUTS] = outputs;
    a.size[DENSE_INPUTS] = inputs;
    return a;
}

static void set(const char *shape, const char *usual, const char *choice)
{
    tas_tune_row row = {.operation = "dense_forward", .usual_seconds = 2e-6, .seconds = 1e-6};
    strcpy(row.shape, shape);
    strcpy(row.usual, usual);
    strcpy(row.choice, choice);
    expect_ok(tas_tuning_set(&one, &row));
}

static int choice(uint32_t n, uint32_t outputs, uint32_t inputs)
{
    const op_args a = dense(n, outputs, inputs);
    return device_choose_variant(&one, &a);
}

static void reopen(void)
{
    close_one();
    *noted = 0;
    expect_ok(tuning_load(&one));
}

/* Its text, and the path of its file. */
static size_t read_record(char path[640], char text[RECORD])
{
    ck_assert(record_path(&one.info, "tuning", path, 640));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    const size_t bytes = fread(text, 1, RECORD - 1, file);
    text[bytes] = 0;
    fclose(file);
    return bytes;
}

static void write_record(const char *path, const char *text, size_t bytes)
{
    FILE *file = fopen(path, "w");
    ck_assert_uint_eq(fwrite(text, 1, bytes, file), bytes);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(classes)
{
    char text[TAS_TUNE_TEXT];
    tuning_shape shape;
    const op_args a = dense(100, 500, 784);
    op_args b = {.op = OP_CONV_FORWARD, .n = 64};
    b.size[WINDOW_O] = 50, b.size[WINDOW_C] = 20, b.size[WINDOW_GROUPS] = 2;
    b.size[WINDOW_KH] = b.size[WINDOW_KW] = 5, b.size[WINDOW_OH] = b.size[WINDOW_OW] = 8;
    ck_assert_str_eq(tuning_print_shape(a.op, tuning_shape_of(&a), text), "n=64 o=256 i=512");
    ck_assert(tuning_read_shape(a.op, text, &shape));
    const tuning_shape same = tuning_shape_of(&a);
    ck_assert_int_eq(memcmp(&shape, &same, sizeof shape), 0);
    ck_assert_str_eq(tuning_print_shape(b.op, tuning_shape_of(&b), text), "n=64 o=16 c=8 t=16 p=64");
    static const char *const wrong[] = {"",
                                        "n=64",
                                        "n=64 o=256 i=500",
                                        "n=64 o=256 i=512 ",
                                        "n=64 c=256 i=512",
                                        "n=64 o=256 i=512 t=1",
                                        "n=-1 o=1 i=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!tuning_read_shape(a.op, wrong[i], &shape), "'%s'", wrong[i]);
}
END_TEST

/* In any order, each class once; neighbors in the same class share it, others have none. */
START_TEST(rows)
{
    tas_tune_row row;
    ck_assert_int_eq(choice(64, 256, 512), -1);
    set("n=64 o=256 i=512", "small", "large");
    set("n=1 o=256 i=512", "small", "middle");
    set("n=512 o=256 i=512", "middle", "middle");
    set("n=64 o=256 i=512", "small", "middle");
    ck_assert_uint_eq(tas_tuning_count(&one), 3);
    ck_assert_int_eq(choice(64, 256, 512), 1);
    ck_assert_int_eq(choice(127, 511, 1023), 1);
    ck_assert_int_eq(choice(128, 511, 1023), -1);
    ck_assert_int_eq(choice(1, 300, 784), 1);
    one.variant = 2; /* a case of verify */
    ck_assert_int_eq(choice(64, 256, 512), 2);
    one.variant = -1;
    ck_assert(tas_tuning_get(&one, 0, &row));
    ck_assert_str_eq(row.shape, "n=1 o=256 i=512");
    ck_assert_str_eq(row.usual, "small");
    ck_assert_str_eq(row.choice, "middle");
    ck_assert_double_eq_tol(row.seconds, 1e-6, 1e-12);
    ck_assert(!tas_tuning_get(&one, 3, &row));
    const op_args changed = dense(64, 256, 512), same = dense(512, 256, 512);
    ck_assert(tuning_changes(&one, &changed));
    ck_assert(!tuning_changes(&one, &same));
}
END_TEST

START_TEST(unknown_rows)
{
    static const struct {
        tas_tune_row row;
        const char *word, *other;
    } wrong[] = {
        {{"dense", "n=64 o=256 i=512", "small", "large", 0, 0}, "unknown operation", "'dense'"},
        {{"dense_forward", "n=65 o=256 i=512", "small", "large", 0, 0}, "n=65 o=256 i=512", "class"},
        {{"dense_forward", "n=64 o=256 i=512", "small", "huge", 0, 0}, "no variant", "'huge'"},
        {{"dense_forward", "n=64 o=256 i=512", "tiny", "large", 0, 0}, "no variant", "'tiny'"},
        {{"sgd", "e=64", "small", "large", 0, 0}, "no variant", "sgd"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect(tas_tuning_set(&one, &wrong[i].row), TAS_BAD_ARGUMENT, wrong[i].word, wrong[i].other);
    ck_assert_uint_eq(tas_tuning_count(&one), 0);
}
END_TEST

START_TEST(round_trip)
{
    tas_tune_row row;
    reopen();
    ck_assert_ptr_null(one.tuning.find); /* without a record there is no tuning */
    set("n=64 o=256 i=512", "small", "large");
    set("n=8 o=256 i=512", "small", "small");
    expect_ok(tas_tuning_can_keep(&one));
    expect_ok(tas_tuning_keep(&one));
    reopen();
    ck_assert_str_eq(noted, "");
    ck_assert_uint_eq(tas_tuning_count(&one), 2);
    ck_assert_int_eq(choice(64, 256, 512), 2);
    ck_assert(tas_tuning_get(&one, 1, &row));
    ck_assert_double_eq_tol(row.usual_seconds, 2e-6, 1e-12);
    ck_assert_double_eq_tol(row.seconds, 1e-6, 1e-12);
}
END_TEST

/* Cut off anywhere, or with any byte changed: ignored, with a note. */
START_TEST(damaged)
{
    char path[640], text[RECORD], other[RECORD];
    set("n=64 o=256 i=512", "small", "large");
    expect_ok(tas_tuning_keep(&one));
    const size_t bytes = read_record(path, text);
    for (size_t at = 0; at < 2 * bytes; at++) {
        memcpy(other, text, bytes);
        if (at < bytes) other[at] ^= 1;
        write_record(path, other, at < bytes ? bytes : at - bytes);
        reopen();
        ck_assert_msg(strstr(noted, "is damaged"), "%zu: noted '%s'", at, noted);
        ck_assert_int_eq(choice(64, 256, 512), -1);
    }
}
END_TEST

/* A record that is whole, but of another driver, contract or variant, in this one's place. */
START_TEST(others)
{
    static const char *const changes[][2] = {{"driver   1.0", "driver   1.1"},
                                             {"a device", "no device"},
                                             {"contract ", "contract 1"},
                                             {"|large|", "|huge!|"},
                                             {"tuning 1", "tuning 2"}};
    char path[640], hex[65], text[RECORD];
    set("n=64 o=256 i=512", "small", "large");
    expect_ok(tas_tuning_keep(&one));
    read_record(path, text);
    ck_assert_int_eq(strncmp(text, head, strlen(head)), 0);
    char *end = strstr(text, "sha256 ");
    ck_assert_ptr_nonnull(end);
    *end = 0;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char whole[RECORD + 80];
        digest d;
        char *other = text_replaced(text, changes[i][0], changes[i][1]);
        digest_begin(&d);
        digest_add_bytes(&d, other, strlen(other));
        digest_end(&d, hex);
        snprintf(whole, sizeof whole, "%ssha256 %s\n", other, hex);
        write_record(path, whole, strlen(whole));
        reopen();
        ck_assert_msg(strstr(noted, "is damaged"), "%s: noted '%s'", changes[i][1], noted);
        ck_assert_uint_eq(tas_tuning_count(&one), 0);
        free(other);
    }
}
END_TEST

/* Another driver has a record of its own, and so has fast arithmetic. */
START_TEST(apart)
{
    set("n=64 o=256 i=512", "small", "large");
    expect_ok(tas_tuning_keep(&one));
    strcpy(one.info.driver, "1.1");
    reopen();
    ck_assert_str_eq(noted, "");
    ck_assert_int_eq(choice(64, 256, 512), -1);
    strcpy(one.info.driver, "1.0");
    one.arith = TAS_ARITH_FAST;
    reopen();
    ck_assert_int_eq(choice(64, 256, 512), -1);
    one.arith = TAS_ARITH_EXACT;
    reopen();
    ck_assert_int_eq(choice(64, 256, 512), 2);
}
END_TEST

START_TEST(no_cache)
{
    char file[128];
    set("n=64 o=256 i=512", "small", "large");
    snprintf(file, sizeof file, "%s/file", folder);
    write_record(file, "", 0);
    setenv("XDG_CACHE_HOME", file, 1);
    expect(tas_tuning_can_keep(&one), TAS_BAD_FILE, "no cache folder", "XDG_CACHE_HOME");
    expect(tas_tuning_keep(&one), TAS_BAD_FILE, "no cache folder", "XDG_CACHE_HOME");
    reopen();
    ck_assert_str_eq(noted, "");
    setenv("XDG_CACHE_HOME", folder, 1);
    remove(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tuning");
    TCase *tests = tcase_create("tuning");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, classes);
    tcase_add_test(tests, rows);
    tcase_add_test(tests, unknown_rows);
    tcase_add_test(tests, round_trip);
    tcase_add_test(tests, damaged);
    tcase_add_test(tests, others);
    tcase_add_test(tests, apart);
    tcase_add_test(tests, no_cache);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
