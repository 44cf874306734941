/* Text from outside, and files: what one seems to be, and how one is written. */
#include "base/context.h"
#include "base/file.h"
#include "base/text.h"
#include "support.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Text ------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *text, *shown;
} texts[] = {
    {"", ""},
    {"dense 20 \\ \"a\" '~", "dense 20 \\ \"a\" '~"},
    {"\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"},
    {"a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"},
    {"\x7f", "\\x7f"},
    {"\xc2\x9b"
     "31m",
     "\\u009b31m"},                      /* C1: a terminal's CSI */
    {"\x9b\xff\xc3", "\\x9b\\xff\\xc3"}, /* not UTF-8 */
    {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* a surrogate */
    {"na\xc3\xafve \xe7\x8c\xab \xf0\x9f\x90\xb1", "na\xc3\xafve \xe7\x8c\xab \xf0\x9f\x90\xb1"},
    {"x\xe2\x80\xaey", "x\\u202ey"},     /* what follows is shown from right to left */
    {"\xf3\xa0\x81\x81", "\\U000e0041"}, /* a tag, which nobody sees */
};

START_TEST(unsafe_text_is_escaped)
{
    char out[64], twice[64];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_assert_ptr_eq(tas_escape(texts[i].text, out, sizeof out), out);
        ck_assert_str_eq(out, texts[i].shown);
        ck_assert_str_eq(tas_escape(out, twice, sizeof twice), out);
    }
    ck_assert_str_eq(text_escape("a\nb\x1b", "\n\t", out, sizeof out), "a\nb\\x1b");
}
END_TEST

START_TEST(escaped_text_is_cut_between_characters)
{
    char out[8];
    memset(out, 'z', sizeof out);
    ck_assert_str_eq(tas_escape("abc\x1b", out, 7), "abc");
    ck_assert_str_eq(tas_escape("abc\x1b", out, 8), "abc\\x1b");
    ck_assert_str_eq(tas_escape("ab\xc3\xaf", out, 4), "ab");
    ck_assert_str_eq(tas_escape("a", out, 1), "");
    tas_escape("a", out, 0);
}
END_TEST

static char logged[64];
static void keep_line(void *user, const char *line)
{
    (void)user;
    snprintf(logged, sizeof logged, "%s", line);
}

START_TEST(errors_and_notes_are_escaped)
{
    ck_assert_int_eq((fail)(context, TAS_BAD_DATA, "%s: wrong", "m\x1b[2J"), TAS_BAD_DATA);
    ck_assert_str_eq(tas_error(context), "m\\x1b[2J: wrong");
    error_add_lines(context, "line 1\n\tline\x07 2");
    ck_assert_str_eq(tas_error(context), "m\\x1b[2J: wrong:\nline 1\n\tline\\x07 2");
    tas_set_log(context, keep_line, NULL);
    note(context, "%s", "a\nb");
    ck_assert_str_eq(logged, "a\\x0ab");
}
END_TEST

/* What a file seems to be ----------------------------------------------------------------------------------------- */

static char folder[64], path[128];

