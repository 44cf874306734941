/* Tables: records of CSV, headers, columns, categories, classes, missing fields, splits, schemas; and what is refused.
 */
#include "data/dataset.h"
#include "data/readers/csv_rows.h"
#include "data/readers/number.h"

#include "tables.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *shown(const tas_data *data) { return tables_show(data, 9); }

static void check_names(const char *const *names, size_t count, const char *wanted)
{
    char text[1024] = "";
    for (size_t i = 0; names && i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? "," : "", names[i]);
    ck_assert_str_eq(text, wanted);
}

static void check_info(const char *inputs, const char *classes, const char *targets)
{
    tas_data_info info;
    tas_data_get_info(train, &info);
    check_names(info.input_name, tas_data_input_size(train), inputs);
    check_names(info.class_name, tas_data_classes(train), classes);
    check_names(info.target_name, info.target_size ? info.target_size : 1, targets);
}

/* Numbers --------------------------------------------------------------------------------------------------------- */

START_TEST(numbers)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "+7",
                                       "3.25",
                                       ".5",
                                       "5.",
                                       "-1e-3",
                                       "1E+2",
                                       "1e22",
                                       "1e-22",
                                       "123456789012345",
                                       "1234567890123456789",
                                       "0.1",
                                       "3e38",
                                       "1e-46",
                                       "00012",
                                       "0.0000000000000000000000001",
                                       "1.10",
                                       "1.510000000000000000e+02",
                                       "9007199254740993",
                                       "1e0000000000000000005"};
    static const char *const bad[] = {"",     "+",   "-",   ".",   "e5",    "1e",  "1e+",
                                      "0x10", "1 2", "1,5", "nan", "1.2.3", "--1", "1f"};
    static const char *const infinite[] = {
        "inf", "-Infinity", "+INF", "1e999", "3.5e38", "-1e39", "1e99999999999999999999"};
    double value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(number_read(good[i], context->c_locale, &value) == NUMBER_FINITE, "%s", good[i]);
        ck_assert_msg(value == strtod(good[i], NULL), "%s: %.17g", good[i], value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(number_read(bad[i], context->c_locale, &value) == NUMBER_NONE, "%s", bad[i]);
    for (size_t i = 0; i < sizeof infinite / sizeof *infinite; i++)
        ck_assert_msg(number_read(infinite[i], context->c_locale, &value) == NUMBER_INFINITE, "%s", infinite[i]);
    random_seed(test_seed());
    for (int i = 0; i < 20000; i++) { /* digits, a point and an exponent anywhere */
        char text[64];
        const uint32_t digits = 1 + random_below(18), point = random_below(digits + 1);
        int at = 0;
        if (random_below(2)) text[at++] = '-';
        for (uint32_t k = 0; k < digits; k++) {
            if (k == point && k) text[at++] = '.';
            text[at++] = (char)('0' + random_below(10));
        }
        text[at] = 0;
        if (random_below(2)) snprintf(text + at, sizeof text - (size_t)at, "e%d", (int)random_below(40) - 22);
        ck_assert_msg(number_read(text, context->c_locale, &value) == NUMBER_FINITE, "%s", text);
        ck_assert_msg(value == strtod(text, NULL), "%s: %.17g, expected %.17g", text, value, strtod(text, NULL));
    }
}
END_TEST

/* Records --------------------------------------------------------------------------------------------------------- */

/* The records as text: fields with "|" between them, and behind each record its line. */
static const char *records_of(const char *text, size_t bytes, char separator)
{
    static char out[4096];
    bool more = true;
    csv_rows rows;
    size_t at = 0;
    tables_write_bytes("records", text, bytes);
    ck_assert_msg(!csv_rows_open(context, files_path("records"), separator, &rows), "%s", tas_error(context));
    for (int again = 0; again < 2; again++) { /* the second time after a rewind */
        at = 0;
        out[0] = 0;
        for (;;) {
            ck_assert_msg(!csv_rows_next(&rows, &more), "%s", tas_error(context));
            if (!more) break;
            for (uint32_t i = 0; i < rows.count; i++)
                at += (size_t)snprintf(out + at, sizeof out - at, "%s%s", i ? "|" : "", csv_rows_field(&rows, i));
            at += (size_t)snprintf(out + at, sizeof out - at, " @%d;", (int)rows.line);
        }
        ck_assert_int_eq(csv_rows_rewind(&rows), TAS_OK);
    }
    csv_rows_close(&rows);
    return out;
}

static const struct {
    const char *text, *records;
    char separator;
} record_rows[] = {
    {"", "", 0},
    {"\n\r\n  \n", "", 0},
    {"a,b\n1,2\n", "a|b @1;1|2 @2;", 0},
    {"a,b\r\n1,2\r\n", "a|b @1;1|2 @2;", 0},
    {"a,b\r1,2\r", "a|b @1;1|2 @2;", 0},
    {"a,b\n1,2", "a|b @1;1|2 @2;", 0},
    {"\xef\xbb\xbf"
     "a,b\n",
     "a|b @1;", 0},
    {"a,b\n\n\n1,2\n   \n", "a|b @1;1|2 @4;", 0},
    {"a,,\n,,\n", "a|| @1;|| @2;", 0},
    {" a , b c\t,d \n", "a|b c|d @1;", ','},
    {"\"a\",\"b,c\"\n", "a|b,c @1;", 0},
    {"\"a\"\"b\",\"\"\"\",\"\"\n", "a\"b|\"| @1;", 0},
    {"\"a\nb\",c\nd,e\n", "a\nb|c @1;d|e @3;", 0},
    {"\"a\r\nb\",c\r\nd,e\r\n", "a\r\nb|c @1;d|e @3;", 0},
    {"  \"a\"  ,\tb\n", "a|b @1;", ','},
    {"a;b\n1,5;2\n", "a|b @1;1,5|2 @2;", 0},
    {"a\tb\n1\t2\n", "a|b @1;1|2 @2;", 0},
    {"a\t\tb\n", "a||b @1;", '\t'},
    {"\"a;b\";c\n\"d\";e\n", "a;b|c @1;d|e @2;", 0},
    {"x\n1\n", "x @1;1 @2;", 0},
    {"\"\"\n", " @1;", 0},
    {"a,b;c\nd,e\n", "a|b;c @1;d|e @2;", 0},
    {" a  b\tc \n\"1 x\"\t2   3\n \n  4 5 \"\"\n", "a|b|c @1;1 x|2|3 @2;4|5| @4;", 0},
    {"1 2\n3 4 ", "1|2 @1;3|4 @2;", 0},
    {"a b\nc\n", "a b @1;c @2;", 0},
    {"a b,c\nd e f,g\nh i\n", "a b|c @1;d e f|g @2;h i @3;", 0},
    {"a;b;c\n1;2,5\n", "a|b|c @1;1|2,5 @2;", 0},
    {"title\na;b\n", "title @1;a|b @2;", 0},
};

