/* Tables as text: CSV and TSV, in one file or in a folder with one for each split. A file is read twice: what its
 * columns have, which makes the schema, and then the values. */
#include "data/readers/csv_map.h"
#include "data/readers/csv_schema.h"
#include "data/readers/csv_separator.h"
#include "data/readers/csv_values.h"
#include "data/readers/paths.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const split_names[] = {"train", "test"};

/* Files ----------------------------------------------------------------------------------------------------------- */

/* FOLDER/train.csv, or with .gz; NULL if neither is there. *failed: without memory. */
static char *find_split(const char *folder, const char *split, const char *ending, bool *failed)
{
    char *path = NULL;
    for (int compressed = 0; compressed < 2; compressed++) {
        if (asprintf(&path, "%s/%s%s%s", folder, split, ending, compressed ? ".gz" : "") < 0) {
            *failed = true;
            return NULL;
        }
        if (!access(path, F_OK)) return path;
        free(path);
    }
    return NULL;
}

static bool has_split(const char *folder, const char *ending)
{
    bool failed = false;
    for (int split = 0; split < 2; split++) {
        char *path = find_split(folder, split_names[split], ending, &failed);
        free(path);
        if (path) return true;
    }
    return false;
}

/* Other files are tables if their first lines are: text with the same number of separators. */
static bool is_table(const reader_look *look, bool of_tabs)
{
    for (size_t i = 0; i < look->head_bytes; i++)
        if (look->head[i] < ' ' && !strchr("\t\r\n", look->head[i])) return false;
    if (memchr(look->head, 0, look->head_bytes) || look->head_bytes == 0) return false;
    if (look->head[0] == '{' || look->head[0] == '[' || look->head[0] == '<') return false; /* JSON, HTML */
    const char separator = csv_separator_find((const char *)look->head, look->head_bytes);
    return separator && (separator == '\t') == of_tabs;
}

static bool recognize_csv(const reader_look *look)
{
    if (look->folder) return has_split(look->path, ".csv");
    if (paths_has_ending(look->path, ".csv")) return true;
    return !paths_has_ending(look->path, ".tsv") && !paths_has_ending(look->path, ".tab") && is_table(look, false);
}

static bool recognize_tsv(const reader_look *look)
{
    if (look->folder) return has_split(look->path, ".tsv");
    if (paths_has_ending(look->path, ".tsv") || paths_has_ending(look->path, ".tab")) return true;
    return !paths_has_ending(look->path, ".csv") && is_table(look, true);
}

/* Reading --------------------------------------------------------------------------------------------------------- */

typedef struct csv_split {
    char *path; /* NULL: there is none */
    csv_table table;
    csv_map map;
} csv_split;

typedef struct csv_set {
    const reader_request *request;
    char separator; /* 0: any */
    csv_split split[2];
    bool has_schema;
    schema *schema;
} csv_set;

static tas_status find_files(csv_set *set, const char *ending)
{
    bool failed = false;
    const char *path = set->request->path;
    if (!paths_is_folder(path)) {
        set->split[TAS_TRAIN].path = strdup(path);
        failed = !set->split[TAS_TRAIN].path;
    } else {
        for (int split = 0; split < 2; split++)
            set->split[split].path = find_split(path, split_names[split], ending, &failed);
    }
    if (failed) return fail(set->request->context, TAS_NO_MEMORY, "%s: no memory", path);
    if (set->split[TAS_TRAIN].path || set->split[TAS_TEST].path) return TAS_OK;
    return fail(set->request->context, TAS_BAD_FILE,
                "%s: expected train%s or test%s in this folder, or either with .gz behind it", path, ending, ending);
}

/* Opens the file of a split and counts what it has. The first one makes the schema if there is none yet. */
static tas_status scan_split(csv_set *set, csv_split *split)
{
    const schema *of = set->has_schema ? set->schema : NULL;
    csv_table *table = &split->table;
    tas_status status = csv_table_open(set->request, split->path, set->separator, of, table);
    if (!status)
        status = of && of->columns ? csv_map_match(table, of, &split->map) : csv_map_choose(table, of, &split->map);
    if (!status) status = csv_table_scan(table, !of);
    if (!status) status = csv_schema_check_missing(table);
    if (!status && !of) status = csv_schema_create(table, &split->map, set->schema);
    set->has_schema = true;
    return status;
}

/* Whether all inputs of a split are whole numbers from 0 to 255. */
static bool has_bytes(const csv_split *split, tas_missing missing)
{
    if (!split->table.count) return true; /* not looked at */
    for (uint32_t i = 0; i < split->map.input_count; i++) {
        const csv_column *column = &split->table.columns[split->map.inputs[i]];
        if (column->of_kind[CSV_WORD] || column->of_kind[CSV_INFINITE] || !column->bytes) return false;
        if (column->of_kind[CSV_MISSING] && missing != TAS_MISSING_DROP) return false;
    }
    return true;
}

static bool wants_picture(const tas_reading *reading)
{
    return reading->pixels == TAS_CHOICE_AUTO && reading->height > 1 && reading->width > 1;
}

