/* Sizes of windows over planes. */
#include "onnx/window.h"

#include <inttypes.h>
#include <string.h>

/* ---- attributes -------------------------------------------------------------------------------------------------- */

/* Two numbers of an attribute, from least on. */
tas_status onnx_window_pair(const onnx_import *self, const onnx_node *node, const char *name, int64_t least,
                            uint32_t initial, uint32_t out[2])
{
    int64_t ints[2];
    size_t count;
    tas_status status = onnx_ints(self, node, name, 2, ints, &count);
    out[0] = out[1] = initial;
    if (status || !count) return status;
    if (count != 2) return onnx_refuse(self, node, "attribute '%s' has one number; expected two: planes", name);
    for (int side = 0; side < 2; side++) {
        if (ints[side] < least || ints[side] > ONNX_SIDE_MOST)
            return onnx_refuse(self, node, "attribute '%s' has %" PRId64 "; expected %" PRId64 " to %d", name,
                               ints[side], least, ONNX_SIDE_MOST);
        out[side] = (uint32_t)ints[side];
    }
    return TAS_OK;
}

/* SAME: as many outputs as inputs, by the stride. */
static void pad_same(onnx_window *w, onnx_shape in, bool lower)
{
    for (int side = 0; side < 2; side++) {
        const uint32_t size = side ? in.w : in.h, span = w->dilation[side] * (w->kernel[side] - 1) + 1;
        const uint64_t needed = (uint64_t)((size - 1) / w->stride[side]) * w->stride[side] + span;
        const uint32_t all = needed > size ? (uint32_t)(needed - size) : 0;
        w->before[side] = lower ? all - all / 2 : all / 2;
        w->after[side] = all - w->before[side];
    }
}

static tas_status read_padding(const onnx_import *self, const onnx_node *node, onnx_shape in, onnx_window *w)
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
        if (pads[k] < 0 || pads[k] > ONNX_SIDE_MOST)
            return onnx_refuse(self, node, "attribute 'pads' has %" PRId64 "; expected 0 to %d", pads[k],
                               ONNX_SIDE_MOST);
    for (int side = 0; side < 2; side++) {
        w->before[side] = (uint32_t)pads[side];
        w->after[side] = (uint32_t)pads[side + 2];
    }
    return TAS_OK;
}

/* kernel: if it is 0, kernel_shape must give it. */
tas_status onnx_window_read(const onnx_import *self, const onnx_draft *draft, const uint64_t *kernel, onnx_window *w)
{
    const onnx_node *node = draft->node;
    uint32_t shape[2];
    *w = (onnx_window){0};
    tas_status status = onnx_need_rank(self, draft, 4);
    if (!status) status = onnx_window_pair(self, node, "strides", 1, 1, w->stride);
    if (!status) status = onnx_window_pair(self, node, "dilations", 1, 1, w->dilation);
    if (!status) status = onnx_window_pair(self, node, "kernel_shape", 1, 0, shape);
    if (status) return status;
    for (int side = 0; side < 2; side++) {
        w->kernel[side] = kernel && !shape[side] ? (uint32_t)kernel[side] : shape[side];
        if (!w->kernel[side] || (kernel && w->kernel[side] != kernel[side]))
            return onnx_refuse(self, node, "attribute 'kernel_shape' is missing or differs from its weights");
    }
    const int64_t groups = onnx_int(node, "group", 1);
    if (groups < 1 || groups > ONNX_CHANNELS_MOST) return onnx_refuse(self, node, "%" PRId64 " groups", groups);
    w->groups = (uint32_t)groups;
    return read_padding(self, node, onnx_shape_in(self, draft), w);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

void onnx_window_print_pair(char **at, const char *name, const uint32_t pair[2])
{
    *at += pair[0] == pair[1] ? sprintf(*at, " %s%u", name, pair[0]) : sprintf(*at, " %s%ux%u", name, pair[0], pair[1]);
}

/* " K stride S ..."; initial stride: 1, or the kernel itself. */
const char *onnx_window_print(onnx_import *self, const onnx_window *w, uint32_t units, const uint32_t extra[2],
                              bool bias)
{
    char text[512], *at = text;
    const bool pool = !units;
    static const uint32_t ones[2] = {1, 1}, zeros[2] = {0, 0};
    if (units) at += sprintf(at, " %u", units);
    onnx_window_print_pair(&at, "", w->kernel);
    if (memcmp(w->stride, pool ? w->kernel : ones, sizeof ones) != 0) onnx_window_print_pair(&at, "stride ", w->stride);
    if (memcmp(w->before, zeros, sizeof zeros) != 0) onnx_window_print_pair(&at, "padding ", w->before);
    if (!pool && memcmp(w->dilation, ones, sizeof ones) != 0) onnx_window_print_pair(&at, "dilation ", w->dilation);
    if (extra && memcmp(extra, zeros, sizeof zeros) != 0) onnx_window_print_pair(&at, "output_padding ", extra);
    if (!pool && w->groups > 1) at += sprintf(at, " groups %u", w->groups);
    if (!pool && !bias) sprintf(at, " no bias");
    return onnx_print(&self->arena, "%s", text);
}

bool onnx_window_is_symmetric(const onnx_window *w) { return !memcmp(w->before, w->after, sizeof w->before); }

/* Outputs along a side; 0: the window does not fit. */
uint32_t onnx_window_out(const onnx_window *w, int side, uint32_t in)
{
    const uint64_t padded = (uint64_t)in + w->before[side] + w->after[side];
    const uint64_t span = (uint64_t)w->dilation[side] * (w->kernel[side] - 1) + 1;
    return padded < span ? 0 : (uint32_t)((padded - span) / w->stride[side] + 1);
}

tas_status onnx_window_planes(const onnx_import *self, const onnx_draft *draft, uint64_t c, uint64_t h, uint64_t w,
                              onnx_shape *out)
{
    if (!c || !h || !w || h > ONNX_CHANNELS_MOST || w > ONNX_CHANNELS_MOST || h * w > UINT32_MAX / c)
        return onnx_refuse(
            self, draft->node,
            "%" PRIu64 " planes of %" PRIu64 " x %" PRIu64 "; expected at least one value and less than 2^32", c, h, w);
    *out = (onnx_shape){(uint32_t)c, (uint32_t)h, (uint32_t)w, 4};
    return TAS_OK;
}
