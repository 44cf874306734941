/* The safetensors format, and the digest of weights. */
#include "base/digest.h"
#include "base/file.h"
#include "model/safetensors.h"

#include "support.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/tassello-safetensors-XXXXXX", path[sizeof folder + 16];

static void setup(void)
{
    unlink(path);
    support_open();
}

/* A file of a length, a header as it is given, and bytes of data. */
static void write_raw(uint64_t length, const char *header, size_t header_bytes, size_t data_bytes)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 8; i++) fputc((int)(length >> 8 * i & 255), f);
    fwrite(header, 1, header_bytes, f);
    for (size_t i = 0; i < data_bytes; i++) fputc((int)i, f);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_text(const char *header, size_t data_bytes)
{
    write_raw(strlen(header), header, strlen(header), data_bytes);
}

static void refuse(tas_status status, const char *word)
{
    safetensors *file = (safetensors *)&context;
    expect(safetensors_open(context, path, &file), status, path, word);
    ck_assert_ptr_null(file);
}

static safetensors *read_good(void)
{
    safetensors *file = NULL;
    ck_assert_msg(!safetensors_open(context, path, &file), "%s", tas_error(context));
    return file;
}

/* Writing and reading --------------------------------------------------------------------------------------------- */

static const float numbers[6] = {1, -2, 0.5f, 3e-39f, 1e30f, -0.0f}, lone = 42;
static const safetensor tensors[] = {
    {.name = "layer1.weight", .dims = {2, 3}, .ndims = 2, .data = numbers},
    {.name = "scalar", .ndims = 0, .data = &lone},
    {.name = "empty", .dims = {4, 0, 2}, .ndims = 3, .data = numbers},
    {.name = "a \"b\" \xc3\xa8", .dims = {3}, .ndims = 1, .data = numbers + 3},
};
static const safetensors_pair pairs[] = {{"network", "input 1x2x3\ndense 5\n"}, {"quotes", "\"\\\t"}, {"empty", ""}};
enum { SAMPLES = sizeof tensors / sizeof *tensors, PAIRS = sizeof pairs / sizeof *pairs };

static tas_status write_file(const safetensors_pair *p, size_t pair_count, const safetensor *t, size_t count)
{
    file_writer writer;
    ck_assert_msg(!file_begin(context, &writer, path), "%s", tas_error(context));
    tas_status status = safetensors_write(context, &writer, p, pair_count, t, count);
    if (!status) return file_commit(context, &writer);
    file_abandon(&writer);
    return status;
}

START_TEST(round_trip)
{
    ck_assert_msg(!write_file(pairs, PAIRS, tensors, SAMPLES), "%s", tas_error(context));
    float values[6];
    safetensors *file = read_good();
    ck_assert_uint_eq(safetensors_count(file), SAMPLES);
    for (size_t i = 1; i < SAMPLES; i++)
        ck_assert_int_lt(strcmp(safetensors_get(file, i - 1)->name, safetensors_get(file, i)->name), 0);
    for (int i = 0; i < SAMPLES; i++) {
        const safetensor *t = safetensors_find(file, tensors[i].name);
        uint64_t elements = 1;
        ck_assert_ptr_nonnull(t);
        ck_assert_str_eq(t->name, tensors[i].name);
        ck_assert_uint_eq(t->ndims, tensors[i].ndims);
        for (size_t d = 0; d < t->ndims; d++) {
            ck_assert_uint_eq(t->dims[d], tensors[i].dims[d]);
            elements *= t->dims[d];
        }
        ck_assert_int_eq(safetensors_read(file, t, values), TAS_OK);
        ck_assert_mem_eq(values, tensors[i].data, elements * sizeof(float));
    }
    for (int i = 0; i < PAIRS; i++) ck_assert_str_eq(safetensors_metadata(file, pairs[i].key), pairs[i].text);
    ck_assert_ptr_null(safetensors_find(file, "__metadata__"));
    ck_assert_ptr_null(safetensors_find(file, "layer2.weight"));
    ck_assert_ptr_null(safetensors_metadata(file, "layer1.weight"));
    safetensors_close(&file);
    ck_assert_ptr_null(file);
    safetensors_close(&file);
}
END_TEST