START_TEST(records)
{
    ck_assert_str_eq(records_of(record_rows[_i].text, strlen(record_rows[_i].text), record_rows[_i].separator),
                     record_rows[_i].records);
}
END_TEST

/* Fields across the ends of the pieces in which a file is read. */
START_TEST(long_records)
{
    enum { ROWS = 3000, WIDTH = 300 };
    char *text = malloc(ROWS * (WIDTH + 16)), field[WIDTH + 1];
    size_t at = 0;
    bool more;
    csv_rows rows;
    memset(field, 'x', WIDTH);
    field[WIDTH] = 0;
    for (int i = 0; i < ROWS; i++) at += (size_t)sprintf(text + at, "%d,\"%s\"\"\"\r\n", i, field + i % WIDTH);
    tables_write_bytes("long.gz", text, at);
    expect_ok(csv_rows_open(context, files_path("long.gz"), 0, &rows));
    for (int i = 0; i < ROWS; i++) {
        ck_assert_msg(!csv_rows_next(&rows, &more) && more, "%s", tas_error(context));
        ck_assert_uint_eq(rows.count, 2);
        ck_assert_uint_eq(rows.line, (uint64_t)i + 1);
        ck_assert_int_eq(atoi(csv_rows_field(&rows, 0)), i);
        ck_assert_uint_eq(strlen(csv_rows_field(&rows, 1)), strlen(field + i % WIDTH) + 1);
    }
    expect_ok(csv_rows_next(&rows, &more));
    ck_assert(!more);
    csv_rows_close(&rows);
    free(text);
}
END_TEST

/* Tables ---------------------------------------------------------------------------------------------------------- */

