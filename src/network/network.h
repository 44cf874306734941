/* A network: layers read from a text, their shapes, and the list of operations that it is lowered to.
 *
 * Tensors of examples count their elements per example. Calls refer to tensors by their index in the table; sizes that
 * depend on the batch (n, first, batch) are filled in when a tile runs. */
#ifndef NETWORK_H
#define NETWORK_H

#include "base/context.h"
#include "network/line.h"
#include "ops/feed.h"
#include "ops/op.h"

#include <tassello/network.h>

enum { NAME_BYTES = 64, NO_TENSOR = -1, PARAMETER_DIMS = 4 };

typedef enum tensor_role {
    ROLE_INPUT,  /* the tile's inputs, normalized */
    ROLE_ORDER,  /* the order of the examples, in which the tile's are entries at .. at+n-1 */
    ROLE_LABEL,  /* its labels, */
    ROLE_TARGET, /* or float targets */
    ROLE_VALUE,  /* an activation or its gradient */
    ROLE_LOSS,   /* one float per example of the batch */
    ROLE_CORRECT,
    ROLE_PARAMETER, /* dims[], row-major; a dense weight's device layout may be panels */
    ROLE_GRADIENT,  /* the sum over the batch, beside its parameter */
    ROLE_PARTIAL,   /* the sum over the unfinished granule */
    ROLE_STATISTIC, /* stored with the parameters, but not trained: a running mean, a frozen layer's weights */
    ROLE_CONSTANT,  /* values that the text gives: the scale of each channel */
    ROLE_SUM,       /* sums over examples, and what is made of them, within one step */
} tensor_role;

/* What a tensor has one row of `elements` for. */
typedef enum tensor_spread {
    SPREAD_ONCE,    /* one in all */
    SPREAD_EXAMPLE, /* each example of the tile */
    SPREAD_BATCH,   /* each example of the batch: the tile's rows begin at args.first */
    SPREAD_GROUP,   /* each group of `group` consecutive examples of the batch; 0: the batch is one group */
} tensor_spread;

/* How the noise scale is measured of the gradient that a call sums (plan/noise_schedule.h). */
typedef enum noise_kind {
    NOISE_NOTHING,  /* it sums no gradient; or that of batch normalization, whose parameters are few and are left out */
    NOISE_EXAMPLES, /* by the norms of the examples' own gradients */
    NOISE_GROUPS    /* by the sums over groups */
} noise_kind;

typedef enum init_rule { INIT_ZERO, INIT_ONE, INIT_HE, INIT_GLOROT } init_rule;

typedef struct tensor {
    char name[NAME_BYTES];
    op_type type;
    tensor_role role;
    tensor_spread spread;
    uint32_t group;
    uint32_t least; /* SPREAD_GROUP: examples that every group needs */
    uint64_t elements;
    bool needs_gradient; /* values: they depend on a parameter */
    bool batch_panels;   /* inputs and values: in panels of examples on a device (LAYOUT_BATCH_PANELS) */
    bool weight_panels;  /* parameters: in panels of rows on a device (LAYOUT_WEIGHT_PANELS) */
    bool decays;         /* parameters: a weight, not a bias or the like */
    uint32_t dims[PARAMETER_DIMS];
    int ndims;
    init_rule init;
    uint32_t fan_in, fan_out;
    int gradient, partial; /* of a parameter: its gradient; partial is NO_TENSOR if there is one chain */
    int parameter;         /* of a gradient: its parameter, */
    noise_kind noise;      /* how the noise scale is measured of it, */
    bool fuses;            /* and whether an update can make it itself: network_fuses() */
    int layer;             /* of parameters, statistics, gradients, and groups with a least size: their layer's place */
    float *constants;      /* of a constant: its values */
    int converted;         /* of a value: the same in the other layout, forward; NO_TENSOR if none is needed */
} tensor;

/* In which passes over a data set a call runs. */
typedef enum call_when { CALL_ALWAYS, CALL_TRAINING, CALL_EVALUATION } call_when;

