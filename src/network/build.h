/* Adding tensors, parameters and calls to a network that is being lowered. If memory runs out they set network->failed,
 * which lower_network() reports, and return NO_TENSOR. */
#ifndef BUILD_H
#define BUILD_H

#include "network/layers/layer.h"

int build_tensor(tas_network *network, tensor_role role, uint64_t elements, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A value of the layer's, or the gradient to one (".dx"). */
int build_value(tas_network *network, const layer *self, bool batch_panels, uint64_t elements, const char *suffix);

/* The gradient to its input k, in the layout of that. */
int build_input_gradient(tas_network *network, const layer *self, int k);

/* The sum of two values of one shape and layout, by a call of forward or backward. */
int build_sum(tas_network *network, const layer *self, int a, int b, bool backward);

/* Sums over examples or groups of them, which a step makes and reads (ROLE_SUM). */
int build_sums(tas_network *network, const layer *self, tensor_spread spread, uint32_t group, uint64_t elements,
               const char *suffix);

/* Values that the text gives, which the caller sets in tensors[].constants unless it is NO_TENSOR. */
int build_constants(tas_network *network, const layer *self, uint64_t elements, const char *what);

typedef struct parameter_shape {
    const char *what; /* "weight" */
    uint32_t dims[PARAMETER_DIMS];
    int ndims;
    bool weight_panels;
    bool no_decay; /* a bias or the like */
    init_rule init;
    uint32_t fan_in, fan_out, granule;
} parameter_shape;

/* A parameter, its gradient, and with a granule the sum over the open one. Of a frozen layer it is a statistic. */
int build_parameter(tas_network *network, layer *self, const parameter_shape *p);

/* What is stored with the parameters, but not trained. */
int build_statistic(tas_network *network, layer *self, const parameter_shape *p);

/* The call that sums the gradients of a layer's weight and bias, from its input 0 and dy. */
void build_backward_parameters(tas_network *network, const layer *self, op_args args);

/* The calls that end what makes a layer's input k, if its layer was lowered last and nobody else reads it, so that they
 * can do more: one, or one of training and one of evaluation. Returns how many; 0: there is more to it than that. */
int build_find_ends(const tas_network *network, const layer *self, int k, op_call *end[2]);

/* The layer that made a layer's input k, if nobody else reads what it made; NULL: others do. Layers between them that
 * compute nothing, like flatten, pass on its values. */
layer *build_find_maker(const tas_network *network, const layer *self, int k);

void build_forward(tas_network *network, op_call call);
void build_backward(tas_network *network, op_call call);

/* The call that makes the gradient to a layer's only input, of a row with a mask. If a relu made that input and nobody
 * else reads it, the call applies the relu's gradient too. Its operand x is set then; dy stands there before. */
void build_backward_input(tas_network *network, const layer *self, op_call call);

/* If the gradient to what a relu made is a sum, of those of several readers, the sum applies the relu's gradient too.
 * Returns whether it does. */
bool build_masked_sum(tas_network *network, const layer *relu);

/* A call that updates statistics, after those of the optimizer: n is the batch. An operand NO_TENSOR is the record of
 * what was not finite: once its first word is set, nothing may change. */
void build_update(tas_network *network, op_call call);

#endif