static const struct good_row {
    const char *name, *text;
    const char *examples, *inputs, *classes, *targets; /* as they are shown */
    const char *target, *ignore;
    tas_choice header;
    tas_missing missing;
    tas_targets kind;
} good[] = {
    {.name = "header.csv", "a,b,y\n1,2,no\n3,4.5,yes\n", "1 2|0;3 4.5|1;", "a,b", "no,yes", "y"},
    {.name = "plain.csv", "1,2,0\n3,4.5,1\n", "1 2|0;3 4.5|1;", "", "", ""},
    {.name = "packed.csv.gz", "a,b,y\n1,2,no\n3,4.5,yes\n", "1 2|0;3 4.5|1;", "a,b", "no,yes", "y"},
    {.name = "tabs.tsv", "a\tb\ty\n1\t2\tno\n3\t4.5\tyes\n", "1 2|0;3 4.5|1;", "a,b", "no,yes", "y"},
    {.name = "tabs.tab.gz", "a\tb\ty\n1\t2\tno\n3\t4.5\tyes\n", "1 2|0;3 4.5|1;", "a,b", "no,yes", "y"},
    {.name = "half.csv", "a;b;y\n1;2;no\n3;4.5;yes\n", "1 2|0;3 4.5|1;", "a,b", "no,yes", "y"},
    {.name = "wine.data", "a;\"b c\";y\n1;2;5\n3;4.5;6\n", "1 2|0;3 4.5|1;", "a,b c", "5,6", "y"},
    {.name = "blanks.csv",
     .text = "a  b\ty\n1 2  no\n 3  4.5 yes\n",
     .examples = "1 2|0;3 4.5|1;",
     .inputs = "a,b",
     .classes = "no,yes",
     .targets = "y"},
    {.name = "text.txt", "a\tb\ty\n1\t2\tno\n", "1 2|0;", "a,b", "no", "y"},
    {.name = "words.csv", "color,y\nred,1\nblue,0\nred,1\n", "0 1|1;1 0|0;0 1|1;", "color=blue,color=red", "", "y"},
    {.name = "mixed.csv",
     "n,size,y\n1,S,a\n2,XL,b\n3,S,a\n",
     "1 1 0|0;2 0 1|1;3 1 0|0;",
     "n,size=S,size=XL",
     "a,b",
     "y"},
    {.name = "unnamed.csv",
     "1,S,a\n2,XL,b\n3,S,a\n",
     "1 1 0|0;2 0 1|1;3 1 0|0;",
     "column 1,column 2=S,column 2=XL",
     "a,b",
     ""},
    {.name = "index.csv", ",a,y\n0,5,u\n1,6,v\n", "5|0;6|1;", "a", "u,v", "y", NULL, "1"},
    {.name = "index2.csv", ",a,y\n0,5,u\n1,6,v\n", "0 5|0;1 6|1;", "column 1,a", "u,v", "y"},
    {.name = "years.csv", "2019,2020,total\n1,2,0.5\n3,4,1.5\n", "1 2|0.5;3 4|1.5;", "2019,2020", "", "total"},
    {.name = "first.csv", "label,p,q\n1,10,20\n0,30,40\n", "10 20|1;30 40|0;", "p,q", "", "label", "label"},
    {.name = "number.csv", "label,p,q\n1,10,20\n0,30,40\n", "10 20|1;30 40|0;", "p,q", "", "label", "1"},
    {.name = "several.csv", "a,y1,b,y2\n1,10,2,0.5\n3,20,4,1\n", "1 2|10 0.5;3 4|20 1;", "a,b", "", "y1,y2", "y2, y1"},
    {.name = "comma.csv", "a,\"y,z\"\n1,0\n2,1\n", "1|0;2|1;", "a", "", "y,z", "y,z"},
    {.name = "ignore.csv", "id,a,b,y\nx1,1,2,0\nx2,3,4,1\n", "1|0;3|1;", "a", "", "y", NULL, "id,3"},
    {.name = "last.csv", "a,y,note\n1,0,first\n2,1,second\n", "1|0;2|1;", "a", "", "y", NULL, "note"},
    {.name = "ones.csv", "1,1\n2,2\n3,3\n", "1|0;2|1;3|2;", "", "1,2,3", ""},
    {.name = "gaps.csv", "1,10\n2,-5\n3,10\n4,9\n", "1|2;2|0;3|2;4|1;", "", "-5,9,10", ""},
    {.name = "floats.csv", "1,0.000e+00\n2,1.000e+00\n3,1\n", "1|0;2|1;3|1;", "", "", ""},
    {.name = "signs.csv", "1,-1\n2,+1\n", "1|0;2|1;", "", "-1,1", ""},
    {.name = "bytes.csv", "1,b\n2,a\n3,B\n4,\xc3\xa9\n", "1|2;2|1;3|0;4|3;", "", "B,a,b,\xc3\xa9", ""},
    {.name = "values.csv", "a,y\n1,1\n2,2\n", "1|1;2|2;", "a", "", "y", .kind = TAS_TARGETS_VALUES},
    {.name = "regress.csv", "a,y\n1,1.5\n2,2\n", "1|1.5;2|2;", "a", "", "y"},
    {.name = "many.csv",
     "1,1\n1,2\n1,3\n1,4\n1,5\n1,6\n1,7\n1,8\n1,9\n1,10\n1,11\n1,12\n1,13\n1,14\n1,15\n1,16\n1,17\n1,18\n1,19\n1,20\n1,"
     "21\n",
     "1|1;1|2;1|3;1|4;1|5;1|6;1|7;1|8;1|9;1|10;1|11;1|12;1|13;1|14;1|15;1|16;1|17;1|18;1|19;1|20;1|21;",
     "",
     "",
     ""},
    {.name = "yes.csv", "1,2\n3,4\n5,1\n", "3|1;5|0;", "1", "1,4", "2", .header = TAS_CHOICE_YES},
    {.name = "no.csv",
     "a,b\nc,d\na,d\n",
     "1 0|0;0 1|1;1 0|1;",
     "column 1=a,column 1=c",
     "b,d",
     "",
     .header = TAS_CHOICE_NO},
    {.name = "pandas.csv", "a,y\n +1.5e-3 ,u\n-.25,v\n1E2,u\n", "0.00150000001|0;-0.25|1;100|0;", "a", "u,v", "y"},
    {.name = "mean.csv",
     "a,b,y\n1,,0\n,4,1\n3,8,0\n",
     "1 6|0;2 4|1;3 8|0;",
     "a,b",
     "",
     "y",
     .missing = TAS_MISSING_MEAN},
    {.name = "mean2.csv",
     "c,y\nred,0\nNA,1\n?,1\n",
     "0 1|0;1 0|1;1 0|1;",
     "c=,c=red",
     "",
     "y",
     .missing = TAS_MISSING_MEAN},
    {.name = "drop.csv",
     "a,c,y\n1,x,0\nnan,w,1\n3,v,1\n4,x,null\n",
     "1 0 1|0;3 1 0|1;",
     "a,c=v,c=x",
     "",
     "y",
     .missing = TAS_MISSING_DROP},
    {.name = "words2.csv", /* no line of scikit-learn's, though 3 inputs follow */
     .text = "9,3,x,no\n4,5,y,yes\n",
     .examples = "9 3 1 0|0;4 5 0 1|1;",
     .inputs = "column 1,column 2,column 3=x,column 3=y",
     .classes = "no,yes",
     .targets = ""},
    {.name = "great.csv",
     .text = "3.4028235e38,1\n3.40282355e38,0\n3.4028235e38,1\nNA,0\n",
     .examples = "3.40282347e+38|1;3.40282347e+38|0;3.40282347e+38|1;3.40282347e+38|0;",
     .inputs = "",
     .classes = "",
     .targets = "",
     .missing = TAS_MISSING_MEAN},
    {.name = "only.csv",
     .text = "1,x,0\n2,?,1\n",
     .examples = "1 0 1|0;2 1 0|1;",
     .inputs = "column 1,column 2=,column 2=x",
     .classes = "",
     .targets = "",
     .missing = TAS_MISSING_MEAN},
    {.name = "unused.csv", "a,note,y\n1,,0\n2,,1\n", "1|0;2|1;", "a", "", "y", NULL, "note"},
    {.name = "sk.csv", "3,2,setosa,other\n1,2,0\n3,4,1\n5,6,1\n", "1 2|0;3 4|1;5 6|1;", "", "setosa,other", ""},
    {.name = "sk2.csv",
     "150,4,x,y,z\n5.1,3.5,1.4,0.2,0\n4.9,3.0,1.4,0.2,2\n",
     "5.0999999 3.5 1.39999998 0.200000003|0;4.9000001 3 1.39999998 0.200000003|2;",
     "",
     "x,y,z",
     ""},
    {.name = "quoted.csv",
     "\"a\",\"y\"\n\"1\",\"p \"\"q\"\"\"\n\"2\",\"r\ns\"\n",
     "1|0;2|1;",
     "a",
     "p \"q\",r\ns",
     "y"},
};

static char *keep_schema(void)
{
    char *text = strdup(tas_data_schema(train));
    ck_assert_ptr_nonnull(text);
    return text;
}

