/* Lowering: layers to tensors and calls of operations, forward and backward. */
#include "network/lower.h"

#include "network/build.h"
#include "ops/reorder.h"

#include <stdlib.h>
#include <string.h>

/* Behind what is in text already: the inputs, if there are others than the layer before. */
static void append_inputs(const tas_network *network, const layer *self, char *text, size_t bytes)
{
    const int place = (int)(self - network->layers);
    if (self->inputs < 2 && (!place || self->from[0] == place - 1)) return;
    for (int k = 0; k < self->inputs; k++) {
        const size_t used = strlen(text);
        const layer *from = &network->layers[self->from[k]];
        if (*from->name)
            snprintf(text + used, bytes - used, "%s%s", k ? ", " : "  of ", from->name);
        else
            snprintf(text + used, bytes - used, "%s%d", k ? ", " : "  of ", self->from[k]);
    }
}

/* " 1  dense                     500  392500 parameters" */
static void summarize(tas_network *network, layer *self)
{
    enum { NAMES_TEXT = LAYER_INPUTS * (LAYER_NAME + 2) };
    char text[160 + NAMES_TEXT], out[48], kind[48];
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
        snprintf(text + n, sizeof text - (size_t)n, "  %llu parameters%s", (unsigned long long)self->parameters,
                 self->frozen ? ", frozen" : "");
    append_inputs(network, self, text, sizeof text);
    self->summary = strdup(text);
    if (!self->summary) network->failed = true;
}

static void fill_infos(tas_network *network)
{
    network->infos = calloc((size_t)network->parameter_count + 1, sizeof *network->infos);
    if (!network->infos) network->failed = true;
    for (int i = 0; i < network->parameter_count && !network->failed; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        network->infos[i] = (tas_tensor_info){.name = t->name,
                                              .layer = (size_t)t->layer,
                                              .ndims = (size_t)t->ndims,
                                              .elements = (size_t)t->elements,
                                              .trained = t->role == ROLE_PARAMETER};
        for (int d = 0; d < t->ndims; d++) network->infos[i].dims[d] = t->dims[d];
    }
}

/* The layout of each layer's inputs: spatial layers need panels of examples, elementwise ones use what a layer that
 * reads them needs. */
static void choose_layouts(tas_network *network)
{
    for (int i = network->layer_count - 1; i >= 0; i--) {
        layer *self = &network->layers[i];
        self->batch_panels |= self->kind->spatial; /* what readers have asked for stays, if the kind leaves a choice */
        if (!self->kind->spatial && !self->kind->elementwise && i) self->batch_panels = false;
        for (int k = 0; k < self->inputs; k++) network->layers[self->from[k]].batch_panels |= self->batch_panels;
        network->batch_panels |= self->batch_panels;
    }
}

/* A copy of x in the other layout. */
static int build_copy(tas_network *network, const layer *self, int x, const char *suffix, bool backward)
{
    const bool to_panels = !network->tensors[x].batch_panels;
    const uint32_t elements = (uint32_t)network->tensors[x].elements;
    const int y = build_value(network, self, to_panels, elements, suffix);
    const op_call call = {
        .args = {.op = to_panels ? OP_TO_PANELS : OP_TO_ROWS, .size = {[REORDER_ELEMENTS] = elements}},
        .operand = {x, y}};
    if (backward)
        build_backward(network, call);
    else
        build_forward(network, call);
    return y;
}

/* The value of an input in the layout that the layer needs. */
static int convert_value(tas_network *network, const layer *self, int x)
{
    if (x < 0 || network->tensors[x].batch_panels == self->batch_panels) return x;
    if (network->tensors[x].converted == NO_TENSOR) {
        const int copy = build_copy(network, self, x, ".x", false);
        if (copy < 0) return copy;
        network->tensors[x].converted = copy;
        network->tensors[copy].needs_gradient = network->tensors[x].needs_gradient;
    }
    return network->tensors[x].converted;
}

/* Whether a layer's gradient is that to its input as well, and to no other: flatten's. */
static bool passes_on(const layer *self, int dx) { return self->inputs == 1 && dx == self->dy; }

/* The call that made a layer's gradient last adds it to that of others, if it can. */
static bool end_with_sum(tas_network *network, int dx, int others)
{
    if (!network->backward_count) return false;
    op_call *call = &network->backward[network->backward_count - 1];
    const op_row *row = op_get(call->args.op);
    if (call->layer != network->lowering || call->operand[op_result(row)] != dx || !row->addend) return false;
    call->operand[row->addend - 1] = others;
    call->args.adds = true;
    return true;
}

