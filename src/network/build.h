/* Adding tensors, parameters and calls to a network that is being lowered. If memory runs out they set network->failed,
 * which lower_network() reports, and return NO_TENSOR. */
#ifndef BUILD_H
#define BUILD_H

#include "network/layers/layer.h"

int build_tensor(tas_network *network, tensor_role role, uint64_t elements, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A value of the layer's, or the gradient to one (".dx"). */
int build_value(tas_network *network, const layer *self, bool batch_panels, uint64_t elements, const char *suffix);

typedef struct parameter_shape {
    const char *what; /* "weight" */
    uint32_t dims[PARAMETER_DIMS];
    int ndims;
    bool weight_panels;
    init_rule init;
    uint32_t fan_in, fan_out, granule;
} parameter_shape;

/* A parameter, its gradient, and with a granule the sum over the open one. */
int build_parameter(tas_network *network, layer *self, const parameter_shape *p);

void build_forward(tas_network *network, op_call call);
void build_backward(tas_network *network, op_call call);

#endif