START_TEST(good_tables)
{
    const struct good_row *row = &good[_i];
    reading.target = row->target;
    reading.ignore = row->ignore;
    reading.header = row->header;
    reading.missing = row->missing;
    reading.targets = row->kind;
    tables_open_text(row->name, row->text);
    ck_assert_ptr_null(test);
    ck_assert_str_eq(shown(train), row->examples);
    check_info(row->inputs, row->classes, row->targets);
    tas_data_info info;
    tas_data_get_info(train, &info);
    ck_assert_str_eq(info.format, strstr(row->name, ".t") ? "tsv" : "csv");
    char *kept = keep_schema();
    reading.schema = kept;
    tables_open(files_path(row->name));
    ck_assert_str_eq(shown(train), row->examples);
    ck_assert_str_eq(tas_data_schema(train), kept);
    free(kept);
}
END_TEST

START_TEST(counts)
{
    tas_data_info info;
    reading.missing = TAS_MISSING_DROP;
    tables_open_text("drop.csv", "a,b,y\n1,,0\n,,1\n3,8,0\n");
    tas_data_get_info(train, &info);
    ck_assert_uint_eq(info.missing, 3);
    ck_assert_uint_eq(info.dropped, 2);
    ck_assert_uint_eq(tas_data_count(train), 1);
    reading.missing = TAS_MISSING_MEAN;
    tables_open(files_path("drop.csv"));
    tas_data_get_info(train, &info);
    ck_assert_uint_eq(info.missing, 3);
    ck_assert_uint_eq(info.dropped, 0);
}
END_TEST

START_TEST(notes_of_numbers)
{
    tables_open_text("ones.csv", "a,y\n1,1\n2,2\n");
    ck_assert_ptr_nonnull(strstr(files_notes(), "the numbers 1 to 2 in column 'y' are 2 classes"));
    files_forget_notes();
    tables_open_text("few.csv", "a,y\n1,0\n2,1\nx,1\n");
    ck_assert_ptr_nonnull(strstr(
        files_notes(), "column 'a' has words as well as numbers (the first, 'x', in line 4): they are 3 categories"));
}
END_TEST

/* Pixels ---------------------------------------------------------------------------------------------------------- */

static tas_input_type type_of_pixels(const char *text, tas_choice pixels)
{
    tas_data_info info;
    reading.pixels = pixels;
    tables_open_text("pixels.csv", text);
    tas_data_get_info(train, &info);
    ck_assert_uint_eq(info.height, info.input_type == TAS_INPUT_U8 ? reading.height : 0);
    return info.input_type;
}

START_TEST(pixels)
{
    static const char bytes[] = "0,255,51,0,1\n0,0,0,102,0\n";
    reading.channels = 1;
    reading.height = reading.width = 2;
    ck_assert_int_eq(type_of_pixels(bytes, TAS_CHOICE_AUTO), TAS_INPUT_U8);
    ck_assert_str_eq(shown(train), "0 1 0.200000003 0|1;0 0 0 0.400000006|0;");
    ck_assert_int_eq(type_of_pixels(bytes, TAS_CHOICE_NO), TAS_INPUT_F32);
    ck_assert_int_eq(type_of_pixels("0,255,51,0,1\n0,0,0,0.5,0\n", TAS_CHOICE_AUTO), TAS_INPUT_F32);
    ck_assert_int_eq(type_of_pixels("0,256,51,0,1\n0,0,0,5,0\n", TAS_CHOICE_AUTO), TAS_INPUT_F32);
    ck_assert_int_eq(type_of_pixels("0,-1,51,0,1\n0,0,0,5,0\n", TAS_CHOICE_AUTO), TAS_INPUT_F32);
    reading.missing = TAS_MISSING_MEAN;
    ck_assert_int_eq(type_of_pixels("0,,51,0,1\n0,0,0,5,0\n", TAS_CHOICE_AUTO), TAS_INPUT_F32);
    reading.height = reading.width = 0;
    reading.channels = 4;
    ck_assert_int_eq(type_of_pixels(bytes, TAS_CHOICE_AUTO), TAS_INPUT_F32);
    ck_assert_int_eq(type_of_pixels(bytes, TAS_CHOICE_YES), TAS_INPUT_U8);
}
END_TEST

/* Both splits decide, whichever is read. */
START_TEST(pixels_of_both_splits)
{
    tas_data_info info;
    reading.channels = 1;
    reading.height = reading.width = 2;
    tables_write("train.csv", "0,255,51,0,1\n0,0,0,102,0\n");
    tables_write("test.csv", "0,255,51,0.5,1\n");
    expect_ok(tas_data_read(context, files_folder(), &reading, &train, NULL));
    tas_data_get_info(train, &info);
    ck_assert_int_eq(info.input_type, TAS_INPUT_F32);
    tas_data_close(&train);
    tables_write("test.csv", "0,255,51,5,1\n");
    expect_ok(tas_data_read(context, files_folder(), &reading, NULL, &test));
    tas_data_get_info(test, &info);
    ck_assert_int_eq(info.input_type, TAS_INPUT_U8);
}
END_TEST

/* Splits ---------------------------------------------------------------------------------------------------------- */

START_TEST(splits)
{
    tables_write("train.csv", "c,n,y\nred,1,no\nblue,,yes\ngreen,5,no\n");
    tables_write("test.csv.gz", "n,y,extra,c\n7,yes,x,red\n,no,y,green\n");
    reading.missing = TAS_MISSING_MEAN;
    tables_open(files_folder());
    ck_assert_str_eq(shown(train), "0 0 1 1|0;1 0 0 3|1;0 1 0 5|0;");
    ck_assert_str_eq(shown(test), "0 0 1 7|1;0 1 0 3|0;"); /* the training set's mean, and its order */
    tas_data_close(&train);
    tas_data_close(&test);
    expect_ok(tas_data_read(context, files_folder(), &reading, NULL, &test));
    ck_assert_str_eq(shown(test), "0 0 1 7|1;0 1 0 3|0;");
    tas_data_close(&test);
    expect_ok(tas_data_read(context, files_folder(), &reading, &train, NULL));
    ck_assert_str_eq(shown(train), "0 0 1 1|0;1 0 0 3|1;0 1 0 5|0;");
}
END_TEST

