/* Small constants that nodes compute: the shapes and paddings that exporters write down as they were computed. */
#include "onnx/import.h"

#include "base/bytes.h"

#include <string.h>

enum { FOLD_MOST = 256 /* values of a result of whole numbers */, EXPAND_MOST = 1 << 24 };

typedef struct fold {
    onnx_import *self;
    const onnx_node *node;
    int depth;
    onnx_tensor *out;
} fold;

/* A constant operand of whole numbers, few enough. */
static bool whole_operand(const fold *f, size_t k, onnx_tensor *out, tas_status *status)
{
    bool found = false;
    *status = onnx_constant_at(f->self, onnx_input(f->node, k), f->depth, out, &found);
    return !*status && found && out->ints && out->count <= FOLD_MOST;
}

static int64_t *new_ints(const fold *f, uint64_t count, tas_status *status)
{
    int64_t *ints = count <= FOLD_MOST ? onnx_alloc(&f->self->arena, FOLD_MOST + 1, sizeof *ints) : NULL;
    if (!ints && count <= FOLD_MOST) *status = onnx_no_memory(f->self);
    f->out->ints = ints;
    return ints;
}

static void set_list(const fold *f, uint64_t count)
{
    f->out->ndims = 1;
    f->out->dims[0] = f->out->count = count;
}

/* ---- what keeps the values --------------------------------------------------------------------------------------- */

/* The values in their order, with another shape: what reads weights looks at their number. */
static bool fold_same(const fold *f, tas_status *status)
{
    bool found = false;
    *status = onnx_constant_at(f->self, onnx_input(f->node, 0), f->depth, f->out, &found);
    return found;
}

static bool fold_list(const fold *f, tas_status *status)
{
    const bool found = fold_same(f, status);
    if (found && f->out->ints) set_list(f, f->out->count);
    return found;
}

/* Reshape: the shape matters for a matrix of paddings, which is reversed and transposed. */
static bool fold_reshape(const fold *f, tas_status *status)
{
    onnx_tensor shape;
    uint64_t known = 1;
    int open = ONNX_NONE;
    if (!fold_same(f, status)) return false;
    if (!whole_operand(f, 1, &shape, status) || shape.count > ONNX_DIMS) return false;
    for (uint64_t d = 0; d < shape.count; d++) {
        if (shape.ints[d] > 0 && !mul_size(known, (uint64_t)shape.ints[d], &known)) return false;
        if (shape.ints[d] == -1 && open == ONNX_NONE)
            open = (int)d;
        else if (shape.ints[d] <= 0)
            return false;
    }
    if (!known || f->out->count % known || (open == ONNX_NONE && known != f->out->count)) return false;
    f->out->ndims = (int)shape.count;
    for (uint64_t d = 0; d < shape.count; d++) f->out->dims[d] = (uint64_t)shape.ints[d];
    if (open != ONNX_NONE) f->out->dims[open] = f->out->count / known;
    return true;
}

/* One number as a list. */
static bool fold_expand(const fold *f, tas_status *status)
{
    onnx_tensor in, shape;
    bool found = false;
    *status = onnx_constant_at(f->self, onnx_input(f->node, 0), f->depth, &in, &found);
    if (*status || !found || !whole_operand(f, 1, &shape, status) || shape.count != 1) return false;
    if (in.ndims < 2 && *shape.ints == (in.ndims ? (int64_t)in.dims[0] : 1)) {
        *f->out = in;
        set_list(f, in.count);
        return true;
    }
    if (in.count != 1 || *shape.ints < 1 || *shape.ints > EXPAND_MOST) return false;
    float *floats = in.floats ? onnx_alloc(&f->self->arena, (size_t)*shape.ints, sizeof *floats) : NULL;
    int64_t *ints = in.ints ? new_ints(f, (uint64_t)*shape.ints, status) : NULL;
    if (!floats && !ints) return false;
    for (int64_t i = 0; i < *shape.ints; i++) {
        if (floats) floats[i] = *in.floats;
        if (ints) ints[i] = *in.ints;
    }
    f->out->floats = floats;
    set_list(f, (uint64_t)*shape.ints);
    return true;
}

/* Of a matrix. */
static bool fold_transpose(const fold *f, tas_status *status)
{
    onnx_tensor in;
    bool found = false;
    *status = onnx_constant_at(f->self, onnx_input(f->node, 0), f->depth, &in, &found);
    if (*status || !found || in.ndims != 2) return false;
    const uint64_t rows = in.dims[0], cols = in.dims[1];
    float *floats = in.floats ? onnx_alloc(&f->self->arena, (size_t)in.count + 1, sizeof *floats) : NULL;
    int64_t *ints = in.ints ? onnx_alloc(&f->self->arena, (size_t)in.count + 1, sizeof *ints) : NULL;
    if (!floats && !ints) *status = onnx_no_memory(f->self);
    if (*status) return false;
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < cols; c++) {
            if (floats) floats[c * rows + r] = in.floats[r * cols + c];
            if (ints) ints[c * rows + r] = in.ints[r * cols + c];
        }
    *f->out = (onnx_tensor){.ndims = 2, .dims = {cols, rows}, .count = in.count, .floats = floats, .ints = ints};
    return true;
}

