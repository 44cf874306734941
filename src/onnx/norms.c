/* Normalization. */
#include "base/format.h"
#include "onnx/import.h"

#include <inttypes.h>
#include <stdlib.h>

/* " epsilon E", or nothing if it is the usual one; NULL if it is out of range or there is no memory. */
static const char *print_epsilon(onnx_import *self, const onnx_node *node)
{
    const float epsilon = onnx_float(node, "epsilon", 1e-5f);
    if (epsilon == 1e-5f) return "";
    if (!(epsilon >= 1e-12f && epsilon <= 1)) return NULL;
    return onnx_print(&self->arena, " epsilon %s", format_float(epsilon).text);
}

static tas_status refuse_epsilon(const onnx_import *self, const onnx_node *node)
{
    return onnx_refuse(self, node, "epsilon %g; expected 1e-12 to 1", (double)onnx_float(node, "epsilon", 1e-5f));
}

/* ---- batch normalization ----------------------------------------------------------------------------------------- */

/* ONNX has what is kept of the running statistics, and this library what is new of the batch: m = 1 - momentum. The
 * shortest decimal whose complement is the same float. */
static const char *print_momentum(onnx_import *self, float kept)
{
    char text[32];
    if (kept == 0.9f) return "";
    for (int digits = 1; digits < 10; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, 1 - (double)kept);
        if ((float)(1 - strtod(text, NULL)) == kept) break;
    }
    return onnx_print(&self->arena, " momentum %s", text);
}

static tas_status check_outputs(const onnx_import *self, const onnx_node *node)
{
    for (size_t k = 1; k < node->n_output; k++) {
        const onnx_value *value = onnx_find(self, node->output[k]);
        if (value && value->readers)
            return onnx_refuse(self, node, "its output '%.200s' is read; expected the first alone", value->name);
    }
    return TAS_OK;
}

tas_status onnx_add_batch_norm(onnx_import *self, onnx_draft *draft)
{
    static const char *const what[4] = {"weight", "bias", "running_mean", "running_var"};
    static const char *const names[4] = {"the scale", "the bias", "the mean", "the variance"};
    const onnx_node *node = draft->node;
    const onnx_shape in = onnx_shape_in(self, draft);
    const float *values[4], kept = onnx_float(node, "momentum", 0.9f);
    const char *epsilon = print_epsilon(self, node);
    tas_status status = in.rank == 3 ? onnx_need_rank(self, draft, 4) : check_outputs(self, node);
    for (size_t k = 0; k < 4 && !status; k++)
        status = onnx_vector(self, node, onnx_input(node, k + 1), names[k], in.c, k == 0 || k == 3, &values[k]);
    if (!status && !epsilon) status = refuse_epsilon(self, node);
    if (!status && !(kept >= 0 && kept <= 1)) status = onnx_refuse(self, node, "momentum %g", (double)kept);
    onnx_layer *layer = status ? NULL : onnx_layer_add(self, draft, "batch_norm");
    if (!layer) return status ? status : TAS_BAD_NETWORK;
    const char *momentum = print_momentum(self, kept);
    layer->arguments = momentum ? onnx_print(&self->arena, "%s%s", momentum, epsilon) : NULL;
    for (int k = 0; k < 4; k++) onnx_layer_weight(layer, what[k], values[k], in.c);
    return onnx_layer_end(self, draft, in);
}

/* ---- within an example ------------------------------------------------------------------------------------------- */

static tas_status add_norm(onnx_import *self, const onnx_draft *draft, const onnx_node *node, uint32_t groups,
                           const float *weight, const float *bias)
{
    const onnx_shape in = onnx_shape_in(self, draft);
    const char *epsilon = print_epsilon(self, node);
    if (!epsilon) return refuse_epsilon(self, node);
    if (!groups || in.c % groups)
        return onnx_refuse(self, node, "%u groups of %u channels; expected a divisor", groups, in.c);
    if (in.c / groups * (uint64_t)in.h * in.w == 1)
        return onnx_refuse(self, node, "it normalizes single values, which have no variance");
    onnx_layer *layer = onnx_layer_add(self, draft, groups == 1 ? "layer_norm" : "group_norm");
    if (!layer) return TAS_BAD_NETWORK;
    layer->arguments = groups == 1 ? epsilon : onnx_print(&self->arena, " %u%s", groups, epsilon);
    onnx_layer_weight(layer, "weight", weight, in.c);
    onnx_layer_weight(layer, "bias", bias, in.c);
    return onnx_layer_end(self, draft, in);
}

