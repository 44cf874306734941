/* Lowering: layers to tensors and calls of operations, forward and backward; and the initial parameters. */
#include "network/layer.h"

#include "arith.h"
#include "philox.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

uint32_t granule_of(uint64_t weights, uint32_t positions)
{
    uint32_t e = 1;
    if (weights >= ONE_CHAIN_WEIGHTS) return 0;
    while ((uint64_t)e * positions < GRANULE_LEAST) e *= 2;
    return e;
}

/* Grows an array by one; NULL where there is no memory. */
static void *grow(tas_network *network, void **array, int *count, size_t bytes)
{
    char *grown = realloc(*array, bytes * ((size_t)*count + 1));
    if (!grown) {
        network->failed = true;
        return NULL;
    }
    *array = grown;
    memset(grown + bytes * (size_t)*count, 0, bytes);
    return grown + bytes * (size_t)(*count)++;
}

int add_tensor(tas_network *network, tensor_role role, uint64_t elements, const char *format, ...)
{
    tensor *t = grow(network, (void **)&network->tensors, &network->tensor_count, sizeof *t);
    if (!t) return NO_TENSOR;
    va_list list;
    va_start(list, format);
    vsnprintf(t->name, sizeof t->name, format, list);
    va_end(list);
    t->role = role;
    t->elements = elements;
    t->gradient = t->open = t->parameter = NO_TENSOR;
    return network->tensor_count - 1;
}

int add_value(tas_network *network, const layer *self, bool held, uint64_t elements, const char *suffix)
{
    const int place = (int)(self - network->layers);
    const int index = add_tensor(network, ROLE_VALUE, elements, "%d.%s%s", place, self->kind->name, suffix);
    if (index >= 0) network->tensors[index].held = held;
    return index;
}

int add_parameter(tas_network *network, const layer *self, const parameter_is *is)
{
    const int number = (int)(self - network->layers);
    const char *kind = self->kind->name;
    uint64_t elements = 1;
    for (int d = 0; d < is->ndims; d++) elements *= is->dims[d];
    const int index = add_tensor(network, ROLE_PARAMETER, elements, "%d.%s.%s", number, kind, is->what);
    const int gradient = add_tensor(network, ROLE_GRADIENT, elements, "%d.%s.%s.gradient", number, kind, is->what);
    const int open =
        is->granule ? add_tensor(network, ROLE_OPEN, elements, "%d.%s.%s.open", number, kind, is->what) : NO_TENSOR;
    int *place = grow(network, (void **)&network->parameters, &network->parameter_count, sizeof *place);
    if (index < 0 || gradient < 0 || (is->granule && open < 0) || !place) return NO_TENSOR;
    *place = index;
    for (int t = index; t < network->tensor_count; t++) {
        tensor *of = &network->tensors[t];
        memcpy(of->dims, is->dims, sizeof of->dims);
        of->ndims = is->ndims;
        of->panels = is->panels;
        of->parameter = index;
    }
    tensor *p = &network->tensors[index];
    p->init = is->init;
    p->fan_in = is->fan_in;
    p->fan_out = is->fan_out;
    p->gradient = gradient;
    p->open = open;
    return index;
}

bool call_is_held(const tas_network *network, const op_call *call)
{
    for (int o = 0; op_get(call->args.op)->operand[o].name; o++)
        if (network->tensors[call->operand[o]].held) return true;
    return false;
}

void add_forward(tas_network *network, op_call call)
{
    op_call *place = grow(network, (void **)&network->forward, &network->forward_count, sizeof *place);
    if (place) *place = call;
}

void add_backward(tas_network *network, op_call call)
{
    op_call *place = grow(network, (void **)&network->backward, &network->backward_count, sizeof *place);
    if (place) *place = call;
}

/* "dense 500                 -> 500          392500 parameters" */
static void summarise(tas_network *network, layer *self)
{
    char text[160], out[48];
    const int place = (int)(self - network->layers);
    uint64_t parameters = 0;
    for (int i = 0; i < network->parameter_count; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        if (atoi(t->name) == place) parameters += t->elements;
    }
    if (self->out.height == 1 && self->out.width == 1)
        snprintf(out, sizeof out, "%u", self->out.channels);
    else
        snprintf(out, sizeof out, "%ux%ux%u", self->out.channels, self->out.height, self->out.width);
    const char *detail = self->kind == &layer_loss ? (network->classes ? " softmax" : " mse") : "";
    int n = snprintf(text, sizeof text, "%2d  %s%-*s %12s", place, self->kind->name, 16 - (int)strlen(self->kind->name),
                     detail, out);
    self->parameters = parameters;
    if (parameters) snprintf(text + n, sizeof text - (size_t)n, "  %llu parameters", (unsigned long long)parameters);
    self->summary = strdup(text);
    if (!self->summary) network->failed = true;
}

