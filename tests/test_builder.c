/* Examples that are collected: the same bytes in memory and in a file. */
#include "base/cache.h"
#include "data/builder.h"

#include "support.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/tassello-builder-XXXXXX";

static unsigned char byte_at(uint64_t i) { return (unsigned char)(i * i >> 3 ^ i >> 9); }

static int count_entries(const char *path)
{
    int n = 0;
    DIR *all = opendir(path);
    ck_assert_ptr_nonnull(all);
    while (readdir(all)) n++;
    closedir(all);
    return n;
}

static void add(builder *b, size_t row, size_t n, uint64_t *at)
{
    void *rows;
    ck_assert_msg(!builder_add(b, n, &rows), "%s", tas_error(context));
    for (size_t i = 0; i < n * row; i++) ((unsigned char *)rows)[i] = byte_at((*at)++);
}

static void check_bytes(const data_elements *all, uint64_t bytes)
{
    ck_assert_int_eq(elements_begin(context, all, ELEMENTS_AT_RANDOM), TAS_OK);
    for (uint64_t i = 0; i < bytes; i++) ck_assert_msg(all->bytes[i] == byte_at(i), "byte %d", (int)i);
}

/* Adds pieces of random sizes, takes some back; in the end there are `count` examples. */
static void build(size_t row, uint64_t most, size_t count, size_t piece_most, bool mapped)
{
    builder *b = NULL;
    data_elements all;
    uint64_t at = 0, found = 0;
    expect_ok(builder_open(context, "some file", row, folder, most, &b));
    while (at < count * row) {
        const size_t left = count - (size_t)(at / row), n = 1 + random_below((uint32_t)piece_most);
        add(b, row, n < left ? n : left, &at);
        size_t back = random_below(4) ? 0 : random_below((uint32_t)piece_most + 3);
        if (back > at / row) back = (size_t)(at / row);
        if (at == count * row && back) continue;
        builder_drop(b, back);
        at -= back * row;
    }
    expect_ok(builder_finish(b, &all, &found));
    ck_assert_uint_eq(found, count);
    ck_assert_int_eq(all.map != NULL, mapped);
    builder_close(&b);
    ck_assert_ptr_null(b);
    check_bytes(&all, count * row);
    elements_close(&all);
    ck_assert_int_eq(count_entries(folder), 2);
}

START_TEST(builder_keeps_bytes)
{
    static const size_t rows[] = {1, 3, 784, 70000};
    for (int r = 0; r < 4; r++) {
        const size_t row = rows[r], count = 1 + 3000000 / row / 7;
        build(row, 0, count, 50, false);
        build(row, count * row, count, 3, false);
        build(row, 1, count, 200, true);
        build(row, 100000, count, 9, count * row > 100000);
    }
    build(4096, 1 << 20, 3000, 700, true); /* more than is written at once */
}
END_TEST

START_TEST(builder_takes_back_what_is_in_the_file)
{
    builder *b = NULL;
    data_elements all;
    uint64_t at = 0, count;
    expect_ok(builder_open(context, "some file", 1 << 20, folder, 1, &b));
    for (int k = 0; k < 11; k++) add(b, 1 << 20, 1, &at);
    builder_drop(b, 9);
    at = 2 << 20;
    for (int k = 0; k < 3; k++) add(b, 1 << 20, 1, &at);
    expect_ok(builder_finish(b, &all, &count));
    ck_assert_uint_eq(count, 5);
    ck_assert_uint_eq(all.size, 5 << 20);
    check_bytes(&all, 5 << 20);
    elements_close(&all);
    builder_close(&b);
}
END_TEST

START_TEST(builder_may_have_none)
{
    for (uint64_t most = 0; most < 2; most++) {
        builder *b = NULL;
        data_elements all;
        void *rows;
        uint64_t count = 1;
        expect_ok(builder_open(context, "some file", 10, folder, most, &b));
        expect_ok(builder_finish(b, &all, &count));
        ck_assert(count == 0 && !all.bytes && !all.map);
        expect_ok(builder_add(b, 3, &rows));
        builder_drop(b, 3);
        expect_ok(builder_finish(b, &all, &count));
        ck_assert_uint_eq(count, 0);
        elements_close(&all);
        builder_close(&b);
        builder_close(&b);
    }
}
END_TEST

START_TEST(builder_refuses)
{
    builder *b = NULL;
    void *rows = &b;
    expect_ok(builder_open(context, "some file", (size_t)1 << 62, folder, 100, &b));
    expect(builder_add(b, 4, &rows), TAS_BAD_DATA, "some file: 4 examples", "do not fit in memory");
    ck_assert_ptr_null(rows);
    builder_close(&b);

    expect_ok(builder_open(context, "some file", 101, "/proc/none", 100, &b));
    expect(builder_add(b, 1, &rows), TAS_BAD_FILE, "more than 100 bytes", "/proc/none cannot be used");
    builder_close(&b);

    char file[sizeof folder + 8];
    snprintf(file, sizeof file, "%s/file", folder);
    fclose(fopen(file, "w"));
    expect_ok(builder_open(context, "some file", 101, file, 100, &b));
    expect(builder_add(b, 1, &rows), TAS_BAD_FILE, "some file", "/file cannot be used");
    builder_close(&b);
    remove(file);
}
END_TEST

/* As a full disk does it. */
START_TEST(builder_reports_what_cannot_be_written)
{
    builder *b = NULL;
    void *rows;
    struct rlimit limit = {.rlim_cur = 6 << 20, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_ok(builder_open(context, "some file", 1 << 20, folder, 100, &b));
    tas_status status = TAS_OK;
    for (int k = 0; k < 20 && !status; k++) {
        status = builder_add(b, 1, &rows);
        if (!status) memset(rows, 1, 1 << 20);
    }
    expect(status, TAS_BAD_FILE, folder, "cannot be written: File too large");
    builder_close(&b);
}
END_TEST

/* Where the folder is not given, the user's cache; folders on the way to one that is given are made. */
START_TEST(builder_makes_its_folder)
{
    char text[2][sizeof folder + 20];
    void *rows;
    snprintf(text[0], sizeof *text, "%s/x", folder);
    snprintf(text[1], sizeof *text, "%s/a/b", folder);
    setenv("XDG_CACHE_HOME", text[0], 1);
    for (int k = 0; k < 2; k++) {
        builder *b = NULL;
        expect_ok(builder_open(context, "some file", 5, k ? text[1] : NULL, 1, &b));
        expect_ok(builder_add(b, 1, &rows));
        builder_close(&b);
        struct stat about;
        strcat(text[0], "/tassello");
        ck_assert_int_eq(stat(text[k], &about), 0);
        ck_assert_int_eq(rmdir(text[k]), 0);
        *strrchr(text[k], '/') = 0;
        ck_assert_int_eq(rmdir(text[k]), 0);
    }
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder)) return perror(folder), 1;
    Suite *suite = suite_create("builder");
    TCase *cases = tcase_create("builder");
    tcase_add_checked_fixture(cases, support_open, support_close);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    tcase_add_test(cases, builder_keeps_bytes);
    tcase_add_test(cases, builder_takes_back_what_is_in_the_file);
    tcase_add_test(cases, builder_may_have_none);
    tcase_add_test(cases, builder_refuses);
    tcase_add_test(cases, builder_reports_what_cannot_be_written);
    tcase_add_test(cases, builder_makes_its_folder);
    const int failed = support_run(suite);
    rmdir(folder);
    return failed;
}
