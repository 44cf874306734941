/* Convolutions, pools, padding and enlarging. */
#include "onnx/import.h"

#include <inttypes.h>
#include <string.h>

enum { SIDE_MOST = 1 << 12, CHANNELS_MOST = 1 << 24 };

/* Sizes are (y, x). */
typedef struct window {
    uint32_t kernel[2], stride[2], before[2], after[2], dilation[2], groups;
} window;

/* ---- attributes -------------------------------------------------------------------------------------------------- */

/* Two numbers of an attribute, from least on. */
static tas_status read_pair(const onnx_import *self, const onnx_node *node, const char *name, int64_t least,
                            uint32_t initial, uint32_t out[2])
{
    int64_t ints[2];
    size_t count;
    tas_status status = onnx_ints(self, node, name, 2, ints, &count);
    out[0] = out[1] = initial;
    if (status || !count) return status;
    if (count != 2) return onnx_refuse(self, node, "attribute '%s' has one number; expected two: planes", name);
    for (int side = 0; side < 2; side++) {
        if (ints[side] < least || ints[side] > SIDE_MOST)
            return onnx_refuse(self, node, "attribute '%s' has %" PRId64 "; expected %" PRId64 " to %d", name,
                               ints[side], least, SIDE_MOST);
        out[side] = (uint32_t)ints[side];
    }
    return TAS_OK;
}

/* SAME: as many outputs as inputs, by the stride. */
static void pad_same(window *w, onnx_shape in, bool lower)
{
    for (int side = 0; side < 2; side++) {
        const uint32_t size = side ? in.w : in.h, span = w->dilation[side] * (w->kernel[side] - 1) + 1;
        const uint64_t needed = (uint64_t)((size - 1) / w->stride[side]) * w->stride[side] + span;
        const uint32_t all = needed > size ? (uint32_t)(needed - size) : 0;
        w->before[side] = lower ? all - all / 2 : all / 2;
        w->after[side] = all - w->before[side];
    }
}

static tas_status read_padding(const onnx_import *self, const onnx_node *node, onnx_shape in, window *w)
{
    int64_t pads[4];
    size_t count;
    if (onnx_is_text(node, "auto_pad", "SAME_UPPER", "NOTSET") ||
        onnx_is_text(node, "auto_pad", "SAME_LOWER", "NOTSET")) {
        pad_same(w, in, onnx_is_text(node, "auto_pad", "SAME_LOWER", "NOTSET"));
        return TAS_OK;
    }
    tas_status status = onnx_ints(self, node, "pads", 4, pads, &count);
    if (status || !count || onnx_is_text(node, "auto_pad", "VALID", "NOTSET")) return status;
    if (count != 4) return onnx_refuse(self, node, "attribute 'pads' has %zu numbers; expected four: planes", count);
    for (int k = 0; k < 4; k++)
        if (pads[k] < 0 || pads[k] > SIDE_MOST)
            return onnx_refuse(self, node, "attribute 'pads' has %" PRId64 "; expected 0 to %d", pads[k], SIDE_MOST);
    for (int side = 0; side < 2; side++) {
        w->before[side] = (uint32_t)pads[side];
        w->after[side] = (uint32_t)pads[side + 2];
    }
    return TAS_OK;
}

