/* Convolutions and padding. */
#include "onnx/window.h"

#include <inttypes.h>
#include <string.h>

/* ---- pad --------------------------------------------------------------------------------------------------------- */

/* A layer before the draft's own, which then reads it. */
static tas_status add_padding(onnx_import *self, onnx_layer *layer, const uint32_t before[2], const uint32_t after[2])
{
    char text[128], *at = text;
    onnx_window_print_pair(&at, "", before);
    if (memcmp(before, after, 2 * sizeof *before) != 0) onnx_window_print_pair(&at, "", after);
    layer->arguments = onnx_print(&self->arena, "%s", text);
    return layer->arguments ? TAS_OK : onnx_no_memory(self);
}

/* Rows and columns that a Pad node adds; nothing else is supported. */
static tas_status read_pads(onnx_import *self, const onnx_node *node, uint32_t before[2], uint32_t after[2])
{
    onnx_tensor pads = {0};
    const Onnx__AttributeProto *a = onnx_attribute(node, "pads");
    double value = (double)onnx_float(node, "value", 0);
    if (!onnx_is_text(node, "mode", "constant", "constant"))
        return onnx_refuse(self, node, "expected the mode 'constant'");
    if (onnx_input(node, 2) && !onnx_scalar(self, onnx_input(node, 2), &value)) value = 1;
    if (value != 0) return onnx_refuse(self, node, "it pads with another value than 0");
    if (onnx_input(node, 3)) return onnx_refuse(self, node, "a list of axes is not supported");
    if (a)
        pads = (onnx_tensor){.count = a->n_ints, .ints = a->ints};
    else {
        const tas_status status = onnx_whole(self, node, onnx_input(node, 1), "its padding", &pads);
        if (status) return status;
    }
    if (pads.count != 8) return onnx_refuse(self, node, "%" PRIu64 " paddings; expected 8: planes", pads.count);
    for (int k = 0; k < 8; k++)
        if (pads.ints[k] < 0 || pads.ints[k] > (k % 4 < 2 ? 0 : ONNX_SIDE_MOST))
            return onnx_refuse(self, node, "a padding of %" PRId64 "; expected 0 to %d, of rows and columns alone",
                               pads.ints[k], ONNX_SIDE_MOST);
    for (int side = 0; side < 2; side++) {
        before[side] = (uint32_t)pads.ints[2 + side];
        after[side] = (uint32_t)pads.ints[6 + side];
    }
    return TAS_OK;
}

tas_status onnx_add_pad(onnx_import *self, onnx_draft *draft)
{
    uint32_t before[2], after[2];
    onnx_shape out;
    tas_status status = onnx_need_rank(self, draft, 4);
    if (!status) status = read_pads(self, draft->node, before, after);
    if (status) return status;
    const onnx_shape in = onnx_shape_in(self, draft);
    status = onnx_window_planes(self, draft, in.c, (uint64_t)in.h + before[0] + after[0],
                                (uint64_t)in.w + before[1] + after[1], &out);
    onnx_layer *layer = status ? NULL : onnx_layer_add(self, draft, "pad");
    if (!layer) return status ? status : TAS_BAD_NETWORK;
    status = add_padding(self, layer, before, after);
    return status ? status : onnx_layer_end(self, draft, out);
}

/* ---- convolutions ------------------------------------------------------------------------------------------------ */

/* A Pad that this convolution alone reads is part of it. */
bool onnx_match_conv(onnx_import *self, onnx_draft *draft)
{
    const char *name = onnx_input(draft->node, 0), **input = onnx_alloc(&self->arena, 1, sizeof *input);
    const onnx_node *pad = onnx_producer(self, name, "Pad");
    const onnx_value *value = onnx_find(self, name);
    if (!name || !input) return false;
    *input = name;
    if (pad && value->readers == 1 && onnx_input(pad, 0)) {
        draft->part[0] = pad;
        *input = onnx_input(pad, 0);
    }
    draft->input = input;
    draft->inputs = 1;
    return true;
}

static tas_status add_pads_before(onnx_import *self, const onnx_draft *draft, onnx_window *w)
{
    uint32_t before[2], after[2];
    if (!draft->part[0]) return TAS_OK;
    const tas_status status = read_pads(self, draft->part[0], before, after);
    for (int side = 0; !status && side < 2; side++) {
        w->before[side] += before[side];
        w->after[side] += after[side];
    }
    return status;
}

/* Zeros that differ on both sides are a layer of their own. */
static tas_status split_padding(onnx_import *self, const onnx_draft *draft, onnx_window *w, int *from)
{
    *from = ONNX_NONE;
    if (onnx_window_is_symmetric(w)) return TAS_OK;
    onnx_layer *pad = onnx_layer_add(self, draft, "pad");
    if (!pad) return TAS_BAD_NETWORK;
    *from = self->layer_count - 1;
    const tas_status status = add_padding(self, pad, w->before, w->after);
    memset(w->before, 0, sizeof w->before);
    return status;
}

