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

static char noted[4096];

static void keep_note(void *user, const char *line)
{
    (void)user;
    snprintf(noted + strlen(noted), sizeof noted - strlen(noted), "%s\n", line);
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

static tas_status read_idx(const char *name, array *a, double **value)
{
    static char path[512];
    snprintf(path, sizeof path, "%s", path_of(name));
    *value = NULL;
    tas_status status = idx_open(context, path, a);
    if (!status) status = array_read_doubles(a, value);
    return status;
}

static void accept(const char *name)
{
    array a;
    double *value = NULL;
    ck_assert_msg(!read_idx(name, &a, &value), "%s", tas_error(context));
    ck_assert(a.dims == 3 && a.dim[0] == 3 && a.dim[1] == 2 && a.dim[2] == 2 && a.kind == 'u' && a.bytes == 1);
    for (int i = 0; i < 12; i++) ck_assert(value[i] == images[16 + i]);
    free(value);
    array_close(&a);
}

static void refuse(const char *name, tas_status status, const char *word)
{
    array a;
    double *value = NULL;
    const int descriptors = count_descriptors();
    expect(read_idx(name, &a, &value), status, name, word);
    array_close(&a);
    ck_assert(!value && !a.stream && !a.from);
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

START_TEST(idx_reads_more_than_a_chunk)
{
    const size_t size = 5000003;
    unsigned char *all = malloc(8 + size);
    double *value = NULL;
    array a;
    memcpy(all, labels, 4);
    for (int k = 0; k < 4; k++) all[4 + k] = (unsigned char)(size >> (24 - 8 * k));
    for (size_t i = 0; i < size; i++) all[8 + i] = (unsigned char)(i * i >> 7);
    write_plain("large", all, 8 + size);
    write_gz("large.gz", all, 8 + size);
    for (int gz = 0; gz < 2; gz++) {
        ck_assert_int_eq(read_idx(gz ? "large.gz" : "large", &a, &value), TAS_OK);
        ck_assert(a.dims == 1 && a.elements == size);
        for (size_t i = 0; i < size; i++) ck_assert(value[i] == all[8 + i]);
        free(value);
        array_close(&a);
    }
    shorten("large.gz", 2000);
    expect(read_idx("large.gz", &a, &value), TAS_BAD_DATA, "large.gz", "unexpected end");
    array_close(&a);
    free(all);
}
END_TEST

/* Big-endian: 1, -2, 1000 or 0.5 */
START_TEST(idx_reads_every_type)
{
    static const struct {
        unsigned char type, bytes;
        const char *elements;
        double value[2];
    } rows[] = {
        {8, 1, "\x01\xfe", {1, 254}},
        {9, 1, "\x01\xfe", {1, -2}},
        {11, 2, "\x03\xe8\xff\xfe", {1000, -2}},
        {12, 4, "\x00\x01\x00\x00\xff\xff\xff\xfe", {65536, -2}},
        {13, 4, "\x3f\x00\x00\x00\xc0\x00\x00\x00", {0.5, -2}},
        {14, 8, "\x3f\xe0\x00\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x00", {0.5, -2}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned char bytes[8 + 16] = {0, 0, rows[i].type, 1, 0, 0, 0, 2};
        double *value;
        array a;
        memcpy(bytes + 8, rows[i].elements, 2u * rows[i].bytes);
        write_plain("typed", bytes, 8 + 2u * rows[i].bytes);
        ck_assert_msg(!read_idx("typed", &a, &value), "%s", tas_error(context));
        ck_assert(value[0] == rows[i].value[0] && value[1] == rows[i].value[1]);
        free(value);
        array_close(&a);
    }
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
    memcpy(bytes, images, IMAGES);
    bytes[2] = 10;
    write_plain("unknown", bytes, IMAGES);
    refuse("unknown", TAS_BAD_DATA, "magic number 0x00000a03, expected 0x000008 (unsigned bytes)");
    bytes[2] = 13;
    write_plain("floats", bytes, IMAGES);
    refuse("floats", TAS_BAD_DATA, "28 bytes, expected 64");
    bytes[2] = 8;
    bytes[3] = 0;
    write_plain("none", bytes, IMAGES);
    refuse("none", TAS_BAD_DATA, "0x00000800");
    bytes[3] = 5;
    write_plain("five", bytes, IMAGES);
    refuse("five", TAS_BAD_DATA, "0x00000805");
    bytes[3] = 3;
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
    refuse("wraps", TAS_BAD_DATA, "(4294967295, 4294967295, 4294967295)");
    write_gz("wraps.gz", bytes, IMAGES);
    refuse("wraps.gz", TAS_BAD_DATA, "memory");

    const unsigned char huge[12] = {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}; /* 2^40 */
    memcpy(bytes + 4, huge, 12);
    write_plain("huge", bytes, IMAGES);
    refuse("huge", TAS_BAD_DATA, "1099511627792");
    write_gz("huge.gz", bytes, IMAGES);
    refuse("huge.gz", TAS_BAD_DATA, "compressed bytes cannot hold 1099511627776");

    memcpy(bytes, images, IMAGES);
    write_plain("short", bytes, IMAGES - 1);
    refuse("short", TAS_BAD_DATA, "truncated: 27 bytes, expected 28 for (3, 2, 2)");
    write_gz("short.gz", bytes, IMAGES - 1);
    refuse("short.gz", TAS_BAD_DATA, "truncated: ends before its (3, 2, 2) elements do");
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
        ck_assert_uint_eq(tas_data_classes(data), 3); /* 0, 1 and 4 */
        ck_assert_int_eq(dataset_fetch(data, 2, 1, in, out), TAS_OK);
        ck_assert(in[0] == 8 && in[3] == (both ? 255 : 99) && out[0] == 2);
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
    ck_assert_uint_eq(tas_data_classes(data), 3); /* the training set's */
    tas_data_close(&data);
}
END_TEST

START_TEST(files_in_folders_of_their_names)
{
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels.idx1-ubyte"};
    tas_data *data = NULL;
    unsigned char in[4], other[IMAGES];
    uint32_t out[1];
    char inner[80];
    memcpy(other, images, IMAGES);
    other[IMAGES - 1] = 99;
    for (int role = 0; role < 2; role++) {
        ck_assert_int_eq(mkdir(path_of(names[role]), 0700), 0);
        snprintf(inner, sizeof inner, "%s/%s", names[role], names[role]);
        write_plain(inner, role ? labels : other, role ? sizeof labels : IMAGES);
    }
    for (int both = 0; both < 2; both++) { /* a file comes before a folder */
        ck_assert_msg(!tas_data_open_folder(context, folder, TAS_TRAIN, &data), "%s", tas_error(context));
        ck_assert_int_eq(dataset_fetch(data, 2, 1, in, out), TAS_OK);
        ck_assert(in[3] == (both ? 255 : 99) && out[0] == 2);
        tas_data_close(&data);
        write_plain("train-images.idx3-ubyte", images, IMAGES);
    }
    for (int role = 0; role < 2; role++) {
        snprintf(inner, sizeof inner, "%s/%s", names[role], names[role]);
        remove(path_of(inner));
    }
    remove(path_of("train-images.idx3-ubyte"));
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_FILE, "not a regular file, but ", names[0]);
}
END_TEST

START_TEST(folder_is_checked)
{
    const unsigned char two[10] = {0, 0, 8, 1, 0, 0, 0, 2};
    refuse_folder(path_of("absent"), TAS_TRAIN, TAS_BAD_FILE, "absent", "No such file");
    refuse_folder(folder, (tas_split)2, TAS_BAD_ARGUMENT, "split 2", folder);
    write_plain("train-images-idx3-ubyte", images, IMAGES);
    refuse_folder(path_of("train-images-idx3-ubyte"), TAS_TRAIN, TAS_BAD_FILE, "neither train-labels-idx1-ubyte",
                  "train-labels-idx1-ubyte.gz is there");
    write_plain("train-labels-idx1-ubyte", two, sizeof two);
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_DATA, "2 targets", "3 examples");
    write_plain("train-labels-idx1-ubyte", images, IMAGES);
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_DATA, "3 dimensions, expected one target per example", "train-labels");
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

/* The parts share the set that they were drawn from, whichever is wanted and closed first. */
START_TEST(folder_holds_out_a_test)
{
    tas_reading reading;
    tas_reading_init(&reading);
    reading.test_share = 0.25;
    write_set(20, 3, 3, 20 * 9);
    for (int wanted = 1; wanted < 4; wanted++) {
        tas_data *train = NULL, *test = NULL;
        unsigned char in[9];
        uint32_t out;
        expect_ok(tas_data_read(context, folder, &reading, wanted & 1 ? &train : NULL, wanted & 2 ? &test : NULL));
        if (train) ck_assert_uint_eq(tas_data_count(train), wanted & 2 ? 15 : 20);
        tas_data_close(&train);
        if (test) {
            ck_assert_uint_eq(tas_data_count(test), 5);
            expect_ok(dataset_fetch(test, 4, 1, in, &out));
        }
        tas_data_close(&test);
    }
    reading.test_count = 3;
    tas_data *data = NULL;
    expect(tas_data_read(context, folder, &reading, &data, NULL), TAS_BAD_ARGUMENT, "test share", "no test count");
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
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_DATA, "2 targets", "3 examples");
    write_plain("train-labels-idx1-ubyte", two, 9);
    refuse_folder(folder, TAS_TRAIN, TAS_BAD_DATA, "truncated", "labels");
    ck_assert_int_eq(count_descriptors(), descriptors);
    FILE *f = fopen("/proc/self/maps", "r");
    for (char line[1024]; fgets(line, sizeof line, f);) ck_assert_ptr_null(strstr(line, folder));
    fclose(f);
}
END_TEST