START_TEST(one_split)
{
    tables_write("test.tsv", "a\ty\n1\tp\n2\tq\n");
    tables_open(files_folder());
    ck_assert_ptr_null(train);
    ck_assert_str_eq(shown(test), "1|0;2|1;");
    reading.test_count = 1;
    tables_write("train.tsv", "a\ty\n1\tp\n2\tq\n");
    remove(files_path("test.tsv"));
    tables_open(files_folder());
    ck_assert_uint_eq(tas_data_count(train), 1);
    ck_assert_uint_eq(tas_data_count(test), 1);
}
END_TEST

static const struct {
    const char *train, *test, *word;
    tas_missing missing;
} bad_splits[] = {
    {"c,y\nred,0\nblue,1\n", "c,y\nred,0\ngreen,1\n",
     "test.csv:3: column 'c': 'green' is not a category of the training set", 0},
    {"c,y\nred,0\nblue,1\n", "d,y\nred,0\n", "test.csv: there is no column 'c', which the training set has", 0},
    {"color,y\nred,0\n", "colour,y\nred,0\n", "did you mean 'colour'?; it has the columns colour, y", 0},
    {"c,y\nred,0\nblue,1\n", "c\nred\n", "there is no column 'y', which the training set has", 0},
    {"a,y\n1,p\n2,q\n", "a,y\n1,p\n2,r\n",
     "test.csv:3: column 'y': 'r' is not a class of the training set, which has: p, q", 0},
    {"1,0\n2,1\n", "1,0\n2,2\n",
     "test.csv:2: column 2: '2' is not a class of the training set, which are the numbers 0 to 1", 0},
    {"a,y\n1,p\n2,q\n", "a,y\n1,p\nx,q\n",
     "test.csv:3: column 'a': 'x' is not a number, expected one as in the training set", 0},
    {"a,y\n1,0.5\n2,7\n", "a,y\n1,2\n2,q\n", "test.csv:3: column 'y': 'q' is not a number, expected a value as target",
     0},
    {"a,y\n1,0.5\n2,7\n", "a,y\n1,2\n2,1e99\n", "test.csv:3: column 'y': '1e99' is not finite", 0},
    {"a,y\n1,0.5\n2,7\n", "a,y\n1,2\n-inf,1\n", "test.csv:3: column 'a': '-inf' is not finite", 0},
    {"1,2,0\n", "1,0\n", "test.csv:1: 2 columns, expected 3 as the training set has", 0},
    {"a,y\n1,0\n", "a,y\n,0\n", "test.csv: 1 missing field: 1 in column 'a' (the first in line 2)", 0},
    {"c,y\nu,0\n", "c,y\n,0\n", "test.csv:2: column 'c': '' is missing, which it never is in the training set",
     TAS_MISSING_MEAN},
    {"a,y\n1,0\n", "a,y\n", "test.csv: nothing below its header", 0},
};

START_TEST(refused_splits)
{
    reading.missing = bad_splits[_i].missing;
    tables_write("train.csv", bad_splits[_i].train);
    tables_write("test.csv", bad_splits[_i].test);
    expect(tables_read(files_folder()), TAS_BAD_DATA, bad_splits[_i].word, files_folder());
    ck_assert(!train && !test);
}
END_TEST

/* Schemas --------------------------------------------------------------------------------------------------------- */

static const char *inputs_of(const char *text)
{
    tables_write("inputs.csv", text);
    tas_data_close(&test);
    ck_assert_msg(!tas_data_read_inputs(context, files_path("inputs.csv"), &reading, &test), "%s", tas_error(context));
    return shown(test);
}

START_TEST(schema_by_name)
{
    reading.ignore = "id";
    tables_open_text("a.csv", "id,c,n,y\nx1,red,1,no\nx2,blue,3,yes\n");
    char *kept = keep_schema();
    reading.ignore = NULL;
    reading.schema = kept;
    tables_open_text("b.csv", "y,n,c\nyes,2,red\n");
    ck_assert_str_eq(shown(train), "0 1 2|1;");
    ck_assert_str_eq(inputs_of("n,c\n2,red\n"), "0 1 2|0;");
    ck_assert_str_eq(inputs_of("n,more,c,y\n2,9,red,unknown\n"), "0 1 2|0;");
    ck_assert_str_eq(inputs_of("red,2\n"), "0 1 2|0;");         /* inputs alone, without a header */
    ck_assert_str_eq(inputs_of("x,red,2\n"), "0 1 2|0;");       /* without the target */
    ck_assert_str_eq(inputs_of("x,red,2,maybe\n"), "0 1 2|0;"); /* as in the training set */
    reading.missing = TAS_MISSING_MEAN;
    ck_assert_str_eq(inputs_of("c,n\nred,\n"), "0 1 2|0;");
    tables_write("c.csv", "n,y\n1,no\n");
    expect(tables_read(files_path("c.csv")), TAS_BAD_DATA, "there is no column 'c'", "c.csv");
    tables_write("c.csv", "1,no\n");
    expect(tables_read(files_path("c.csv")), TAS_BAD_DATA, "c.csv:1: 2 columns, expected 4 as the training set has",
           "");
    tables_write("c.csv", "1\n2\n");
    expect(tas_data_read_inputs(context, files_path("c.csv"), &reading, &train), TAS_BAD_DATA,
           "1 columns, expected 4 as the training set has, or 2 of inputs alone", "");
    free(kept);
}
END_TEST

