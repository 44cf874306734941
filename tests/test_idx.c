/* IDX files, and the data set of a folder of them. */
#include "data/dataset.h"
#include "data/readers/idx.h"

#include "support.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#define FASHION "/usr/share/datasets/fashion-mnist"

static char folder[] = "/tmp/tassello-idx-XXXXXX";

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
    support_open();
}

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

/* In the C library's stead: a file system that maps no files. */
static bool unmappable;

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (unmappable && fd >= 0) return errno = ENODEV, MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

static int count_descriptors(void)
{
    int n = 0;
    DIR *all = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(all);
    while (readdir(all)) n++;
    closedir(all);
    return n;
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

static void accept_map(const char *name, bool mapped)
{
    uint64_t dims[3] = {0};
    data_elements all;
    ck_assert_msg(!idx_open(context, path_of(name), 3, true, dims, &all), "%s", tas_error(context));
    ck_assert(dims[0] == 3 && dims[1] == 2 && dims[2] == 2);
    ck_assert_int_eq(all.map != NULL, mapped);
    for (int way = ELEMENTS_IN_ORDER; way <= ELEMENTS_AT_RANDOM; way++) {
        ck_assert_int_eq(elements_begin(context, &all, (elements_order)way), TAS_OK);
        ck_assert_mem_eq(all.bytes, images + 16, 12);
    }
    elements_close(&all);
    ck_assert(!all.bytes && !all.map);
}

static void refuse(const char *name, tas_status status, const char *word)
{
    uint64_t dims[3];
    unsigned char *bytes = (unsigned char *)dims;
    data_elements all = {.bytes = bytes, .map = bytes};
    const int descriptors = count_descriptors();
    expect(idx_read(context, path_of(name), 3, dims, &bytes), status, name, word);
    ck_assert_ptr_null(bytes);
    expect(idx_open(context, path_of(name), 3, true, dims, &all), status, name, word);
    ck_assert(!all.bytes && !all.map);
    ck_assert_int_eq(count_descriptors(), descriptors);
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

static void count_note(void *user, const char *line)
{
    ck_assert_ptr_nonnull(strstr(line, "plain: cannot be mapped and is read whole: No such device"));
    ++*(int *)user;
}

START_TEST(idx_maps_plain_files)
{
    int notes = 0;
    const int descriptors = count_descriptors();
    write_plain("plain", images, IMAGES);
    write_gz("gzip", images, IMAGES);
    accept_map("plain", true);
    accept_map("gzip", false);
    tas_set_log(context, count_note, &notes);
    unmappable = true;
    accept_map("plain", false);
    unmappable = false;
    ck_assert_int_eq(notes, 1);
    ck_assert_int_eq(count_descriptors(), descriptors);
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
        ck_assert_int_eq(dataset_fetch(data, 2, 1, in, out), TAS_OK);
        ck_assert(in[0] == 8 && in[3] == (both ? 255 : 99) && out[0] == 4);
        ck_assert_ptr_nonnull(strstr(data->name, "train"));
        tas_data_close(&data);
        write_plain("train-images-idx3-ubyte", images, IMAGES);
    }
    refuse_folder(folder, TAS_TEST, TAS_BAD_FILE, "no test split", folder);
    write_plain("t10k-labels-idx1-ubyte", "", 0);
    refuse_folder(folder, TAS_TEST, TAS_BAD_FILE, "t10k-images-idx3-ubyte ", "t10k-images-idx3-ubyte.gz");
    remove(path_of("t10k-labels-idx1-ubyte"));
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
    refuse_folder(path_of("train-images-idx3-ubyte"), TAS_TRAIN, TAS_BAD_FILE, "expected a data set",
                  "found an IDX file");
    write_plain("train-labels-idx1-ubyte", two, sizeof two);
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_DATA, "3 images", "2 labels");
    write_plain("train-labels-idx1-ubyte", images, IMAGES);
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_DATA, "0x00000803, expected 0x00000801", "train-labels");
}
END_TEST

/* Writes count images of height x width and their labels, 0 to 9, plain; of the images the first `written` bytes. */
static void write_set(uint32_t count, uint32_t height, uint32_t width, size_t written)
{
    const uint32_t dims[] = {count, height, width};
    unsigned char *all = calloc(1, 16 + written), *label = calloc(1, 8 + count);
    all[2] = label[2] = 8;
    all[3] = 3;
    label[3] = 1;
    for (int d = 0; d < 3; d++)
        for (int b = 0; b < 4; b++) all[4 + 4 * d + b] = (unsigned char)(dims[d] >> (24 - 8 * b));
    memcpy(label + 4, all + 4, 4);
    for (size_t i = 0; i < written; i++) all[16 + i] = (unsigned char)(i * i >> 5);
    for (size_t i = 0; i < count; i++) label[8 + i] = (unsigned char)(i % 10);
    write_plain("train-images-idx3-ubyte", all, 16 + written);
    write_plain("train-labels-idx1-ubyte", label, 8 + count);
    ck_assert_int_eq(truncate(path_of("train-images-idx3-ubyte"), 16 + (off_t)count * height * width), 0);
    free(all);
    free(label);
}

