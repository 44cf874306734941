/* Fields to inputs and targets. A field that does not fit is reported, and the next one is looked at. */
#include "data/readers/csv_values.h"

#include "data/builder.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LISTED = 300 }; /* bytes of a list of classes in messages */

typedef struct class_name {
    const char *name;
    uint32_t label;
} class_name;

typedef struct csv_filler {
    csv_table *table;
    const csv_map *map;
    const schema *of;
    reader_set *set;
    class_name *classes; /* sorted by their names; NULL: they are numbers from 0 */
    uint64_t done;
    size_t input_bytes; /* of one example */
} csv_filler;

static tas_status no_memory(const csv_filler *f)
{
    return fail(f->table->request->context, TAS_NO_MEMORY, "%s: no memory for its %" PRIu64 " examples", f->table->path,
                f->table->examples);
}

static tas_status report(const csv_filler *f, uint32_t place, const char *what)
{
    char label[CSV_LABEL_BYTES];
    return reader_problem(f->table->request, "%s:%" PRIu64 ": %s: '%.100s' is %s", f->table->path, f->table->rows.line,
                          csv_table_label(f->table, place, label), csv_rows_field(&f->table->rows, place), what);
}

/* Inputs ---------------------------------------------------------------------------------------------------------- */

static const char *missing_text(const csv_filler *f, const schema_column *column)
{
    if (f->table->request->reading->missing != TAS_MISSING_MEAN) return "missing"; /* it changed while it was read */
    if (column && column->categories) return "missing, which it never is in the training set";
    return "missing, and there is no mean for it";
}