/* What is not a pixel is reported where its value is read; here, what cannot be one at all. */
static tas_status choose_type(const csv_set *set)
{
    const tas_reading *reading = set->request->reading;
    schema *of = set->schema;
    uint64_t size;
    if (set->request->schema) return TAS_OK;
    if (reading->pixels == TAS_CHOICE_YES && of->input_size != of->column_count)
        return fail(set->request->context, TAS_BAD_DATA,
                    "%s: some columns have words, which cannot be pixels: whole numbers from 0 to 255",
                    set->request->path);
    const bool bytes =
        has_bytes(&set->split[TAS_TRAIN], reading->missing) && has_bytes(&set->split[TAS_TEST], reading->missing);
    if (reading->pixels != TAS_CHOICE_YES && !(wants_picture(reading) && bytes)) return TAS_OK;
    of->input_type = TAS_INPUT_U8;
    if (reading->height && reading->width &&
        mul_size((uint64_t)reading->channels * reading->height, reading->width, &size) && size == of->input_size) {
        of->channels = reading->channels;
        of->height = reading->height;
        of->width = reading->width;
    }
    return TAS_OK;
}

/* The training split makes the schema, even if it is not wanted itself; and both decide what pixels are. */
static bool is_needed(const csv_set *set, int split)
{
    if (!set->split[split].path) return false;
    if (set->request->wanted[split]) return true;
    if (set->request->schema) return false;
    return split == TAS_TRAIN ? set->request->wanted[TAS_TEST] && set->split[TAS_TEST].path
                              : wants_picture(set->request->reading);
}

static tas_status read_set(csv_set *set, reader_result *out)
{
    tas_status status = TAS_OK;
    if (set->request->schema) status = schema_copy(set->request->context, set->request->schema, set->schema);
    set->has_schema = set->request->schema;
    for (int split = 0; split < 2 && !status; split++)
        if (is_needed(set, split)) status = scan_split(set, &set->split[split]);
    if (status || reader_has_problems(set->request)) return status;
    status = choose_type(set);
    for (int split = 0; split < 2 && !status; split++)
        if (set->request->wanted[split] && set->split[split].path)
            status = csv_values_read(&set->split[split].table, &set->split[split].map, set->schema, &out->split[split]);
    return status;
}

static tas_status open_tables(const reader_request *request, const reader *format, const char *ending, char separator,
                              reader_result *out)
{
    static const char *const uses[] = {"target", "ignore", "header", "missing", NULL};
    csv_set set = {.request = request, .separator = separator, .schema = &out->schema};
    tas_status status = reader_refuse_others(request, format, uses);
    if (!status) status = find_files(&set, ending);
    if (!status) status = read_set(&set, out);
    for (int split = 0; split < 2; split++) {
        csv_table_close(&set.split[split].table);
        csv_map_free(&set.split[split].map);
        free(set.split[split].path);
    }
    return status;
}

static tas_status open_csv(const reader_request *request, reader_result *out)
{
    return open_tables(request, &reader_csv, ".csv", 0, out);
}

static tas_status open_tsv(const reader_request *request, reader_result *out)
{
    return open_tables(request, &reader_tsv, ".tsv", '\t', out);
}

/* Rows ------------------------------------------------------------------------------------------------------------ */

const reader reader_csv = {
    .name = "csv",
    .title = "a CSV table",
    .rules =
        "A text in UTF-8, plain or compressed with gzip, or a folder with train.csv and test.csv (or with .gz behind "
        "them). Each line is an example. Its fields have commas between them, or semicolons or tabs, whichever divides "
        "the first lines into the same number of fields; or any number of blanks, if the lines have none of the others "
        "and the file is called .csv or said to be CSV. Quotes are as in RFC 4180: a field may stand in quotes and "
        "then have separators and line breaks, and two quotes for one. Blanks around a field and empty lines are "
        "skipped.\n\n"
        "The first line has the names of the columns if one of its fields is not a number although all below it are, "
        "or if all of its fields are words that differ. A column is named by its name, or by its number from 1. "
        "Columns without a name are called \"column\" and their number.\n\n"
        "The target is the last column, unless others are named; several are values. It is one of classes if it has "
        "words, or whole numbers of at most 20 values. Classes are in the order of their names' bytes; whole numbers "
        "are classes in ascending order.\n\n"
        "An input column of numbers is one input. One with any other text is a column of categories, which are one "
        "input each, 1 or 0, in the order of their bytes; at most 1000, or 20 if some of them are numbers. A category "
        "that the training set does not have is an error. Missing fields are empty, or NA, NaN, null or ?, in any "
        "case.\n\n"
        "Files for a network that was trained on a table have its columns in any order, and further ones, which are "
        "ignored, if both have names; else they have them in the same places. For predictions the targets may be "
        "absent.\n\n"
        "A first line like 150,4,setosa,versicolor,virginica, as scikit-learn's files have it (examples, inputs, "
        "classes), gives the classes their names.",
    .recognize = recognize_csv,
    .open = open_csv,
};

const reader reader_tsv = {
    .name = "tsv",
    .title = "a TSV table",
    .rules = "Like CSV, with tabs between the fields: files that end with .tsv or .tab, or a folder with train.tsv and "
             "test.tsv, all plain or with .gz.",
    .recognize = recognize_tsv,
    .open = open_tsv,
};