static void open_folder(void)
{
    support_open();
    strcpy(folder, "/tmp/tassello_base.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static void close_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    support_close();
}

static void write_bytes(const char *to, const void *bytes, size_t count, bool gzip)
{
    gzFile file = gzopen(to, gzip ? "wb" : "wbT"); /* T: as they are */
    ck_assert_ptr_nonnull(file);
    if (count) ck_assert_int_eq(gzwrite(file, bytes, (unsigned)count), (int)count);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

#define BYTES(text) text, sizeof text - 1
static const struct {
    const char *bytes;
    size_t count;
    bool gzip;
    const char *what;
} files[] = {
    {BYTES(""), false, "an empty file"},
    {BYTES("# mine\n\n  input 1x28x28\ndense 10\n"), false, "a network's text"},
    {BYTES("\xef\xbb\xbfinput 4\r\n"), false, "a network's text"},
    {BYTES("inputs are\nof no kind\n"), false, "a text"},
    {BYTES("5.1,3.5,1.4\n4.9,3.0,1.4\n"), false, "a CSV text"},
    {BYTES("a;b\n1;2\n"), false, "a CSV text"},
    {BYTES("a\tb\n1\t2\n"), false, "a table with tabs (TSV)"},
    {BYTES("# Title\n\nred, green\nand blue, say\n"), false, "a text"},
    {BYTES("Dear Sir,\nno table is this\n"), false, "a text"},
    {BYTES(" {\"a\": 1}"), false, "a JSON text"},
    {BYTES("<!DOCTYPE html>"), false, "an HTML or XML text"},
    {BYTES("#!/bin/sh\n"), false, "a script"},
    {BYTES("\x50\0\0\0\0\0\0\0{\"a\""), false, "a safetensors checkpoint"},
    {BYTES("\0\0\x08\x03\0\0\0\1"), false, "an IDX file"},
    {BYTES("\0\0\x08\x03\0\0\0\1"), true, "an IDX file (gzip)"},
    {BYTES("5.1,3.5,1.4\n4.9,3.0,1.4\n"), true, "a gzip archive"},
    {BYTES("\x93NUMPY\1\0"), false, "a NumPy array (.npy)"},
    {BYTES("PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0x.npy"), false, "NumPy arrays (.npz)"},
    {BYTES("PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xa\0\0\0m/data.pkl"), false,
     "a PyTorch checkpoint (.pt)"},
    {BYTES("PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0m"), false, "a ZIP archive"},
    {BYTES("\x89PNG\r\n\x1a\n"), false, "a PNG image"},
    {BYTES("\x01\x02\x03\x04"), false, "a binary file of an unknown format"},
    {BYTES("a\0b"), false, "a binary file of an unknown format"},
};

START_TEST(a_file_is_described_by_its_first_bytes)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_bytes(path, files[i].bytes, files[i].count, files[i].gzip);
        ck_assert_str_eq(file_describe(path), files[i].what);
    }
}
END_TEST

START_TEST(what_is_no_regular_file_is_described_unopened)
{
    char inside[192];
    ck_assert_str_eq(file_describe(path), "no file");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_str_eq(file_describe(path), "a pipe"); /* which nobody writes: to open it would wait */
    ck_assert_str_eq(file_describe("/dev/null"), "a device or a socket");
    ck_assert_str_eq(file_describe(folder), "a folder");
    snprintf(inside, sizeof inside, "%s/train-images-idx3-ubyte.gz", folder);
    write_bytes(inside, "", 0, false);
    ck_assert_str_eq(file_describe(folder), "a folder of IDX files (a data set)");
}
END_TEST

/* Writing a file -------------------------------------------------------------------------------------------------- */