/* ---- whole numbers ----------------------------------------------------------------------------------------------- */

/* The attributes start and end choose dimensions. */
static void cut_shape(const fold *f, const int64_t *dims, int64_t rank, int64_t *ints)
{
    int64_t start = onnx_int(f->node, "start", 0), end = onnx_int(f->node, "end", rank), kept = 0;
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    for (int64_t d = 0; d < rank; d++)
        if (d >= start && d < end) ints[kept++] = dims[d];
    set_list(f, (uint64_t)kept);
}

/* Of a constant, or of a value whose layer is there already. */
static bool fold_shape(const fold *f, tas_status *status)
{
    onnx_tensor in;
    bool found = false;
    int64_t dims[ONNX_DIMS], *ints = new_ints(f, ONNX_DIMS, status);
    const char *name = onnx_input(f->node, 0);
    const onnx_value *value = onnx_find(f->self, name);
    if (!ints || !value) return false;
    if (value->layer >= 0) {
        const onnx_shape s = value->shape;
        const int64_t sizes[] = {ONNX_BATCH, s.rank == 3 ? s.h : s.c, s.rank == 3 ? s.w : s.h, s.w};
        cut_shape(f, sizes, s.rank, ints);
        return true;
    }
    *status = onnx_constant_at(f->self, name, f->depth, &in, &found);
    if (*status || !found) return false;
    for (int d = 0; d < in.ndims; d++) dims[d] = (int64_t)in.dims[d];
    cut_shape(f, dims, in.ndims, ints);
    return true;
}

/* Along the first axis. */
static bool fold_gather(const fold *f, tas_status *status)
{
    onnx_tensor in, index;
    if (onnx_int(f->node, "axis", 0) || !whole_operand(f, 0, &in, status) || !whole_operand(f, 1, &index, status))
        return false;
    int64_t *ints = in.ndims == 1 ? new_ints(f, index.count, status) : NULL;
    if (!ints) return false;
    for (uint64_t i = 0; i < index.count; i++) {
        const int64_t at = index.ints[i] < 0 ? index.ints[i] + (int64_t)in.count : index.ints[i];
        if (at < 0 || at >= (int64_t)in.count) return false;
        ints[i] = in.ints[at];
    }
    f->out->ndims = index.ndims;
    memcpy(f->out->dims, index.dims, sizeof index.dims);
    f->out->count = index.count;
    return true;
}

/* Lists one after another; of floats, too: the scales of a resize. */
static bool fold_concat(const fold *f, tas_status *status)
{
    int64_t *ints = onnx_alloc(&f->self->arena, FOLD_MOST, sizeof *ints);
    float *floats = onnx_alloc(&f->self->arena, FOLD_MOST, sizeof *floats);
    bool found = ints && floats, any_floats = false, any_ints = false;
    uint64_t count = 0;
    if (!found) *status = onnx_no_memory(f->self);
    for (size_t k = 0; found && k < f->node->n_input; k++) {
        onnx_tensor part;
        *status = onnx_constant_at(f->self, onnx_input(f->node, k), f->depth, &part, &found);
        if (*status || !found || part.ndims > 1 || part.count > FOLD_MOST - count) return false;
        if (part.count) any_floats |= part.floats != NULL, any_ints |= part.ints != NULL;
        for (uint64_t i = 0; i < part.count; i++, count++)
            if (part.floats)
                floats[count] = part.floats[i];
            else
                ints[count] = part.ints[i];
    }
    if (!found || (any_floats && any_ints)) return false;
    if (any_floats)
        f->out->floats = floats;
    else
        f->out->ints = ints;
    set_list(f, count);
    return true;
}