/* A file system that maps no files: the same set, with a note. */
START_TEST(folder_is_read_if_it_cannot_be_mapped)
{
    unsigned char in[12];
    uint32_t out[3];
    const int descriptors = count_descriptors();
    noted[0] = 0;
    tas_set_log(context, keep_note, NULL);
    write_plain("train-images-idx3-ubyte", images, IMAGES);
    write_plain("train-labels-idx1-ubyte", labels, sizeof labels);
    unmappable = true;
    tas_data *data = open_train(false);
    unmappable = false;
    ck_assert_ptr_nonnull(strstr(noted, "ubyte: cannot be mapped and is read whole: No such device"));
    expect_ok(dataset_fetch(data, 0, 3, in, out));
    ck_assert(!memcmp(in, images + 16, 12) && out[0] == 1 && out[1] == 0 && out[2] == 2);
    tas_data_close(&data);
    ck_assert_int_eq(count_descriptors(), descriptors);
}
END_TEST

/* Names ------------------------------------------------------------------------------------------------------------ */

static void read_sets(const char *path, const tas_reading *reading, tas_data **train, tas_data **test)
{
    ck_assert_msg(!tas_data_read(context, path, reading, train, test), "%s", tas_error(context));
}

START_TEST(names_in_the_wild)
{
    static const char *const names[][4] = {
        {"train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"},
        {"emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte",
         "emnist-letters-test-images-idx3-ubyte", "emnist-letters-test-labels-idx1-ubyte"},
        {"qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int", "qmnist-test-images-idx3-ubyte",
         "qmnist-test-labels-idx2-int"},
    };
    tas_reading reading;
    tas_reading_init(&reading);
    for (int set = 0; set < 3; set++)
        for (int gz = 0; gz < 2; gz++)
            for (int from = 0; from < 2; from++) {
                char name[256];
                tas_data *train, *test;
                clear_folder();
                for (int k = 0; k < 4; k++) {
                    snprintf(name, sizeof name, "%s%s", names[set][k], gz ? ".gz" : "");
                    (gz ? write_gz : write_plain)(name, k % 2 ? labels : images, k % 2 ? sizeof labels : IMAGES);
                }
                snprintf(name, sizeof name, "%s/%s%s", folder, names[set][2], gz ? ".gz" : "");
                read_sets(from ? name : folder, &reading, &train, &test);
                ck_assert(tas_data_count(train) == 3 && tas_data_count(test) == 3 && tas_data_classes(test) == 3);
                tas_data_close(&train);
                tas_data_close(&test);
            }
}
END_TEST

