/* The schema of a data set: as JSON and back, copies, names of inputs; and what is no schema. */
#include "data/schema.h"

#include "support.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Samples --------------------------------------------------------------------------------------------------------- */

#define HEAD "{\"format\":\"csv\",\"input_type\":\"f32\",\"target_type\":\"label\""
#define SIZES ",\"input_size\":2,\"classes\":2,\"file_columns\":3"
#define COLUMNS "\"columns\":[{\"place\":0},{\"place\":2}],\"target_places\":[1]"

static char empty[] = "", blue[] = "blue", red[] = "red", no[] = "no", yes[] = "yes", answer[] = "answer";
static char age[] = "age", color[] = "color \"x\" \xc3\xa8";
static char *colors[] = {empty, blue, red}, *classes[] = {no, yes}, *target[] = {answer};
static uint32_t place[] = {1};

/* Lists are the caller's: nothing of it is freed. */
static schema sample_schema(schema_column columns[2])
{
    columns[0] = (schema_column){.name = age, .place = 0, .mean = 0.1};
    columns[1] =
        (schema_column){.name = color, .place = 3, .categories = colors, .category_count = 3, .mean = (double)NAN};
    return (schema){.format = "csv",
                    .input_type = TAS_INPUT_F32,
                    .target_type = TAS_TARGET_LABEL,
                    .input_size = 4,
                    .classes = 2,
                    .class_names = classes,
                    .columns = columns,
                    .column_count = 2,
                    .file_columns = 5,
                    .target_names = target,
                    .target_places = place,
                    .target_count = 1,
                    .has_header = true};
}

static void check_sample(const schema *of)
{
    ck_assert_str_eq(of->format, "csv");
    ck_assert_int_eq(of->input_type, TAS_INPUT_F32);
    ck_assert_int_eq(of->target_type, TAS_TARGET_LABEL);
    ck_assert_uint_eq(of->input_size, 4);
    ck_assert_uint_eq(of->classes, 2);
    ck_assert_str_eq(of->class_names[1], "yes");
    ck_assert_uint_eq(of->column_count, 2);
    ck_assert_str_eq(of->columns[0].name, "age");
    ck_assert(of->columns[0].mean == 0.1 && !of->columns[0].categories);
    ck_assert_str_eq(of->columns[1].name, color);
    ck_assert_uint_eq(of->columns[1].place, 3);
    ck_assert_uint_eq(of->columns[1].category_count, 3);
    ck_assert_str_eq(of->columns[1].categories[0], "");
    ck_assert_str_eq(of->columns[1].categories[2], "red");
    ck_assert(isnan(of->columns[1].mean));
    ck_assert_uint_eq(of->file_columns, 5);
    ck_assert_uint_eq(of->target_count, 1);
    ck_assert_uint_eq(of->target_places[0], 1);
    ck_assert_str_eq(of->target_names[0], "answer");
    ck_assert(of->has_header && !of->sparse_from_zero && !of->resized && !of->height);
}

static char *print_of(const schema *of)
{
    char *text = schema_print(of);
    ck_assert_ptr_nonnull(text);
    return text;
}

static void parse_good(const char *text, schema *out)
{
    ck_assert_msg(!schema_parse(context, text, "FILE", out), "%s: %s", text, tas_error(context));
}

START_TEST(round_trip)
{
    schema_column columns[2];
    const schema of = sample_schema(columns);
    schema again, copy;
    char *text = print_of(&of);
    ck_assert_ptr_null(strchr(text, '\n'));
    parse_good(text, &again);
    check_sample(&again);
    expect_ok(schema_copy(context, &again, &copy));
    schema_free(&again);
    check_sample(&copy);
    char *second = print_of(&copy);
    ck_assert_str_eq(text, second);
    schema_free(&copy);
    schema_free(&copy); /* once more does nothing */
    free(text);
    free(second);
}
END_TEST

