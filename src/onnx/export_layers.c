/* Which nodes a layer becomes. Each kind is a row. */
#include "network/layers/layer.h"
#include "onnx/export.h"

#include <string.h>

static const layer *layer_of(const onnx_export_state *e, int i) { return &e->network->layers[i]; }

/* "3.gelu.erf"; suffix "": the value of the layer itself. */
static const char *name_of(onnx_export_state *e, int i, const char *suffix)
{
    return onnx_text(&e->w, "%d.%s%s", i, layer_of(e, i)->kind->name, suffix);
}

/* A node that reads a value, and is the layer's own (suffix "") or on the way there. */
static Onnx__NodeProto *add_node(onnx_export_state *e, const char *op, int i, const char *suffix, const char *reads)
{
    Onnx__NodeProto *node = onnx_node_add(&e->w, op, name_of(e, i, suffix));
    onnx_node_reads(&e->w, node, reads);
    return node;
}

static void end(onnx_export_state *e, int i, const Onnx__NodeProto *node, int rank)
{
    e->value[i] = node->n_output ? node->output[0] : "";
    e->rank[i] = rank;
}

static const char *reshape(onnx_export_state *e, const char *value, const char *suffix, const int64_t *dims,
                           size_t count)
{
    onnx_writer *w = &e->w;
    const char *name = onnx_text(w, "%s%s", value, suffix);
    Onnx__NodeProto *node = onnx_node_add(w, "Reshape", name);
    onnx_node_reads(w, node, value);
    onnx_node_reads(w, node, onnx_ints_add(w, onnx_text(w, "%s.shape", name), dims, count));
    return name;
}

/* 0 in a new shape keeps the dimension: the examples'. The nodes of several readers would have one name: a value is
 * converted once for each reader, and named after it. */
static const char *convert(onnx_export_state *e, int from, int rank, int reader, int k)
{
    const shape s = layer_of(e, from)->out;
    char suffix[64];
    if (e->rank[from] == rank) return e->value[from];
    snprintf(suffix, sizeof suffix, ".%s.%d.%d", rank == 4 ? "planes" : "row", reader, k);
    return rank == 4 ? reshape(e, e->value[from], suffix, (const int64_t[]){0, s.channels, s.height, s.width}, 4)
                     : reshape(e, e->value[from], suffix, (const int64_t[]){0, -1}, 2);
}

const char *onnx_export_value(onnx_export_state *e, int i, int rank) { return convert(e, i, rank, i, 0); }

/* What the layer reads, as planes (4), as a row (2), or as it is (0). */
static const char *input_of(onnx_export_state *e, int i, int rank)
{
    const int from = layer_of(e, i)->from[0];
    return convert(e, from, rank ? rank : e->rank[from], i, 0);
}

static int rank_in(const onnx_export_state *e, int i) { return e->rank[layer_of(e, i)->from[0]]; }

