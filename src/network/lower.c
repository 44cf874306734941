/* Lowering: layers to tensors and calls of operations, forward and backward. */
#include "network/lower.h"

#include "network/build.h"
#include "ops/reorder.h"

#include <stdlib.h>
#include <string.h>

/* " 1  dense                     500  392500 parameters" */
static void summarize(tas_network *network, layer *self)
{
    char text[160], out[48], kind[48];
    const bool is_loss = self->kind == &layer_loss;
    const int place = (int)(self - network->layers);
    if (self->out.height == 1 && self->out.width == 1)
        snprintf(out, sizeof out, "%u", self->out.channels);
    else
        snprintf(out, sizeof out, "%ux%ux%u", self->out.channels, self->out.height, self->out.width);
    snprintf(kind, sizeof kind, "%s%s%s", self->kind->name, is_loss ? " " : "",
             is_loss ? tas_loss_name(tas_network_loss(network)) : "");
    int n = snprintf(text, sizeof text, "%2d  %-16s %12s", place, kind, out);
    if (self->parameters)
        snprintf(text + n, sizeof text - (size_t)n, "  %llu parameters", (unsigned long long)self->parameters);
    self->summary = strdup(text);
    if (!self->summary) network->failed = true;
}

static void fill_infos(tas_network *network)
{
    network->infos = calloc((size_t)network->parameter_count + 1, sizeof *network->infos);
    if (!network->infos) network->failed = true;
    for (int i = 0; i < network->parameter_count && !network->failed; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        network->infos[i] = (tas_tensor_info){
            .name = t->name, .layer = (size_t)t->layer, .ndims = (size_t)t->ndims, .elements = (size_t)t->elements};
        for (int d = 0; d < t->ndims; d++) network->infos[i].dims[d] = t->dims[d];
    }
}

/* The layout of each layer's input: spatial layers need panels of examples, elementwise ones use what the next layer
 * needs. */
static void choose_layouts(tas_network *network)
{
    for (int i = network->layer_count - 1; i >= 0; i--) {
        layer *self = &network->layers[i];
        const bool next = i + 1 < network->layer_count && network->layers[i + 1].batch_panels;
        self->batch_panels = self->kind->spatial || ((self->kind->elementwise || !i) && next);
        network->batch_panels |= self->batch_panels;
    }
}

/* x, or a copy of it in the other layout. */
static int convert(tas_network *network, const layer *self, int x, bool batch_panels, const char *suffix, bool backward)
{
    if (x < 0 || network->tensors[x].batch_panels == batch_panels) return x;
    const uint32_t elements = (uint32_t)network->tensors[x].elements;
    const int y = build_value(network, self, batch_panels, elements, suffix);
    const op_call call = {
        .args = {.op = batch_panels ? OP_TO_PANELS : OP_TO_ROWS, .size = {[REORDER_ELEMENTS] = elements}},
        .operand = {x, y}};
    if (backward)
        build_backward(network, call);
    else
        build_forward(network, call);
    return y;
}

static uint64_t count_flops(const op_call *calls, int from, int to)
{
    uint64_t flops = 0;
    for (int c = from; c < to; c++)
        if (op_get(calls[c].args.op)->flops) flops += op_get(calls[c].args.op)->flops(&calls[c].args);
    return flops;
}

tas_status lower_network(tas_network *network)
{
    layer *layers = network->layers;
    const int count = network->layer_count;
    network->input = network->label = network->target = network->losses = network->correct = network->output =
        NO_TENSOR;
    network->order = build_tensor(network, ROLE_ORDER, 1, "order");
    choose_layouts(network);

    int first = count; /* the first layer with parameters: gradients go no further back */
    for (int i = 0; i < count && !network->failed; i++) {
        const int before = network->parameter_count, calls = network->forward_count;
        if (i) layers[i].x = convert(network, &layers[i], layers[i - 1].y, layers[i].batch_panels, ".x", false);
        layers[i].kind->lower(network, &layers[i]);
        layers[i].forward_flops = layers[i].train_flops = count_flops(network->forward, calls, network->forward_count);
        if (network->parameter_count > before && i < first) first = i;
    }
    if (first == count && !network->failed)
        return fail(network->context, TAS_BAD_NETWORK,
                    "%s: no layer has parameters; expected at least one 'dense N' or 'conv2d N K'", network->from);
    for (int i = count - 1; i >= first && !network->failed; i--) {
        const int calls = network->backward_count;
        if (i < count - 1)
            layers[i].dy =
                convert(network, &layers[i], layers[i + 1].dx, network->tensors[layers[i].y].batch_panels, ".dy", true);
        layers[i].kind->lower_backward(network, &layers[i], i > first);
        layers[i].train_flops += count_flops(network->backward, calls, network->backward_count);
    }
    fill_infos(network);
    for (int i = 0; i < count && !network->failed; i++) summarize(network, &layers[i]);
    if (network->failed) return fail(network->context, TAS_NO_MEMORY, "%s: no memory for its tensors", network->from);
    return TAS_OK;
}