/* Of names of every length mod 8, the data begin at a multiple of 8, behind spaces. */
START_TEST(header_is_padded)
{
    for (size_t length = 1; length <= 9; length++) {
        char name[16] = {0}, *bytes = NULL;
        size_t size = 0;
        memset(name, 'n', length);
        const safetensor t = {.name = name, .dims = {1}, .ndims = 1, .data = &lone};
        ck_assert_msg(!write_file(NULL, 0, &t, 1), "%s", tas_error(context));
        ck_assert_int_eq(file_read(context, path, 4096, &bytes, &size), TAS_OK);
        const size_t header = (unsigned char)bytes[0];
        ck_assert_uint_eq(header % 8, 0);
        ck_assert_uint_eq(size, 8 + header + sizeof(float));
        ck_assert_mem_eq(bytes + 1, "\0\0\0\0\0\0\0{", 8);
        const char *brace = memrchr(bytes + 8, '}', header);
        ck_assert(brace && bytes + 8 + header - brace <= 8);
        for (const char *c = brace + 1; c < bytes + 8 + header; c++) ck_assert_int_eq(*c, ' ');
        ck_assert_mem_eq(bytes + 8 + header, &lone, sizeof lone);
        free(bytes);
    }
}
END_TEST

START_TEST(file_without_tensors)
{
    ck_assert_msg(!write_file(NULL, 0, NULL, 0), "%s", tas_error(context));
    safetensors *file = read_good();
    ck_assert_uint_eq(safetensors_count(file), 0);
    ck_assert_ptr_null(safetensors_metadata(file, "any"));
    safetensors_close(&file);
}
END_TEST

