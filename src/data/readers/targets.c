/* Targets from numbers in files. */
#include "data/readers/targets.h"

#include "data/readers/number.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void targets_free(targets_kind *kind)
{
    free(kind->numbers);
    *kind = (targets_kind){0};
}

/* Of a row: the place of its single 1 among zeros; -1 if that is not what it has. */
static int64_t find_one(const double *row, size_t width)
{
    int64_t found = -1;
    for (size_t k = 0; k < width; k++) {
        if (row[k] == 0) continue;
        if (row[k] != 1 || found >= 0) return -1;
        found = (int64_t)k;
    }
    return found;
}

/* Distinct numbers --------------------------------------------------------------------------------------------------
 */

typedef struct number_set {
    double *number; /* ascending */
    size_t count, room;
} number_set;

/* The place of a number, or where it belongs. */
static size_t find_place(const double *number, size_t count, double value)
{
    size_t low = 0;
    while (low < count) {
        const size_t middle = low + (count - low) / 2;
        if (number[middle] < value)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/* False without memory. */
static bool add_number(number_set *set, double value)
{
    const size_t at = find_place(set->number, set->count, value);
    if (at < set->count && set->number[at] == value) return true;
    if (set->count == set->room) {
        const size_t room = set->room ? 2 * set->room : 64;
        double *grown = realloc(set->number, room * sizeof *grown);
        if (!grown) return false;
        set->number = grown;
        set->room = room;
    }
    memmove(set->number + at + 1, set->number + at, (set->count++ - at) * sizeof *set->number);
    set->number[at] = value;
    return true;
}

/* Labels that are 0 to n-1 need no numbers. */
static void keep_numbers(const reader_request *request, const char *from, number_set *all, targets_kind *out)
{
    out->count = (uint32_t)all->count;
    out->numbers = all->number;
    all->number = NULL;
    if (out->numbers[0] == 0 && out->numbers[out->count - 1] == out->count - 1) {
        free(out->numbers);
        out->numbers = NULL;
        return;
    }
    note_once(request->context,
              "%s: the labels are %" PRIu32 " numbers from %.0f to %.0f, not 0 to %" PRIu32
              ": they become classes in ascending order, named by their numbers",
              from, out->count, out->numbers[0], out->numbers[out->count - 1], out->count - 1);
}

/* What they are -----------------------------------------------------------------------------------------------------
 */

static bool are_one_hot(const double *value, uint64_t count, size_t width)
{
    for (uint64_t i = 0; i < count; i++)
        if (find_one(value + i * width, width) < 0) return false;
    return width > 1;
}

/* *few: they are whole numbers of at most 20 values. */
static tas_status look_at_numbers(const reader_request *request, const char *from, const double *value, uint64_t count,
                                  bool *few)
{
    number_set seen = {0};
    tas_status status = TAS_OK;
    bool whole = true;
    for (uint64_t i = 0; i < count && whole && seen.count <= TARGETS_AUTO_MOST && !status; i++) {
        whole = number_is_whole(value[i]);
        if (!add_number(&seen, value[i])) status = fail(request->context, TAS_NO_MEMORY, "%s: no memory", from);
    }
    *few = whole && seen.count <= TARGETS_AUTO_MOST;
    if (!status && whole && !*few)
        note_once(request->context, "%s: more than %d different whole numbers are read as values, not as classes", from,
                  TARGETS_AUTO_MOST);
    free(seen.number);
    return status;
}

static tas_status find_classes(const reader_request *request, const char *from, const double *value, uint64_t count,
                               targets_kind *out)
{
    number_set seen = {0};
    tas_status status = TAS_OK;
    for (uint64_t i = 0; i < count && !status; i++) {
        if (!number_is_whole(value[i]))
            status = reader_problem(request, "%s: example %" PRIu64 ": label %g, expected a whole number", from, i,
                                    value[i]);
        else if (!add_number(&seen, value[i]))
            status = fail(request->context, TAS_NO_MEMORY, "%s: no memory", from);
        else if (seen.count > TARGETS_CLASSES_MOST)
            status = fail(request->context, TAS_BAD_DATA, "%s: more than %d different labels, expected classes", from,
                          TARGETS_CLASSES_MOST);
    }
    if (!status && !seen.count) status = fail(request->context, TAS_BAD_DATA, "%s: has no labels", from);
    if (!status) keep_numbers(request, from, &seen, out);
    free(seen.number);
    return status;
}

tas_status targets_decide(const reader_request *request, const char *from, const double *value, uint64_t count,
                          size_t width, tas_targets wanted, targets_kind *out)
{
    bool classes = wanted == TAS_TARGETS_CLASSES;
    tas_status status = TAS_OK;
    *out = (targets_kind){.decided = true, .type = TAS_TARGET_F32, .width = width};
    if (wanted == TAS_TARGETS_AUTO && width == 1) status = look_at_numbers(request, from, value, count, &classes);
    if (wanted == TAS_TARGETS_AUTO && width > 1) {
        classes = are_one_hot(value, count, width);
        if (classes)
            note_once(request->context, "%s: rows with a single 1 are read as labels of %zu classes", from, width);
    }
    if (status || !classes) return status;
    out->type = TAS_TARGET_LABEL;
    if (width == 1) return find_classes(request, from, value, count, out);
    if (width > TARGETS_CLASSES_MOST)
        return fail(request->context, TAS_BAD_DATA, "%s: %zu numbers per example, expected at most %d classes", from,
                    width, TARGETS_CLASSES_MOST);
    out->one_hot = true;
    out->count = (uint32_t)width;
    return TAS_OK;
}

/* The number that a name is; false if it is none. */
static bool parse_number(const char *name, double *number)
{
    char *end = NULL;
    *number = strtod(name, &end);
    return end != name && !*end && number_is_whole(*number);
}

/* Classes with names of whole numbers are known by these; others by 0 to n-1. */
static tas_status keep_names(const reader_request *request, const char *from, targets_kind *out)
{
    const schema *kept = request->schema;
    double *numbers = malloc(kept->classes * sizeof *numbers);
    if (!numbers) return fail(request->context, TAS_NO_MEMORY, "%s: no memory", from);
    for (uint32_t k = 0; k < kept->classes; k++) {
        if (parse_number(kept->class_names[k], &numbers[k]) && (!k || numbers[k - 1] < numbers[k])) continue;
        free(numbers);
        return TAS_OK;
    }
    out->numbers = numbers;
    return TAS_OK;
}

tas_status targets_keep(const reader_request *request, const char *from, targets_kind *out)
{
    const schema *kept = request->schema;
    *out = (targets_kind){0};
    if (!kept) return TAS_OK;
    out->decided = true;
    out->type = kept->target_type;
    out->width = kept->target_type == TAS_TARGET_F32 ? kept->target_size : 1;
    out->count = kept->classes;
    return kept->target_type == TAS_TARGET_LABEL && kept->classes && kept->class_names ? keep_names(request, from, out)
                                                                                       : TAS_OK;
}

tas_status targets_check_shape(const array *a, const char *inputs, uint64_t count, size_t *width)
{
    char text[ARRAY_DIMS_TEXT];
    if (a->dims < 1 || a->dims > 2)
        return fail(a->context, TAS_BAD_DATA,
                    "%s: %s: %d dimensions, expected one target per example or one row of targets", a->from,
                    array_print_dims(a, text), a->dims);
    if (a->dim[0] != count)
        return fail(a->context, TAS_BAD_DATA, "%s: %" PRIu64 " targets, but %" PRIu64 " examples in %s", a->from,
                    a->dim[0], count, inputs);
    *width = a->dims == 2 ? (size_t)a->dim[1] : 1;
    return TAS_OK;
}

/* Filling -----------------------------------------------------------------------------------------------------------
 */

static tas_status report_label(const reader_request *request, const char *from, uint64_t i, double value,
                               const targets_kind *kind)
{
    const double first = kind->numbers ? kind->numbers[0] : 0;
    const double last = kind->numbers ? kind->numbers[kind->count - 1] : (double)kind->count - 1;
    if (!number_is_whole(value))
        return reader_problem(request, "%s: example %" PRIu64 ": label %g, expected a whole number", from, i, value);
    return reader_problem(request,
                          "%s: example %" PRIu64 ": label %.0f, expected one of the training set's, %.0f to %.0f%s",
                          from, i, value, first, last, kind->numbers ? " with gaps" : "");
}

bool targets_find_label(const targets_kind *kind, double value, uint32_t *label)
{
    if (kind->numbers) {
        *label = (uint32_t)find_place(kind->numbers, kind->count, value);
        return *label < kind->count && kind->numbers[*label] == value;
    }
    if (!number_is_whole(value) || value < 0 || value >= kind->count) return false;
    *label = (uint32_t)value;
    return true;
}

static tas_status fill_labels(const reader_request *request, const char *from, const double *value, uint64_t count,
                              const targets_kind *kind, uint32_t *label)
{
    tas_status status = TAS_OK;
    for (uint64_t i = 0; i < count && !status; i++) {
        if (targets_find_label(kind, value[i], &label[i])) continue;
        label[i] = 0;
        status = report_label(request, from, i, value[i], kind);
    }
    return status;
}

static tas_status fill_one_hot(const reader_request *request, const char *from, const double *value, uint64_t count,
                               size_t width, uint32_t *label)
{
    tas_status status = TAS_OK;
    for (uint64_t i = 0; i < count && !status; i++) {
        const int64_t one = find_one(value + i * width, width);
        label[i] = one < 0 ? 0 : (uint32_t)one;
        if (one < 0)
            status = reader_problem(
                request, "%s: example %" PRIu64 ": not one-hot, expected a class as a row of a single 1 and zeros",
                from, i);
    }
    return status;
}

static tas_status fill_values(const reader_request *request, const char *from, const double *value, uint64_t count,
                              size_t width, float *out)
{
    tas_status status = TAS_OK;
    for (uint64_t k = 0; k < count * width && !status; k++) {
        out[k] = (float)value[k];
        if (!(out[k] - out[k] == 0)) /* neither infinite nor NaN */
            status = reader_problem(
                request, "%s: example %" PRIu64 ": target %" PRIu64 " is %g, expected a finite number of type float",
                from, k / width, k % width, value[k]);
    }
    return status;
}

static tas_status make_room(const reader_request *request, const char *from, uint64_t count, const targets_kind *kind,
                            reader_set *set)
{
    const bool labels = kind->type == TAS_TARGET_LABEL;
    uint64_t bytes;
    set->options.target_type = kind->type;
    set->options.classes = labels ? kind->count : 0;
    set->options.target_size = labels ? 0 : kind->width;
    if (mul_size(count, labels ? 1 : kind->width, &bytes) && mul_size(bytes, sizeof(float), &bytes) &&
        bytes <= SIZE_MAX / 2)
        set->targets = calloc(1, (size_t)bytes);
    return set->targets ? TAS_OK : fail(request->context, TAS_NO_MEMORY, "%s: no memory for the targets", from);
}

tas_status targets_fill(const reader_request *request, const char *from, const double *value, uint64_t count,
                        size_t width, const targets_kind *kind, reader_set *set)
{
    const bool labels = kind->type == TAS_TARGET_LABEL;
    if (labels && width > 1 && width != kind->count)
        return fail(request->context, TAS_BAD_DATA,
                    "%s: %zu numbers per example, expected %" PRIu32 " as the training set has classes", from, width,
                    kind->count);
    if (!labels && width != kind->width)
        return fail(request->context, TAS_BAD_DATA, "%s: %zu targets per example, expected %zu as in the training set",
                    from, width, kind->width);
    const tas_status status = make_room(request, from, count, kind, set);
    if (status) return status;
    if (!labels) return fill_values(request, from, value, count, width, set->targets);
    if (width > 1) return fill_one_hot(request, from, value, count, width, set->targets);
    return fill_labels(request, from, value, count, kind, set->targets);
}

tas_status targets_fill_zero(const reader_request *request, const char *from, uint64_t count, const targets_kind *kind,
                             reader_set *set)
{
    targets_kind any = *kind;
    if (!any.width) any.width = 1;
    if (!any.count) any.count = 1;
    return make_room(request, from, count, &any, set);
}

tas_status targets_describe(const reader_request *request, const targets_kind *kind, schema *out)
{
    char text[32];
    if (kind->type != TAS_TARGET_LABEL) return TAS_OK;
    out->classes = kind->count;
    if (!kind->numbers && !(request->schema && request->schema->class_names)) return TAS_OK;
    out->class_names = calloc(kind->count, sizeof *out->class_names);
    if (!out->class_names) return fail(request->context, TAS_NO_MEMORY, "%s: no memory", request->path);
    for (uint32_t k = 0; k < kind->count; k++) {
        if (kind->numbers) snprintf(text, sizeof text, "%.0f", kind->numbers[k]);
        out->class_names[k] = strdup(kind->numbers ? text : request->schema->class_names[k]);
        if (!out->class_names[k]) return fail(request->context, TAS_NO_MEMORY, "%s: no memory", request->path);
    }
    return TAS_OK;
}