static void fill_infos(tas_network *network)
{
    network->infos = calloc((size_t)network->parameter_count + 1, sizeof *network->infos);
    if (!network->infos) network->failed = true;
    for (int i = 0; i < network->parameter_count && !network->failed; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        network->infos[i] =
            (tas_tensor_info){.name = t->name, .ndims = (size_t)t->ndims, .elements = (size_t)t->elements};
        for (int d = 0; d < t->ndims; d++) network->infos[i].dims[d] = t->dims[d];
    }
}

/* How each layer's input lies: spatial layers want panels of examples, elementwise ones take what comes next in. */
static void choose_layouts(tas_network *network)
{
    for (int i = network->layer_count - 1; i >= 0; i--) {
        layer *self = &network->layers[i];
        const bool next = i + 1 < network->layer_count && network->layers[i + 1].held;
        self->held = self->kind->spatial || ((self->kind->elementwise || !i) && next);
        network->held |= self->held;
    }
}

/* x, or a copy of it that lies as `held` says. */
static int convert(tas_network *network, const layer *self, int x, bool held, const char *suffix, bool backward)
{
    if (x < 0 || network->tensors[x].held == held) return x;
    const uint32_t elements = (uint32_t)network->tensors[x].elements;
    const int y = add_value(network, self, held, elements, suffix);
    const op_call call = {.args = {.op = held ? OP_TO_PANELS : OP_TO_ROWS, .size = {elements}}, .operand = {x, y}};
    if (backward)
        add_backward(network, call);
    else
        add_forward(network, call);
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
    network->input = network->label = network->target = network->losses = network->hits = network->output = NO_TENSOR;
    network->order = add_tensor(network, ROLE_ORDER, 1, "order");
    choose_layouts(network);

    int first = count; /* the first layer with parameters: gradients go no further back */
    for (int i = 0; i < count && !network->failed; i++) {
        const int before = network->parameter_count, calls = network->forward_count;
        if (i) layers[i].x = convert(network, &layers[i], layers[i - 1].y, layers[i].held, ".x", false);
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
                convert(network, &layers[i], layers[i + 1].dx, network->tensors[layers[i].y].held, ".dy", true);
        layers[i].kind->lower_backward(network, &layers[i], i > first);
        layers[i].train_flops += count_flops(network->backward, calls, network->backward_count);
    }
    fill_infos(network);
    for (int i = 0; i < count && !network->failed; i++) summarise(network, &layers[i]);
    if (network->failed) return fail(network->context, TAS_NO_MEMORY, "%s: no memory for its tensors", network->from);
    return TAS_OK;
}

void init_parameter(const tas_network *network, int parameter, uint64_t seed, float *values)
{
    const tensor *t = &network->tensors[network->parameters[parameter]];
    const float he = arith_sqrt(arith_div(2, (float)t->fan_in));
    const float glorot = arith_sqrt(arith_div(6, (float)t->fan_in + (float)t->fan_out));
    for (uint64_t i = 0; i < t->elements; i += 4) {
        const philox_block b =
            philox(seed, PHILOX_INIT | (uint32_t)parameter, 0, (uint32_t)(i >> 34), (uint32_t)(i / 4));
        float four[4] = {0};
        if (t->init == INIT_HE) {
            philox_normal(b.v[0], b.v[1], &four[0], &four[1]);
            philox_normal(b.v[2], b.v[3], &four[2], &four[3]);
        }
        for (uint64_t k = 0; k < 4 && i + k < t->elements; k++) {
            if (t->init == INIT_HE) four[k] = he * four[k];
            if (t->init == INIT_GLOROT) four[k] = glorot * __builtin_fmaf(2, philox_unit(b.v[k]), -1);
            values[i + k] = arith_flush(four[k]);
        }
    }
}