START_TEST(names_of_several_sets)
{
    tas_data *train;
    tas_reading reading;
    tas_reading_init(&reading);
    write_plain("emnist-digits-train-images-idx3-ubyte", images, IMAGES);
    write_plain("emnist-digits-train-labels-idx1-ubyte", labels, sizeof labels);
    write_plain("train-images-idx3-ubyte", images, IMAGES - 1);
    write_plain("train-labels-idx1-ubyte", labels, sizeof labels);
    expect(tas_data_read(context, folder, &reading, &train, NULL), TAS_BAD_FILE, "files of several sets",
           "emnist-digits-train-images and train-images");
    read_sets(path_of("emnist-digits-train-images-idx3-ubyte"), &reading, &train, NULL);
    tas_data_close(&train);
    expect(tas_data_read(context, path_of("train-labels-idx1-ubyte"), &reading, &train, NULL), TAS_BAD_DATA,
           "truncated", "train-images-idx3-ubyte");
    write_plain("pictures", images, IMAGES);
    expect(tas_data_read(context, path_of("pictures"), &reading, &train, NULL), TAS_BAD_FILE, "pictures",
           "which labels belong to these images");
}
END_TEST

START_TEST(names_that_are_given)
{
    tas_data *train, *test;
    tas_reading reading;
    char path[4][300];
    static const char *const names[] = {"a", "b", "c", "d"};
    tas_reading_init(&reading);
    for (int k = 0; k < 4; k++) {
        write_plain(names[k], k % 2 ? labels : images, k % 2 ? sizeof labels : IMAGES);
        snprintf(path[k], sizeof path[k], "%s/%s", folder, names[k]);
    }
    reading.train_images = path[0];
    reading.train_labels = path[1];
    expect(tas_data_read(context, path[3], &reading, &train, &test), TAS_OK, "", "");
    ck_assert(tas_data_count(train) == 3 && !test);
    tas_data_close(&train);
    reading.test_images = path[2];
    reading.test_labels = path[3];
    read_sets(folder, &reading, &train, &test);
    ck_assert(tas_data_count(train) == 3 && tas_data_count(test) == 3);
    tas_data_close(&train);
    tas_data_close(&test);
    reading.test_labels = path[2];
    expect(tas_data_read(context, folder, &reading, &train, &test), TAS_BAD_DATA, path[2], "3 dimensions");
    reading.test_labels = NULL;
    expect(tas_data_read(context, folder, &reading, &train, &test), TAS_BAD_ARGUMENT, "test_images without", "");
}
END_TEST