/* Adds a layer's gradient to its input k to what other layers that read the same value have given. */
static void add_gradient(tas_network *network, const layer *self, int k)
{
    layer *from = &network->layers[self->from[k]];
    int dx = self->dx[k];
    if (dx < 0 || from->y < 0) return;
    if (network->tensors[dx].batch_panels != network->tensors[from->y].batch_panels)
        dx = build_copy(network, from, dx, ".dy", true);
    const bool first = from->dy == NO_TENSOR;
    from->dy = first || end_with_sum(network, dx, from->dy) ? dx : build_sum(network, from, dx, from->dy, true);
    from->sum = !first ? network->backward_count - 1 : passes_on(self, dx) ? self->sum : -1;
}

static uint64_t count_flops(const op_call *calls, int from, int to)
{
    uint64_t flops = 0;
    for (int c = from; c < to; c++)
        if (op_get(calls[c].args.op)->flops && calls[c].when != CALL_EVALUATION)
            flops += op_get(calls[c].args.op)->flops(&calls[c].args);
    return flops;
}

static void lower_layer(tas_network *network, int i)
{
    layer *self = &network->layers[i];
    const int calls = network->forward_count;
    bool needs_gradient = false;
    network->lowering = i;
    for (int k = 0; k < self->inputs; k++) {
        self->x[k] = convert_value(network, self, network->layers[self->from[k]].y);
        self->needs_dx[k] = self->x[k] >= 0 && network->tensors[self->x[k]].needs_gradient;
        needs_gradient |= self->needs_dx[k];
    }
    self->kind->lower(network, self);
    self->forward_flops = self->train_flops = count_flops(network->forward, calls, network->forward_count);
    self->trains = needs_gradient || (self->parameters && !self->frozen);
    if (self->y >= 0) network->tensors[self->y].needs_gradient = self->trains;
}

static void lower_layer_backward(tas_network *network, int i)
{
    layer *self = &network->layers[i];
    const int calls = network->backward_count;
    if (!self->trains) return;
    network->lowering = i;
    self->kind->lower_backward(network, self);
    self->train_flops += count_flops(network->backward, calls, network->backward_count);
    for (int k = 0; k < self->inputs; k++)
        if (self->needs_dx[k]) add_gradient(network, self, k);
}

/* A call that reads sums over examples is one of batch normalization. */
static noise_kind noise_kind_of(const tas_network *network, const op_call *call)
{
    const op_row *row = op_get(call->args.op);
    bool sums = false, normalizes = call->whole_batch;
    for (int o = 0; row->operand[o].name; o++) {
        const tensor *t = &network->tensors[call->operand[o]];
        sums |= row->operand[o].access != ACCESS_IN && t->role == ROLE_GRADIENT;
        normalizes |= t->role == ROLE_SUM;
    }
    if (!sums || normalizes) return NOISE_NOTHING;
    return row->norms == NORMS_NONE || network->coupled ? NOISE_GROUPS : NOISE_EXAMPLES;
}

static void number_calls(tas_network *network)
{
    const int forward = network->forward_count;
    for (int c = 0; c < forward; c++) network->forward[c].number = c;
    for (int c = 0; c < network->backward_count; c++) network->backward[c].number = forward + c;
}

/* What gradients are like, which the calls that sum them show. */
static void describe_gradients(tas_network *network)
{
    for (op_call *call = network->backward; call < network->backward + network->backward_count; call++) {
        const op_operand *operand = op_get(call->args.op)->operand;
        call->noise = noise_kind_of(network, call);
        for (int o = 0; operand[o].name; o++)
            if (operand[o].access != ACCESS_IN) {
                network->tensors[call->operand[o]].noise = call->noise;
                network->tensors[call->operand[o]].fuses = network_fuses(call);
            }
    }
}

tas_status lower_network(tas_network *network)
{
    const int count = network->layer_count;
    network->input = network->label = network->target = network->losses = network->correct = network->output =
        network->channel_scales = NO_TENSOR;
    network->order = build_tensor(network, ROLE_ORDER, 1, "order");
    choose_layouts(network);
    for (int i = 0; i < count && !network->failed; i++) lower_layer(network, i);
    if (!network->failed && !network->layers[count - 1].trains)
        return fail(network->context, TAS_BAD_NETWORK, "%s: %s", network->from,
                    network->parameter_count
                        ? "all layers with parameters are frozen; expected at least one that is trained"
                        : "no layer has parameters; expected at least one 'dense N' or 'conv2d N K'");
    for (int i = count - 1; i >= 0 && !network->failed; i--) lower_layer_backward(network, i);
    if (!network->failed) number_calls(network);
    if (!network->failed) describe_gradients(network);
    fill_infos(network);
    for (int i = 0; i < count && !network->failed; i++) summarize(network, &network->layers[i]);
    if (network->failed) return fail(network->context, TAS_NO_MEMORY, "%s: no memory for its tensors", network->from);
    return TAS_OK;
}
