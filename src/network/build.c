/* Adding to a network that is being lowered. */
#include "network/build.h"

#include "ops/join.h"

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

/* What a role's tensors are, unless a layer asks for something else. */
static tensor tensor_of(tensor_role role)
{
    switch (role) {
    case ROLE_ORDER: return (tensor){.type = TYPE_U32};
    case ROLE_LABEL: return (tensor){.type = TYPE_U32, .spread = SPREAD_EXAMPLE};
    case ROLE_INPUT:
    case ROLE_TARGET:
    case ROLE_VALUE: return (tensor){.spread = SPREAD_EXAMPLE};
    case ROLE_LOSS:
    case ROLE_CORRECT: return (tensor){.spread = SPREAD_BATCH};
    case ROLE_PARAMETER:
    case ROLE_GRADIENT:
    case ROLE_PARTIAL:
    case ROLE_STATISTIC:
    case ROLE_CONSTANT:
    case ROLE_SUM: break;
    }
    return (tensor){.spread = SPREAD_ONCE};
}

int build_tensor(tas_network *network, tensor_role role, uint64_t elements, const char *format, ...)
{
    tensor *t = grow(network, (void **)&network->tensors, &network->tensor_count, sizeof *t);
    if (!t) return NO_TENSOR;
    *t = tensor_of(role);
    va_list list;
    va_start(list, format);
    vsnprintf(t->name, sizeof t->name, format, list);
    va_end(list);
    t->role = role;
    t->elements = elements;
    t->gradient = t->partial = t->parameter = t->converted = NO_TENSOR;
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

int build_input_gradient(tas_network *network, const layer *self, int k)
{
    return build_value(network, self, self->batch_panels, shape_elements(self->ins[k]), ".dx");
}

int build_sums(tas_network *network, const layer *self, tensor_spread spread, uint32_t group, uint64_t elements,
               const char *suffix)
{
    const int index =
        build_tensor(network, ROLE_SUM, elements, "%d.%s%s", place_of(network, self), self->kind->name, suffix);
    if (index < 0) return index;
    network->tensors[index].spread = spread;
    network->tensors[index].group = group;
    return index;
}

int build_constants(tas_network *network, const layer *self, uint64_t elements, const char *what)
{
    const int index =
        build_tensor(network, ROLE_CONSTANT, elements, "%d.%s.%s", place_of(network, self), self->kind->name, what);
    if (index < 0) return index;
    network->tensors[index].constants = calloc((size_t)elements, sizeof(float));
    if (network->tensors[index].constants) return index;
    network->failed = true;
    return NO_TENSOR;
}

int build_sum(tas_network *network, const layer *self, int a, int b, bool backward)
{
    if (a < 0 || b < 0) return NO_TENSOR;
    const tensor like = network->tensors[a];
    const int y = build_value(network, self, like.batch_panels, like.elements, backward ? ".dy" : "");
    const op_call call = {.args = {.op = OP_ADD, .size = {[JOIN_ELEMENTS] = (uint32_t)like.elements}},
                          .operand = {a, b, y, a}};
    if (backward)
        build_backward(network, call);
    else
        build_forward(network, call);
    return y;
}

/* The part that all tensors of a parameter share. */
static void describe_parameter(tensor *t, const parameter_shape *p, int place)
{
    memcpy(t->dims, p->dims, sizeof t->dims);
    t->ndims = p->ndims;
    t->weight_panels = p->weight_panels;
    t->decays = !p->no_decay;
    t->layer = place;
    t->init = p->init;
    t->fan_in = p->fan_in;
    t->fan_out = p->fan_out;
}

static uint64_t count_elements(const parameter_shape *p)
{
    uint64_t elements = 1;
    for (int d = 0; d < p->ndims; d++) elements *= p->dims[d];
    return elements;
}

/* Adds to the list of what a model stores. */
static void store(tas_network *network, layer *self, int index)
{
    int *place = grow(network, (void **)&network->parameters, &network->parameter_count, sizeof *place);
    if (!place || index < 0) return;
    *place = index;
    if (network->tensors[index].role == ROLE_PARAMETER) self->parameters += network->tensors[index].elements;
}

int build_parameter(tas_network *network, layer *self, const parameter_shape *p)
{
    const int number = place_of(network, self);
    const char *kind = self->kind->name;
    const uint64_t elements = count_elements(p);
    if (self->frozen) {
        self->parameters += elements;
        return build_statistic(network, self, p);
    }
    const int index = build_tensor(network, ROLE_PARAMETER, elements, "%d.%s.%s", number, kind, p->what);
    const int gradient = build_tensor(network, ROLE_GRADIENT, elements, "%d.%s.%s.gradient", number, kind, p->what);
    const int partial =
        p->granule ? build_tensor(network, ROLE_PARTIAL, elements, "%d.%s.%s.open", number, kind, p->what) : NO_TENSOR;
    store(network, self, index);
    if (network->failed) return NO_TENSOR;
    for (int t = index; t < network->tensor_count; t++) {
        describe_parameter(&network->tensors[t], p, number);
        network->tensors[t].parameter = index;
    }
    network->tensors[index].gradient = gradient;
    network->tensors[index].partial = partial;
    return index;
}

int build_statistic(tas_network *network, layer *self, const parameter_shape *p)
{
    const int number = place_of(network, self);
    const int index =
        build_tensor(network, ROLE_STATISTIC, count_elements(p), "%d.%s.%s", number, self->kind->name, p->what);
    store(network, self, index);
    if (index >= 0) describe_parameter(&network->tensors[index], p, number);
    return index;
}

static void add_call(tas_network *network, op_call **list, int *count, op_call call)
{
    op_call *place = grow(network, (void **)list, count, sizeof *place);
    call.layer = network->lowering;
    if (place) *place = call;
}

void build_forward(tas_network *network, op_call call)
{
    add_call(network, &network->forward, &network->forward_count, call);
}

void build_backward(tas_network *network, op_call call)
{
    add_call(network, &network->backward, &network->backward_count, call);
}

layer *build_find_maker(const tas_network *network, const layer *self, int k)
{
    layer *before = &network->layers[self->from[k]];
    while (before->readers == 1 && before->inputs == 1 && before->y == before->x[0])
        before = &network->layers[before->from[0]];
    return before->readers == 1 ? before : NULL;
}

int build_find_ends(const tas_network *network, const layer *self, int k, op_call *end[2])
{
    op_call *call = network->forward + network->forward_count;
    int count = 0;
    if (!network->forward_count || !build_find_maker(network, self, k)) return 0;
    for (const int last = call[-1].layer; call > network->forward && call[-1].layer == last;) {
        call--;
        if (call->operand[op_result(op_get(call->args.op))] != self->x[k]) continue;
        if (count == 2) return 0;
        end[count++] = call;
    }
    return count;
}

/* Comes after the gradients of the parameters: x is then not needed any more, and dx may lie where it was. */
void build_backward_input(tas_network *network, const layer *self, op_call call)
{
    layer *relu = build_find_maker(network, self, 0);
    if (relu && relu->kind == &layer_relu) {
        relu->masked = call.args.masked = true;
        call.operand[op_get(call.args.op)->mask - 1] = self->x[0];
    }
    build_backward(network, call);
}

bool build_masked_sum(tas_network *network, const layer *relu)
{
    op_call *sum = relu->sum < 0 ? NULL : &network->backward[relu->sum];
    if (!sum || sum->args.masked || !op_get(sum->args.op)->mask) return false;
    sum->args.masked = true;
    sum->operand[op_get(sum->args.op)->mask - 1] = relu->y;
    return true;
}

/* Without granules any other buffer stands in place of a partial sum. */
static void add_sums(const tas_network *network, int parameter, int operand[2])
{
    const tensor *t = &network->tensors[parameter];
    operand[0] = t->gradient;
    operand[1] = t->partial == NO_TENSOR ? t->gradient : t->partial;
}

void build_backward_parameters(tas_network *network, const layer *self, op_args args)
{
    op_call call = {.args = args, .operand = {self->x[0], self->dy}};
    if (network->failed) return;
    add_sums(network, self->weight, call.operand + 2);
    if (!self->no_bias) add_sums(network, self->bias, call.operand + 4);
    build_backward(network, call);
}

void build_update(tas_network *network, op_call call)
{
    add_call(network, &network->update, &network->update_count, call);
}
