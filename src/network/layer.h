/* A kind of layer: how its line is read, its shapes inferred, its operations emitted. One file a kind, one row in
 * layer.c. */
#ifndef LAYER_H
#define LAYER_H

#include "network/network.h"

enum { WORDS_MOST = 16 };

/* One line of the text, cut in words. */
typedef struct line {
    tas_context *context;
    const char *from; /* the file */
    int number;
    int count;
    char *word[WORDS_MOST];
    int read; /* words that a layer has taken; what is left over is an error */
} line;

struct layer {
    const layer_kind *kind;
    int line;      /* in the text */
    char *summary; /* for people */
    shape in, out;
    uint32_t units; /* dense, conv2d: outputs */
    init_rule init;
    float value; /* leaky: slope; input: mean; dropout: rate */
    float std;
    uint32_t kernel[2], stride[2], padding[2], dilation[2], groups; /* conv2d and pooling: (y, x) */
    bool held;                                                      /* its input comes in panels of examples */
    uint64_t parameters, forward_flops, train_flops;                /* flops of products, an example */
    op_id op;         /* activations: the forward operation; backward is the next one */
    int x, y, dx, dy; /* tensors: input, output, and gradients to them */
    int weight, bias;
};

struct layer_kind {
    const char *name;
    const char *usage; /* of its line, for errors */
    tas_status (*parse)(line *text, layer *self);
    tas_status (*infer)(const line *text, layer *self); /* self->in is set; sets out */
    bool spatial;     /* takes its input in panels of examples, where a device has them */
    bool elementwise; /* takes it as it comes */
    void (*lower)(tas_network *network, layer *self);                         /* tensors, and calls forward */
    void (*lower_backward)(tas_network *network, layer *self, bool wants_dx); /* dy is set; sets dx */
};

const layer_kind *layer_find(const char *name);
const layer_kind *layer_at(int index); /* NULL past the last */
extern const layer_kind layer_input, layer_dense, layer_conv2d, layer_max_pool, layer_avg_pool, layer_global_avg_pool,
    layer_flatten, layer_dropout, layer_relu, layer_leaky, layer_tanh, layer_sigmoid, layer_gelu, layer_loss;

/* parse.c: words of a line. Errors give file, line and what was expected. */
tas_status line_fail(const line *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
tas_status line_u32(line *text, const char *what, uint32_t least, uint32_t most, uint32_t *out);
tas_status line_f32(line *text, const char *what, float *out);
tas_status line_pair(line *text, const char *what, uint32_t least, uint32_t most, uint32_t out[2]); /* "5" or "5x3" */
tas_status line_init(line *text, init_rule *out); /* [init he|glorot] */
bool line_is(line *text, const char *word);       /* takes the next word if it is that one */

/* lower.c: emits into a network. Where memory ends they set network->failed, which lower_network() reports. */
int add_tensor(tas_network *network, tensor_role role, uint64_t elements, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
typedef struct parameter_is {
    const char *what; /* "weight" */
    uint32_t dims[PARAMETER_DIMS];
    int ndims;
    bool panels;
    init_rule init;
    uint32_t fan_in, fan_out, granule;
} parameter_is;
int add_parameter(tas_network *network, const layer *self, const parameter_is *is);
int add_value(tas_network *network, const layer *self, bool held, uint64_t elements, const char *suffix);
void add_forward(tas_network *network, op_call call);
void add_backward(tas_network *network, op_call call);
tas_status lower_network(tas_network *network);
/* Sizes are at most 2^24: where two of them pass 2^32, their product is answered, so that nothing wraps. */
static inline uint64_t shape_elements(shape s)
{
    const uint64_t plane = (uint64_t)s.height * s.width;
    return plane > UINT32_MAX ? plane : plane * s.channels;
}

#endif
