/* Writing a network as an ONNX graph. */
#include "onnx/export.h"
#include "network/layers/layer.h"
#include "onnx/onnx.h"

#include <string.h>

enum { OPSET = 17, IR_VERSION = 8 /* the format's version of that opset's time */ };

/* All parameters, under the names that they have here. */
static tas_status add_parameters(onnx_export_state *e, onnx_source source, void *user)
{
    const tas_network *network = e->network;
    for (int p = 0; p < network->parameter_count; p++) {
        const tas_tensor_info *info = &network->infos[p];
        float *values = onnx_alloc(&e->w.arena, info->elements, sizeof *values);
        int64_t dims[PARAMETER_DIMS];
        if (!values) return fail(network->context, TAS_NO_MEMORY, "no memory to read the parameters");
        const tas_status status = source(user, p, values);
        if (status) return status;
        for (size_t d = 0; d < info->ndims; d++) dims[d] = (int64_t)info->dims[d];
        onnx_tensor_add(&e->w, onnx_text(&e->w, "%s", info->name), dims, info->ndims, values);
    }
    return TAS_OK;
}

/* The graph's output is called so. */
static void rename_value(onnx_writer *w, const char *from, const char *to)
{
    for (size_t n = 0; n < w->nodes.count; n++) {
        Onnx__NodeProto *node = w->nodes.items[n];
        for (size_t k = 0; k < node->n_input; k++)
            if (!strcmp(node->input[k], from)) node->input[k] = (char *)(uintptr_t)to;
        if (!strcmp(node->output[0], from)) node->output[0] = (char *)(uintptr_t)to;
    }
}

static tas_status add_probabilities(onnx_export_state *e, const char **value)
{
    const tas_loss loss = e->network->loss;
    if (loss != TAS_LOSS_SOFTMAX && loss != TAS_LOSS_BCE)
        return fail(e->network->context, TAS_BAD_ARGUMENT,
                    "loss %s has no probabilities; those of softmax and bce have", tas_loss_name(loss));
    const char *name = "probabilities";
    Onnx__NodeProto *node = onnx_node_add(&e->w, loss == TAS_LOSS_BCE ? "Sigmoid" : "Softmax", name);
    onnx_node_reads(&e->w, node, *value);
    if (loss == TAS_LOSS_SOFTMAX) onnx_node_int(&e->w, node, "axis", 1);
    *value = name;
    return TAS_OK;
}

/* Outputs in the units of the data: y S + M. */
static void scale_outputs(onnx_export_state *e, const char **value)
{
    const tas_network *network = e->network;
    const struct {
        const char *op, *name;
        const line_list *list;
    } steps[] = {{"Mul", "loss.std", &network->target_std}, {"Add", "loss.mean", &network->target_mean}};
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        const line_list *list = steps[k].list;
        const int64_t dims[1] = {list->count};
        if (!list->count) continue;
        const char *name = onnx_text(&e->w, "%s.scaled", steps[k].name);
        Onnx__NodeProto *node = onnx_node_add(&e->w, steps[k].op, name);
        onnx_node_reads(&e->w, node, *value);
        onnx_node_reads(&e->w, node, onnx_tensor_add(&e->w, steps[k].name, dims, 1, list->values));
        *value = name;
    }
}

static tas_status add_graph(onnx_export_state *e, bool probabilities)
{
    const tas_network *network = e->network;
    const int last = network->layer_count - 1;
    for (int i = 0; i <= last; i++)
        if (!onnx_export_layer(e, i))
            return fail(network->context, TAS_BAD_NETWORK, "%s: layer %d, %s, has no form in ONNX", network->from, i,
                        network->layers[i].kind->name);
    const char *value = onnx_export_value(e, last, 2);
    scale_outputs(e, &value);
    const tas_status status = probabilities ? add_probabilities(e, &value) : TAS_OK;
    if (!status && strcmp(value, "input") != 0) rename_value(&e->w, onnx_text(&e->w, "%s", value), "output");
    return status;
}

static tas_status write_graph(onnx_export_state *e, const char *path)
{
    const tas_network *network = e->network;
    const shape in = network->in;
    const int64_t dims[3] = {in.channels, in.height, in.width}, outputs[1] = {network->outputs};
    Onnx__ValueInfoProto *input = onnx_info(&e->w, "input", dims, in.flat ? 1 : 3);
    Onnx__ValueInfoProto *output = onnx_info(&e->w, "output", outputs, 1);
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[] = {&opset};
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    if (e->w.failed) return fail(network->context, TAS_NO_MEMORY, "%s: no memory to write it", path);
    char producer[] = "tassello", empty[] = "", name[] = "network";
    opset = (Onnx__OperatorSetIdProto){.base = opset.base, .domain = empty, .has_version = 1, .version = OPSET};
    graph.name = name;
    graph.node = (Onnx__NodeProto **)e->w.nodes.items;
    graph.n_node = e->w.nodes.count;
    graph.initializer = (Onnx__TensorProto **)e->w.tensors.items;
    graph.n_initializer = e->w.tensors.count;
    graph.input = &input;
    graph.output = &output;
    graph.n_input = graph.n_output = 1;
    model.has_ir_version = 1;
    model.ir_version = IR_VERSION;
    model.producer_name = producer;
    model.producer_version = (char *)(uintptr_t)tas_version();
    model.graph = &graph;
    model.opset_import = opsets;
    model.n_opset_import = 1;
    return onnx_file_write(network->context, path, &model);
}

tas_status onnx_export(const tas_network *network, onnx_source source, void *user, const char *path, bool probabilities)
{
    if (network->unresolved)
        return fail(network->context, TAS_BAD_NETWORK, "%s: its mean and std are still to be taken from data",
                    network->from);
    onnx_export_state e = {.network = network, .w.arena.room = UINT64_MAX};
    e.value = onnx_alloc(&e.w.arena, (size_t)network->layer_count, sizeof *e.value);
    e.rank = onnx_alloc(&e.w.arena, (size_t)network->layer_count, sizeof *e.rank);
    tas_status status = e.value && e.rank ? add_parameters(&e, source, user)
                                          : fail(network->context, TAS_NO_MEMORY, "%s: no memory to write it", path);
    if (!status) status = add_graph(&e, probabilities);
    if (!status) status = write_graph(&e, path);
    onnx_free(&e.w.arena);
    return status;
}