tas_status onnx_add_layer_norm(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *node = draft->node;
    const onnx_shape in = onnx_shape_in(self, draft);
    const float *weight, *bias;
    const int64_t axis = onnx_int(node, "axis", -1);
    if (in.rank != 2 || (axis != 1 && axis != -1))
        return onnx_refuse(self, node,
                           "expected rows (n, values), normalized over their values; planes are normalized "
                           "with one weight per channel by group normalization");
    tas_status status = check_outputs(self, node);
    if (!status) status = onnx_vector(self, node, onnx_input(node, 1), "the scale", in.c, 1, &weight);
    if (!status) status = onnx_vector(self, node, onnx_input(node, 2), "the bias", in.c, 0, &bias);
    return status ? status : add_norm(self, draft, node, 1, weight, bias);
}

/* One number per group becomes one per channel, as it is from opset 21 on. */
static tas_status spread(onnx_import *self, const float *groups, uint32_t count, uint32_t channels, const float **out)
{
    float *all = onnx_alloc(&self->arena, channels, sizeof *all);
    if (!all) return onnx_no_memory(self);
    for (uint32_t c = 0; c < channels; c++) all[c] = groups[c / (channels / count)];
    *out = all;
    return TAS_OK;
}

tas_status onnx_add_group_norm(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *node = draft->node;
    const onnx_shape in = onnx_shape_in(self, draft);
    const int64_t groups = onnx_int(node, "num_groups", 0);
    const float *weight, *bias;
    if (groups < 1 || groups > in.c || in.c % (uint32_t)groups)
        return onnx_refuse(self, node, "%" PRId64 " groups of %u channels; expected a divisor", groups, in.c);
    const uint32_t count = self->opset < 21 ? (uint32_t)groups : in.c;
    tas_status status = in.rank == 3 ? onnx_need_rank(self, draft, 4) : TAS_OK;
    if (!status) status = onnx_vector(self, node, onnx_input(node, 1), "the scale", count, 1, &weight);
    if (!status) status = onnx_vector(self, node, onnx_input(node, 2), "the bias", count, 0, &bias);
    if (!status && count != in.c) status = spread(self, weight, count, in.c, &weight);
    if (!status && count != in.c) status = spread(self, bias, count, in.c, &bias);
    return status ? status : add_norm(self, draft, node, (uint32_t)groups, weight, bias);
}

/* A group per channel. */
tas_status onnx_add_instance_norm(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *node = draft->node;
    const onnx_shape in = onnx_shape_in(self, draft);
    const float *weight, *bias;
    tas_status status = onnx_need_rank(self, draft, 4);
    if (!status) status = onnx_vector(self, node, onnx_input(node, 1), "the scale", in.c, 1, &weight);
    if (!status) status = onnx_vector(self, node, onnx_input(node, 2), "the bias", in.c, 0, &bias);
    return status ? status : add_norm(self, draft, node, in.c, weight, bias);
}

/* ---- groups as exporters write them ------------------------------------------------------------------------------ */

/* Reshape(InstanceNormalization(Reshape(x, (n, groups, -1))), shape of x); the parts are these from x on. */
static bool match_reshapes(onnx_import *self, onnx_draft *draft, const onnx_node *back)
{
    const onnx_node *norm = back ? onnx_producer(self, onnx_input(back, 0), "InstanceNormalization") : NULL;
    const onnx_node *split = norm ? onnx_producer(self, onnx_input(norm, 0), "Reshape") : NULL;
    const char **input = split && onnx_input(split, 0) ? onnx_alloc(&self->arena, 1, sizeof *input) : NULL;
    if (!input) return false;
    *input = onnx_input(split, 0);
    draft->part[0] = split;
    draft->part[1] = norm;
    draft->part[2] = back;
    draft->input = input;
    draft->inputs = 1;
    return true;
}