static void read_parameter(onnx_export_state *e, Onnx__NodeProto *node, int i, const char *what)
{
    onnx_node_reads(&e->w, node, name_of(e, i, what));
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static void scale(onnx_export_state *e, int i, const char *op, const char *what, const line_list *list)
{
    const bool flat = layer_of(e, i)->out.flat;
    const int64_t dims[3] = {list->count, 1, 1};
    if (!list->count) return;
    Onnx__NodeProto *node =
        add_node(e, op, i, onnx_text(&e->w, ".%s", *op == 'S' ? "centered" : "scaled"), e->value[i]);
    onnx_node_reads(&e->w, node,
                    onnx_tensor_add(&e->w, name_of(e, i, what), dims, flat || list->count == 1 ? 1 : 3, list->values));
    e->value[i] = node->output ? node->output[0] : "";
}

static void export_input(onnx_export_state *e, int i)
{
    e->value[i] = "input";
    e->rank[i] = layer_of(e, i)->out.flat ? 2 : 4;
    scale(e, i, "Sub", ".mean", &layer_of(e, i)->mean);
    scale(e, i, "Div", ".std", &layer_of(e, i)->std);
}

static void export_same(onnx_export_state *e, int i)
{
    e->value[i] = input_of(e, i, 0);
    e->rank[i] = rank_in(e, i);
}

static void export_dense(onnx_export_state *e, int i)
{
    Onnx__NodeProto *node = add_node(e, "Gemm", i, "", input_of(e, i, 2));
    read_parameter(e, node, i, ".weight");
    if (!layer_of(e, i)->no_bias) read_parameter(e, node, i, ".bias");
    onnx_node_int(&e->w, node, "transB", 1);
    end(e, i, node, 2);
}

static void add_pair(onnx_export_state *e, Onnx__NodeProto *node, const char *name, const uint32_t pair[2])
{
    onnx_node_list(&e->w, node, name, (const int64_t[]){pair[0], pair[1]}, 2);
}

static void add_window(onnx_export_state *e, Onnx__NodeProto *node, const layer *l)
{
    add_pair(e, node, "kernel_shape", l->kernel);
    add_pair(e, node, "strides", l->stride);
    onnx_node_list(&e->w, node, "pads", (const int64_t[]){l->padding[0], l->padding[1], l->padding[0], l->padding[1]},
                   4);
}

static void export_conv(onnx_export_state *e, int i)
{
    const layer *l = layer_of(e, i);
    const bool transposed = l->kind == &layer_conv_transpose2d;
    Onnx__NodeProto *node = add_node(e, transposed ? "ConvTranspose" : "Conv", i, "", input_of(e, i, 4));
    read_parameter(e, node, i, ".weight");
    if (!l->no_bias) read_parameter(e, node, i, ".bias");
    add_window(e, node, l);
    if (transposed)
        add_pair(e, node, "output_padding", l->padding_after);
    else
        add_pair(e, node, "dilations", l->dilation);
    onnx_node_int(&e->w, node, "group", l->groups);
    end(e, i, node, 4);
}

static void export_pool(onnx_export_state *e, int i)
{
    const layer *l = layer_of(e, i);
    const bool max = l->kind == &layer_max_pool;
    Onnx__NodeProto *node = add_node(e, max ? "MaxPool" : "AveragePool", i, "", input_of(e, i, 4));
    add_window(e, node, l);
    if (!max) onnx_node_int(&e->w, node, "count_include_pad", 1);
    end(e, i, node, 4);
}

static void export_global_pool(onnx_export_state *e, int i)
{
    end(e, i, add_node(e, "GlobalAveragePool", i, "", input_of(e, i, 4)), 4);
}

static void export_upsample(onnx_export_state *e, int i)
{
    const layer *l = layer_of(e, i);
    float *scales = onnx_alloc(&e->w.arena, 4, sizeof *scales);
    Onnx__NodeProto *node = add_node(e, "Resize", i, "", input_of(e, i, 4));
    if (!scales) {
        e->w.failed = true;
        return;
    }
    scales[0] = scales[1] = 1;
    scales[2] = (float)l->stride[0];
    scales[3] = (float)l->stride[1];
    onnx_node_reads(&e->w, node, "");
    onnx_node_reads(&e->w, node, onnx_tensor_add(&e->w, name_of(e, i, ".scales"), (const int64_t[]){4}, 1, scales));
    onnx_node_word(&e->w, node, "mode", "nearest");
    onnx_node_word(&e->w, node, "coordinate_transformation_mode", "asymmetric");
    onnx_node_word(&e->w, node, "nearest_mode", "floor");
    end(e, i, node, 4);
}

static void export_pad(onnx_export_state *e, int i)
{
    const layer *l = layer_of(e, i);
    const int64_t pads[8] = {0, 0, l->padding[0], l->padding[1], 0, 0, l->padding_after[0], l->padding_after[1]};
    Onnx__NodeProto *node = add_node(e, "Pad", i, "", input_of(e, i, 4));
    onnx_node_reads(&e->w, node, onnx_ints_add(&e->w, name_of(e, i, ".pads"), pads, 8));
    onnx_node_word(&e->w, node, "mode", "constant");
    end(e, i, node, 4);
}

static void export_flatten(onnx_export_state *e, int i)
{
    if (rank_in(e, i) == 2) {
        export_same(e, i);
        return;
    }
    Onnx__NodeProto *node = add_node(e, "Flatten", i, "", input_of(e, i, 4));
    onnx_node_int(&e->w, node, "axis", 1);
    end(e, i, node, 2);
}

static void export_dropout(onnx_export_state *e, int i)
{
    Onnx__NodeProto *node = add_node(e, "Dropout", i, "", input_of(e, i, 0));
    onnx_node_reads(&e->w, node, onnx_number_add(&e->w, name_of(e, i, ".ratio"), layer_of(e, i)->rate));
    end(e, i, node, rank_in(e, i));
}

/* ---- normalization ----------------------------------------------------------------------------------------------- */

static void export_batch_norm(onnx_export_state *e, int i)
{
    static const char *const what[] = {".weight", ".bias", ".running_mean", ".running_var"};
    Onnx__NodeProto *node = add_node(e, "BatchNormalization", i, "", input_of(e, i, 0));
    for (size_t k = 0; k < sizeof what / sizeof *what; k++) read_parameter(e, node, i, what[k]);
    onnx_node_float(&e->w, node, "epsilon", layer_of(e, i)->epsilon);
    onnx_node_float(&e->w, node, "momentum", 1 - layer_of(e, i)->momentum);
    end(e, i, node, rank_in(e, i));
}

static void export_layer_norm(onnx_export_state *e, int i)
{
    Onnx__NodeProto *node = add_node(e, "LayerNormalization", i, "", input_of(e, i, 0));
    read_parameter(e, node, i, ".weight");
    read_parameter(e, node, i, ".bias");
    onnx_node_float(&e->w, node, "epsilon", layer_of(e, i)->epsilon);
    onnx_node_int(&e->w, node, "axis", -1);
    end(e, i, node, 2);
}

/* A list of a parameter's values with a shape against which planes broadcast. */
static const char *parameter_as(onnx_export_state *e, int i, const char *what, int rank)
{
    const int64_t channels = layer_of(e, i)->in.channels;
    return rank == 2 ? name_of(e, i, what)
                     : reshape(e, name_of(e, i, what), ".planes", (const int64_t[]){channels, 1, 1}, 3);
}

/* Groups of channels as the channels of InstanceNormalization, as PyTorch exports them: opset 17 has no group
 * normalization. */
static void export_groups(onnx_export_state *e, int i, uint32_t groups)
{
    onnx_writer *w = &e->w;
    const layer *l = layer_of(e, i);
    const int rank = rank_in(e, i);
    const int64_t back[4] = {0, l->in.channels, l->in.height, l->in.width}, dims[1] = {groups};
    float *ones = onnx_alloc(&w->arena, groups, sizeof *ones), *zeros = onnx_alloc(&w->arena, groups, sizeof *zeros);
    w->failed |= !ones || !zeros;
    for (uint32_t g = 0; ones && g < groups; g++) ones[g] = 1;
    const char *split =
        reshape(e, input_of(e, i, 0), onnx_text(w, ".groups.%d", i), (const int64_t[]){0, groups, -1}, 3);
    Onnx__NodeProto *norm = add_node(e, "InstanceNormalization", i, ".normalized", split);
    onnx_node_reads(w, norm, onnx_tensor_add(w, name_of(e, i, ".ones"), dims, 1, ones));
    onnx_node_reads(w, norm, onnx_tensor_add(w, name_of(e, i, ".zeros"), dims, 1, zeros));
    onnx_node_float(w, norm, "epsilon", l->epsilon);
    const char *whole = reshape(e, name_of(e, i, ".normalized"), ".whole", back, (size_t)rank);
    const char *weight = parameter_as(e, i, ".weight", rank), *bias = parameter_as(e, i, ".bias", rank);
    onnx_node_reads(w, add_node(e, "Mul", i, ".scaled", whole), weight);
    Onnx__NodeProto *sum = add_node(e, "Add", i, "", name_of(e, i, ".scaled"));
    onnx_node_reads(w, sum, bias);
    end(e, i, sum, rank);
}

static void export_example_norm(onnx_export_state *e, int i)
{
    const layer *l = layer_of(e, i);
    if (l->kind == &layer_layer_norm && rank_in(e, i) == 2)
        export_layer_norm(e, i);
    else
        export_groups(e, i, l->kind == &layer_group_norm ? l->groups : 1);
}

/* ---- joins ------------------------------------------------------------------------------------------------------- */

/* All in the first one's form. */
static const char *joined(onnx_export_state *e, int i, int k)
{
    return convert(e, layer_of(e, i)->from[k], rank_in(e, i), i, k);
}

static void export_concat(onnx_export_state *e, int i)
{
    const char *read[LAYER_INPUTS];
    const int count = layer_of(e, i)->inputs;
    for (int k = 0; k < count; k++) read[k] = joined(e, i, k); /* nodes before this one */
    Onnx__NodeProto *node = add_node(e, "Concat", i, "", read[0]);
    for (int k = 1; k < count; k++) onnx_node_reads(&e->w, node, read[k]);
    onnx_node_int(&e->w, node, "axis", 1);
    end(e, i, node, rank_in(e, i));
}

/* Two by two, in the order of the text. */
static void export_pairs(onnx_export_state *e, int i)
{
    const layer *l = layer_of(e, i);
    const char *so_far = joined(e, i, 0), *op = l->kind == &layer_add ? "Add" : "Mul";
    Onnx__NodeProto *node = NULL;
    for (int k = 1; k < l->inputs; k++) {
        const char *other = joined(e, i, k);
        node = add_node(e, op, i, k + 1 < l->inputs ? onnx_text(&e->w, ".%d", k) : "", so_far);
        onnx_node_reads(&e->w, node, other);
        so_far = node->output ? node->output[0] : "";
    }
    if (node) end(e, i, node, rank_in(e, i));
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

/* Those that are one node without settings. */
static void export_activation(onnx_export_state *e, int i)
{
    static const struct {
        const layer_kind *kind;
        const char *op;
    } ops[] = {{&layer_relu, "Relu"},       {&layer_leaky, "LeakyRelu"},      {&layer_tanh, "Tanh"},
               {&layer_sigmoid, "Sigmoid"}, {&layer_hard_swish, "HardSwish"}, {&layer_softplus, "Softplus"}};
    const layer *l = layer_of(e, i);
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        if (l->kind != ops[k].kind) continue;
        Onnx__NodeProto *node = add_node(e, ops[k].op, i, "", input_of(e, i, 0));
        if (l->kind == &layer_leaky) onnx_node_float(&e->w, node, "alpha", l->slope);
        end(e, i, node, rank_in(e, i));
    }
}

/* x (1 + erf(x / sqrt 2)) / 2: the operator Gelu is younger than opset 17. */
static void export_gelu(onnx_export_state *e, int i)
{
    onnx_writer *w = &e->w;
    const char *x = input_of(e, i, 0);
    Onnx__NodeProto *node = add_node(e, "Div", i, ".scaled", x);
    onnx_node_reads(w, node, onnx_number_add(w, name_of(e, i, ".sqrt2"), 1.41421356f));
    add_node(e, "Erf", i, ".erf", name_of(e, i, ".scaled"));
    node = add_node(e, "Add", i, ".sum", name_of(e, i, ".erf"));
    onnx_node_reads(w, node, onnx_number_add(w, name_of(e, i, ".one"), 1));
    node = add_node(e, "Mul", i, ".product", x);
    onnx_node_reads(w, node, name_of(e, i, ".sum"));
    node = add_node(e, "Mul", i, "", name_of(e, i, ".product"));
    onnx_node_reads(w, node, onnx_number_add(w, name_of(e, i, ".half"), 0.5f));
    end(e, i, node, rank_in(e, i));
}

static void export_silu(onnx_export_state *e, int i)
{
    const char *x = input_of(e, i, 0);
    add_node(e, "Sigmoid", i, ".gate", x);
    Onnx__NodeProto *node = add_node(e, "Mul", i, "", x);
    onnx_node_reads(&e->w, node, name_of(e, i, ".gate"));
    end(e, i, node, rank_in(e, i));
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const struct export_row {
    const layer_kind *kind;
    void (*add)(onnx_export_state *, int);
} rows[] = {
    {&layer_input, export_input},
    {&layer_augment, export_same},
    {&layer_dense, export_dense},
    {&layer_conv2d, export_conv},
    {&layer_conv_transpose2d, export_conv},
    {&layer_max_pool, export_pool},
    {&layer_avg_pool, export_pool},
    {&layer_global_avg_pool, export_global_pool},
    {&layer_upsample, export_upsample},
    {&layer_pad, export_pad},
    {&layer_flatten, export_flatten},
    {&layer_dropout, export_dropout},
    {&layer_batch_norm, export_batch_norm},
    {&layer_layer_norm, export_example_norm},
    {&layer_group_norm, export_example_norm},
    {&layer_add, export_pairs},
    {&layer_concat, export_concat},
    {&layer_multiply, export_pairs},
    {&layer_gelu, export_gelu},
    {&layer_silu, export_silu},
    {&layer_relu, export_activation},
    {&layer_leaky, export_activation},
    {&layer_tanh, export_activation},
    {&layer_sigmoid, export_activation},
    {&layer_hard_swish, export_activation},
    {&layer_softplus, export_activation},
    {&layer_loss, export_same},
};

bool onnx_export_layer(onnx_export_state *e, int i)
{
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        if (layer_of(e, i)->kind != rows[k].kind) continue;
        rows[k].add(e, i);
        return true;
    }
    return false;
}