/* kernel: if it is 0, kernel_shape must give it. */
static tas_status read_window(const onnx_import *self, const onnx_draft *draft, const uint64_t *kernel, window *w)
{
    const onnx_node *node = draft->node;
    uint32_t shape[2];
    *w = (window){0};
    tas_status status = onnx_need_rank(self, draft, 4);
    if (!status) status = read_pair(self, node, "strides", 1, 1, w->stride);
    if (!status) status = read_pair(self, node, "dilations", 1, 1, w->dilation);
    if (!status) status = read_pair(self, node, "kernel_shape", 1, 0, shape);
    if (status) return status;
    for (int side = 0; side < 2; side++) {
        w->kernel[side] = kernel && !shape[side] ? (uint32_t)kernel[side] : shape[side];
        if (!w->kernel[side] || (kernel && w->kernel[side] != kernel[side]))
            return onnx_refuse(self, node, "attribute 'kernel_shape' is missing or differs from its weights");
    }
    const int64_t groups = onnx_int(node, "group", 1);
    if (groups < 1 || groups > CHANNELS_MOST) return onnx_refuse(self, node, "%" PRId64 " groups", groups);
    w->groups = (uint32_t)groups;
    return read_padding(self, node, onnx_shape_in(self, draft), w);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void print_pair(char **at, const char *name, const uint32_t pair[2])
{
    *at += pair[0] == pair[1] ? sprintf(*at, " %s%u", name, pair[0]) : sprintf(*at, " %s%ux%u", name, pair[0], pair[1]);
}

/* " K stride S ..."; initial stride: 1, or the kernel itself. */
static const char *print_window(onnx_import *self, const window *w, uint32_t units, bool pool, const uint32_t extra[2],
                                bool bias)
{
    char text[512], *at = text;
    static const uint32_t ones[2] = {1, 1}, zeros[2] = {0, 0};
    if (units) at += sprintf(at, " %u", units);
    print_pair(&at, "", w->kernel);
    if (memcmp(w->stride, pool ? w->kernel : ones, sizeof ones) != 0) print_pair(&at, "stride ", w->stride);
    if (memcmp(w->before, zeros, sizeof zeros) != 0) print_pair(&at, "padding ", w->before);
    if (!pool && memcmp(w->dilation, ones, sizeof ones) != 0) print_pair(&at, "dilation ", w->dilation);
    if (extra && memcmp(extra, zeros, sizeof zeros) != 0) print_pair(&at, "output_padding ", extra);
    if (!pool && w->groups > 1) at += sprintf(at, " groups %u", w->groups);
    if (!pool && !bias) sprintf(at, " no bias");
    return onnx_print(&self->arena, "%s", text);
}

static bool is_symmetric(const window *w) { return !memcmp(w->before, w->after, sizeof w->before); }

/* Outputs along a side; 0: the window does not fit. */
static uint32_t count_out(const window *w, int side, uint32_t in)
{
    const uint64_t padded = (uint64_t)in + w->before[side] + w->after[side];
    const uint64_t span = (uint64_t)w->dilation[side] * (w->kernel[side] - 1) + 1;
    return padded < span ? 0 : (uint32_t)((padded - span) / w->stride[side] + 1);
}

/* ---- pad --------------------------------------------------------------------------------------------------------- */

/* A layer before the draft's own, which then reads it. */
static tas_status add_padding(onnx_import *self, onnx_layer *layer, const uint32_t before[2], const uint32_t after[2])
{
    char text[128], *at = text;
    print_pair(&at, "", before);
    if (memcmp(before, after, 2 * sizeof *before) != 0) print_pair(&at, "", after);
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
        if (pads.ints[k] < 0 || pads.ints[k] > (k % 4 < 2 ? 0 : SIDE_MOST))
            return onnx_refuse(self, node, "a padding of %" PRId64 "; expected 0 to %d, of rows and columns alone",
                               pads.ints[k], SIDE_MOST);
    for (int side = 0; side < 2; side++) {
        before[side] = (uint32_t)pads.ints[2 + side];
        after[side] = (uint32_t)pads.ints[6 + side];
    }
    return TAS_OK;
}

static tas_status check_size(const onnx_import *self, const onnx_draft *draft, uint64_t c, uint64_t h, uint64_t w,
                             onnx_shape *out)
{
    if (!c || !h || !w || h > CHANNELS_MOST || w > CHANNELS_MOST || h * w > UINT32_MAX / c)
        return onnx_refuse(
            self, draft->node,
            "%" PRIu64 " planes of %" PRIu64 " x %" PRIu64 "; expected at least one value and less than 2^32", c, h, w);
    *out = (onnx_shape){(uint32_t)c, (uint32_t)h, (uint32_t)w, 4};
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
    status = check_size(self, draft, in.c, (uint64_t)in.h + before[0] + after[0], (uint64_t)in.w + before[1] + after[1],
                        &out);
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

static tas_status add_pads_before(onnx_import *self, const onnx_draft *draft, window *w)
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
static tas_status split_padding(onnx_import *self, const onnx_draft *draft, window *w, int *from)
{
    *from = ONNX_NONE;
    if (is_symmetric(w)) return TAS_OK;
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
        if (!filters->dims[d] || filters->dims[d] > (d < 2 ? CHANNELS_MOST : SIDE_MOST))
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
    window w;
    const float *bias;
    int from;
    tas_status status = read_filters(self, draft, &filters);
    if (!status) status = read_window(self, draft, filters.dims + 2, &w);
    if (!status) status = check_channels(self, draft, filters.dims[1] * w.groups);
    if (!status) status = add_pads_before(self, draft, &w);
    if (status) return status;
    const onnx_shape in = onnx_shape_in(self, draft);
    const uint32_t units = (uint32_t)filters.dims[0];
    if (units % w.groups) return onnx_refuse(self, draft->node, "%u groups of %u outputs", w.groups, units);
    status = check_size(self, draft, units, count_out(&w, 0, in.h), count_out(&w, 1, in.w), &out);
    if (!status) status = read_bias(self, draft, units, &bias);
    if (!status) status = split_padding(self, draft, &w, &from);
    onnx_layer *layer = status ? NULL : onnx_layer_add(self, draft, "conv2d");
    if (!layer) return status ? status : TAS_BAD_NETWORK;
    if (from >= 0) layer->input[0] = from;
    layer->arguments = print_window(self, &w, units, false, NULL, bias);
    return end_filters(self, draft, layer, &filters, bias, units, out);
}

tas_status onnx_add_conv_transpose(onnx_import *self, onnx_draft *draft)
{
    onnx_tensor filters;
    onnx_shape out;
    window w;
    const float *bias;
    uint32_t extra[2];
    const onnx_node *node = draft->node;
    tas_status status = read_filters(self, draft, &filters);
    if (!status) status = read_window(self, draft, filters.dims + 2, &w);
    if (!status) status = check_channels(self, draft, filters.dims[0]);
    if (!status) status = read_pair(self, node, "output_padding", 0, 0, extra);
    if (status) return status;
    const uint64_t units = filters.dims[1] * w.groups;
    const onnx_shape in = onnx_shape_in(self, draft);
    int64_t size[2];
    if (!is_symmetric(&w) || w.dilation[0] != 1 || w.dilation[1] != 1 || onnx_attribute(node, "output_shape") ||
        onnx_is_text(node, "auto_pad", "SAME_UPPER", "") || onnx_is_text(node, "auto_pad", "SAME_LOWER", ""))
        return onnx_refuse(self, node, "expected the same padding on both sides, no dilation and no output_shape");
    for (int side = 0; side < 2; side++)
        size[side] = ((int64_t)(side ? in.w : in.h) - 1) * w.stride[side] - 2 * (int64_t)w.before[side] +
                     w.kernel[side] + extra[side];
    if (in.c % w.groups || size[0] < 1 || size[1] < 1 || units > CHANNELS_MOST)
        return onnx_refuse(self, node, "its sizes do not fit its input");
    status = check_size(self, draft, units, (uint64_t)size[0], (uint64_t)size[1], &out);
    if (!status) status = read_bias(self, draft, units, &bias);
    onnx_layer *layer = status ? NULL : onnx_layer_add(self, draft, "conv_transpose2d");
    if (!layer) return status ? status : TAS_BAD_NETWORK;
    layer->arguments = print_window(self, &w, (uint32_t)units, false, extra, bias);
    return end_filters(self, draft, layer, &filters, bias, (uint32_t)units, out);
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */

/* With ceil_mode the last window may reach beyond the padding: refused, unless none does. */
static tas_status check_ceiling(const onnx_import *self, const onnx_draft *draft, const window *w)
{
    const onnx_shape in = onnx_shape_in(self, draft);
    for (int side = 0; side < 2 && onnx_int(draft->node, "ceil_mode", 0); side++) {
        const uint64_t padded = (uint64_t)(side ? in.w : in.h) + w->before[side] + w->after[side];
        if (padded >= w->kernel[side] && (padded - w->kernel[side]) % w->stride[side])
            return onnx_refuse(self, draft->node,
                               "ceil_mode makes a window that is cut off; expected windows that "
                               "fit planes of %u x %u",
                               in.h, in.w);
    }
    return TAS_OK;
}

static tas_status add_pool(onnx_import *self, onnx_draft *draft, const char *kind, bool average)
{
    onnx_shape out;
    window w;
    const onnx_node *node = draft->node;
    const onnx_value *indices = node->n_output > 1 ? onnx_find(self, node->output[1]) : NULL;
    tas_status status = read_window(self, draft, NULL, &w);
    if (!status) status = check_ceiling(self, draft, &w);
    if (status) return status;
    const bool padded = w.before[0] || w.before[1] || w.after[0] || w.after[1];
    if (indices && indices->readers) return onnx_refuse(self, node, "its indices are read, which is not supported");
    if (w.dilation[0] != 1 || w.dilation[1] != 1) return onnx_refuse(self, node, "dilations are not supported");
    if (!is_symmetric(&w) || w.before[0] > w.kernel[0] / 2 || w.before[1] > w.kernel[1] / 2)
        return onnx_refuse(self, node, "expected the same padding on both sides, of at most half of the window");
    if (average && padded && !onnx_int(node, "count_include_pad", 0))
        return onnx_refuse(self, node,
                           "its means leave the padding out; expected count_include_pad (PyTorch's "
                           "default), or no padding");
    const onnx_shape in = onnx_shape_in(self, draft);
    status = check_size(self, draft, in.c, count_out(&w, 0, in.h), count_out(&w, 1, in.w), &out);
    onnx_layer *layer = status ? NULL : onnx_layer_add(self, draft, kind);
    if (!layer) return status ? status : TAS_BAD_NETWORK;
    layer->arguments = print_window(self, &w, 0, true, NULL, true);
    return onnx_layer_end(self, draft, out);
}

tas_status onnx_add_max_pool(onnx_import *self, onnx_draft *draft) { return add_pool(self, draft, "max_pool", false); }
tas_status onnx_add_average_pool(onnx_import *self, onnx_draft *draft)
{
    return add_pool(self, draft, "avg_pool", true);
}

/* Of whole planes. */
static tas_status add_global(onnx_import *self, onnx_draft *draft, const char *kind, const char *arguments)
{
    const onnx_shape in = onnx_shape_in(self, draft);
    onnx_layer *layer = onnx_layer_add(self, draft, kind);
    if (!layer) return TAS_BAD_NETWORK;
    layer->arguments = arguments;
    return onnx_layer_end(self, draft, (onnx_shape){in.c, 1, 1, 4});
}

tas_status onnx_add_global_pool(onnx_import *self, onnx_draft *draft)
{
    const tas_status status = onnx_need_rank(self, draft, 4);
    return status ? status : add_global(self, draft, "global_avg_pool", "");
}

tas_status onnx_add_global_max_pool(onnx_import *self, onnx_draft *draft)
{
    const tas_status status = onnx_need_rank(self, draft, 4);
    const onnx_shape in = onnx_shape_in(self, draft);
    return status ? status : add_global(self, draft, "max_pool", onnx_print(&self->arena, " %ux%u", in.h, in.w));
}

/* The mean over rows and columns. */
tas_status onnx_add_reduce_mean(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *node = draft->node;
    const Onnx__AttributeProto *a = onnx_attribute(node, "axes");
    onnx_tensor axes = {0};
    tas_status status = onnx_need_rank(self, draft, 4);
    bool has[2] = {false, false}, others = false;
    if (!status && a) axes = (onnx_tensor){.count = a->n_ints, .ints = a->ints};
    if (!status && !a) status = onnx_whole(self, node, onnx_input(node, 1), "its list of axes", &axes);
    if (status) return status;
    for (uint64_t i = 0; i < axes.count; i++) {
        const int64_t axis = axes.ints[i] < 0 ? axes.ints[i] + 4 : axes.ints[i];
        others |= axis < 2 || axis > 3;
        if (axis == 2 || axis == 3) has[axis - 2] = true;
    }
    if (others || !has[0] || !has[1]) return onnx_refuse(self, node, "expected the mean over axes 2 and 3, the planes");
    status = add_global(self, draft, "global_avg_pool", "");
    if (status || onnx_int(node, "keepdims", 1)) return status;
    onnx_layer *flatten = onnx_layer_add(self, draft, "flatten");
    if (!flatten) return TAS_BAD_NETWORK;
    flatten->implied = true;
    flatten->input[0] = self->layer_count - 2;
    return onnx_layer_end(self, draft, (onnx_shape){onnx_shape_in(self, draft).c, 1, 1, 2});
}

/* ---- resize ------------------------------------------------------------------------------------------------------ */

/* Each value becomes a block: of those rules that do so for whole factors. */
static bool makes_blocks(const onnx_node *node)
{
    const bool floor = onnx_is_text(node, "nearest_mode", "floor", "round_prefer_floor");
    const bool rounds = onnx_is_text(node, "nearest_mode", "round_prefer_floor", "round_prefer_floor") ||
                        onnx_is_text(node, "nearest_mode", "round_prefer_ceil", "round_prefer_floor");
    const char *rule = "coordinate_transformation_mode", *initial = "half_pixel";
    if (!onnx_is_text(node, "mode", "nearest", "nearest")) return false;
    if (!strcmp(node->op_type, "Upsample")) return true;
    return (floor && onnx_is_text(node, rule, "asymmetric", initial)) ||
           (rounds && (onnx_is_text(node, rule, "half_pixel", initial) ||
                       onnx_is_text(node, rule, "pytorch_half_pixel", initial)));
}

/* The factors of rows and columns, from scales or from sizes. */
static tas_status read_factors(onnx_import *self, const onnx_draft *draft, double factor[4])
{
    const onnx_node *node = draft->node;
    const onnx_shape in = onnx_shape_in(self, draft);
    const double shape[4] = {0, in.c, in.h, in.w};
    const bool old = !strcmp(node->op_type, "Upsample");
    const char *scales = onnx_input(node, old ? 1 : 2);
    onnx_tensor t;
    tas_status status;
    bool found = false;
    if (onnx_input(node, 4) && onnx_attribute(node, "axes")) return onnx_refuse(self, node, "axes are not supported");
    if (scales)
        status = onnx_constant(self, scales, &t, &found);
    else
        status = TAS_OK;
    if (!status && found && t.floats && t.count == 4) {
        for (int k = 0; k < 4; k++) factor[k] = (double)t.floats[k];
        return TAS_OK;
    }
    if (!status) status = onnx_whole(self, node, onnx_input(node, 3), "its sizes", &t);
    if (status) return status;
    if (t.count != 4) return onnx_refuse(self, node, "%" PRIu64 " sizes; expected 4: planes", t.count);
    factor[0] = 1;
    for (int k = 1; k < 4; k++) factor[k] = (double)t.ints[k] / shape[k];
    return TAS_OK;
}

tas_status onnx_add_resize(onnx_import *self, onnx_draft *draft)
{
    double factor[4] = {0};
    uint32_t by[2];
    onnx_shape out;
    tas_status status = onnx_need_rank(self, draft, 4);
    if (!status && !makes_blocks(draft->node))
        status = onnx_refuse(self, draft->node,
                             "expected the nearest value of the same block (nn.Upsample with "
                             "mode='nearest')");
    if (!status) status = read_factors(self, draft, factor);
    if (status) return status;
    const onnx_shape in = onnx_shape_in(self, draft);
    for (int side = 0; side < 2; side++) {
        const double f = factor[2 + side];
        by[side] = f >= 1 && f <= SIDE_MOST ? (uint32_t)f : 0;
        if (!by[side] || (double)by[side] != f || factor[0] != 1 || factor[1] != 1)
            return onnx_refuse(self, draft->node, "it scales by %g x %g; expected whole numbers, of rows and columns",
                               factor[2], factor[3]);
    }
    status = check_size(self, draft, in.c, (uint64_t)in.h * by[0], (uint64_t)in.w * by[1], &out);
    onnx_layer *layer = status ? NULL : onnx_layer_add(self, draft, "upsample");
    if (!layer) return status ? status : TAS_BAD_NETWORK;
    char text[64], *at = text;
    print_pair(&at, "", by);
    layer->arguments = onnx_print(&self->arena, "%s", text);
    return onnx_layer_end(self, draft, out);
}
