/* Sums, products and concatenations of values; the scaling of the input. */
#include "onnx/import.h"

#include <inttypes.h>
#include <string.h>

enum { STEPS_MOST = 16, JOINED_MOST = 1024 };

/* All inputs of a node, if none is a constant. */
static bool match_all(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *node = draft->node;
    const char **input = onnx_alloc(&self->arena, node->n_input + 1, sizeof *input);
    if (!input || !node->n_input || node->n_input > JOINED_MOST) return false;
    for (size_t k = 0; k < node->n_input; k++) {
        input[k] = onnx_input(node, k);
        if (!input[k] || onnx_is_constant(self, input[k])) return false;
    }
    draft->input = input;
    draft->inputs = node->n_input;
    return true;
}

bool onnx_match_sum(onnx_import *self, onnx_draft *draft) { return match_all(self, draft); }
bool onnx_match_product(onnx_import *self, onnx_draft *draft) { return match_all(self, draft); }
bool onnx_match_concat(onnx_import *self, onnx_draft *draft) { return match_all(self, draft); }

static tas_status check_shapes(const onnx_import *self, const onnx_draft *draft, bool channels)
{
    const onnx_shape a = onnx_shape_in(self, draft);
    char first[48], other[48];
    for (size_t k = 1; k < draft->inputs; k++) {
        const onnx_shape b = onnx_find(self, draft->input[k])->shape;
        if (a.rank == b.rank && a.h == b.h && a.w == b.w && (a.c == b.c || !channels)) continue;
        return onnx_refuse(self, draft->node, "its inputs are %s and %s; expected %s", onnx_shape_text(a, first),
                           onnx_shape_text(b, other), channels ? "one shape" : "planes of one size");
    }
    return TAS_OK;
}

static tas_status add_join(onnx_import *self, onnx_draft *draft, size_t most)
{
    const tas_status status = check_shapes(self, draft, true);
    if (status) return status;
    if (draft->inputs == 1) return onnx_pass(self, draft, onnx_shape_in(self, draft));
    if (draft->inputs > most)
        return onnx_refuse(self, draft->node, "%zu inputs; expected at most %zu", draft->inputs, most);
    onnx_layer *layer = onnx_layer_add(self, draft, draft->row->kind);
    if (!layer) return TAS_BAD_NETWORK;
    layer->commutes = true;
    return onnx_layer_end(self, draft, onnx_shape_in(self, draft));
}

tas_status onnx_add_sum(onnx_import *self, onnx_draft *draft) { return add_join(self, draft, ONNX_INPUTS); }
tas_status onnx_add_product(onnx_import *self, onnx_draft *draft) { return add_join(self, draft, 2); }

/* A line has room for so many names; further ones go into further lines. */
tas_status onnx_add_concat(onnx_import *self, onnx_draft *draft)
{
    onnx_shape out = onnx_shape_in(self, draft);
    const int64_t axis = onnx_int(draft->node, "axis", 1);
    uint64_t channels = 0;
    const tas_status status = check_shapes(self, draft, false);
    if (status) return status;
    if ((axis != 1 && axis != 1 - out.rank) || out.rank == 3)
        return onnx_refuse(self, draft->node, "axis %" PRId64 "; expected 1, the channels", axis);
    if (draft->inputs == 1) return onnx_pass(self, draft, out);
    for (size_t k = 0; k < draft->inputs; k++) channels += onnx_find(self, draft->input[k])->shape.c;
    if (channels > 1 << 24) return onnx_refuse(self, draft->node, "%" PRIu64 " channels", channels);
    onnx_layer *layer = onnx_layer_add(self, draft, "concat");
    for (size_t k = ONNX_INPUTS; layer && k < draft->inputs; k++) {
        if (layer->inputs == ONNX_INPUTS) {
            const int before = self->layer_count - 1;
            layer = onnx_layer_add(self, draft, "concat");
            if (!layer) break;
            layer->inputs = 1;
            layer->input[0] = before;
        }
        layer->input[layer->inputs++] = onnx_find(self, draft->input[k])->layer;
    }
    out.c = (uint32_t)channels;
    return layer ? onnx_layer_end(self, draft, out) : TAS_BAD_NETWORK;
}

/* ---- the input's scale ------------------------------------------------------------------------------------------- */

