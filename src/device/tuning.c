/* Tunings in memory; tuning_file.c keeps them in the cache. */
#include "device/tuning.h"

#include "device/record.h"
#include "device/variant.h"
#include "ops/dense.h"
#include "ops/window.h"

#include <stdlib.h>
#include <string.h>

/* ---- Classes of shapes ---- */

/* The letters that name a class's sizes; NULL ends a list. */
static const char *const dense_letters[] = {"n", "o", "i", NULL};
static const char *const conv_letters[] = {"n", "o", "c", "t", "p", NULL};
static const char *const other_letters[] = {"e", NULL};

static const char *const *letters_of(op_id op)
{
    if (op >= OP_DENSE_FORWARD && op <= OP_DENSE_BACKWARD_BIAS) return dense_letters;
    if (op >= OP_CONV_FORWARD && op <= OP_CONV_BACKWARD_BIAS) return conv_letters;
    return other_letters;
}

static uint8_t log2_of(uint64_t size)
{
    uint8_t log2 = 0;
    while (size >>= 1) log2++;
    return log2;
}

static tuning_shape round_sizes(const uint64_t *size, int count)
{
    tuning_shape shape = {{0}};
    for (int i = 0; i < count; i++) shape.log2[i] = log2_of(size[i]);
    return shape;
}

tuning_shape tuning_shape_of(const op_args *call)
{
    const uint32_t *s = call->size;
    const char *const *letters = letters_of(call->op);
    if (letters == dense_letters) return round_sizes((uint64_t[]){call->n, s[DENSE_OUTPUTS], s[DENSE_INPUTS]}, 3);
    if (letters == conv_letters) {
        const uint32_t groups = s[WINDOW_GROUPS];
        return round_sizes((uint64_t[]){call->n, s[WINDOW_O] / groups, s[WINDOW_C] / groups,
                                        (uint64_t)s[WINDOW_KH] * s[WINDOW_KW], (uint64_t)s[WINDOW_OH] * s[WINDOW_OW]},
                           5);
    }
    return round_sizes((uint64_t[]){op_get(call->op)->elements(call, 0)}, 1);
}

const char *tuning_print_shape(op_id op, tuning_shape shape, char text[TAS_TUNE_TEXT])
{
    const char *const *letters = letters_of(op);
    int n = 0;
    for (int i = 0; letters[i]; i++)
        n += snprintf(text + n, TAS_TUNE_TEXT - (size_t)n, "%s%s=%llu", i ? " " : "", letters[i],
                      1ull << (shape.log2[i] & 63));
    return text;
}

bool tuning_read_shape(op_id op, const char *text, tuning_shape *out)
{
    const char *const *letters = letters_of(op);
    char again[TAS_TUNE_TEXT];
    const char *at = text;
    *out = (tuning_shape){{0}};
    for (int i = 0; letters[i]; i++) {
        char *end;
        at = strchr(at, '=');
        if (!at) return false;
        out->log2[i] = log2_of(strtoull(at + 1, &end, 10));
        at = end;
    }
    return !strcmp(tuning_print_shape(op, *out, again), text);
}

/* ---- Rows ---- */

static int compare(op_id op, tuning_shape shape, const tuning_row *row)
{
    if (op != row->op) return op < row->op ? -1 : 1;
    return memcmp(&shape, &row->shape, sizeof shape);
}