START_TEST(pictures)
{
    const schema of = {.format = "images",
                       .channels = 3,
                       .height = 4,
                       .width = 5,
                       .input_type = TAS_INPUT_U8,
                       .target_type = TAS_TARGET_F32,
                       .input_size = 60,
                       .target_size = 7,
                       .resized = true};
    schema again;
    char *text = print_of(&of);
    parse_good(text, &again);
    ck_assert(again.channels == 3 && again.height == 4 && again.width == 5 && again.input_size == 60);
    ck_assert(again.input_type == TAS_INPUT_U8 && again.target_type == TAS_TARGET_F32 && again.target_size == 7);
    ck_assert(again.resized && !again.has_header && !again.classes && !again.class_names && !again.columns);
    schema_free(&again);
    free(text);
}
END_TEST

START_TEST(format_is_static_or_owned)
{
    const schema of = {.format = "idx", .input_size = 1, .classes = 1};
    schema copy;
    expect_ok(schema_copy(context, &of, &copy));
    ck_assert_ptr_eq(copy.format, of.format);
    ck_assert_ptr_null(copy.own_format);
    schema_free(&copy);
}
END_TEST

static void check_input_names(const schema *of, const char *const *wanted)
{
    char **names;
    size_t count = 99, expected = 0;
    expect_ok(schema_input_names(context, of, &names, &count));
    while (wanted[expected]) expected++;
    ck_assert_uint_eq(count, expected);
    ck_assert(!names == !count);
    for (size_t i = 0; i < count; i++) ck_assert_str_eq(names[i], wanted[i]);
    schema_free_names(&names, count);
    ck_assert_ptr_null(names);
}

START_TEST(input_names)
{
    static const char *const
        named[] = {"age", "color \"x\" \xc3\xa8=", "color \"x\" \xc3\xa8=blue", "color \"x\" \xc3\xa8=red", NULL},
        *const unnamed[] = {"column 1", "column 4=", "column 4=blue", "column 4=red", NULL}, *const none[] = {NULL};
    schema_column columns[2];
    schema of = sample_schema(columns);
    check_input_names(&of, named);
    of.has_header = false;
    columns[0].name = columns[1].name = NULL;
    check_input_names(&of, unnamed);
    columns[1].categories = NULL;
    check_input_names(&of, none);
    of.columns = NULL;
    of.column_count = 0;
    check_input_names(&of, none);
}
END_TEST