typedef struct op_call {
    op_args args;
    int operand[OP_OPERANDS];
    call_when when;
    bool whole_batch; /* runs once for the batch (n = batch, first = 0), after all of its tiles */
    int layer;        /* its layer's place */
    noise_kind noise; /* backward: of the gradient that it sums */
    int number;       /* among the calls of the network: those of forward, and then those of backward */
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
    tas_tensor_info *infos;               /* one per parameter */
    op_call *forward, *backward, *update; /* the loss ends forward; update: see build_update() */
    int forward_count, backward_count, update_count;
    int input, order, label, target, losses, correct; /* NO_TENSOR if there is none */
    int output;                                       /* logits or predictions; and its gradient */
    int output_gradient;
    uint32_t inputs, outputs;
    shape in;                     /* of an example */
    float mean[2];                /* subtracted from it: the smallest and the largest of its channels */
    float scale[IMAGE_CONSTANTS]; /* places as in ops/feed.h: of all channels, */
    int channel_scales;           /* or of each, in this tensor: NO_TENSOR if neither that nor augmentation needs it */
    bool by_channel;              /* the scales of channels differ */
    bool flip;                    /* augmentation of the input, in training */
    uint32_t shift, cutout;
    tas_loss loss;
    const float *class_weights;        /* one per class, else NULL */
    line_list target_mean, target_std; /* of the loss's line, whose memory they are: of all outputs, or of each */
    bool unresolved;                   /* 'normalize' is in the text: it waits for a data set */
    bool classes;                      /* the loss is over classes */
    bool coupled;                      /* an example's result depends on the others of its batch, */
    uint32_t group;                    /* or of its group: tiles are multiples of so many examples; at least 1 */
    bool batch_panels;                 /* some tensor is in panels of examples */
    bool plausible;                    /* while parsing: a line began with a layer's name, or nearly; */
    int end;                           /* the layer whose value the next line reads */
    bool failed;                       /* while lowering: memory ran out, */
    int lowering;                      /* the layer that is lowered */
} tas_network;

/* The text of a network that ships, or of a file; the caller frees it. *file: it is one. */
tas_status network_read(tas_context *context, const char *name_or_file, char **text, bool *file);

/* Opens a text; file: an error also says what that file seems to be, if it is probably no network at all. */
tas_status network_open_text(tas_context *context, const char *text, const char *from, bool file, tas_network **out);

/* Whether float targets are scaled, and of an output: by (t - mean) / std. */
static inline bool network_scales_targets(const tas_network *n) { return n->target_mean.count || n->target_std.count; }
float network_target_mean(const tas_network *network, uint32_t output);
float network_target_std(const tas_network *network, uint32_t output);

/* Fails if the text's 'normalize' waits for a data set. */
tas_status network_check_resolved(const tas_network *network);

/* How many calls forward and backward have, and the one with that op_call.number. */
static inline int network_calls(const tas_network *n) { return n->forward_count + n->backward_count; }
static inline const op_call *network_call(const tas_network *n, int number)
{
    return number < n->forward_count ? &n->forward[number] : &n->backward[number - n->forward_count];
}

/* Whether a call only copies a value, operand 0, into the other layout. */
bool network_copies(const op_call *call);

/* Whether a call has an operand that lies in panels of examples. */
bool network_has_batch_panels(const tas_network *network, const op_call *call);

/* The gradients that a call sums, one after another from *at = 0 on: a tensor, or NO_TENSOR after the last one. What is
 * summed in one chain is an operand twice, and given once. */
int network_next_gradient(const tas_network *network, const op_call *call, int *at);

/* Whether an update can make the gradients that a call sums itself (ops/dense_update.h): those of a dense layer. */
bool network_fuses(const op_call *call);

/* Gradients of a matrix with at least this many weights are one chain over the batch (contract, rule 4). */
enum { ONE_CHAIN_WEIGHTS = 1 << 16 };

/* The granule of a layer with that many weights, and positions per example; 0: one chain. */
uint32_t network_granule(uint64_t weights, uint32_t positions);

/* Initial values of a parameter in canonical order, from the seed and its place in the network. */
void network_init_parameter(const tas_network *network, int parameter, uint64_t seed, float *values);

#endif