/* Rows of a matrix, or numbers of a list, along the first axis. */
static bool fold_slice(const fold *f, tas_status *status)
{
    onnx_tensor in, start, end, axes, steps = {0};
    if (!whole_operand(f, 0, &in, status) || !whole_operand(f, 1, &start, status) || !whole_operand(f, 2, &end, status))
        return false;
    if (onnx_input(f->node, 3) && (!whole_operand(f, 3, &axes, status) || axes.count != 1 || axes.ints[0]))
        return false;
    if (onnx_input(f->node, 4) && (!whole_operand(f, 4, &steps, status) || steps.count != 1)) return false;
    if (start.count != 1 || end.count != 1 || in.ndims < 1 || in.ndims > 2) return false;
    const int64_t rows = (int64_t)in.dims[0], step = steps.count ? steps.ints[0] : 1;
    const uint64_t cols = in.ndims == 2 ? in.dims[1] : 1;
    if (step != 1 && step != -1) return false;
    int64_t at = *start.ints, last = *end.ints;
    if (at < 0) at = at < -rows ? 0 : at + rows;
    if (at > rows) at = rows;
    if (step < 0 && at == rows) at = rows - 1;
    if (last < 0) last = last < -rows ? -1 + (step > 0) : last + rows;
    if (last > rows) last = rows;
    int64_t *ints = new_ints(f, in.count, status);
    uint64_t kept = 0;
    if (!ints) return false;
    for (; step > 0 ? at < last : at > last; at += step, kept++)
        for (uint64_t c = 0; c < cols; c++) ints[kept * cols + c] = in.ints[(uint64_t)at * cols + c];
    f->out->ndims = in.ndims;
    f->out->dims[0] = kept;
    f->out->dims[1] = cols;
    f->out->count = kept * cols;
    return true;
}

static bool fold_fill(const fold *f, tas_status *status)
{
    onnx_tensor shape;
    const Onnx__AttributeProto *a = onnx_attribute(f->node, "value");
    if (!whole_operand(f, 0, &shape, status) || shape.count != 1 || *shape.ints < 0 || *shape.ints > FOLD_MOST)
        return false;
    if (!a || !a->t || a->t->data_type != ONNX_INT64) return false;
    int64_t value = 0, *ints = new_ints(f, (uint64_t)*shape.ints, status);
    if (!ints) return false;
    if (a->t->n_int64_data) value = a->t->int64_data[0];
    if (a->t->raw_data.len == sizeof value) bytes_little_endian(&value, a->t->raw_data.data, sizeof value, 1);
    for (int64_t i = 0; i < *shape.ints; i++) ints[i] = value;
    set_list(f, (uint64_t)*shape.ints);
    return true;
}

static bool compute(char op, int64_t a, int64_t b, int64_t *out)
{
    if (a == ONNX_BATCH || b == ONNX_BATCH) return false;
    if (op == 'A') return !__builtin_add_overflow(a, b, out);
    if (op == 'S') return !__builtin_sub_overflow(a, b, out);
    if (op == 'M') return !__builtin_mul_overflow(a, b, out);
    if (b <= 0 || a < 0) return false;
    *out = a / b;
    return true;
}

/* Add, Sub, Mul, Div: of lists of one length, or of a list and a number. */
static bool fold_arithmetic(const fold *f, tas_status *status)
{
    onnx_tensor a, b;
    if (!whole_operand(f, 0, &a, status) || !whole_operand(f, 1, &b, status)) return false;
    const onnx_tensor *longer = a.count >= b.count ? &a : &b;
    if (!a.count || !b.count || (a.count != b.count && a.count != 1 && b.count != 1)) return false;
    int64_t *ints = new_ints(f, longer->count, status);
    for (uint64_t i = 0; ints && i < longer->count; i++)
        if (!compute(*f->node->op_type, a.ints[a.count > 1 ? i : 0], b.ints[b.count > 1 ? i : 0], &ints[i]))
            return false;
    f->out->ndims = longer->ndims;
    memcpy(f->out->dims, longer->dims, sizeof longer->dims);
    f->out->count = longer->count;
    return ints != NULL;
}

static const struct fold_row {
    const char *op;
    bool (*compute)(const fold *, tas_status *);
} rows[] = {
    {"Identity", fold_same},        {"Cast", fold_same},      {"CastLike", fold_same},   {"Expand", fold_expand},
    {"Unsqueeze", fold_list},       {"Squeeze", fold_list},   {"Reshape", fold_reshape}, {"Transpose", fold_transpose},
    {"Shape", fold_shape},          {"Gather", fold_gather},  {"Concat", fold_concat},   {"Slice", fold_slice},
    {"ConstantOfShape", fold_fill}, {"Add", fold_arithmetic}, {"Sub", fold_arithmetic},  {"Mul", fold_arithmetic},
    {"Div", fold_arithmetic},
};

tas_status onnx_fold(onnx_import *self, const onnx_node *node, int depth, onnx_tensor *out, bool *found)
{
    tas_status status = TAS_OK;
    const fold f = {.self = self, .node = node, .depth = depth, .out = out};
    *out = (onnx_tensor){0};
    *found = false;
    for (size_t i = 0; node->op_type && i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(node->op_type, rows[i].op)) *found = rows[i].compute(&f, &status) && !status;
    return status;
}