static tas_status fill_category(const csv_filler *f, uint32_t place, const schema_column *column, csv_kind kind,
                                float *out)
{
    const char *text = kind == CSV_MISSING ? "" : csv_rows_field(&f->table->rows, place);
    uint32_t low = 0, high = column->category_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (strcmp(column->categories[middle], text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (uint32_t i = 0; i < column->category_count; i++) out[i] = 0;
    if (low < column->category_count && !strcmp(column->categories[low], text)) {
        out[low] = 1;
        return TAS_OK;
    }
    return report(f, place, kind == CSV_MISSING ? missing_text(f, column) : "not a category of the training set");
}

/* A number as it is, or the column's mean. */
static tas_status read_number(const csv_filler *f, uint32_t place, const schema_column *column, csv_kind kind,
                              double *value)
{
    if (kind == CSV_NUMBER) return TAS_OK;
    if (kind == CSV_INFINITE) return report(f, place, "not finite, or beyond the range of floats");
    if (kind == CSV_WORD) return report(f, place, "not a number, expected one as in the training set");
    *value = column ? column->mean : (double)NAN;
    if (f->table->request->reading->missing == TAS_MISSING_MEAN && !isnan(*value)) return TAS_OK;
    *value = 0;
    return report(f, place, missing_text(f, column));
}

static tas_status fill_floats(const csv_filler *f, float *out)
{
    tas_status status = TAS_OK;
    for (uint32_t i = 0; i < f->map->input_count && !status; i++) {
        const uint32_t place = f->map->inputs[i];
        const schema_column *column = f->of->columns ? &f->of->columns[i] : NULL;
        double value = 0;
        const csv_kind kind = csv_table_kind(f->table, csv_rows_field(&f->table->rows, place), &value);
        if (column && column->categories) {
            status = fill_category(f, place, column, kind, out);
            out += column->category_count;
            continue;
        }
        status = read_number(f, place, column, kind, &value);
        *out++ = (float)value;
    }
    return status;
}

static tas_status fill_bytes(const csv_filler *f, unsigned char *out)
{
    tas_status status = TAS_OK;
    for (uint32_t i = 0; i < f->map->input_count && !status; i++) {
        const uint32_t place = f->map->inputs[i];
        double value = 0;
        const csv_kind kind = csv_table_kind(f->table, csv_rows_field(&f->table->rows, place), &value);
        const bool ok = kind == CSV_NUMBER && number_is_whole(value) && value >= 0 && value <= 255;
        if (!ok) status = report(f, place, "not a pixel: expected a whole number from 0 to 255");
        out[i] = ok ? (unsigned char)value : 0;
    }
    return status;
}

/* Targets --------------------------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const class_name *)a)->name, ((const class_name *)b)->name);
}

static tas_status sort_classes(csv_filler *f)
{
    if (!f->of->class_names) return TAS_OK;
    f->classes = calloc(f->of->classes, sizeof *f->classes);
    if (!f->classes) return no_memory(f);
    for (uint32_t i = 0; i < f->of->classes; i++) f->classes[i] = (class_name){f->of->class_names[i], i};
    qsort(f->classes, f->of->classes, sizeof *f->classes, compare_names);
    return TAS_OK;
}

static bool find_class(const csv_filler *f, const char *text, uint32_t *label)
{
    const class_name wanted = {text, 0};
    const class_name *found =
        f->classes ? bsearch(&wanted, f->classes, f->of->classes, sizeof *f->classes, compare_names) : NULL;
    if (found) *label = found->label;
    return found;
}

static tas_status report_class(const csv_filler *f, uint32_t place)
{
    char list[LISTED], what[LISTED + 100];
    int used = 0;
    list[0] = 0;
    for (uint32_t i = 0; f->of->class_names && i < f->of->classes && used < LISTED; i++)
        used += snprintf(list + used, LISTED - (size_t)used, "%s%s", i ? ", " : "", f->of->class_names[i]);
    if (used >= LISTED) strcpy(list + LISTED - 4, "...");
    if (f->of->class_names)
        snprintf(what, sizeof what, "not a class of the training set, which has: %s", list);
    else
        snprintf(what, sizeof what, "not a class of the training set, which are the numbers 0 to %" PRIu32,
                 f->of->classes - 1);
    return report(f, place, what);
}

/* Names may be numbers, which are the same however they are written; and those of scikit-learn's first line stand for
 * the numbers from 0. */
static tas_status fill_label(const csv_filler *f, uint32_t place, uint32_t *out)
{
    const char *text = csv_rows_field(&f->table->rows, place);
    double value;
    char written[32];
    *out = 0;
    if (find_class(f, text, out)) return TAS_OK;
    if (csv_table_kind(f->table, text, &value) != CSV_NUMBER || !number_is_whole(value)) return report_class(f, place);
    snprintf(written, sizeof written, "%.0f", value + 0.0); /* not -0 */
    if (find_class(f, written, out)) return TAS_OK;
    if ((f->classes && !f->table->has_class_line) || value < 0 || value >= f->of->classes)
        return report_class(f, place);
    *out = (uint32_t)value;
    return TAS_OK;
}

static tas_status fill_targets(const csv_filler *f)
{
    const csv_map *map = f->map;
    tas_status status = TAS_OK;
    if (f->of->target_type == TAS_TARGET_LABEL)
        return map->target_count ? fill_label(f, map->targets[0], (uint32_t *)f->set->targets + f->done) : TAS_OK;
    float *out = (float *)f->set->targets + f->done * f->of->target_size;
    for (uint32_t i = 0; i < map->target_count && !status; i++) {
        double value = 0;
        const uint32_t place = map->targets[i];
        switch (csv_table_kind(f->table, csv_rows_field(&f->table->rows, place), &value)) {
        case CSV_NUMBER: break;
        case CSV_INFINITE: status = report(f, place, "not finite, or beyond the range of floats"); break;
        default: status = report(f, place, "not a number, expected a value as target");
        }
        out[i] = (float)value;
    }
    return status;
}

/* Rows ------------------------------------------------------------------------------------------------------------ */

/* Whether a field that is used is missing. */
static bool lacks_field(const csv_table *table)
{
    for (uint32_t i = 0; i < table->count; i++)
        if (table->columns[i].role != CSV_IGNORED && number_is_missing(csv_rows_field(&table->rows, i))) return true;
    return false;
}

static tas_status fill_row(csv_filler *f, builder *rows)
{
    void *row;
    tas_status status = builder_add(rows, 1, &row);
    if (status) return status;
    status = f->of->input_type == TAS_INPUT_U8 ? fill_bytes(f, row) : fill_floats(f, row);
    if (!status) status = fill_targets(f);
    f->done++;
    return status;
}

static tas_status fill_rows(csv_filler *f, builder *rows)
{
    csv_table *table = f->table;
    bool more = true;
    const bool drops = table->request->reading->missing == TAS_MISSING_DROP;
    tas_status status = csv_table_rewind(table);
    while (!status) {
        status = csv_table_next(table, &more);
        if (status || !more) break;
        if (drops && lacks_field(table)) continue;
        if (f->done < table->examples)
            status = fill_row(f, rows);
        else
            status = fail(table->request->context, TAS_BAD_DATA, "%s: changed while it was read", table->path);
    }
    if (!status && f->done < table->examples)
        status = fail(table->request->context, TAS_BAD_DATA, "%s: changed while it was read", table->path);
    return status;
}

static tas_status describe_set(csv_filler *f)
{
    const schema *of = f->of;
    tas_data_options *options = &f->set->options;
    const uint64_t width = of->target_type == TAS_TARGET_F32 ? of->target_size : 1;
    uint64_t bytes, inputs;
    options->count = f->table->examples;
    options->input_size = of->input_size;
    options->input_type = of->input_type;
    options->target_type = of->target_type;
    options->target_size = of->target_type == TAS_TARGET_F32 ? of->target_size : 0;
    options->classes = of->target_type == TAS_TARGET_F32 ? 0 : of->classes;
    f->set->missing = f->table->missing;
    f->set->dropped = f->table->dropped;
    if (!mul_size(of->input_size, of->input_type == TAS_INPUT_U8 ? 1 : sizeof(float), &inputs) || inputs > SIZE_MAX ||
        !mul_size(width * 4, options->count, &bytes) || bytes > SIZE_MAX)
        return no_memory(f);
    f->input_bytes = (size_t)inputs;
    f->set->targets = calloc((size_t)bytes, 1);
    return f->set->targets ? TAS_OK : no_memory(f);
}

tas_status csv_values_read(csv_table *table, const csv_map *map, const schema *of, reader_set *set)
{
    csv_filler f = {.table = table, .map = map, .of = of, .set = set};
    builder *rows = NULL;
    uint64_t count = 0;
    tas_status status = describe_set(&f);
    if (!status) status = sort_classes(&f);
    if (!status)
        status =
            builder_open(table->request->context, table->path, f.input_bytes, table->request->reading->cache, 0, &rows);
    if (!status) status = fill_rows(&f, rows);
    if (!status) status = builder_finish(rows, &set->inputs, &count);
    set->present = !status;
    builder_close(&rows);
    free(f.classes);
    return status;
}
