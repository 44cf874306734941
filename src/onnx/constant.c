/* Constants of a graph: initializers, and what nodes make of them. */
#include "onnx/import.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { DEPTH_MOST = 32 };

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static tas_status bad_tensor(const onnx_import *self, const char *name, const char *what)
{
    return fail(self->context, TAS_BAD_DATA, "%s: tensor '%.200s': %s", self->path, name, what);
}

/* Its values may be in another file. */
static tas_status refuse_external(const onnx_import *self, const Onnx__TensorProto *t, const char *name)
{
    const char *location = "?";
    for (size_t i = 0; i < t->n_external_data; i++)
        if (t->external_data[i]->key && t->external_data[i]->value && !strcmp(t->external_data[i]->key, "location"))
            location = t->external_data[i]->value;
    return fail(self->context, TAS_BAD_DATA,
                "%s: the values of tensor '%.200s' are in another file, '%.200s'; expected them in this one: export "
                "with torch.onnx.export(..., external_data=False), or rewrite the file with "
                "onnx.save(onnx.load(...), ...)",
                self->path, name, location);
}

static tas_status read_dims(const onnx_import *self, const Onnx__TensorProto *t, const char *name, onnx_tensor *out)
{
    if (t->n_dims > ONNX_DIMS) return bad_tensor(self, name, "more than 8 dimensions");
    out->ndims = (int)t->n_dims;
    out->count = 1;
    for (int d = 0; d < out->ndims; d++) {
        if (t->dims[d] < 0) return bad_tensor(self, name, "a dimension below 0");
        out->dims[d] = (uint64_t)t->dims[d];
        if (!mul_size(out->count, out->dims[d], &out->count))
            return bad_tensor(self, name, "the product of its dimensions is not below 2^64");
    }
    return TAS_OK;
}

/* Bytes of values of that size, in the processor's order. */
static tas_status order_bytes(onnx_import *self, const ProtobufCBinaryData *raw, size_t size, const void **data)
{
    *data = raw->data;
    if (BYTES_LITTLE_ENDIAN) return TAS_OK;
    void *copy = onnx_alloc(&self->arena, raw->len + 1, 1);
    if (!copy) return onnx_no_memory(self);
    bytes_little_endian(copy, raw->data, size, raw->len / size);
    *data = copy;
    return TAS_OK;
}

/* Where the values are, and how many bytes each has; the sizes must agree with the dimensions. */
static tas_status find_data(onnx_import *self, const Onnx__TensorProto *t, const char *name, uint64_t count,
                            const void **data, size_t *size)
{
    uint64_t found = 0;
    char type[24];
    switch (t->data_type) {
    case ONNX_FLOAT: *size = 4, *data = t->float_data, found = t->n_float_data; break;
    case ONNX_DOUBLE: *size = 8, *data = t->double_data, found = t->n_double_data; break;
    case ONNX_INT64: *size = 8, *data = t->int64_data, found = t->n_int64_data; break;
    case ONNX_INT32:
    case ONNX_BOOL: *size = 4, *data = t->int32_data, found = t->n_int32_data; break;
    default:
        return fail(self->context, TAS_BAD_DATA,
                    "%s: tensor '%.200s' is of %s; expected float (float32), double or int64", self->path, name,
                    onnx_type_name(t->data_type, type));
    }
    if (t->has_raw_data) {
        if (t->data_type == ONNX_BOOL) *size = 1;
        found = t->raw_data.len / *size;
        if (t->raw_data.len % *size) return bad_tensor(self, name, "its bytes are not a whole number of values");
        const tas_status status = order_bytes(self, &t->raw_data, *size, data);
        if (status) return status;
    }
    if (found != count)
        return fail(self->context, TAS_BAD_DATA, "%s: tensor '%.200s' has %" PRIu64 " values, its shape %" PRIu64,
                    self->path, name, found, count);
    return TAS_OK;
}

static tas_status copy_floats(onnx_import *self, const Onnx__TensorProto *t, const void *data, onnx_tensor *out)
{
    float *floats = onnx_alloc(&self->arena, (size_t)out->count + 1, sizeof *floats);
    if (!floats) return onnx_no_memory(self);
    out->floats = floats;
    if (t->data_type == ONNX_FLOAT && out->count) memcpy(floats, data, (size_t)out->count * sizeof *floats);
    for (uint64_t i = 0; t->data_type == ONNX_DOUBLE && i < out->count; i++) {
        double value;
        memcpy(&value, (const char *)data + i * sizeof value, sizeof value);
        floats[i] = (float)value;
    }
    return TAS_OK;
}