START_TEST(writer_checks)
{
    const safetensors_pair twice[] = {{"key", "1"}, {"key", "2"}}, latin[] = {{"key", "\xe8"}};
    safetensor same[2] = {tensors[0], tensors[0]};
    expect(write_file(twice, 2, NULL, 0), TAS_BAD_FILE, path, "\"key\"");
    expect(write_file(latin, 1, NULL, 0), TAS_BAD_FILE, path, "UTF-8");
    expect(write_file(NULL, 0, same, 2), TAS_BAD_FILE, path, "\"layer1.weight\"");
    same[0].name = "__metadata__";
    expect(write_file(NULL, 0, same, 1), TAS_BAD_FILE, path, "__metadata__");
    same[0].name = "\xff";
    expect(write_file(NULL, 0, same, 1), TAS_BAD_FILE, path, "UTF-8");
    same[1].dims[0] = UINT64_MAX;
    expect(write_file(NULL, 0, same + 1, 1), TAS_BAD_ARGUMENT, path, "too many");
    same[1].dims[0] = 2;
    same[1].ndims = SAFETENSORS_DIMS + 1; /* the product is 0 */
    expect(write_file(NULL, 0, same + 1, 1), TAS_BAD_ARGUMENT, path, "too many");
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* A full disk is seen at the write or, buffered, at the commit. */
START_TEST(writer_sees_a_full_disk)
{
    file_writer writer;
    safetensor large = {.name = "large", .dims = {1 << 18}, .ndims = 1};
    float *zeros = calloc(1 << 18, sizeof *zeros);
    large.data = zeros;
    if (access("/dev/full", W_OK)) return;
    ck_assert_int_eq(file_begin(context, &writer, path), TAS_OK);
    writer.stream = freopen("/dev/full", "wb", writer.stream);
    expect(safetensors_write(context, &writer, NULL, 0, &large, 1), TAS_BAD_FILE, path, "No space left");
    file_abandon(&writer);
    free(zeros);
}
END_TEST

/* Malformed files ------------------------------------------------------------------------------------------------- */

#define T(name, shape, begin, end)                                                                                     \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static const struct {
    const char *header;
    size_t data;
    const char *word;
} malformed[] = {
    /* JSON */
    {"{" T("a", "[1]", 0, 4), 4, "expected JSON"},
    {"{" T("a", "[1]", 0, 4) "} x", 4, "expected JSON"},
    {"[1]", 0, "expected a safetensors checkpoint, found a binary file"},
    {" {}", 0, "expected a safetensors checkpoint"},
    {"{" T("a", "[1]", 0, 4) "," T("a", "[1]", 4, 8) "}", 8, "duplicate"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "duplicate"},
    {"{\"\xff\":1}", 0, "expected JSON"},
    {"{\"a\\u0000b\":1}", 0, "expected JSON"},
    /* metadata */
    {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "\"k\" is not a string"},
    /* a tensor's description */
    {"{\"a\":1}", 0, "expected an object"},
    {"{\"a\":{}}", 0, "expected an object"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "expected an object"},
    {"{\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "expected an object"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, "expected an object"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":4}}", 4, "expected an object"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"strides\":[1]}}", 4, "expected an object"},
    {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "dtype \"F16\", expected \"F32\""},
    {"{" T("a", "[1.0]", 0, 4) "}", 4, "a dimension"},
    {"{" T("a", "[-1]", 0, 4) "}", 4, "a dimension"},
    {"{" T("a", "[\"1\"]", 0, 4) "}", 4, "a dimension"},
    {"{" T("a", "[99999999999999999999]", 0, 4) "}", 4, "expected JSON"},
    {"{" T("a", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "9 dimensions"},
    {"{" T("a", "[1]", 0, 4.0) "}", 4, "two integers"},
    {"{" T("a", "[1]", -4, 0) "}", 4, "two integers"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 8, "two integers"},
    /* offsets */
    {"{" T("a", "[1]", 4, 0) "}", 4, "in order"},
    {"{" T("a", "[1]", 4, 8) "}", 4, "within the 4 bytes"},
    {"{" T("a", "[2]", 0, 8) "}", 7, "within the 7 bytes"},
    {"{" T("a", "[2]", 0, 4) "}", 4, "expected 8 bytes"},
    {"{" T("a", "[0]", 0, 4) "}", 4, "expected 0 bytes"},
    {"{" T("a", "[]", 0, 8) "}", 8, "expected 4 bytes"},
    {"{" T("a", "[4611686018427387904]", 0, 0) "}", 0, "2^64"},
    {"{" T("a", "[4294967296,4294967297]", 0, 4) "}", 4, "2^64"},
    {"{" T("a", "[4294967296,4294967296,0]", 0, 0) "}", 0, "2^64"},
    {"{" T("a", "[2]", 0, 8) "," T("b", "[2]", 4, 12) "}", 12,
     "\"b\" begins at 4, expected 8, where the tensor before it ends: they overlap"},
    {"{" T("a", "[2]", 0, 8) "," T("b", "[2]", 0, 8) "}", 8, "overlap"},
    {"{" T("a", "[1]", 0, 4) "," T("b", "[1]", 8, 12) "}", 12,
     "\"b\" begins at 8, expected 4, where the tensor before it ends: there is a hole"},
    {"{" T("a", "[1]", 4, 8) "}", 8, "hole"},
    {"{" T("a", "[1]", 0, 4) "}", 5, "trailing"},
    {"{}", 4, "trailing"},
};

START_TEST(malformed_is_refused)
{
    write_text(malformed[_i].header, malformed[_i].data);
    refuse(TAS_BAD_DATA, malformed[_i].word);
}
END_TEST

