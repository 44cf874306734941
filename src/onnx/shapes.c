/* Nodes that change nothing, or only the shape; dropout. */
#include "base/format.h"
#include "onnx/import.h"

#include <inttypes.h>

tas_status onnx_add_same(onnx_import *self, onnx_draft *draft)
{
    return onnx_pass(self, draft, onnx_shape_in(self, draft));
}

tas_status onnx_add_cast(onnx_import *self, onnx_draft *draft)
{
    char type[24];
    const int64_t to = onnx_int(draft->node, "to", 0);
    if (to != ONNX_FLOAT) return onnx_refuse(self, draft->node, "to %s; expected float", onnx_type_name((int)to, type));
    return onnx_pass(self, draft, onnx_shape_in(self, draft));
}

/* Old ones have the ratio as an attribute. */
tas_status onnx_add_dropout(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *node = draft->node;
    const onnx_value *mask = node->n_output > 1 ? onnx_find(self, node->output[1]) : NULL;
    double ratio = (double)onnx_float(node, "ratio", 0.5f);
    const onnx_shape in = onnx_shape_in(self, draft);
    if (mask && mask->readers) return onnx_refuse(self, node, "its mask is read, which is not supported");
    if (onnx_input(node, 1) && !onnx_scalar(self, onnx_input(node, 1), &ratio))
        return onnx_refuse(self, node, "expected a ratio that is a constant number");
    if (ratio == 0) return onnx_pass(self, draft, in);
    if (!(ratio > 0 && ratio <= 0.99)) return onnx_refuse(self, node, "ratio %g; expected 0 to 0.99", ratio);
    onnx_layer *layer = onnx_layer_add(self, draft, "dropout");
    if (!layer) return TAS_BAD_NETWORK;
    layer->arguments = onnx_print(&self->arena, " %s", format_float((float)ratio).text);
    return onnx_layer_end(self, draft, in);
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static tas_status flatten(onnx_import *self, onnx_draft *draft, bool implied)
{
    const onnx_shape in = onnx_shape_in(self, draft);
    const uint64_t values = onnx_elements(in);
    if (in.rank == 2) return onnx_pass(self, draft, in);
    if (values > UINT32_MAX) return onnx_refuse(self, draft->node, "more than 2^32 values");
    onnx_layer *layer = onnx_layer_add(self, draft, "flatten");
    if (!layer) return TAS_BAD_NETWORK;
    layer->implied = implied;
    return onnx_layer_end(self, draft, (onnx_shape){(uint32_t)values, 1, 1, 2});
}

tas_status onnx_add_flatten(onnx_import *self, onnx_draft *draft)
{
    const int64_t axis = onnx_int(draft->node, "axis", 1);
    if (axis != 1 && axis != 1 - onnx_shape_in(self, draft).rank)
        return onnx_refuse(self, draft->node, "axis %" PRId64 "; expected 1", axis);
    return flatten(self, draft, false);
}

static tas_status refuse_shape(const onnx_import *self, const onnx_draft *draft, const onnx_tensor *shape)
{
    char text[160] = "", in[48];
    text_buffer out = {.text = text, .bytes = sizeof text};
    for (uint64_t d = 0; d < shape->count && d < 8; d++) {
        format_add(&out, d ? ", " : "");
        if (shape->ints[d] == ONNX_BATCH)
            format_add(&out, "n");
        else
            format_add(&out, "%" PRId64, shape->ints[d]);
    }
    return onnx_refuse(self, draft->node, "from %s to (%s); expected to flatten each example to one row",
                       onnx_shape_text(onnx_shape_in(self, draft), in), text);
}

/* Whether the first dimension of a new shape is that of the examples. */
static bool keeps_batch(const onnx_import *self, int64_t dim)
{
    return dim == 0 || dim == -1 || dim == ONNX_BATCH || (self->batch && dim == self->batch);
}

/* A row becomes planes of one value. One that is the input itself is a picture. */
static tas_status reshape_to_planes(onnx_import *self, onnx_draft *draft, const onnx_tensor *shape)
{
    const onnx_value *from = onnx_find(self, draft->input[0]);
    const onnx_shape in = from->shape;
    uint64_t dims[4] = {0, in.c, in.h, in.w}, known = 1;
    int open = ONNX_NONE;
    for (int d = 1; d < 4; d++) {
        if (shape->ints[d] > 0 && shape->ints[d] <= UINT32_MAX)
            dims[d] = (uint64_t)shape->ints[d];
        else if (shape->ints[d] == -1 && open == ONNX_NONE && shape->ints[0] != -1)
            open = d, dims[d] = 1;
        else if (shape->ints[d] != 0 || d >= in.rank)
            return refuse_shape(self, draft, shape);
        if (!mul_size(known, dims[d], &known)) return refuse_shape(self, draft, shape);
    }
    if (open != ONNX_NONE && !(onnx_elements(in) % known)) known *= dims[open] = onnx_elements(in) / known;
    const onnx_shape out = {(uint32_t)dims[1], (uint32_t)dims[2], (uint32_t)dims[3], 4};
    const bool picture = from->input && from->readers == 1 && in.rank == 2;
    if (known != onnx_elements(in)) return refuse_shape(self, draft, shape);
    if (!picture && (out.c != in.c || out.h != in.h || out.w != in.w)) return refuse_shape(self, draft, shape);
    if (picture) self->layers[0].shape = out;
    return onnx_pass(self, draft, out);
}

tas_status onnx_add_reshape(onnx_import *self, onnx_draft *draft)
{
    onnx_tensor shape;
    const onnx_shape in = onnx_shape_in(self, draft);
    const tas_status status = onnx_whole(self, draft->node, onnx_input(draft->node, 1), "its shape", &shape);
    if (status) return status;
    if (shape.count < 2 || !keeps_batch(self, shape.ints[0])) return refuse_shape(self, draft, &shape);
    if (shape.count == 4) return reshape_to_planes(self, draft, &shape);
    const int64_t values = shape.ints[1];
    const bool rest = (values == -1 && shape.ints[0] != -1) || (values == 0 && in.rank == 2);
    if (shape.count != 2 || (!rest && values != (int64_t)onnx_elements(in))) return refuse_shape(self, draft, &shape);
    return flatten(self, draft, true);
}

/* The axes of Squeeze and Unsqueeze, as bits: an attribute, or from opset 13 on an input. */
static tas_status read_axes(onnx_import *self, const onnx_draft *draft, int rank, unsigned *bits)
{
    const onnx_node *node = draft->node;
    const Onnx__AttributeProto *a = onnx_attribute(node, "axes");
    onnx_tensor axes = {0};
    tas_status status = TAS_OK;
    *bits = 0;
    if (a)
        axes = (onnx_tensor){.count = a->n_ints, .ints = a->ints};
    else
        status = onnx_whole(self, node, onnx_input(node, 1), "its list of axes", &axes);
    for (uint64_t i = 0; !status && i < axes.count; i++) {
        const int64_t axis = axes.ints[i] < 0 ? axes.ints[i] + rank : axes.ints[i];
        if (axis < 1 || axis >= rank)
            status = onnx_refuse(self, node, "axis %" PRId64 "; expected one of an example's", axes.ints[i]);
        else
            *bits |= 1u << axis;
    }
    return status;
}

tas_status onnx_add_squeeze(onnx_import *self, onnx_draft *draft)
{
    const onnx_shape in = onnx_shape_in(self, draft);
    unsigned bits;
    const tas_status status = read_axes(self, draft, in.rank, &bits);
    if (status) return status;
    if (in.rank != 4 || in.h != 1 || in.w != 1 || bits != (1u << 2 | 1u << 3))
        return onnx_refuse(self, draft->node, "expected axes 2 and 3 of planes of one value");
    return flatten(self, draft, true);
}

tas_status onnx_add_unsqueeze(onnx_import *self, onnx_draft *draft)
{
    onnx_shape in = onnx_shape_in(self, draft);
    unsigned bits;
    const tas_status status = read_axes(self, draft, in.rank == 2 ? 4 : in.rank + 1, &bits);
    if (status) return status;
    const bool planes = in.rank == 2 && bits == (1u << 2 | 1u << 3), channel = in.rank == 3 && bits == 1u << 1;
    if (!planes && !channel)
        return onnx_refuse(self, draft->node, "expected axes 2 and 3 of rows, or axis 1, the channel, of pictures");
    in.rank = 4;
    return onnx_pass(self, draft, in);
}
