/* A network: layers read from text, shapes inferred, and the list of operations that it is lowered to.
 *
 * Tensors that hold examples count their elements an example. Calls name tensors by their place in the table; sizes
 * that depend on the batch (n, first, batch) are filled in when a tile runs. */
#ifndef NETWORK_H
#define NETWORK_H

#include "base/context.h"
#include "ops/op.h"

#include <tassello/network.h>

enum { NAME_BYTES = 64, NO_TENSOR = -1, PARAMETER_DIMS = 4 };

typedef enum tensor_role {
    ROLE_INPUT, /* the tile's inputs, normalised: (n, elements) */
    ROLE_ORDER, /* the order of the examples, in which the tile's are entries at .. at+n-1 */
    ROLE_LABEL, /* its labels (n), or float targets (n, elements) */
    ROLE_TARGET,
    ROLE_VALUE, /* an activation or its gradient: (n, elements) */
    ROLE_LOSS,  /* one float an example of the whole batch */
    ROLE_CORRECT,
    ROLE_PARAMETER, /* dims[], row-major; a dense weight's device layout may be panels */
    ROLE_GRADIENT,  /* the sum over the batch, beside its parameter */
    ROLE_PARTIAL,   /* the sum over the open granule */
} tensor_role;

typedef enum init_rule { INIT_ZERO, INIT_HE, INIT_GLOROT } init_rule;

typedef struct tensor {
    char name[NAME_BYTES];
    tensor_role role;
    uint64_t elements;  /* of an example, or in all for parameters and their gradients */
    bool batch_panels;  /* of an input or value: devices hold it in panels of examples (LAYOUT_BATCH_PANELS) */
    bool weight_panels; /* of a parameter: devices hold it in panels of its rows (LAYOUT_WEIGHT_PANELS) */
    uint32_t dims[PARAMETER_DIMS];
    int ndims;
    init_rule init;
    uint32_t fan_in, fan_out;
    int gradient, partial; /* of a parameter: where its gradient lies; open is NO_TENSOR where there is one chain */
    int parameter;         /* of a gradient: its parameter */
    int layer;             /* of a parameter and its gradient: its layer's place */
} tensor;

typedef struct op_call {
    op_args args;
    int operand[OP_OPERANDS];
} op_call;

typedef struct shape {
    uint32_t channels, height, width;
    bool flat; /* channels x 1 x 1, values without planes: of "input 784", dense and flatten */
} shape;

typedef struct layer layer;
typedef struct layer_kind layer_kind;

typedef struct tas_network {
    tas_context *context;
    char *text, *from;
    layer *layers;
    int layer_count;
    tensor *tensors;
    int tensor_count;
    int *parameters; /* tensors, in canonical order */
    int parameter_count;
    tas_tensor_info *infos;      /* one a parameter */
    op_call *forward, *backward; /* the loss ends forward */
    int forward_count, backward_count;
    int input, order, label, target, losses, correct; /* NO_TENSOR where there is none */
    int output;                                       /* logits or predictions */
    float scale_u8, scale_f32, shift;                 /* of pixels */
    uint32_t inputs, outputs;
    shape in;          /* of an example */
    float mean;        /* that is taken from it */
    bool classes;      /* the loss is over classes */
    bool batch_panels; /* some tensor is held in panels of examples */
    bool failed;       /* while lowering: memory ended */
} tas_network;

/* Whether a call has an operand that lies in panels of examples. */
bool network_has_batch_panels(const tas_network *network, const op_call *call);

/* Gradients of a matrix with at least this many weights are one chain over the batch (contract, rule 4). */
enum { ONE_CHAIN_WEIGHTS = 1 << 16 };

/* The granule of a layer with that many weights and `positions` an example: 0 for one chain. */
uint32_t network_granule(uint64_t weights, uint32_t positions);

/* Initial values of a parameter in canonical order, from the seed and its place in the network. */
void network_init_parameter(const tas_network *network, int parameter, uint64_t seed, float *values);

#endif
