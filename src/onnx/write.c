/* Putting a graph together. */
#include "onnx/write.h"

#include "base/bytes.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void *take(onnx_writer *w, size_t count, size_t bytes)
{
    void *out = onnx_alloc(&w->arena, count, bytes);
    w->failed |= !out;
    return out;
}

const char *onnx_text(onnx_writer *w, const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    const char *copy = onnx_print(&w->arena, "%s", text);
    w->failed |= !copy;
    return copy ? copy : "";
}

/* Room doubles; what was there stays in the arena. */
static void append(onnx_writer *w, onnx_list *list, void *item)
{
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 8;
        void **grown = take(w, room, sizeof *grown);
        if (!grown) return;
        if (list->count) memcpy(grown, list->items, list->count * sizeof *grown);
        list->items = grown;
        list->room = room;
    }
    list->items[list->count++] = item;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* Fields that protobuf-c does not change, but are not const there. */
static char *unconst(const char *text) { return (char *)(uintptr_t)text; }

Onnx__NodeProto *onnx_node_add(onnx_writer *w, const char *op, const char *name)
{
    static Onnx__NodeProto nothing = ONNX__NODE_PROTO__INIT;
    Onnx__NodeProto *node = take(w, 1, sizeof *node);
    char **output = take(w, 1, sizeof *output);
    if (!node || !output) return &nothing;
    onnx__node_proto__init(node);
    *output = unconst(name);
    node->op_type = unconst(op);
    node->name = *output;
    node->output = output;
    node->n_output = 1;
    append(w, &w->nodes, node);
    return node;
}

void onnx_node_reads(onnx_writer *w, Onnx__NodeProto *node, const char *name)
{
    onnx_list list = {.items = (void **)node->input, .count = node->n_input, .room = node->n_input};
    if (w->failed) return;
    append(w, &list, unconst(name));
    node->input = (char **)list.items;
    node->n_input = list.count;
}

/* AttributeProto.AttributeType */
enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_STRING = 3, TYPE_INTS = 7 };

static Onnx__AttributeProto *add_attribute(onnx_writer *w, Onnx__NodeProto *node, const char *name, int type)
{
    Onnx__AttributeProto *a = take(w, 1, sizeof *a);
    onnx_list list = {.items = (void **)node->attribute, .count = node->n_attribute, .room = node->n_attribute};
    if (w->failed) return NULL;
    onnx__attribute_proto__init(a);
    a->name = unconst(name);
    a->has_type = 1;
    a->type = type;
    append(w, &list, a);
    node->attribute = (Onnx__AttributeProto **)list.items;
    node->n_attribute = list.count;
    return a;
}

void onnx_node_int(onnx_writer *w, Onnx__NodeProto *node, const char *name, int64_t value)
{
    Onnx__AttributeProto *a = add_attribute(w, node, name, TYPE_INT);
    if (!a) return;
    a->has_i = 1;
    a->i = value;
}

void onnx_node_float(onnx_writer *w, Onnx__NodeProto *node, const char *name, float value)
{
    Onnx__AttributeProto *a = add_attribute(w, node, name, TYPE_FLOAT);
    if (!a) return;
    a->has_f = 1;
    a->f = value;
}

void onnx_node_word(onnx_writer *w, Onnx__NodeProto *node, const char *name, const char *value)
{
    Onnx__AttributeProto *a = add_attribute(w, node, name, TYPE_STRING);
    if (!a) return;
    a->has_s = 1;
    a->s = (ProtobufCBinaryData){.len = strlen(value), .data = (uint8_t *)(uintptr_t)value};
}

void onnx_node_list(onnx_writer *w, Onnx__NodeProto *node, const char *name, const int64_t *values, size_t count)
{
    Onnx__AttributeProto *a = add_attribute(w, node, name, TYPE_INTS);
    int64_t *copy = take(w, count, sizeof *copy);
    if (!a || !copy) return;
    memcpy(copy, values, count * sizeof *copy);
    a->ints = copy;
    a->n_ints = count;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static Onnx__TensorProto *add_tensor(onnx_writer *w, const char *name, int type, const int64_t *dims, size_t ndims)
{
    Onnx__TensorProto *t = take(w, 1, sizeof *t);
    int64_t *copy = take(w, ndims + 1, sizeof *copy);
    if (w->failed) return NULL;
    onnx__tensor_proto__init(t);
    if (ndims) memcpy(copy, dims, ndims * sizeof *copy);
    t->name = unconst(name);
    t->has_data_type = t->has_raw_data = 1;
    t->data_type = type;
    t->dims = copy;
    t->n_dims = ndims;
    append(w, &w->tensors, t);
    return t;
}

const char *onnx_tensor_add(onnx_writer *w, const char *name, const int64_t *dims, size_t ndims, const float *values)
{
    Onnx__TensorProto *t = add_tensor(w, name, ONNX_FLOAT, dims, ndims);
    size_t count = 1;
    for (size_t d = 0; d < ndims; d++) count *= (size_t)dims[d];
    float *copy = BYTES_LITTLE_ENDIAN ? NULL : take(w, count, sizeof *copy);
    if (copy) bytes_little_endian(copy, values, sizeof *copy, count);
    if (t)
        t->raw_data =
            (ProtobufCBinaryData){.len = count * sizeof *values, .data = (uint8_t *)(uintptr_t)(copy ? copy : values)};
    return name;
}

const char *onnx_ints_add(onnx_writer *w, const char *name, const int64_t *values, size_t count)
{
    Onnx__TensorProto *t = add_tensor(w, name, ONNX_INT64, (const int64_t[]){(int64_t)count}, 1);
    int64_t *copy = take(w, count, sizeof *copy);
    if (!t || !copy) return name;
    bytes_little_endian(copy, values, sizeof *copy, count);
    t->raw_data = (ProtobufCBinaryData){.len = count * sizeof *copy, .data = (uint8_t *)copy};
    return name;
}

const char *onnx_number_add(onnx_writer *w, const char *name, float value)
{
    float *copy = take(w, 1, sizeof *copy);
    if (copy) *copy = value;
    return onnx_tensor_add(w, name, NULL, 0, copy);
}

/* ---- inputs and outputs ------------------------------------------------------------------------------------------ */

Onnx__ValueInfoProto *onnx_info(onnx_writer *w, const char *name, const int64_t *dims, size_t ndims)
{
    Onnx__ValueInfoProto *info = take(w, 1, sizeof *info);
    Onnx__TypeProto *type = take(w, 1, sizeof *type);
    Onnx__TypeProto__Tensor *tensor = take(w, 1, sizeof *tensor);
    Onnx__TensorShapeProto *shape = take(w, 1, sizeof *shape);
    onnx_list list = {0};
    if (w->failed) return NULL;
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    info->name = unconst(name);
    info->type = type;
    type->tensor_type = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = ONNX_FLOAT;
    tensor->shape = shape;
    for (size_t d = 0; d < ndims + 1; d++) {
        Onnx__TensorShapeProto__Dimension *dim = take(w, 1, sizeof *dim);
        if (!dim) return NULL;
        onnx__tensor_shape_proto__dimension__init(dim);
        dim->has_dim_value = d > 0;
        if (d)
            dim->dim_value = dims[d - 1];
        else
            dim->dim_param = unconst("n");
        append(w, &list, dim);
    }
    shape->dim = (Onnx__TensorShapeProto__Dimension **)list.items;
    shape->n_dim = list.count;
    return info;
}