/* A line of words that are no names is an example, unless numbers below it say otherwise. */
START_TEST(schema_of_words)
{
    tables_open_text("a.csv", "color,size,y\nred,S,no\nblue,L,yes\n");
    char *kept = keep_schema();
    reading.schema = kept;
    ck_assert_str_eq(inputs_of("red,L\n"), "0 1 1 0|0;");
    ck_assert_str_eq(inputs_of("size,color\nL,red\n"), "0 1 1 0|0;");
    free(kept);
    reading.schema = NULL;
    tables_open_text("a.csv", "age,size,y\n1,S,no\n2,L,yes\n");
    kept = keep_schema();
    reading.schema = kept;
    tables_write("b.csv", "Age,Size\n2,L\n");
    expect(tas_data_read_inputs(context, files_path("b.csv"), &reading, &test), TAS_BAD_DATA,
           "there is no column 'age', which the training set has; did you mean 'Age'?", "");
    free(kept);
}
END_TEST

START_TEST(schema_by_place)
{
    reading.target = "2";
    tables_open_text("a.csv", "1,0.5,2\n3,1.5,4\n");
    char *kept = keep_schema();
    reading.target = NULL;
    reading.schema = kept;
    tables_open_text("b.csv", "p,q,r\n5,2.5,6\n");
    ck_assert_str_eq(shown(train), "5 6|2.5;");
    ck_assert_str_eq(inputs_of("5,6\n"), "5 6|0;");
    ck_assert_str_eq(inputs_of("5,x,6\n"), "5 6|0;");
    free(kept);
    reading.schema = NULL;
    reading.target = "2";
    reading.ignore = "1";
    tables_open_text("a.csv", "9,0.5,2,3\n9,1.5,4,5\n");
    kept = keep_schema();
    reading.target = reading.ignore = NULL;
    reading.schema = kept;
    ck_assert_str_eq(inputs_of("9,6,7\n"), "6 7|0;"); /* without the target, which was between them */
    ck_assert_str_eq(inputs_of("6,7\n"), "6 7|0;");
    free(kept);
}
END_TEST

/* The classes of a network stay what they are, however few of them a file has. */
START_TEST(schema_of_classes)
{
    tables_open_text("a.csv", "1,3\n2,5\n3,8\n");
    char *kept = keep_schema();
    reading.schema = kept;
    tables_open_text("b.csv", "7,8.0\n");
    ck_assert_str_eq(shown(train), "7|2;");
    ck_assert_uint_eq(tas_data_classes(train), 3);
    check_info("", "3,5,8", "");
    tables_write("c.csv", "7,4\n");
    expect(tables_read(files_path("c.csv")), TAS_BAD_DATA,
           "c.csv:1: column 2: '4' is not a class of the training set, which has: 3, 5, 8", "");
    free(kept);
}
END_TEST

/* A network that was trained on files of another format. */
START_TEST(schema_of_pictures)
{
    reading.schema = "{\"format\":\"idx\",\"input_type\":\"u8\",\"target_type\":\"label\",\"channels\":1,\"height\":2,"
                     "\"width\":2,\"input_size\":4,\"classes\":3}";
    tables_open_text("a.csv", "0,255,51,0,2\n");
    ck_assert_str_eq(shown(train), "0 1 0.200000003 0|2;");
    ck_assert_str_eq(inputs_of("0,255,51,0\n"), "0 1 0.200000003 0|0;");
    ck_assert_str_eq(inputs_of("0,255,51,0,7\n"), "0 1 0.200000003 0|0;");
    tables_write("b.csv", "0,255,51,0.5,2\n");
    expect(tables_read(files_path("b.csv")), TAS_BAD_DATA,
           "b.csv:1: column 4: '0.5' is not a pixel: expected a whole number from 0 to 255", "");
    tables_write("b.csv", "0,255,2\n");
    expect(tables_read(files_path("b.csv")), TAS_BAD_DATA, "2 columns of inputs, expected 4 as the network has", "");
}
END_TEST

/* What is refused ------------------------------------------------------------------------------------------------- */