static tas_data *open_train(bool mapped)
{
    tas_data *data = NULL;
    ck_assert_msg(!tas_data_open_folder(context, folder, TAS_TRAIN, &data), "%s", tas_error(context));
    ck_assert_int_eq(data->inputs.map != NULL, mapped);
    return data;
}

/* The same set plain and as gzip. */
START_TEST(folder_maps_plain_images)
{
    enum { EXAMPLES = 1000, SIZE = 30 * 20 };
    static const uint32_t list[] = {999, 0, 500, 500, 1, 999};
    unsigned char *all = malloc(16 + EXAMPLES * SIZE), *in = malloc(EXAMPLES * SIZE);
    uint32_t *out = malloc(EXAMPLES * sizeof *out);
    const int descriptors = count_descriptors();
    write_set(EXAMPLES, 30, 20, EXAMPLES * SIZE);
    FILE *f = fopen(path_of("train-images-idx3-ubyte"), "rb");
    ck_assert_uint_eq(fread(all, 1, 16 + EXAMPLES * SIZE, f), 16 + EXAMPLES * SIZE);
    fclose(f);
    write_gz("train-images-idx3-ubyte.gz", all, 16 + EXAMPLES * SIZE);
    for (int gz = 0; gz < 2; gz++) {
        tas_data *data = open_train(!gz);
        ck_assert_int_eq(remove(path_of("train-images-idx3-ubyte")), -gz); /* what is mapped stays */
        ck_assert(tas_data_count(data) == EXAMPLES && tas_data_input_size(data) == SIZE &&
                  tas_data_classes(data) == 10);
        memset(in, 1, EXAMPLES * SIZE);
        ck_assert_int_eq(dataset_fetch(data, 0, EXAMPLES, in, out), TAS_OK);
        ck_assert(!memcmp(in, all + 16, EXAMPLES * SIZE));
        for (uint32_t k = 0; k < EXAMPLES; k++) ck_assert_uint_eq(out[k], k % 10);
        ck_assert_int_eq(dataset_pick(data, list, 6, in, out), TAS_OK);
        for (int k = 0; k < 6; k++)
            ck_assert(!memcmp(in + k * SIZE, all + 16 + list[k] * SIZE, SIZE) && out[k] == list[k] % 10);
        tas_data_close(&data);
        ck_assert_int_eq(count_descriptors(), descriptors);
    }
    free(all);
    free(in);
    free(out);
}
END_TEST

/* 64 GiB, most of them a hole in the file. */
START_TEST(folder_may_be_larger_than_memory)
{
    enum { EXAMPLES = 1 << 16, SIZE = 1 << 20 };
    static const uint32_t list[] = {EXAMPLES - 1, 0, EXAMPLES / 2};
    unsigned char *in = malloc(3 * (size_t)SIZE);
    uint32_t out[3];
    write_set(EXAMPLES, 1 << 10, 1 << 10, SIZE);
    damage("train-images-idx3-ubyte", -1);
    tas_data *data = open_train(true);
    ck_assert_int_eq(dataset_pick(data, list, 3, in, out), TAS_OK);
    ck_assert(in[SIZE - 2] == 0 && in[SIZE - 1] == 255 && in[SIZE + 1000] == (1000 * 1000 >> 5 & 255) &&
              in[2 * SIZE] == 0);
    ck_assert(out[0] == 5 && out[1] == 0 && out[2] == 8);
    ck_assert_int_eq(dataset_fetch(data, EXAMPLES - 2, 2, in, out), TAS_OK);
    ck_assert(in[2 * SIZE - 1] == 255 && out[1] == 5);
    tas_data_close(&data);
    free(in);
}
END_TEST