static tas_status copy_ints(onnx_import *self, const void *data, size_t size, onnx_tensor *out)
{
    int64_t *ints = onnx_alloc(&self->arena, (size_t)out->count + 1, sizeof *ints);
    if (!ints) return onnx_no_memory(self);
    out->ints = ints;
    for (uint64_t i = 0; i < out->count; i++) {
        const char *at = (const char *)data + i * size;
        int32_t narrow;
        if (size == sizeof *ints)
            memcpy(&ints[i], at, sizeof *ints);
        else if (size == sizeof narrow)
            memcpy(&narrow, at, sizeof narrow), ints[i] = narrow;
        else
            ints[i] = *at != 0;
    }
    return TAS_OK;
}

static tas_status read_tensor(onnx_import *self, const Onnx__TensorProto *t, const char *name, onnx_tensor *out)
{
    const void *data = NULL;
    size_t size = 0;
    *out = (onnx_tensor){0};
    if (t->data_location == 1 || t->n_external_data) return refuse_external(self, t, name);
    tas_status status = read_dims(self, t, name, out);
    if (!status) status = find_data(self, t, name, out->count, &data, &size);
    if (status) return status;
    if (t->data_type == ONNX_FLOAT || t->data_type == ONNX_DOUBLE) return copy_floats(self, t, data, out);
    return copy_ints(self, data, size, out);
}

/* The values outlive the file's structures. */
static tas_status copy_list(onnx_import *self, const float *floats, uint64_t count, onnx_tensor *out)
{
    float *copy = onnx_alloc(&self->arena, (size_t)count + 1, sizeof *copy);
    if (!copy) return onnx_no_memory(self);
    if (count) memcpy(copy, floats, (size_t)count * sizeof *copy);
    out->floats = copy;
    return TAS_OK;
}

/* The node Constant has its value in one of several attributes. */
static tas_status read_constant_node(onnx_import *self, const onnx_node *node, onnx_tensor *out, bool *found)
{
    const Onnx__AttributeProto *a = node->n_attribute ? node->attribute[0] : NULL;
    if (!a || !a->name) return onnx_refuse(self, node, "it has no value");
    *found = true;
    if (a->t) return read_tensor(self, a->t, node->n_output ? node->output[0] : "", out);
    *out = (onnx_tensor){.count = 1};
    if (!strcmp(a->name, "value_float")) return copy_list(self, &a->f, 1, out);
    if (!strcmp(a->name, "value_floats")) {
        *out = (onnx_tensor){.ndims = 1, .dims = {a->n_floats}, .count = a->n_floats};
        return copy_list(self, a->floats, a->n_floats, out);
    }
    if (!strcmp(a->name, "value_int"))
        out->ints = &a->i;
    else if (!strcmp(a->name, "value_ints"))
        *out = (onnx_tensor){.ndims = 1, .dims = {a->n_ints}, .count = a->n_ints, .ints = a->ints};
    else
        return onnx_refuse(self, node, "'%.80s' is not supported; expected numbers", a->name);
    return TAS_OK;
}

/* ---- by name ----------------------------------------------------------------------------------------------------- */

static tas_status read_value(onnx_import *self, const onnx_value *value, int depth, onnx_tensor *out, bool *found)
{
    if (value->tensor) {
        *found = true;
        return read_tensor(self, value->tensor, value->name, out);
    }
    if (value->node < 0 || depth >= DEPTH_MOST || !self->folds_left) return TAS_OK;
    const onnx_node *node = self->graph->node[value->node];
    if (node->op_type && !strcmp(node->op_type, "Constant")) return read_constant_node(self, node, out, found);
    self->folds_left--;
    return onnx_fold(self, node, depth + 1, out, found);
}

