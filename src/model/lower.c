/* Lowering: layers to tensors and calls of operations, forward and backward; and the initial parameters. */
#include "model/layer.h"

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

int add_parameter(tas_network *network, int number, const char *kind, const char *what, uint32_t rows, uint32_t cols,
                  init_rule init, uint32_t fan_in, uint32_t fan_out, uint32_t granule)
{
    const uint64_t elements = (uint64_t)rows * (cols ? cols : 1);
    const int index = add_tensor(network, ROLE_PARAMETER, elements, "%d.%s.%s", number, kind, what);
    const int gradient = add_tensor(network, ROLE_GRADIENT, elements, "%d.%s.%s.gradient", number, kind, what);
    const int open =
        granule ? add_tensor(network, ROLE_OPEN, elements, "%d.%s.%s.open", number, kind, what) : NO_TENSOR;
    int *place = grow(network, (void **)&network->parameters, &network->parameter_count, sizeof *place);
    if (index < 0 || gradient < 0 || (granule && open < 0) || !place) return NO_TENSOR;
    *place = index;
    for (int t = index; t < network->tensor_count; t++) {
        network->tensors[t].rows = rows;
        network->tensors[t].cols = cols;
        network->tensors[t].parameter = index;
    }
    tensor *p = &network->tensors[index];
    p->init = init;
    p->fan_in = fan_in;
    p->fan_out = fan_out;
    p->gradient = gradient;
    p->open = open;
    return index;
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
            (tas_tensor_info){.name = t->name, .dims = {t->rows, t->cols}, .elements = (size_t)t->elements};
    }
}

tas_status lower_network(tas_network *network)
{
    layer *layers = network->layers;
    const int count = network->layer_count;
    network->input = network->label = network->target = network->losses = network->hits = network->output = NO_TENSOR;

    int first = count; /* the first layer with parameters: gradients go no further back */
    for (int i = 0; i < count && !network->failed; i++) {
        const int before = network->parameter_count;
        if (i) layers[i].x = layers[i - 1].y;
        layers[i].kind->lower(network, &layers[i]);
        if (network->parameter_count > before && i < first) first = i;
    }
    if (first == count && !network->failed)
        return fail(network->context, TAS_BAD_NETWORK, "%s: no layer has parameters; expected at least one 'dense N'",
                    network->from);
    for (int i = count - 1; i >= first && !network->failed; i--) {
        if (i < count - 1) layers[i].dy = layers[i + 1].dx;
        layers[i].kind->lower_backward(network, &layers[i], i > first);
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
