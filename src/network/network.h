/* A network: layers read from a text, their shapes, and the list of operations that it is lowered to.
 *
 * Tensors of examples count their elements per example. Calls refer to tensors by their index in the table; sizes that
 * depend on the batch (n, first, batch) are filled in when a tile runs. */
#ifndef NETWORK_H
#define NETWORK_H

#include "base/context.h"
#include "ops/op.h"

#include <tassello/network.h>

enum { NAME_BYTES = 64, NO_TENSOR = -1, PARAMETER_DIMS = 4 };

typedef enum tensor_role {
    ROLE_INPUT, /* the tile's inputs, normalized: (n, elements) */
    ROLE_ORDER, /* the order of the examples, in which the tile's are entries at .. at+n-1 */
    ROLE_LABEL, /* its labels (n), or float targets (n, elements) */
    ROLE_TARGET,
    ROLE_VALUE, /* an activation or its gradient: (n, elements) */
    ROLE_LOSS,  /* one float per example of the whole batch */
    ROLE_CORRECT,
    ROLE_PARAMETER, /* dims[], row-major; a dense weight's device layout may be panels */
    ROLE_GRADIENT,  /* the sum over the batch, beside its parameter */
    ROLE_PARTIAL,   /* the sum over the unfinished granule */
} tensor_role;

typedef enum init_rule { INIT_ZERO, INIT_HE, INIT_GLOROT } init_rule;

typedef struct tensor {
    char name[NAME_BYTES];
    tensor_role role;
    uint64_t elements;  /* per example; of parameters and their gradients in all */
    bool batch_panels;  /* inputs and values: in panels of examples on a device (LAYOUT_BATCH_PANELS) */
    bool weight_panels; /* parameters: in panels of rows on a device (LAYOUT_WEIGHT_PANELS) */
    uint32_t dims[PARAMETER_DIMS];
    int ndims;
    init_rule init;
    uint32_t fan_in, fan_out;
    int gradient, partial; /* of a parameter: its gradient; partial is NO_TENSOR if there is one chain */
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
    tas_tensor_info *infos;      /* one per parameter */
    op_call *forward, *backward; /* the loss ends forward */
    int forward_count, backward_count;
    int input, order, label, target, losses, correct; /* NO_TENSOR if there is none */
    int output;                                       /* logits or predictions */
    float scale_u8, scale_f32, shift;                 /* of pixels */
    uint32_t inputs, outputs;
    shape in;          /* of an example */
    float mean;        /* subtracted from it */
    bool classes;      /* the loss is over classes */
    bool batch_panels; /* some tensor is in panels of examples */
    bool plausible;    /* while parsing: a line began with a layer's name, or nearly */
    bool failed;       /* while lowering: memory ran out */
} tas_network;

/* Whether a call has an operand that lies in panels of examples. */
bool network_has_batch_panels(const tas_network *network, const op_call *call);

/* Gradients of a matrix with at least this many weights are one chain over the batch (contract, rule 4). */
enum { ONE_CHAIN_WEIGHTS = 1 << 16 };

/* The granule of a layer with that many weights, and positions per example; 0: one chain. */
uint32_t network_granule(uint64_t weights, uint32_t positions);

/* Initial values of a parameter in canonical order, from the seed and its place in the network. */
void network_init_parameter(const tas_network *network, int parameter, uint64_t seed, float *values);

#endif
