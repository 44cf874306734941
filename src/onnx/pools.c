/* Pools, means of planes, and planes that are enlarged. */
#include "onnx/window.h"

#include <inttypes.h>
#include <string.h>

/* ---- pools ------------------------------------------------------------------------------------------------------- */

/* With ceil_mode the last window may reach beyond the padding: refused, unless none does. */
static tas_status check_ceiling(const onnx_import *self, const onnx_draft *draft, const onnx_window *w)
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
    onnx_window w;
    const onnx_node *node = draft->node;
    const onnx_value *indices = node->n_output > 1 ? onnx_find(self, node->output[1]) : NULL;
    tas_status status = onnx_window_read(self, draft, NULL, &w);
    if (!status) status = check_ceiling(self, draft, &w);
    if (status) return status;
    const bool padded = w.before[0] || w.before[1] || w.after[0] || w.after[1];
    if (indices && indices->readers) return onnx_refuse(self, node, "its indices are read, which is not supported");
    if (w.dilation[0] != 1 || w.dilation[1] != 1) return onnx_refuse(self, node, "dilations are not supported");
    if (!onnx_window_is_symmetric(&w) || w.before[0] > w.kernel[0] / 2 || w.before[1] > w.kernel[1] / 2)
        return onnx_refuse(self, node, "expected the same padding on both sides, of at most half of the window");
    if (average && padded && !onnx_int(node, "count_include_pad", 0))
        return onnx_refuse(self, node,
                           "its means leave the padding out; expected count_include_pad (PyTorch's "
                           "default), or no padding");
    const onnx_shape in = onnx_shape_in(self, draft);
    status = onnx_window_planes(self, draft, in.c, onnx_window_out(&w, 0, in.h), onnx_window_out(&w, 1, in.w), &out);
    onnx_layer *layer = status ? NULL : onnx_layer_add(self, draft, kind);
    if (!layer) return status ? status : TAS_BAD_NETWORK;
    layer->arguments = onnx_window_print(self, &w, 0, NULL, true);
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
        by[side] = f >= 1 && f <= ONNX_SIDE_MOST ? (uint32_t)f : 0;
        if (!by[side] || (double)by[side] != f || factor[0] != 1 || factor[1] != 1)
            return onnx_refuse(self, draft->node, "it scales by %g x %g; expected whole numbers, of rows and columns",
                               factor[2], factor[3]);
    }
    status = onnx_window_planes(self, draft, in.c, (uint64_t)in.h * by[0], (uint64_t)in.w * by[1], &out);
    onnx_layer *layer = status ? NULL : onnx_layer_add(self, draft, "upsample");
    if (!layer) return status ? status : TAS_BAD_NETWORK;
    char text[64], *at = text;
    onnx_window_print_pair(&at, "", by);
    layer->arguments = onnx_print(&self->arena, "%s", text);
    return onnx_layer_end(self, draft, out);
}