tas_status onnx_constant_at(onnx_import *self, const char *name, int depth, onnx_tensor *out, bool *found)
{
    onnx_value *value = onnx_find(self, name);
    *found = value && value->known;
    if (*found) *out = *value->known;
    if (!value || *found) return TAS_OK;
    const tas_status status = read_value(self, value, depth, out, found);
    if (status || !*found) return status;
    value->known = onnx_alloc(&self->arena, 1, sizeof *out);
    if (!value->known) return onnx_no_memory(self);
    *value->known = *out;
    return TAS_OK;
}

tas_status onnx_constant(onnx_import *self, const char *name, onnx_tensor *out, bool *found)
{
    return onnx_constant_at(self, name, 0, out, found);
}

/* Nothing is read for this: a constant may be large. */
static bool is_constant_at(const onnx_import *self, const char *name, int depth)
{
    static const char *const keep[] = {"Identity", "Transpose", "Reshape",  "Unsqueeze",
                                       "Squeeze",  "Cast",      "CastLike", "Expand"};
    const onnx_value *value = onnx_find(self, name);
    if (!value) return false;
    if (value->tensor || onnx_producer(self, name, "Constant")) return true;
    for (size_t i = 0; depth < DEPTH_MOST && i < sizeof keep / sizeof *keep; i++) {
        const onnx_node *node = onnx_producer(self, name, keep[i]);
        if (node) return is_constant_at(self, onnx_input(node, 0), depth + 1);
    }
    return false;
}

bool onnx_is_constant(onnx_import *self, const char *name) { return is_constant_at(self, name, 0); }

/* An initializer of many values is not read. */
bool onnx_scalar(onnx_import *self, const char *name, double *out)
{
    onnx_tensor tensor;
    bool found;
    const onnx_value *value = onnx_find(self, name);
    for (size_t d = 0; value && value->tensor && d < value->tensor->n_dims; d++)
        if (value->tensor->dims[d] != 1) return false;
    if (!onnx_is_constant(self, name) || onnx_constant(self, name, &tensor, &found) || !found || tensor.count != 1)
        return false;
    *out = tensor.floats ? (double)*tensor.floats : (double)*tensor.ints;
    return true;
}

static tas_status read_input(onnx_import *self, const onnx_node *node, const char *name, const char *what,
                             onnx_tensor *out)
{
    bool found = false;
    if (!name) return onnx_refuse(self, node, "%s is left out", what);
    const onnx_value *value = onnx_find(self, name);
    if (!value) return onnx_refuse(self, node, "%s '%.200s' is nowhere in the graph", what, name);
    const tas_status status = onnx_constant(self, name, out, &found);
    if (status) return status;
    return found ? TAS_OK
                 : onnx_refuse(self, node, "%s '%.200s' is computed at run time; expected a constant", what, name);
}

tas_status onnx_floats(onnx_import *self, const onnx_node *node, const char *name, const char *what, onnx_tensor *out)
{
    const tas_status status = read_input(self, node, name, what, out);
    if (status) return status;
    if (!out->floats) return onnx_refuse(self, node, "%s '%.200s' has whole numbers; expected floats", what, name);
    for (uint64_t i = 0; i < out->count; i++)
        if (!isfinite(out->floats[i]))
            return onnx_refuse(self, node, "%s '%.200s': value %" PRIu64 " is not finite", what, name, i);
    return TAS_OK;
}

tas_status onnx_whole(onnx_import *self, const onnx_node *node, const char *name, const char *what, onnx_tensor *out)
{
    const tas_status status = read_input(self, node, name, what, out);
    if (!status && !out->ints)
        return onnx_refuse(self, node, "%s '%.200s' has floats; expected whole numbers", what, name);
    return status;
}

tas_status onnx_vector(onnx_import *self, const onnx_node *node, const char *name, const char *what, uint64_t count,
                       float initial, const float **out)
{
    onnx_tensor tensor = {0};
    float *all = name ? NULL : onnx_alloc(&self->arena, (size_t)count + 1, sizeof *all);
    *out = all;
    if (!name && !all) return onnx_no_memory(self);
    for (uint64_t i = 0; all && i < count; i++) all[i] = initial;
    if (all) return TAS_OK;
    const tas_status status = onnx_floats(self, node, name, what, &tensor);
    if (status) return status;
    if (tensor.count != count)
        return onnx_refuse(self, node, "%s '%.200s' has %" PRIu64 " values; expected %" PRIu64, what, name,
                           tensor.count, count);
    *out = tensor.floats;
    return TAS_OK;
}