static tas_status read_filters(onnx_import *self, const onnx_draft *draft, onnx_tensor *filters)
{
    const onnx_node *node = draft->node;
    const tas_status status = onnx_floats(self, node, onnx_input(node, 1), "the tensor of weights", filters);
    if (status) return status;
    if (filters->ndims != 4)
        return onnx_refuse(self, node, "weights of %d dimensions; expected 4: planes", filters->ndims);
    for (int d = 0; d < 4; d++)
        if (!filters->dims[d] || filters->dims[d] > (d < 2 ? ONNX_CHANNELS_MOST : ONNX_SIDE_MOST))
            return onnx_refuse(self, node, "dimension %d of its weights is %" PRIu64, d, filters->dims[d]);
    return TAS_OK;
}

static tas_status check_channels(const onnx_import *self, const onnx_draft *draft, uint64_t expected)
{
    const uint32_t c = onnx_shape_in(self, draft).c;
    if (expected == c) return TAS_OK;
    return onnx_refuse(self, draft->node, "its weights are for %" PRIu64 " channels, but its input has %u", expected,
                       c);
}

/* NULL if there is none: zeros that a node makes are PyTorch's way to write that. */
static tas_status read_bias(onnx_import *self, const onnx_draft *draft, uint64_t units, const float **out)
{
    const char *name = onnx_input(draft->node, 2);
    const onnx_value *value = onnx_find(self, name);
    bool zero = value && value->node >= 0;
    *out = NULL;
    const tas_status status = name ? onnx_vector(self, draft->node, name, "the bias", units, 0, out) : TAS_OK;
    for (uint64_t i = 0; *out && i < units && zero; i++) zero = (*out)[i] == 0;
    if (*out && zero) *out = NULL;
    return status;
}

static tas_status end_filters(onnx_import *self, const onnx_draft *draft, onnx_layer *layer, const onnx_tensor *filters,
                              const float *bias, uint32_t units, onnx_shape out)
{
    onnx_layer_weight(layer, "weight", filters->floats, filters->count);
    if (bias) onnx_layer_weight(layer, "bias", bias, units);
    return onnx_layer_end(self, draft, out);
}

tas_status onnx_add_conv(onnx_import *self, onnx_draft *draft)
{
    onnx_tensor filters;
    onnx_shape out;
    onnx_window w;
    const float *bias;
    int from;
    tas_status status = read_filters(self, draft, &filters);
    if (!status) status = onnx_window_read(self, draft, filters.dims + 2, &w);
    if (!status) status = check_channels(self, draft, filters.dims[1] * w.groups);
    if (!status) status = add_pads_before(self, draft, &w);
    if (status) return status;
    const onnx_shape in = onnx_shape_in(self, draft);
    const uint32_t units = (uint32_t)filters.dims[0];
    if (units % w.groups) return onnx_refuse(self, draft->node, "%u groups of %u outputs", w.groups, units);
    status = onnx_window_planes(self, draft, units, onnx_window_out(&w, 0, in.h), onnx_window_out(&w, 1, in.w), &out);
    if (!status) status = read_bias(self, draft, units, &bias);
    if (!status) status = split_padding(self, draft, &w, &from);
    onnx_layer *layer = status ? NULL : onnx_layer_add(self, draft, "conv2d");
    if (!layer) return status ? status : TAS_BAD_NETWORK;
    if (from >= 0) layer->input[0] = from;
    layer->arguments = onnx_window_print(self, &w, units, NULL, bias);
    return end_filters(self, draft, layer, &filters, bias, units, out);
}

tas_status onnx_add_conv_transpose(onnx_import *self, onnx_draft *draft)
{
    onnx_tensor filters;
    onnx_shape out;
    onnx_window w;
    const float *bias;
    uint32_t extra[2];
    const onnx_node *node = draft->node;
    tas_status status = read_filters(self, draft, &filters);
    if (!status) status = onnx_window_read(self, draft, filters.dims + 2, &w);
    if (!status) status = check_channels(self, draft, filters.dims[0]);
    if (!status) status = onnx_window_pair(self, node, "output_padding", 0, 0, extra);
    if (status) return status;
    const uint64_t units = filters.dims[1] * w.groups;
    const onnx_shape in = onnx_shape_in(self, draft);
    int64_t size[2];
    if (!onnx_window_is_symmetric(&w) || w.dilation[0] != 1 || w.dilation[1] != 1 ||
        onnx_attribute(node, "output_shape") || onnx_is_text(node, "auto_pad", "SAME_UPPER", "") ||
        onnx_is_text(node, "auto_pad", "SAME_LOWER", ""))
        return onnx_refuse(self, node, "expected the same padding on both sides, no dilation and no output_shape");
    for (int side = 0; side < 2; side++)
        size[side] = ((int64_t)(side ? in.w : in.h) - 1) * w.stride[side] - 2 * (int64_t)w.before[side] +
                     w.kernel[side] + extra[side];
    if (in.c % w.groups || size[0] < 1 || size[1] < 1 || units > ONNX_CHANNELS_MOST)
        return onnx_refuse(self, node, "its sizes do not fit its input");
    status = onnx_window_planes(self, draft, units, (uint64_t)size[0], (uint64_t)size[1], &out);
    if (!status) status = read_bias(self, draft, units, &bias);
    onnx_layer *layer = status ? NULL : onnx_layer_add(self, draft, "conv_transpose2d");
    if (!layer) return status ? status : TAS_BAD_NETWORK;
    layer->arguments = onnx_window_print(self, &w, (uint32_t)units, extra, bias);
    return end_filters(self, draft, layer, &filters, bias, (uint32_t)units, out);
}