START_TEST(wrong_lengths_are_refused)
{
    static const char good[] = "{" T("a", "[1]", 0, 4) "}";
    const size_t length = sizeof good - 1;
    refuse(TAS_BAD_FILE, "No such file");
    write_raw(length, good, length, 4);
    safetensors *file = read_good();
    safetensors_close(&file);
    ck_assert_int_eq(truncate(path, 0), 0);
    refuse(TAS_BAD_DATA, "found an empty file");
    write_raw(0, good, 0, 0);
    refuse(TAS_BAD_DATA, "expected a safetensors checkpoint");
    ck_assert_int_eq(truncate(path, 7), 0);
    refuse(TAS_BAD_DATA, "expected a safetensors checkpoint");
    write_raw(length + 5, good, length, 4);
    refuse(TAS_BAD_DATA, "truncated");
    write_raw(UINT64_MAX, good, length, 4);
    refuse(TAS_BAD_DATA, "expected a safetensors checkpoint");
    write_raw(0x6320656e75727469, "is text\n", 8, 0); /* "itrune c", which is not a number */
    refuse(TAS_BAD_DATA, "found a text");
    write_raw(length - 1, good, length, 4);
    refuse(TAS_BAD_DATA, "expected JSON");
}
END_TEST

/* What others may write: no padding, another order, spaces, an empty tensor between two. */
START_TEST(unusual_is_read)
{
    write_text(
        "{" T("c", "[0,7]", 4, 4) ",\n " T("b", "[1,1]", 4, 8) "," T("a", "[]", 0, 4) ", \"__metadata__\": {} }  ", 8);
    safetensors *file = read_good();
    float value;
    ck_assert_int_eq(safetensors_read(file, safetensors_find(file, "c"), &value), TAS_OK);
    ck_assert_int_eq(safetensors_read(file, safetensors_find(file, "b"), &value), TAS_OK);
    ck_assert_mem_eq(&value, "\4\5\6\7", 4);
    ck_assert_int_eq(truncate(path, 40), 0); /* while it is open */
    expect(safetensors_read(file, safetensors_find(file, "b"), &value), TAS_BAD_FILE, path, "truncated");
    safetensors_close(&file);
}
END_TEST

/* Digest ---------------------------------------------------------------------------------------------------------- */

START_TEST(digest_is_sha256_of_the_bytes)
{
    digest d;
    char hex[65];
    float values[2];
    digest_begin(&d);
    digest_end(&d, hex);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    memcpy(values, "abcdefgh", 8);
    digest_begin(&d);
    digest_add(&d, values, 1);
    digest_end(&d, hex);
    ck_assert_str_eq(hex, "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589"); /* "abcd" */
    digest_begin(&d);
    digest_add(&d, values, 1);
    digest_add(&d, values + 1, 1);
    digest_end(&d, hex);
    ck_assert_str_eq(hex, "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab"); /* "abcdefgh" */
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, setup, support_close);
    suite_add_tcase(suite, cases);
    return cases;
}

static Suite *create_suite(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *good = add_case(suite, "good"), *bad = add_case(suite, "bad"), *sums = add_case(suite, "digest");
    tcase_add_test(good, round_trip);
    tcase_add_test(good, header_is_padded);
    tcase_add_test(good, file_without_tensors);
    tcase_add_test(good, unusual_is_read);
    tcase_add_test(bad, writer_checks);
    tcase_add_test(bad, writer_sees_a_full_disk);
    tcase_add_loop_test(bad, malformed_is_refused, 0, sizeof malformed / sizeof *malformed);
    tcase_add_test(bad, wrong_lengths_are_refused);
    tcase_add_test(sums, digest_is_sha256_of_the_bytes);
    return suite;
}

int main(void)
{
    if (!mkdtemp(folder)) return perror(folder), 1;
    snprintf(path, sizeof path, "%s/file", folder);
    SRunner *runner = srunner_create(create_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    unlink(path);
    rmdir(folder);
    return failed != 0;
}