static void put(const char *text, const char *to)
{
    FILE *file = fopen(to, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* The file's text is this; NULL: there is no such file. */
static void expect_text(const char *file, const char *text)
{
    char *found = NULL;
    size_t bytes;
    if (!text) {
        ck_assert_int_ne(access(file, F_OK), 0);
        return;
    }
    expect_ok(file_read(context, file, 1000, &found, &bytes));
    ck_assert_str_eq(found, text);
    free(found);
}

static file_writer begin(void)
{
    file_writer writer;
    expect_ok(file_begin(context, &writer, path));
    fputs("mine", writer.stream);
    return writer;
}

static int mode_of(const char *file)
{
    struct stat about;
    ck_assert_int_eq(stat(file, &about), 0);
    return about.st_mode & 07777;
}

START_TEST(a_file_that_is_replaced_keeps_its_mode)
{
    const mode_t mask = umask(027);
    file_writer writer = begin();
    expect_ok(file_commit(context, &writer));
    ck_assert_int_eq(mode_of(path), 0640);
    for (int mode = 0400; mode <= 0666; mode += 0266) {
        ck_assert_int_eq(chmod(path, (mode_t)mode), 0);
        writer = begin();
        ck_assert_int_eq(mode_of(writer.temporary), mode); /* nobody else reads it meanwhile */
        expect_ok(file_commit(context, &writer));
        ck_assert_int_eq(mode_of(path), mode);
    }
    umask(mask);
}
END_TEST

/* Something comes to be in the way, which nobody could know before. */
START_TEST(what_cannot_take_its_name_is_kept_under_another)
{
    char other[160];
    for (int i = 1; i <= 2; i++) {
        file_writer writer = begin();
        ck_assert_int_eq(mkdir(path, 0700), 0);
        snprintf(other, sizeof other, i == 1 ? "%s.new" : "%s.new-2", path);
        expect(file_commit(context, &writer), TAS_BAD_FILE, path, other);
        expect_text(other, "mine");
        ck_assert_int_eq(rmdir(path), 0);
    }
    expect_text(path, NULL);
}
END_TEST

START_TEST(temporary_files_of_dead_writers_are_removed)
{
    char dead[160], text[192], others[160], user[160];
    file_writer alive = begin(); /* a lock is the open file's, even within a process */
    snprintf(dead, sizeof dead, "%s.tassello-1234567", path);
    snprintf(others, sizeof others, "%s2.tassello-1234567", path);
    snprintf(user, sizeof user, "%s.tassello-123456a", path);
    snprintf(text, sizeof text, "%s.1234567", path);
    put("", dead);
    put("", others);
    put("", user);
    put("", text);
    expect_ok(file_check(context, path));
    expect_text(dead, NULL);
    expect_text(alive.temporary, "");
    expect_text(others, "");
    expect_text(user, "");
    expect_text(text, "");
    expect_ok(file_commit(context, &alive));
    expect_text(path, "mine");
    file_remove_leftovers(folder, NULL);
    expect_text(others, NULL);
    expect_text(user, "");
}
END_TEST

START_TEST(a_file_that_cannot_be_replaced_is_refused_at_the_beginning)
{
    file_writer writer;
    ck_assert_int_eq(chmod(folder, 01777), 0);
    put("old", path);
    ck_assert_int_eq(chown(path, 12345, 12345), 0);
    expect_ok(tas_file_check(context, path)); /* root may */
    ck_assert_int_eq(seteuid(54321), 0);
    expect(tas_file_check(context, path), TAS_BAD_FILE, path, "another user's");
    expect(file_begin(context, &writer, path), TAS_BAD_FILE, path, "another user's");
    ck_assert_int_eq(seteuid(0), 0);
    expect_text(path, "old");
    ck_assert_int_eq(chown(path, 54321, 0), 0);
    ck_assert_int_eq(seteuid(54321), 0);
    expect_ok(tas_file_check(context, path)); /* its owner may */
    ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(a_file_with_another_mounted_over_it_is_refused_at_the_beginning)
{
    char other[160];
    snprintf(other, sizeof other, "%s.other", path);
    put("old", path);
    put("other", other);
    ck_assert_int_eq(mount(other, path, NULL, MS_BIND, NULL), 0);
    const tas_status status = tas_file_check(context, path);
    ck_assert_int_eq(umount(path), 0);
    expect(status, TAS_BAD_FILE, path, "mounted");
    expect_ok(tas_file_check(context, path));
}
END_TEST

/* Whether this process may mount, in a space of its own, which ends with it. */
static bool may_mount(void)
{
    if (geteuid() == 0 && !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return true;
    printf("not tried: a file mounted over another (this process may not mount)\n");
    return false;
}

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *text = tcase_create("text"), *file = tcase_create("file");
    tcase_add_checked_fixture(text, support_open, support_close);
    tcase_add_test(text, unsafe_text_is_escaped);
    tcase_add_test(text, escaped_text_is_cut_between_characters);
    tcase_add_test(text, errors_and_notes_are_escaped);
    tcase_add_checked_fixture(file, open_folder, close_folder);
    tcase_add_test(file, a_file_is_described_by_its_first_bytes);
    tcase_add_test(file, what_is_no_regular_file_is_described_unopened);
    tcase_add_test(file, a_file_that_is_replaced_keeps_its_mode);
    tcase_add_test(file, what_cannot_take_its_name_is_kept_under_another);
    tcase_add_test(file, temporary_files_of_dead_writers_are_removed);
    if (geteuid() == 0)
        tcase_add_test(file, a_file_that_cannot_be_replaced_is_refused_at_the_beginning);
    else
        printf("not tried: other users' files (this is not root)\n");
    if (may_mount()) tcase_add_test(file, a_file_with_another_mounted_over_it_is_refused_at_the_beginning);
    suite_add_tcase(suite, text);
    suite_add_tcase(suite, file);
    return support_run(suite);
}