/* What is no schema ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *text, *word;
} bad[] = {
    {"", "expected JSON"},
    {"{", "expected JSON"},
    {"[]", "expected an object"},
    {"{\"format\":\"csv\",\"format\":\"csv\"}", "duplicate"},
    {"{}", "\"format\""},
    {"{\"format\":3}", "\"format\""},
    {"{\"format\":\"\"}", "\"format\""},
    {"{\"format\":\"../csv\"}", "\"format\""},
    {"{\"format\":\"abcdefghijklmnopqrstuvwxyz\"}", "\"format\""},
    {"{\"format\":\"csv\",\"input_type\":\"f64\"}", "expected \"u8\" or \"f32\" in \"input_type\""},
    {"{\"format\":\"csv\",\"input_type\":\"u8\"}", "\"target_type\""},
    {HEAD SIZES ",\"future\":1}", "unknown member \"future\""},
    {HEAD ",\"classes\":2}", "at least 1 in \"input_size\""},
    {HEAD ",\"input_size\":-1,\"classes\":2}", "whole number from 0 to 4294967295 in \"input_size\""},
    {HEAD ",\"input_size\":1.5,\"classes\":2}", "\"input_size\""},
    {HEAD ",\"input_size\":4294967296,\"classes\":2}", "\"input_size\""},
    {HEAD ",\"input_size\":\"2\",\"classes\":2}", "\"input_size\""},
    {HEAD ",\"input_size\":2}", "expected classes for labels"},
    {HEAD ",\"input_size\":2,\"classes\":2,\"target_size\":1}", "expected classes for labels"},
    {HEAD ",\"input_size\":2,\"classes\":2,\"height\":2}", "all of channels, height and width"},
    {HEAD ",\"input_size\":2,\"classes\":2,\"channels\":1,\"height\":2,\"width\":2}", "1 x 2 x 2 inputs, expected 2"},
    {HEAD ",\"input_size\":4,\"classes\":2,\"channels\":4294967295,\"height\":4294967295,\"width\":4294967295}",
     "expected 4"},
    {HEAD ",\"input_size\":2,\"classes\":2,\"has_header\":1}", "expected true in \"has_header\""},
    {HEAD ",\"input_size\":2,\"classes\":2,\"class_names\":[\"a\"]}", "1 class names, expected 2"},
    {HEAD ",\"input_size\":2,\"classes\":2,\"class_names\":[]}", "list of texts in \"class_names\""},
    {HEAD ",\"input_size\":2,\"classes\":2,\"class_names\":\"ab\"}", "list of texts in \"class_names\""},
    {HEAD ",\"input_size\":2,\"classes\":2,\"class_names\":[\"a\",\"a\"]}", "\"a\" twice in \"class_names\""},
    {HEAD ",\"input_size\":2,\"classes\":2,\"class_names\":[\"a\",\"\"]}", "empty text in \"class_names\""},
    {HEAD ",\"input_size\":2,\"classes\":2,\"class_names\":[\"a\",7]}", "at most 1000 bytes in \"class_names\""},
    {HEAD ",\"input_size\":2,\"classes\":2,\"class_names\":[\"a\",\"b\\u0000\"]}", "expected JSON"},
    {HEAD ",\"input_size\":2,\"classes\":2,\"class_names\":[\"a\",\"\xff\"]}", "unable to decode"},
    {HEAD ",\"input_size\":2,\"classes\":2,\"file_columns\":3}", "without \"columns\""},
    {HEAD SIZES ",\"columns\":[]}", "list of columns"},
    {HEAD SIZES ",\"columns\":{}}", "list of columns"},
    {HEAD SIZES ",\"columns\":[1,2]}", "expected objects in \"columns\""},
    {HEAD SIZES ",\"columns\":[{\"place\":2},{\"place\":0}]}", "ascending places of columns"},
    {HEAD SIZES ",\"columns\":[{\"place\":-2}]}", "\"place\""},
    {HEAD SIZES ",\"columns\":[{\"place\":0}]}", "0 target columns, expected 1"},
    {HEAD SIZES ",\"columns\":[{\"place\":0}],\"target_places\":[1]}", "columns for 1 inputs, expected 2"},
    {HEAD SIZES ",\"columns\":[{\"place\":0},{\"place\":3}],\"target_places\":[1]}", "a column beyond the 3"},
    {HEAD SIZES ",\"columns\":[{\"place\":0},{\"place\":2}],\"target_places\":[3]}", "a target beyond the 3"},
    {HEAD SIZES ",\"columns\":[{\"place\":0},{\"place\":2}],\"target_places\":[2]}", "column 3 is input and target"},
    {HEAD SIZES ",\"columns\":[{\"place\":0},{\"place\":2}],\"target_places\":2}", "list in \"target_places\""},
    {HEAD SIZES ",\"columns\":[{\"place\":0},{\"place\":2}],\"target_places\":[\"x\"]}", "\"target_places\""},
    {HEAD SIZES "," COLUMNS ",\"has_header\":true}", "names of the targets with a header"},
    {HEAD SIZES "," COLUMNS ",\"target_names\":[\"y\"]}", "names of the targets with a header"},
    {HEAD SIZES "," COLUMNS ",\"target_names\":[\"y\",\"z\"],\"has_header\":true}", "2 names of targets, expected 1"},
    {HEAD SIZES "," COLUMNS ",\"target_names\":[\"y\"],\"has_header\":true}", "a name of each column"},
    {HEAD SIZES ",\"columns\":[{\"place\":0,\"name\":\"a\"},{\"place\":2,\"name\":\"a\"}],\"target_places\":[1],"
                "\"target_names\":[\"y\"],\"has_header\":true}",
     "\"a\" twice in \"columns\""},
    {HEAD SIZES ",\"columns\":[{\"place\":0,\"name\":\"a\"},{\"place\":2,\"name\":\"y\"}],\"target_places\":[1],"
                "\"target_names\":[\"y\"],\"has_header\":true}",
     "\"y\" twice in \"columns\""},
    {HEAD SIZES ",\"columns\":[{\"place\":0,\"categories\":[\"b\",\"a\"]}]}", "in the order of their bytes"},
    {HEAD SIZES ",\"columns\":[{\"place\":0,\"categories\":[\"b\",\"b\"]}]}", "in the order of their bytes"},
    {HEAD SIZES ",\"columns\":[{\"place\":0,\"categories\":[\"b\"],\"mean\":1}]}", "has no mean"},
    {HEAD SIZES ",\"columns\":[{\"place\":0,\"mean\":1e39}]}", "number in \"mean\""},
    {HEAD SIZES ",\"columns\":[{\"place\":0,\"mean\":\"1\"}]}", "number in \"mean\""},
    {"{\"format\":\"csv\",\"input_type\":\"u8\",\"target_type\":\"label\"" SIZES
     ",\"columns\":[{\"place\":0,\"categories\":[\"a\",\"b\"]}],\"target_places\":[1]}",
     "bytes cannot have categories"},
};

START_TEST(bad_text)
{
    schema out;
    expect(schema_parse(context, bad[_i].text, "FILE", &out), TAS_BAD_DATA, "FILE: schema of its data", bad[_i].word);
    schema_free(&out);
}
END_TEST

/* The good beginning of the bad ones. */
START_TEST(smallest)
{
    schema out;
    parse_good(HEAD SIZES "," COLUMNS "}", &out);
    ck_assert(out.column_count == 2 && out.columns[1].place == 2 && out.target_places[0] == 1 && !out.has_header);
    schema_free(&out);
}
END_TEST