bool onnx_match_grouped(onnx_import *self, onnx_draft *draft) { return match_reshapes(self, draft, draft->node); }

/* Add(Mul(that, weight), bias) */
bool onnx_match_grouped_scaled(onnx_import *self, onnx_draft *draft)
{
    for (size_t k = 0; k < 2; k++) {
        const onnx_node *product = onnx_producer(self, onnx_input(draft->node, k), "Mul");
        for (size_t m = 0; product && m < 2; m++) {
            const char *weight = onnx_input(product, 1 - m), *bias = onnx_input(draft->node, 1 - k);
            if (!onnx_is_constant(self, weight) || !onnx_is_constant(self, bias)) continue;
            if (!match_reshapes(self, draft, onnx_producer(self, onnx_input(product, m), "Reshape"))) continue;
            draft->constant[0] = weight;
            draft->constant[1] = bias;
            return true;
        }
    }
    return false;
}

/* The two reshapes are those into groups, and back. */
static tas_status check_reshapes(onnx_import *self, const onnx_draft *draft, uint64_t groups)
{
    const onnx_shape in = onnx_shape_in(self, draft);
    const int64_t dims[4] = {0, in.c, in.h, in.w};
    onnx_tensor split, back;
    tas_status status = onnx_whole(self, draft->part[0], onnx_input(draft->part[0], 1), "its shape", &split);
    if (!status) status = onnx_whole(self, draft->part[2], onnx_input(draft->part[2], 1), "its shape", &back);
    if (status) return status;
    bool fits = split.count == 3 && split.ints[1] == (int64_t)groups && back.count == (uint64_t)in.rank &&
                (split.ints[2] == -1 || split.ints[2] == (int64_t)(onnx_elements(in) / groups)) && in.rank != 3;
    for (uint64_t d = 1; fits && d < back.count; d++) fits = back.ints[d] == dims[d] || back.ints[d] == -1;
    if (fits) return TAS_OK;
    return onnx_refuse(self, draft->part[0],
                       "expected the reshapes around InstanceNormalization to cut the channels "
                       "into groups, and back: group normalization");
}

/* weight (scale x + shift) + bias: a scale and a shift per group are usually 1 and 0. */
static tas_status join_scales(onnx_import *self, const onnx_draft *draft, uint32_t groups, const float *scale,
                              const float *shift, const float **weight, const float **bias)
{
    const uint32_t channels = onnx_shape_in(self, draft).c;
    float *w = onnx_alloc(&self->arena, channels, sizeof *w), *b = onnx_alloc(&self->arena, channels, sizeof *b);
    if (!w || !b) return onnx_no_memory(self);
    for (uint32_t c = 0; c < channels; c++) {
        const uint32_t g = c / (channels / groups);
        w[c] = (*weight)[c] * scale[g];
        b[c] = (float)((double)(*weight)[c] * (double)shift[g] + (double)(*bias)[c]);
    }
    *weight = w;
    *bias = b;
    return TAS_OK;
}

tas_status onnx_add_grouped(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *norm = draft->part[1];
    const uint32_t channels = onnx_shape_in(self, draft).c;
    const float *weight, *bias, *shift;
    onnx_tensor scale;
    tas_status status = onnx_floats(self, norm, onnx_input(norm, 1), "the scale", &scale);
    if (status) return status;
    if (!scale.count || scale.count > channels || channels % scale.count)
        return onnx_refuse(self, norm, "%" PRIu64 " groups of %u channels; expected a divisor", scale.count, channels);
    status = check_reshapes(self, draft, scale.count);
    if (!status) status = onnx_vector(self, norm, onnx_input(norm, 2), "the bias", scale.count, 0, &shift);
    if (!status) status = onnx_vector(self, draft->node, draft->constant[0], "the weight", channels, 1, &weight);
    if (!status) status = onnx_vector(self, draft->node, draft->constant[1], "the bias", channels, 0, &bias);
    if (!status) status = join_scales(self, draft, (uint32_t)scale.count, scale.floats, shift, &weight, &bias);
    return status ? status : add_norm(self, draft, norm, (uint32_t)scale.count, weight, bias);
}
