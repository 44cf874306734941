/* Networks, described in text (UTF-8), one layer a line:
 *
 *     input 1x28x28 mean 0.2860 std 0.3530   # channels x height x width; pixels are (byte/255 - mean) / std
 *     conv2d 20 5                            # outputs, kernel (5 or 5x3); then any of: stride 2, padding 1, dilation
 *                                            # 2, groups 4, init he (default) or glorot
 *     relu                                   # or leaky 0.01, tanh, sigmoid, gelu
 *     max_pool 2                             # or avg_pool: kernel; stride (the kernel's size if not given), padding
 *     dropout 0.25                           # the share of values that become 0
 *     global_avg_pool                        # a mean a channel
 *     flatten                                # channels x height x width to one row; dense does so by itself
 *     dense 500                              # outputs; init he (default) or glorot
 *     dense 10
 *     loss softmax                           # the default; or mse
 */
#ifndef TASSELLO_NETWORK_H
#define TASSELLO_NETWORK_H

#include <tassello/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_network tas_network;

/* Reads a network: the name of one that ships ("mlp"), else a file. An error gives file, line and what was expected.
 * *out is closed with tas_network_close(); models made from it keep what they need. */
TAS_API tas_status tas_network_open(tas_context *context, const char *name_or_file, tas_network **out);

/* The same from memory; `from` names the text in errors. text is copied. */
TAS_API tas_status tas_network_parse(tas_context *context, const char *text, const char *from, tas_network **out);
TAS_API void tas_network_close(tas_network **network);

/* The text as it was read. Valid until the network is closed. */
TAS_API const char *tas_network_text(const tas_network *network);

/* Elements of one example's input, and of the network's output (logits, or predictions under loss mse). */
TAS_API size_t tas_network_inputs(const tas_network *network);
TAS_API size_t tas_network_outputs(const tas_network *network);

typedef enum tas_loss { TAS_LOSS_SOFTMAX, TAS_LOSS_MSE } tas_loss;
TAS_API tas_loss tas_network_loss(const tas_network *network);

/* A line for people for layer `index` (its text, output shape, parameters), NULL past the last. Valid until close. */
TAS_API const char *tas_network_layer(const tas_network *network, size_t index);

/* What a layer is; false past the last. Sizes are of one example. */
typedef struct tas_layer_info {
    const char *kind;     /* "conv2d"; valid until the network is closed */
    size_t in[3], out[3]; /* channels, height, width */
    uint64_t parameters;
    uint64_t value_bytes;   /* of its output, float32 */
    uint64_t forward_flops; /* of matrix products and convolutions, taps in the padding counted; an fma is two */
    uint64_t train_flops;   /* forward, and the gradients that training needs of this layer */
} tas_layer_info;
TAS_API int tas_network_layer_info(const tas_network *network, size_t index, tas_layer_info *info);

/* Parameters' tensors in canonical order, named "1.dense.weight" (outputs, inputs), "1.conv2d.weight" (outputs, inputs
 * / groups, kernel's height, width) and "1.dense.bias" (outputs); the number is the layer's place, the input line being
 * 0. NULL past the last. */
typedef struct tas_tensor_info {
    const char *name;
    size_t dims[4], ndims; /* those past ndims are 0 */
    size_t elements;
    size_t layer; /* its place: an index of tas_network_layer_info() */
} tas_tensor_info;
TAS_API const tas_tensor_info *tas_network_tensor(const tas_network *network, size_t index);

/* The language, from the tables that the parser itself reads: a row per kind of layer. All texts are static. */
typedef struct tas_layer_argument {
    const char *usage; /* "stride S" */
    const char *text;  /* what it means */
} tas_layer_argument;
typedef struct tas_layer_help {
    const char *layer; /* "conv2d" */
    const char *text;  /* what it computes */
    char usage[160];   /* "conv2d N K [stride S] ..." */
    size_t arguments;  /* how many there are in the next member */
    tas_layer_argument argument[8];
} tas_layer_help;

/* Fills *help with row `index`; 0 past the last. */
TAS_API int tas_network_language(size_t index, tas_layer_help *help);

/* What holds for all of a text: lines, words, shapes, order. Paragraphs, with an empty line between them. */
TAS_API const char *tas_network_rules(void);

/* Names of the networks that ship; NULL past the last. */
TAS_API const char *tas_network_shipped(size_t index);

#ifdef __cplusplus
}
#endif

#endif