static const struct bad_row {
    const char *text, *word;
    const char *target, *ignore;
    tas_choice header;
    tas_missing missing;
    tas_targets kind;
    tas_choice pixels;
    bool argument; /* the reading is wrong, not the file */
} bad[] = {
    {.text = "", "it is empty"},
    {.text = "\n\n", "it is empty"},
    {.text = "a,b\n", "nothing below its header"},
    {.text = "a,b,y\n1,2,0\n3,4\n", "x.csv:3: 2 fields, expected 3 as in line 1"},
    {.text = "a,b,y\n1,2,0\n3,4,5,6\n", "x.csv:3: 4 fields, expected 3 as in line 1"},
    {.text = "title\na,b,y\n1,2,0\n", "x.csv:2: 3 fields, expected 1 as in line 1; if that is a title, remove it"},
    {.text = "a,y\n1,\"0\n2,1\n", "x.csv:2: a quote is opened here and never closed"},
    {.text = "a,y\n1,\"0\n\n\n", "x.csv:2: a quote is opened here and never closed"},
    {.text = "a,y\n1,2\"3\n", "x.csv:2: a quote within a field"},
    {.text = "a,y\n1,\"2\"3\n", "x.csv:2: text after a closing quote"},
    {.text = "\xff\xfe"
             "a,",
     "a text in UTF-16"},
    {.text = "a,\xe9\n1,0\n", "x.csv:1: the name of column 2, '\\xe9', is not UTF-8"},
    {.text = "a,y\n\xe9,0\nb,1\n", "x.csv:2: column 'a': '\\xe9' is not UTF-8"},
    {.text = "a,y\n1,\xe9\n2,b\n", "x.csv:2: column 'y': '\\xe9' is not UTF-8"},
    {.text = "a,b,a\n1,2,0\n", "x.csv:1: columns 1 and 3 are both called 'a'", .header = TAS_CHOICE_YES},
    {.text = "a b y\n1 2\n",
     "x.csv:1: one column only; expected inputs and a target, with commas, semicolons or tabs "
     "between them, not blanks"},
    {.text = "a,y\n1,0\n2,1\n",
     "there is no column 'z' for the target; it has the columns a, y",
     "z",
     .argument = true},
    {.text = "qualty,a\n1,0\n2,1\n", "did you mean 'qualty'?", "quality", .argument = true},
    {.text = "a,y\n1,0\n2,1\n", "there is no column '3' for the target", "3", .argument = true},
    {.text = "a,y\n1,0\n2,1\n", "there is no column '0' for the target", "0", .argument = true},
    {.text = "a,y\n1,0\n2,1\n", "there is no column '' for the target", "y,", .argument = true},
    {.text = "1,2,0\n2,3,1\n", "there is no column 'y' for the target; the file has no header", "y", .argument = true},
    {.text = "a,y\n1,0\n2,1\n", "there is no column 'id' to ignore", NULL, "id", .argument = true},
    {.text = "a,y\n1,0\n2,1\n", "column 'y' is the target and named twice", "y,2", .argument = true},
    {.text = "a,y\n1,0\n2,1\n", "column 'y' is the target and to be ignored", "y", "y", .argument = true},
    {.text = "a,y\n1,0\n2,1\n", "all columns are ignored", NULL, "a,y", .argument = true},
    {.text = "a,y\n1,0\n2,1\n", "no column is left for the inputs", NULL, "a", .argument = true},
    {.text = "a,b,y\n1,,0\n,,1\n3,2,0\n",
     "3 missing fields: 1 in column 'a' (the first in line 3), 2 in column 'b' (the first in line 2)"},
    {.text = "1,?\n2,0\n", "1 missing field: 1 in column 2 (the first in line 1)"},
    {.text = "a,y\n1,\n2,0\n",
     "1 missing field: 1 in column 'y' (the first in line 2); targets have no mean",
     .missing = TAS_MISSING_MEAN},
    {.text = "a,y\nNA,0\nnan,1\n", "column 'a' has no values", .missing = TAS_MISSING_MEAN},
    {.text = "a,y\nNA,0\nnan,1\n", "each of its 2 rows lacks a field", .missing = TAS_MISSING_DROP},
    {.text = "a,y\n1,0\ninf,1\n", "x.csv:3: column 'a': 'inf' is not finite"},
    {.text = "a,y\n1,0\n1e40,1\n", "x.csv:3: column 'a': '1e40' is not finite"},
    {.text = "a,y\n1,0\n2,inf\n", "x.csv:3: column 'y': 'inf' is not finite", .kind = TAS_TARGETS_VALUES},
    {.text = "a,y\n1,0\n2,inf\n", "x.csv:3: column 'y': 'inf' is not a class", .kind = TAS_TARGETS_CLASSES},
    {.text = "a,y\n1,0\n2,1.5\n",
     "x.csv:3: column 'y': '1.5' is not a class: expected words or whole numbers",
     .kind = TAS_TARGETS_CLASSES},
    {.text = "a,y\n1,0\n2,b\n",
     "x.csv:3: column 'y': 'b' is not a number, expected values as targets",
     .kind = TAS_TARGETS_VALUES},
    {.text = "a;y\n1,5;0\n2,5;1\n", "x.csv:2: column 'a': '1,5' is not a number: expected a decimal point"},
    {.text = "a;y\n1;0,5\n2;1\n",
     "x.csv:2: column 'y': '0,5' is not a number: expected a decimal point",
     .kind = TAS_TARGETS_VALUES},
    {.text = "a,b,y1,y2\n1,2,3,4\n",
     "2 columns as targets, expected one for classes",
     "y1,y2",
     .kind = TAS_TARGETS_CLASSES,
     .argument = true},
    {.text = "a,b,y\n1,x,0\n2,y,1\n", "some columns have words, which cannot be pixels", .pixels = TAS_CHOICE_YES},
    {.text = "a,b,y\n1,2,0\n2,256,1\n", "x.csv:3: column 'b': '256' is not a pixel", .pixels = TAS_CHOICE_YES},
};

START_TEST(refused)
{
    const struct bad_row *row = &bad[_i];
    reading.target = row->target;
    reading.ignore = row->ignore;
    reading.header = row->header;
    reading.missing = row->missing;
    reading.targets = row->kind;
    reading.pixels = row->pixels;
    tables_write("x.csv", row->text);
    expect(tables_read(files_path("x.csv")), row->argument ? TAS_BAD_ARGUMENT : TAS_BAD_DATA, row->word, "x.csv");
    ck_assert(!train && !test);
}
END_TEST

static void refuse_file(const char *name, const char *word)
{
    expect(tables_read(files_path(name)), TAS_BAD_DATA, word, name);
}

START_TEST(refused_bytes)
{
    tables_write_bytes("nul.csv", "a,y\n1,0\0\n", 9);
    refuse_file("nul.csv", "nul.csv:2: a NUL byte");
    tables_write_bytes("nul.csv", "a,y\n1,\"0\0\"\n", 11);
    refuse_file("nul.csv", "nul.csv:2: a NUL byte");
    tables_write_bytes("wide.csv", "\0a\0,", 4);
    refuse_file("wide.csv", "wide.csv:1: a NUL byte");
    tables_write("cut.csv.gz", "a,y\n1,0\n2,1\n1,0\n2,1\n1,0\n2,1\n");
    ck_assert_int_eq(truncate(files_path("cut.csv.gz"), 24), 0);
    refuse_file("cut.csv.gz", "damaged gzip data");
    expect(tables_read(files_path("none.csv")), TAS_BAD_FILE, "none.csv", "No such file");
    reading.format = "csv";
    expect(tables_read(files_folder()), TAS_BAD_FILE, files_folder(), "expected train.csv or test.csv");
    reading.train_images = reading.train_labels = "x";
    tables_write("a.csv", "1,2\n");
    expect(tables_read(files_path("a.csv")), TAS_BAD_ARGUMENT, "a CSV table", "named one by one");
}
END_TEST