START_TEST(folder_of_one_example)
{
    unsigned char in[2];
    uint32_t out[2];
    write_set(1, 1, 1, 0);
    damage("train-images-idx3-ubyte", -1);
    tas_data *data = open_train(true);
    ck_assert_uint_eq(tas_data_count(data), 1);
    ck_assert_int_eq(dataset_fetch(data, 0, 1, in, out), TAS_OK);
    ck_assert(in[0] == 255 && out[0] == 0);
    in[0] = in[1] = 0;
    ck_assert_int_eq(dataset_pick(data, (const uint32_t[]){0, 0}, 2, in, out), TAS_OK);
    ck_assert(in[0] == 255 && in[1] == 255 && out[1] == 0);
    expect(dataset_pick(data, (const uint32_t[]){1}, 1, in, out), TAS_BAD_ARGUMENT, "(train): example 1",
           "there are 1");
    tas_data_close(&data);
}
END_TEST

/* 100 pages, so that a look behind the end would be SIGBUS. */
START_TEST(folder_may_shrink_while_open)
{
    enum { EXAMPLES = 100, SIZE = 4096, WHOLE = 16 + EXAMPLES * SIZE };
    static const long cuts[] = {1, SIZE, 50 * SIZE, WHOLE};
    static const uint32_t list[] = {99, 0};
    unsigned char *in = malloc(2 * SIZE);
    uint32_t out[2];
    const char *name = "train-images-idx3-ubyte";
    for (int c = 0; c < 4; c++) {
        char bytes[64];
        write_set(EXAMPLES, 64, 64, EXAMPLES * SIZE);
        tas_data *data = open_train(true);
        ck_assert_int_eq(dataset_pick(data, list, 2, in, out), TAS_OK);
        ck_assert(in[SIZE + 1] == 0 && in[SIZE + 100] == (100 * 100 >> 5 & 255) && out[0] == 9 && out[1] == 0);
        shorten(name, cuts[c]);
        snprintf(bytes, sizeof bytes, "%ld bytes, expected %d", WHOLE - cuts[c], WHOLE);
        expect(dataset_fetch(data, 99, 1, in, out), TAS_BAD_DATA, path_of(name), bytes);
        expect(dataset_pick(data, list, 2, in, out), TAS_BAD_DATA, path_of(name), bytes);
        expect(dataset_pick(data, list + 1, 1, in, out), TAS_BAD_DATA, path_of(name), "truncated while in use");
        ck_assert_int_eq(truncate(path_of(name), WHOLE + 5), 0); /* longer does no harm */
        ck_assert_int_eq(dataset_pick(data, list, 2, in, out), TAS_OK);
        tas_data_close(&data);
    }
    free(in);
}
END_TEST

/* Whatever is wrong, nothing stays mapped or open. */
START_TEST(folder_closes_what_it_mapped)
{
    const unsigned char two[10] = {0, 0, 8, 1, 0, 0, 0, 2};
    const int descriptors = count_descriptors();
    write_plain("train-images-idx3-ubyte", images, IMAGES);
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_FILE, "neither train-labels", "");
    write_plain("train-labels-idx1-ubyte", two, sizeof two);
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_DATA, "3 images", "2 labels");
    write_plain("train-labels-idx1-ubyte", two, 9);
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_DATA, "truncated", "labels");
    ck_assert_int_eq(count_descriptors(), descriptors);
    FILE *f = fopen("/proc/self/maps", "r");
    for (char line[1024]; fgets(line, sizeof line, f);) ck_assert_ptr_null(strstr(line, folder));
    fclose(f);
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
        for (uint64_t i = 0; i < count[split]; i++) of_class[((const uint32_t *)data->options.targets)[i]]++;
        for (int c = 0; c < 10; c++) ck_assert_uint_eq(of_class[c], count[split] / 10);
        tas_data_close(&data);
    }
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, setup, support_close);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    return cases;
}

static Suite *create_suite(void)
{
    Suite *suite = suite_create("idx");
    TCase *idx = add_case(suite, "idx"), *folders = add_case(suite, "folder");
    tcase_add_test(idx, idx_reads_plain_and_gzip);
    tcase_add_test(idx, idx_maps_plain_files);
    tcase_add_test(idx, idx_reads_more_than_a_chunk);
    tcase_add_test(idx, idx_refuses_what_is_no_file);
    tcase_add_test(idx, idx_refuses_wrong_headers);
    tcase_add_test(idx, idx_refuses_sizes_that_the_file_has_not);
    tcase_add_test(idx, idx_refuses_damaged_gzip);
    tcase_add_test(folders, folder_opens);
    tcase_add_test(folders, folder_is_checked);
    tcase_add_test(folders, folder_maps_plain_images);
    tcase_add_test(folders, folder_may_be_larger_than_memory);
    tcase_add_test(folders, folder_of_one_example);
    tcase_add_test(folders, folder_may_shrink_while_open);
    tcase_add_test(folders, folder_closes_what_it_mapped);
    if (!access(FASHION, R_OK))
        tcase_add_test(folders, fashion_mnist_opens);
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
