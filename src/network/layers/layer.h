/* A kind of layer: what its line looks like, its shapes, and the operations that it is lowered to. One file per
 * subject, one row per kind in layer.c. */
#ifndef LAYER_H
#define LAYER_H

#include "network/line.h"
#include "network/network.h"

enum { LAYER_INPUTS = LINE_WORDS, LAYER_NAME = 64 };

struct layer {
    const layer_kind *kind;
    int line;                       /* in the text */
    char name[LAYER_NAME];          /* "as NAME", else empty */
    int from[LAYER_INPUTS], inputs; /* the layers whose values it reads, */
    int readers;                    /* how often others read its own, */
    int uses;                       /* and how often lines refer to its name */
    shape in, out;                  /* in: of the first input, */
    shape ins[LAYER_INPUTS];        /* of each */
    bool frozen;                    /* it acts as in evaluation, and its parameters are not trained */

    /* Arguments. */
    uint32_t units; /* dense, conv2d: outputs */
    int init;       /* init_rule */
    bool no_bias;
    int loss;            /* tas_loss */
    line_list mean, std; /* input: of each channel, or of all; none: 0 and 1. losses: of each output, or of all */
    bool normalize;      /* they are still to be taken from a data set */
    float slope, rate;
    bool flip;              /* augment */
    uint32_t shift, cutout; /* pixels; 0: not */
    float smoothing, delta; /* losses */
    line_list weights;      /* of classes */
    uint32_t batch_group;   /* batch_norm: examples; 0: the batch */
    float epsilon, momentum;
    uint32_t kernel[2], stride[2], padding[2], dilation[2], groups; /* convolutions and pools: (y, x) */
    uint32_t padding_after[2];                                      /* conv_transpose2d, pad */

    /* What it is lowered to. */
    bool batch_panels;                               /* its inputs are in panels of examples */
    op_id op;                                        /* pools, losses, activations: the forward operation, */
                                                     /* dropout: that of the activation whose gradient it applies */
    int x[LAYER_INPUTS], dx[LAYER_INPUTS], y, dy;    /* tensors: inputs, output, and gradients to them */
    bool needs_dx[LAYER_INPUTS];                     /* inputs that depend on a parameter */
    bool trains;                                     /* its output does */
    int sum;                                         /* the call of backward that made dy, a sum; -1: none has */
    int saved;                                       /* an activation: what its gradient is computed from, x or y */
    bool masked;                                     /* and whether what makes dy applies that gradient too */
    int statistics;                                  /* normalization */
    int weight, bias;                                /* and parameters */
    uint64_t parameters, forward_flops, train_flops; /* of products, per example */
    char *summary;                                   /* for people */
};

struct layer_kind {
    const char *name;
    const char *text; /* for the manual: what it computes */
    const line_argument *arguments;
    /* The inputs, their shapes and the arguments are set; sets self->out. NULL: out is in. */
    tas_status (*infer)(const text_line *line, layer *self);
    bool activates; /* one value at a time: an activation */
    /* The layout of its input: panels of examples, if a device has them; either; or else rows. */
    bool spatial, elementwise;
    bool freezes; /* it trains parameters, or acts otherwise in training than in evaluation */
    /* Adds tensors, and calls to forward; sets y. */
    void (*lower)(tas_network *network, layer *self);
    /* dy is set; adds calls to backward, and sets dx[k] if needs_dx[k]. */
    void (*lower_backward)(tas_network *network, layer *self);
};

/* Arguments of layers with weights. */
#define LAYER_INIT_ARGUMENT                                                                                            \
    {                                                                                                                  \
        .usage = "init he|glorot", .what = "'he' or 'glorot' after 'init'",                                            \
        .text = "How the weights are initialized: he (the default) draws from a normal distribution of variance "      \
                "2 / inputs, glorot from a uniform one within sqrt(6 / (inputs + outputs)). Biases start at 0.",       \
        .type = ARGUMENT_CHOICE, .optional = true, .offset = offsetof(layer, init), .least = INIT_HE,                  \
        .initial = INIT_HE                                                                                             \
    }

/* The mean and std of what is scaled: of a layer's inputs, or of the targets. */
#define LAYER_MEAN_ARGUMENT(OF_WHAT, TEXT)                                                                             \
    {                                                                                                                  \
        .usage = "mean M,...", .what = "the mean of the " OF_WHAT, .text = TEXT, .type = ARGUMENT_LIST,                \
        .optional = true, .offset = offsetof(layer, mean), .least = -1e30, .most = 1e30                                \
    }
#define LAYER_STD_ARGUMENT(OF_WHAT, TEXT)                                                                              \
    {                                                                                                                  \
        .usage = "std S,...", .what = "the standard deviation of the " OF_WHAT, .text = TEXT, .type = ARGUMENT_LIST,   \
        .optional = true, .offset = offsetof(layer, std), .least = 1e-12, .most = 1e30                                 \
    }

#define LAYER_NORMALIZE_ARGUMENT(TEXT)                                                                                 \
    {                                                                                                                  \
        .usage = LINE_NORMALIZE, .alias = LINE_NORMALISE, .what = "'" LINE_NORMALIZE "'", .text = TEXT,                \
        .type = ARGUMENT_FLAG, .optional = true, .offset = offsetof(layer, normalize)                                  \
    }

#define LAYER_NO_BIAS_ARGUMENT                                                                                         \
    {                                                                                                                  \
        .usage = "no bias", .what = "'bias' after 'no'",                                                               \
        .text = "Leaves out the biases, which a normalization that follows would cancel.", .type = ARGUMENT_FLAG,      \
        .optional = true, .offset = offsetof(layer, no_bias)                                                           \
    }

/* Frees what a layer owns. */
void layer_close(layer *self);

const layer_kind *layer_find(const char *name);
const layer_kind *layer_at(size_t index); /* NULL past the last */

/* What 'normalize' and its two lists have in common: one number, or `count` of them, each of which is one of `what`. */
tas_status layer_check_scales(const text_line *line, const layer *self, uint32_t count, const char *what);

/* For windows: an error if the input has no planes, and the window is larger than one value. */
tas_status layer_check_planes(const text_line *line, const layer *self);

/* What conv.c and pool.c give to an operation over windows; dilation and groups of 0 are 1. */
op_args layer_window_args(const layer *self, op_id op);

extern const layer_kind layer_input, layer_augment, layer_dense, layer_conv2d, layer_max_pool, layer_avg_pool,
    layer_global_avg_pool, layer_flatten, layer_conv_transpose2d, layer_upsample, layer_pad, layer_dropout,
    layer_batch_norm, layer_layer_norm, layer_group_norm, layer_add, layer_concat, layer_multiply, layer_loss;
#define DECLARE(UPPER, NAME, S, SLOPE, TEXT) extern const layer_kind layer_##NAME;
ACTIVATIONS(DECLARE)
#undef DECLARE

/* Sizes are at most 2^24: if two of them pass 2^32, their product is returned, so that nothing wraps. */
static inline uint64_t shape_elements(shape s)
{
    const uint64_t plane = (uint64_t)s.height * s.width;
    return plane > UINT32_MAX ? plane : plane * s.channels;
}

#endif