/* The place of the class, or where it would be. */
static int find_place(const tuning *t, op_id op, tuning_shape shape)
{
    int low = 0, high = t->count;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (compare(op, shape, &t->row[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const tuning_row *tuning_find(const tuning *t, op_id op, tuning_shape shape)
{
    const int place = t ? find_place(t, op, shape) : 0;
    return t && place < t->count && !compare(op, shape, &t->row[place]) ? &t->row[place] : NULL;
}

tas_status tuning_set(tas_context *context, tuning *t, const tuning_row *row)
{
    const int place = find_place(t, row->op, row->shape);
    if (!tuning_find(t, row->op, row->shape)) {
        tuning_row *grown = realloc(t->row, (size_t)(t->count + 1) * sizeof *grown);
        if (!grown) return fail(context, TAS_NO_MEMORY, "no memory for a tuning");
        t->row = grown;
        memmove(grown + place + 1, grown + place, (size_t)(t->count - place) * sizeof *grown);
        t->count++;
    }
    t->row[place] = *row;
    return TAS_OK;
}

/* ---- The device's ---- */

tuning *tuning_of(const tas_device *device) { return device->tuning.self; }

static int find_choice(const void *self, const tas_device *device, const op_args *call)
{
    const tuning *t = self;
    if (!t->count || !device->variants[call->op]) return -1;
    const tuning_row *row = tuning_find(t, call->op, tuning_shape_of(call));
    return row ? row->choice : -1;
}

static void close_tuning(void *self)
{
    tuning *t = self;
    free(t->row);
    free(t);
}

tas_status tuning_attach(tas_device *device)
{
    if (device->tuning.self) return TAS_OK;
    tuning *t = calloc(1, sizeof *t);
    if (!t) return fail(device->context, TAS_NO_MEMORY, "%s: no memory for a tuning", device->info.id);
    device->tuning = (device_tuning){.self = t, .find = find_choice, .close = close_tuning};
    return TAS_OK;
}

bool tuning_changes(const tas_device *device, const op_args *call)
{
    const tuning *t = tuning_of(device);
    if (!t || !t->count || !device->variants[call->op]) return false;
    const tuning_row *row = tuning_find(t, call->op, tuning_shape_of(call));
    return row && row->choice != row->usual;
}

void tuning_describe(const tas_device *device, const tuning_row *row, tas_tune_row *out)
{
    *out = (tas_tune_row){.usual_seconds = (double)row->usual_time * 1e-9, .seconds = (double)row->time * 1e-9};
    snprintf(out->operation, sizeof out->operation, "%s", op_get(row->op)->name);
    tuning_print_shape(row->op, row->shape, out->shape);
    device_name_variant(device, row->op, row->usual, out->usual);
    device_name_variant(device, row->op, row->choice, out->choice);
}

static tas_status find_variant(const tas_device *device, op_id op, const char *name, int *out)
{
    *out = device_find_variant(device, op, name);
    if (*out >= 0) return TAS_OK;
    return fail(device->context, TAS_BAD_ARGUMENT, "%s: %s has no variant '%s'", device->info.id, op_get(op)->name,
                name);
}

static uint64_t nanoseconds(double seconds) { return seconds > 0 && seconds < 1e6 ? (uint64_t)(seconds * 1e9) : 0; }

tas_status tuning_resolve(const tas_device *device, const tas_tune_row *row, tuning_row *out)
{
    int op = 0;
    *out = (tuning_row){.usual_time = nanoseconds(row->usual_seconds), .time = nanoseconds(row->seconds)};
    while (op < OP_COUNT && strcmp(op_get((op_id)op)->name, row->operation)) op++;
    if (op == OP_COUNT)
        return fail(device->context, TAS_BAD_ARGUMENT, "%s: unknown operation '%s'", device->info.id, row->operation);
    out->op = (op_id)op;
    if (!tuning_read_shape(out->op, row->shape, &out->shape))
        return fail(device->context, TAS_BAD_ARGUMENT, "%s: %s: '%s' is no class of its shapes", device->info.id,
                    row->operation, row->shape);
    const tas_status status = find_variant(device, out->op, row->usual, &out->usual);
    return status ? status : find_variant(device, out->op, row->choice, &out->choice);
}

/* ---- The API ---- */

size_t tas_tuning_count(const tas_device *device)
{
    const tuning *t = tuning_of(device);
    return t ? (size_t)t->count : 0;
}

int tas_tuning_get(const tas_device *device, size_t i, tas_tune_row *out)
{
    if (i >= tas_tuning_count(device)) return 0;
    tuning_describe(device, &tuning_of(device)->row[i], out);
    return 1;
}

tas_status tas_tuning_set(tas_device *device, const tas_tune_row *row)
{
    tuning_row resolved;
    entry_state saved;
    entry_begin(device->context, &saved);
    tas_status status = tuning_resolve(device, row, &resolved);
    if (!status) status = tuning_attach(device);
    if (!status) status = tuning_set(device->context, tuning_of(device), &resolved);
    entry_end(&saved);
    return status;
}

tas_status tas_tuning_can_keep(tas_device *device)
{
    entry_state saved;
    entry_begin(device->context, &saved);
    const tas_status status = tuning_can_store(device);
    entry_end(&saved);
    return status;
}

void tas_tuning_kernels(char hex[65]) { record_digest_kernels(hex); }

tas_status tas_tuning_keep(tas_device *device)
{
    entry_state saved;
    entry_begin(device->context, &saved);
    const tas_status status = tuning_store(device);
    entry_end(&saved);
    return status;
}