/* The operand of a node that is no constant, if the other one is; x - c and x / c alone keep the sign. */
static const char *scaled_operand(onnx_import *self, const onnx_node *node)
{
    const char *a = onnx_input(node, 0), *b = onnx_input(node, 1);
    const bool either = !strcmp(node->op_type, "Add") || !strcmp(node->op_type, "Mul");
    if (onnx_is_constant(self, b) && !onnx_is_constant(self, a)) return a;
    return either && onnx_is_constant(self, a) ? b : NULL;
}

static const onnx_node *scaling_node(const onnx_import *self, const char *name)
{
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div"};
    const onnx_node *node = NULL;
    for (size_t i = 0; i < sizeof ops / sizeof *ops && !node; i++) node = onnx_producer(self, name, ops[i]);
    return node;
}

/* Whether a name is the graph's input, or that with constants added and multiplied. */
bool onnx_match_scaled_input(onnx_import *self, onnx_draft *draft)
{
    const char *name = scaled_operand(self, draft->node), *first = name, **input;
    for (int steps = 0; name && steps < STEPS_MOST; steps++) {
        const onnx_value *value = onnx_find(self, name);
        const onnx_node *node = scaling_node(self, name), *same = onnx_producer(self, name, "Identity");
        if (!same) same = onnx_producer(self, name, "Cast");
        if (value && value->input) break;
        name = node ? scaled_operand(self, node) : same ? onnx_input(same, 0) : NULL;
    }
    const onnx_value *value = onnx_find(self, name);
    if (!value || !value->input || !(input = onnx_alloc(&self->arena, 1, sizeof *input))) return false;
    *input = first;
    draft->input = input;
    draft->inputs = 1;
    return true;
}

/* A number for all, or one per channel. */
static tas_status check_operand(const onnx_import *self, const onnx_draft *draft, const onnx_tensor *t)
{
    const onnx_shape in = onnx_shape_in(self, draft);
    const int channel = t->ndims - (in.rank == 2 ? 1 : 3);
    if (t->count == 1 || (t->count == in.c && channel >= 0 && t->dims[channel] == in.c)) return TAS_OK;
    return onnx_refuse(self, draft->node,
                       "it scales the input by %" PRIu64 " numbers; expected one, or one for each of "
                       "the %u %s",
                       t->count, in.c, in.rank == 2 ? "values" : "channels");
}

/* (x - mean) / std, and one step more. */
static void scale_step(char op, double c, double *mean, double *std)
{
    if (op == 'S') *mean += c * *std;
    if (op == 'A') *mean -= c * *std;
    if (op == 'D') *std *= c;
    if (op == 'M') *std /= c;
}

tas_status onnx_add_scaled_input(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *node = draft->node;
    const onnx_value *from = onnx_find(self, draft->input[0]);
    const uint32_t channels = from->shape.c;
    const char *constant = onnx_input(node, onnx_input(node, 0) == draft->input[0]);
    double *mean = onnx_alloc(&self->arena, channels, sizeof *mean),
           *std = onnx_alloc(&self->arena, channels, sizeof *std);
    onnx_tensor t;
    if (!mean || !std) return onnx_no_memory(self);
    tas_status status = onnx_floats(self, node, constant, "the constant", &t);
    if (!status) status = check_operand(self, draft, &t);
    if (!status) status = onnx_pass(self, draft, from->shape);
    for (uint32_t c = 0; !status && c < channels; c++) {
        mean[c] = from->scaled ? from->mean[c] : 0;
        std[c] = from->scaled ? from->std[c] : 1;
        scale_step(*node->op_type == 'S' ? 'S' : *node->op_type, (double)t.floats[t.count > 1 ? c : 0], &mean[c],
                   &std[c]);
        if (!(std[c] >= 1e-6 && std[c] <= 1e6 && mean[c] >= -1e6 && mean[c] <= 1e6))
            status = onnx_refuse(self, node,
                                 "it scales the input to (x - %g) / %g; expected a mean within 1e6 and a "
                                 "standard deviation from 1e-6 to 1e6",
                                 mean[c], std[c]);
    }
    onnx_value *value = onnx_output(self, node);
    value->scaled = true;
    value->mean = mean;
    value->std = std;
    return status;
}