START_TEST(long_name)
{
    char text[2048], name[SCHEMA_NAME_BYTES + 2];
    schema out;
    for (int more = 0; more < 2; more++) {
        memset(name, 'x', sizeof name);
        name[SCHEMA_NAME_BYTES + more] = 0;
        snprintf(text, sizeof text, HEAD ",\"input_size\":1,\"classes\":1,\"class_names\":[\"%s\"]}", name);
        expect(schema_parse(context, text, "FILE", &out), more ? TAS_BAD_DATA : TAS_OK, more ? "1000 bytes" : "", "");
        schema_free(&out);
    }
}
END_TEST

/* Cut anywhere, it is refused. */
START_TEST(cut_text)
{
    schema_column columns[2];
    const schema of = sample_schema(columns);
    schema out;
    char *text = print_of(&of);
    for (size_t length = strlen(text); length-- > 0;) {
        text[length] = 0;
        expect(schema_parse(context, text, "FILE", &out), TAS_BAD_DATA, "expected JSON", "");
        schema_free(&out);
    }
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schema");
    TCase *good = tcase_create("good"), *refused = tcase_create("bad");
    tcase_add_checked_fixture(good, support_open, support_close);
    tcase_add_test(good, round_trip);
    tcase_add_test(good, pictures);
    tcase_add_test(good, format_is_static_or_owned);
    tcase_add_test(good, input_names);
    tcase_add_test(good, smallest);
    tcase_add_checked_fixture(refused, support_open, support_close);
    tcase_add_loop_test(refused, bad_text, 0, sizeof bad / sizeof *bad);
    tcase_add_test(refused, long_name);
    tcase_add_test(refused, cut_text);
    suite_add_tcase(suite, good);
    suite_add_tcase(suite, refused);
    return support_run(suite);
}