/* Rows of `columns` fields: a text, whatever the row, or its number. */
static void write_rows(const char *name, int count, const char *first, const char *format)
{
    FILE *f = fopen(files_path(name), "w");
    ck_assert_ptr_nonnull(f);
    fputs(first, f);
    for (int i = 0; i < count; i++) fprintf(f, format, i, i);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(too_many)
{
    write_rows("a.csv", 1000, "c,y\n", "w%d,1\n");
    tables_open(files_path("a.csv"));
    ck_assert_uint_eq(tas_data_input_size(train), 1000);
    write_rows("a.csv", 1001, "c,y\n", "w%d,1\n");
    refuse_file("a.csv", "column 'c' has more than 1000 different texts, too many for categories; ignore it");
    write_rows("b.csv", 30, "c,y\nx,1\n", "%d,1\n");
    refuse_file("b.csv", "b.csv:2: column 'c': 'x' is not a number, but 30 other fields are");
    write_rows("c.csv", 30, "c,y\n", "%d,1\n");
    FILE *f = fopen(files_path("c.csv"), "a");
    fputs("x,1\n", f);
    fclose(f);
    refuse_file("c.csv", "c.csv:32: column 'c': 'x' is not a number, but 30 other fields are");
    write_rows("d.csv", 70000, "c,y\n", "1,%d\n");
    tables_open(files_path("d.csv"));
    ck_assert_uint_eq(tas_data_classes(train), 0);
    reading.targets = TAS_TARGETS_CLASSES;
    refuse_file("d.csv", "column 'y' has more than 65536 different values, too many for classes");
    reading.targets = TAS_TARGETS_AUTO;
    write_rows("e.csv", 30, "c,y\n1,x\n", "1,%d\n");
    refuse_file("e.csv", "e.csv:2: column 'y': 'x' is not a number, but 30 other fields are");
}
END_TEST

static char problems[4096];

static void keep_problem(void *user, const char *text)
{
    (void)user;
    snprintf(problems + strlen(problems), sizeof problems - strlen(problems), "%s\n", text);
}

static int problems_of(const char *text, int most)
{
    int count = -1;
    problems[0] = 0;
    tables_write("x.csv", text);
    expect_ok(tas_data_check(context, files_path("x.csv"), &reading, most, keep_problem, NULL, &count));
    return count;
}

START_TEST(several_problems)
{
    ck_assert_int_eq(problems_of("a,b,y\n1,2,0\n", 10), 0);
    ck_assert_str_eq(problems, "");
    ck_assert_int_eq(problems_of("a,b,y\n1,2\n3\n1,,0\ninf,2,1\n", 10), 4);
    ck_assert_ptr_nonnull(strstr(problems, "x.csv:2: 2 fields"));
    ck_assert_ptr_nonnull(strstr(problems, "x.csv:3: 1 fields"));
    ck_assert_ptr_nonnull(strstr(problems, "1 missing field"));
    ck_assert_ptr_nonnull(strstr(problems, "x.csv:5: column 'a': 'inf'"));
    ck_assert_int_eq(problems_of("a,b,y\n1,2\n3\n1,,0\ninf,2,1\n", 2), 2);
    reading.pixels = TAS_CHOICE_YES;
    ck_assert_int_eq(problems_of("1,256,0\n3,-1,0\n1,2,1\n", 10), 2);
    ck_assert_ptr_nonnull(strstr(problems, "x.csv:2: column 2: '-1' is not a pixel"));
}
END_TEST

/* Floats that are written with 9 digits are the same as in arrays. */
START_TEST(like_arrays)
{
    enum { ROWS = 500, INPUTS_HERE = 7 };
    float inputs[ROWS * INPUTS_HERE];
    uint32_t labels[ROWS];
    char hex[65], expected[65];
    random_seed(test_seed());
    FILE *f = fopen(files_path("a.csv"), "w");
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < INPUTS_HERE; k++) {
            const float x = inputs[i * INPUTS_HERE + k] = random_float(-100, 100);
            fprintf(f, "%.9g,", (double)x);
        }
        labels[i] = i < 3 ? (uint32_t)i : random_below(3);
        fprintf(f, "%u\n", labels[i]);
    }
    fclose(f);
    tables_open(files_path("a.csv"));
    tas_data *arrays = data_of(ROWS, INPUTS_HERE, inputs, labels, 3, 0);
    expect_ok(tas_data_fingerprint(train, hex));
    expect_ok(tas_data_fingerprint(arrays, expected));
    ck_assert_str_eq(hex, expected);
    tas_data_close(&arrays);
}
END_TEST

int main(void)
{
    files_open();
    Suite *suite = suite_create("csv");
    TCase *all = tcase_create("csv");
    tcase_add_checked_fixture(all, tables_setup, tables_teardown);
    tcase_add_test(all, numbers);
    tcase_add_loop_test(all, records, 0, sizeof record_rows / sizeof *record_rows);
    tcase_add_test(all, long_records);
    tcase_add_loop_test(all, good_tables, 0, sizeof good / sizeof *good);
    tcase_add_test(all, counts);
    tcase_add_test(all, notes_of_numbers);
    tcase_add_test(all, pixels);
    tcase_add_test(all, pixels_of_both_splits);
    tcase_add_test(all, splits);
    tcase_add_test(all, one_split);
    tcase_add_loop_test(all, refused_splits, 0, sizeof bad_splits / sizeof *bad_splits);
    tcase_add_test(all, schema_by_name);
    tcase_add_test(all, schema_of_words);
    tcase_add_test(all, schema_by_place);
    tcase_add_test(all, schema_of_classes);
    tcase_add_test(all, schema_of_pictures);
    tcase_add_loop_test(all, refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(all, refused_bytes);
    tcase_add_test(all, too_many);
    tcase_add_test(all, several_problems);
    tcase_add_test(all, like_arrays);
    suite_add_tcase(suite, all);
    const int failed = support_run(suite);
    files_close();
    return failed;
}