/* Labels that begin at 1, of every type; inputs of 1 to 4 dimensions. */
START_TEST(labels_from_1_are_said)
{
    static const struct {
        unsigned char head[4];
        size_t bytes;
        const char *elements;
    } rows[] = {{{0, 0, 8, 1}, 3, "\x01\x03\x02"},
                {{0, 0, 11, 1}, 6, "\x00\x01\x00\x03\x00\x02"},
                {{0, 0, 13, 1}, 12, "\x3f\x80\x00\x00\x40\x40\x00\x00\x40\x00\x00\x00"}};
    write_plain("train-images-idx3-ubyte", images, IMAGES);
    for (int r = 0; r < 3; r++) {
        unsigned char bytes[8 + 12] = {0, 0, 0, 0, 0, 0, 0, 3}, in[12];
        uint32_t out[3];
        tas_data_info info;
        memcpy(bytes, rows[r].head, 4);
        memcpy(bytes + 8, rows[r].elements, rows[r].bytes);
        write_plain("train-labels-idx1-ubyte", bytes, 8 + rows[r].bytes);
        noted[0] = 0;
        support_close(); /* a context says the same but once */
        support_open();
        tas_set_log(context, keep_note, NULL);
        tas_data *data = open_train(true);
        ck_assert_ptr_nonnull(strstr(noted, "3 numbers from 1 to 3, not 0 to 2: they become classes"));
        expect_ok(dataset_fetch(data, 0, 3, in, out));
        tas_data_get_info(data, &info);
        ck_assert(out[0] == 0 && out[1] == 2 && out[2] == 1 && tas_data_classes(data) == 3);
        ck_assert_str_eq(info.class_name[2], "3");
        tas_data_close(&data);
    }
}
END_TEST

