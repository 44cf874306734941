/* Adding to a network that is being lowered. */
#include "network/build.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Adds an element of 0 bytes to an array; NULL if there is no memory. Room doubles, so that long networks take linear
 * time. */
static void *grow(tas_network *network, void **array, int *count, size_t bytes)
{
    const size_t used = (size_t)*count;
    if ((used & (used - 1)) == 0) { /* a power of two, or 0: full */
        char *grown = realloc(*array, bytes * (used ? 2 * used : 1));
        if (!grown) {
            network->failed = true;
            return NULL;
        }
        *array = grown;
    }
    ++*count;
    return memset((char *)*array + bytes * used, 0, bytes);
}

int build_tensor(tas_network *network, tensor_role role, uint64_t elements, const char *format, ...)
{
    tensor *t = grow(network, (void **)&network->tensors, &network->tensor_count, sizeof *t);
    if (!t) return NO_TENSOR;
    va_list list;
    va_start(list, format);
    vsnprintf(t->name, sizeof t->name, format, list);
    va_end(list);
    t->role = role;
    t->elements = elements;
    t->gradient = t->partial = t->parameter = NO_TENSOR;
    return network->tensor_count - 1;
}

static int place_of(const tas_network *network, const layer *self) { return (int)(self - network->layers); }

int build_value(tas_network *network, const layer *self, bool batch_panels, uint64_t elements, const char *suffix)
{
    const int index =
        build_tensor(network, ROLE_VALUE, elements, "%d.%s%s", place_of(network, self), self->kind->name, suffix);
    if (index >= 0) network->tensors[index].batch_panels = batch_panels;
    return index;
}

int build_parameter(tas_network *network, layer *self, const parameter_shape *p)
{
    const int number = place_of(network, self);
    const char *kind = self->kind->name;
    uint64_t elements = 1;
    for (int d = 0; d < p->ndims; d++) elements *= p->dims[d];
    const int index = build_tensor(network, ROLE_PARAMETER, elements, "%d.%s.%s", number, kind, p->what);
    const int gradient = build_tensor(network, ROLE_GRADIENT, elements, "%d.%s.%s.gradient", number, kind, p->what);
    const int partial =
        p->granule ? build_tensor(network, ROLE_PARTIAL, elements, "%d.%s.%s.open", number, kind, p->what) : NO_TENSOR;
    int *place = grow(network, (void **)&network->parameters, &network->parameter_count, sizeof *place);
    if (index < 0 || gradient < 0 || (p->granule && partial < 0) || !place) return NO_TENSOR;
    *place = index;
    for (int t = index; t < network->tensor_count; t++) {
        tensor *of = &network->tensors[t];
        memcpy(of->dims, p->dims, sizeof of->dims);
        of->ndims = p->ndims;
        of->weight_panels = p->weight_panels;
        of->parameter = index;
        of->layer = number;
    }
    tensor *parameter = &network->tensors[index];
    parameter->init = p->init;
    parameter->fan_in = p->fan_in;
    parameter->fan_out = p->fan_out;
    parameter->gradient = gradient;
    parameter->partial = partial;
    self->parameters += elements;
    return index;
}

void build_forward(tas_network *network, op_call call)
{
    op_call *place = grow(network, (void **)&network->forward, &network->forward_count, sizeof *place);
    if (place) *place = call;
}

void build_backward(tas_network *network, op_call call)
{
    op_call *place = grow(network, (void **)&network->backward, &network->backward_count, sizeof *place);
    if (place) *place = call;
}