START_TEST(inputs_of_1_to_4_dimensions)
{
    static const unsigned char dims[4][4] = {{2}, {2, 6}, {2, 2, 3}, {2, 2, 3, 1}};
    static const uint32_t shape[4][3] = {{0, 0, 0}, {0, 0, 0}, {1, 2, 3}, {1, 2, 3}};
    write_plain("train-labels-idx1-ubyte", (const unsigned char[]){0, 0, 8, 1, 0, 0, 0, 2, 0, 1}, 10);
    for (int n = 1; n <= 4; n++) {
        unsigned char bytes[20 + 12] = {0, 0, 8, (unsigned char)n};
        size_t size = 1;
        tas_data_info info;
        for (int d = 0; d < n; d++) bytes[7 + 4 * d] = dims[n - 1][d];
        for (int d = 1; d < n; d++) size *= dims[n - 1][d];
        write_plain("train-images-idx3-ubyte", bytes, 4 + 4 * (size_t)n + 2 * size);
        tas_data *data = open_train(true);
        tas_data_get_info(data, &info);
        ck_assert_uint_eq(tas_data_input_size(data), size);
        ck_assert(info.channels == shape[n - 1][0] && info.height == shape[n - 1][1] && info.width == shape[n - 1][2]);
        tas_data_close(&data);
    }
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
    tcase_add_test(idx, idx_reads_every_type);
    tcase_add_test(idx, idx_reads_more_than_a_chunk);
    tcase_add_test(idx, idx_refuses_what_is_no_file);
    tcase_add_test(idx, idx_refuses_wrong_headers);
    tcase_add_test(idx, idx_refuses_sizes_that_the_file_has_not);
    tcase_add_test(idx, idx_refuses_damaged_gzip);
    tcase_add_test(folders, folder_opens);
    tcase_add_test(folders, folder_is_checked);
    tcase_add_test(folders, files_in_folders_of_their_names);
    tcase_add_test(folders, folder_maps_plain_images);
    tcase_add_test(folders, folder_may_be_larger_than_memory);
    tcase_add_test(folders, folder_holds_out_a_test);
    tcase_add_test(folders, folder_of_one_example);
    tcase_add_test(folders, folder_may_shrink_while_open);
    tcase_add_test(folders, folder_closes_what_it_mapped);
    tcase_add_test(folders, folder_is_read_if_it_cannot_be_mapped);
    TCase *names = add_case(suite, "names");
    tcase_add_test(names, names_in_the_wild);
    tcase_add_test(names, names_of_several_sets);
    tcase_add_test(names, names_that_are_given);
    tcase_add_test(names, labels_from_1_are_said);
    tcase_add_test(names, inputs_of_1_to_4_dimensions);
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
